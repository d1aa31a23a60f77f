import Admission
import Framing

/// A stretch of records that are not there.
struct Hole: Hashable, Sendable {
    var epoch: Epoch
    var first: UInt64
    var count: UInt64

    /// Whether all of `other` is missing here already. A hole that was told may be seen smaller later: when a segment
    /// that held part of it was set aside.
    func covers(_ other: Hole) -> Bool {
        epoch == other.epoch && first <= other.first
            && other.first - first <= count && count - (other.first - first) >= other.count
    }

    var event: LaneEvent { .hole(epoch: epoch, firstSequence: first, count: count, .damaged, LaneTotals()) }
}

/// What the records up to a position say that a starting lane needs to know.
struct JournalFacts {
    let hourStartSeconds: Int64
    var last: StoredThrough?
    var newestTrustedWall: WallTime?
    var outstanding: Outcome?
    /// Of the decision beside that one: a vehicle's driver.
    var outstandingBeside: Outcome?
    var hourTotals = LaneTotals()
    var reportedHoles: Set<Hole> = []
    var passages = RecordedPassages()

    init(now: WallTime) { hourStartSeconds = Self.hourStart(now) }

    static func hourStart(_ wall: WallTime) -> Int64 {
        let seconds = wall.seconds
        return seconds - (seconds % 3600 + 3600) % 3600
    }

    mutating func note(_ record: JournalRecord) {
        if record.moment.clock == .trusted { newestTrustedWall = record.moment.wall }
        if Self.hourStart(record.moment.wall) == hourStartSeconds { hourTotals.count(record.event) }
        passages.note(record)
        switch record.event {
        case .decided(let decision) where decision.verdict == .admitted:
            let outcome = Outcome(
                interrupting: decision.presentation, decision.presentation.direction, epoch: record.epoch,
                sequence: record.sequence)
            // A lane never releases twice at once: an older decision's outcome stood in a hole between. But a pass and
            // its driver's badge are two decisions of one release.
            if let first = outstanding, decision.isBeside(first), outstandingBeside == nil {
                outstandingBeside = outcome
            } else {
                outstanding = outcome
                outstandingBeside = nil
            }
        case .releasedByHand(_, let direction):
            outstandingBeside = nil
            outstanding = Outcome(interrupting: nil, direction, epoch: record.epoch, sequence: record.sequence)
        case .ended(let outcome):
            if outcome.isEnd(of: outstandingBeside, in: record.epoch) {
                outstandingBeside = nil
            } else if outcome.isEnd(of: outstanding, in: record.epoch) {
                outstanding = outstandingBeside
                outstandingBeside = nil
            }
        case .hole(let epoch, let first, let count, .damaged, _):
            reportedHoles.insert(Hole(epoch: epoch, first: first, count: count))
        default: break
        }
    }
}

extension Decision {
    /// Whether this and the decision of that release are of a vehicle and its driver.
    fileprivate func isBeside(_ outcome: Outcome) -> Bool {
        !company.isDisjoint(with: [.driver, .vehicle]) && partner != .nobody && partner == outcome.holder
    }
}

extension Outcome {
    /// - Parameter epoch: of the record that says so.
    fileprivate func isEnd(of outstanding: Outcome?, in epoch: Epoch) -> Bool {
        decisionSequence == outstanding?.decisionSequence
            && (decisionEpoch ?? epoch) == outstanding?.decisionEpoch
    }

    /// The end of a release that was cut short: nobody knows whether somebody walked. nil: released by hand.
    fileprivate init(
        interrupting presentation: Presentation?, _ direction: PassageDirection, epoch: Epoch, sequence: UInt64
    ) {
        self.init(
            end: .interrupted, direction: direction, decisionSequence: sequence, decisionEpoch: epoch,
            tag: presentation?.tag ?? .none, type: presentation?.type ?? .chip,
            holder: presentation?.credential?.holder ?? .nobody, kind: presentation?.credential?.kind,
            reader: presentation?.reader ?? Outcome.noReader, openMilliseconds: 0)
    }
}

/// What was found when a journal was opened.
public struct JournalRecovery: Sendable {
    /// The last record before this epoch; nil when there was none.
    public var last: StoredThrough?
    /// Stretches found damaged and not reported before, each as `LaneEvent.hole`. Those of `holesRecorded` stand in the
    /// journal already; the rest are recorded at the next openings.
    public var holes: [LaneEvent]
    public var holesRecorded: Int
    /// The wall time of the newest record written while the clock was trusted.
    public var newestTrustedWall: WallTime?
    /// An admitted decision whose release has no end on record, as the `interrupted` outcome that ends it: record it.
    public var outstanding: Outcome?
    /// The same for the other decision of that release: of a vehicle's pass and its driver's badge.
    public var outstandingBeside: Outcome?
    /// What the records of the wall hour of the opening count.
    public var hourTotals: LaneTotals
    /// Who passed lately, oldest first; at most 2,048.
    public var passages: [RecordedPassage]
    /// Segments with a damaged header, by the path they were renamed to. Their contents are untouched.
    public var setAside: [String]
    /// Records held, acknowledged ones among them.
    public var recordsHeld: Int
    /// Records behind the place where recovery stopped: a power cut tore what stood before them.
    public var recordsDropped: Int
}
