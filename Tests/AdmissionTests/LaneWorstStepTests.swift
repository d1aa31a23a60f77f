import Admission
import Testing

/// The longest list that one step can make. A list that is too long would stop the lane, so this goes through every
/// state that matters with everything due at once.
@Suite("The longest step") struct LaneWorstStepTests {
    static let inputs: [LaneInput] =
        [
            .presented(makePresentation(50)), .presented(makePresentation(51, lookup: .unknown)),
            .temperature(makeSample()), .temperature(makeSample(3900)), .timePassed, .stopping,
            .journal(.roomy), .journal(.reserveOnly), .journal(.full),
            .clock(.stepped, stepMilliseconds: 5000), .fire(alarm: true), .fire(alarm: false),
        ]
        + [.gate, .thermometer, .reader(0)].flatMap { [LaneInput.deviceLost($0), .deviceBack($0)] }
        + [PassageDirection.forward, .backward].flatMap {
            [LaneInput.contact($0, closed: true), .contact($0, closed: false)]
        }

    /// Also other credentials coming into force.
    static let adoptsCredentials = inputs.count

    /// What is due besides.
    struct Due: OptionSet {
        let rawValue: Int
        /// An hour has closed.
        static let hour = Due(rawValue: 1)
        /// Both contacts have been closed for 30 s.
        static let stuck = Due(rawValue: 2)
        /// An end is owed to the journal, which is tried again.
        static let owed = Due(rawValue: 4)
        /// Every deadline of the state is over.
        static let late = Due(rawValue: 8)
        /// A fire burned until now.
        static let fire = Due(rawValue: 16)
    }

    @Test(
        "no step makes more than 16 effects, whatever is due at once", arguments: LaneEmergencyTests.Situation.allCases,
        LaneEmergencyTests.lanes)
    func worst(situation: LaneEmergencyTests.Situation, lane kind: (LaneKind, ReleaseMode)) {
        var worst = (effects: 0, words: [String]())
        for due in [[], [.hour, .late], [.hour, .stuck, .owed, .late], [.hour, .stuck, .owed, .fire]] as [Due] {
            for number in 0...Self.adoptsCredentials {
                let lane = LaneEmergencyTests.make(situation, kind.0, kind.1)
                if due.contains(.stuck) {
                    lane.handle(.contact(.forward, closed: true))
                    lane.handle(.contact(.backward, closed: true))
                }
                if due.contains(.owed) {
                    lane.isJournalFailing = false
                    lane.admit(90)
                    lane.isJournalFailing = true
                    lane.handle(.contact(.forward, closed: false))
                    lane.handle(.contact(.forward, closed: true))
                }
                lane.isJournalFailing = false
                if due.contains(.fire) { lane.handle(.fire(alarm: true)) }
                if due.contains(.stuck) || due.contains(.late) { lane.elapsed += 35_000 }
                if due.contains(.hour) { lane.elapsed += 3_600_000 }
                if number == Self.adoptsCredentials {
                    lane.adopt(makeCredentials(version: 77))
                } else {
                    lane.handle(Self.inputs[number])
                }
                if lane.effects.count > worst.effects { worst = (lane.effects.count, lane.told) }
            }
        }
        #expect(worst.effects <= 12, "\(worst.words)")
    }
}
