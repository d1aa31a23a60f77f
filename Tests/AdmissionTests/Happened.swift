import Admission

extension WatchedLane {
    struct Counts: Equatable {
        var admitted = 0, refused = 0, passed = 0, annulled = 0, interrupted = 0, pulses = 0
        mutating func add(_ event: LaneEvent) {
            switch event {
            case .decided(let decision): if decision.verdict == .admitted { admitted += 1 } else { refused += 1 }
            case .releasedByHand: admitted += 1
            case .ended(let outcome):
                switch outcome.end {
                case .passed: passed += 1
                case .annulled: annulled += 1
                case .interrupted: interrupted += 1
                }
            case .pulse(.maintenance, _, _): break
            case .pulse: pulses += 1
            default: break
            }
        }
        init() {}
        init(_ totals: LaneTotals) {
            admitted = Int(totals.admitted)
            refused = Int(totals.refused)
            passed = Int(totals.passed)
            annulled = Int(totals.annulled)
            interrupted = Int(totals.interrupted)
            pulses =
                Int(totals.tailgating) + Int(totals.forced) + Int(totals.wrongWay) + Int(totals.anonymousForward)
                + Int(totals.anonymousBackward)
        }
        static func + (a: Counts, b: Counts) -> Counts {
            var sum = a
            sum.admitted += b.admitted
            sum.refused += b.refused
            sum.passed += b.passed
            sum.annulled += b.annulled
            sum.interrupted += b.interrupted
            sum.pulses += b.pulses
            return sum
        }
        var ended: Int { passed + annulled + interrupted }
    }

    /// What came out, by kind: shows that a run went everywhere.
    struct Happened {
        var admitted = 0, refused = 0, byHand = 0, passed = 0, assumed = 0, annulled = 0, interrupted = 0, passedOut = 0
        var seen = 0
        var pulses = [Int](repeating: 0, count: 8)
        var modes = [Int](repeating: 0, count: 8)
        /// By the bit of the reason.
        var reasons = [Int](repeating: 0, count: 64)

        mutating func add(_ event: LaneEvent) {
            switch event {
            case .decided(let decision):
                if decision.verdict == .admitted { admitted += 1 } else { refused += 1 }
                var left = decision.reasons.rawValue
                while left != 0 {
                    reasons[left.trailingZeroBitCount] += 1
                    left &= left - 1
                }
            case .releasedByHand: byHand += 1
            case .ended(let outcome):
                switch outcome.end {
                case .passed:
                    passed += 1
                    if outcome.isAssumed { assumed += 1 }
                    if outcome.direction == .backward { passedOut += 1 }
                case .annulled: annulled += 1
                case .interrupted: interrupted += 1
                }
            case .pulse(let pulse, _, _): pulses[Int(pulse.rawValue)] += 1
            case .mode(let mode, _): modes[Int(mode.rawValue)] += 1
            case .seenInEmergency, .seenInMaintenance: seen += 1
            default: break
            }
        }

        static func += (sum: inout Self, other: Self) {
            sum.admitted += other.admitted
            sum.refused += other.refused
            sum.byHand += other.byHand
            sum.passed += other.passed
            sum.assumed += other.assumed
            sum.annulled += other.annulled
            sum.interrupted += other.interrupted
            sum.passedOut += other.passedOut
            sum.seen += other.seen
            for index in 0..<8 {
                sum.pulses[index] += other.pulses[index]
                sum.modes[index] += other.modes[index]
            }
            for index in 0..<64 { sum.reasons[index] += other.reasons[index] }
        }

        var presentations: Int { admitted + refused + seen }

        /// One line for each sort.
        var lines: [String] {
            func line<Value>(_ name: String, _ all: [(Value, Int)]) -> String {
                "  \(name): " + all.filter { $0.1 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
            }
            let told = (0..<64).map { (Reasons(rawValue: 1 << $0).name, reasons[$0]) }
            return [
                line(
                    "presentations",
                    [("admitted", admitted), ("refused", refused), ("seen in an emergency or in maintenance", seen)]),
                line(
                    "ends",
                    [
                        ("passed", passed - passedOut), ("passed out", passedOut), ("of these assumed", assumed),
                        ("annulled", annulled), ("interrupted", interrupted), ("released by hand", byHand),
                    ]),
                line("reasons", told),
                line("pulses without a release", UnreleasedPulse.allCases.map { ($0, pulses[Int($0.rawValue)]) }),
                line("modes", LaneMode.allCases.map { ($0, modes[Int($0.rawValue)]) }),
            ]
        }
    }
}
