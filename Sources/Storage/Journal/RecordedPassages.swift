import Admission
import Framing

/// Who passed, and when by the wall clock.
public struct RecordedPassage: Sendable, Hashable {
    public var holder: HolderNumber
    public var wall: WallTime

    public init(holder: HolderNumber, wall: WallTime) {
        self.holder = holder
        self.wall = wall
    }
}

/// The newest passages by the records, so that anti-passback survives a restart: as many as a lane can remember, and as
/// the journal still holds. What was recorded without a trusted clock has no time that could be used.
struct RecordedPassages {
    static let most = 2048
    private var passages: [RecordedPassage] = []

    /// Oldest first.
    var newest: [RecordedPassage] { Array(passages.suffix(Self.most)) }

    mutating func note(_ record: JournalRecord) {
        switch record.event {
        case .ended(let outcome) where outcome.end == .passed && outcome.holder != .nobody:
            // Who went back the other way may come again.
            guard outcome.direction == .forward else { return forget(outcome.holder) }
            guard record.moment.clock == .trusted else { return }
            if passages.count == 2 * Self.most { passages.removeFirst(Self.most) }
            passages.append(RecordedPassage(holder: outcome.holder, wall: record.moment.wall))
        case .passagesForgotten(let holder): forget(holder)
        default: break
        }
    }

    private mutating func forget(_ holder: HolderNumber) {
        passages.removeAll { holder == .nobody || $0.holder == holder }
    }
}
