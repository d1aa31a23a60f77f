import Admission
import Framing

/// Who passed, who left, or whose passages a technician made the lane forget.
public struct RecordedPassage: Sendable, Hashable {
    public enum What: Sendable, Hashable {
        case passed
        /// Out by this lane, or forgotten: then nobody means everybody.
        case left
    }

    public var what: What
    public var holder: HolderNumber
    /// By the wall clock; nil where nobody trusted it.
    public var wall: WallTime?

    public init(_ what: What, _ holder: HolderNumber, wall: WallTime?) {
        self.what = what
        self.holder = holder
        self.wall = wall
    }
}

/// The newest passages by the records, so that anti-passback survives a restart: as many each way as a lane can remember,
/// and as the journal still holds. Who passed while nobody trusted the clock has no time that could be used, and is let
/// in; that somebody left counts whenever it was.
struct RecordedPassages {
    static let most = 2048
    private struct Entry {
        var passage: RecordedPassage
        var place: Int
    }
    private var passed: [Entry] = []
    private var left: [Entry] = []
    private var everybodyLeft: Entry?
    private var count = 0

    /// Oldest first; what something newer of the same holder takes back is left out.
    var newest: [RecordedPassage] {
        let lastPassed = Self.places(passed)
        let lastLeft = Self.places(left)
        let everybody = everybodyLeft?.place ?? -1
        let stillIn = passed.filter { $0.place > max(everybody, lastLeft[$0.passage.holder] ?? -1) }
        let stillOut = left.filter { $0.place > lastPassed[$0.passage.holder] ?? -1 }
        let all = stillIn.suffix(Self.most) + stillOut.suffix(Self.most) + (everybodyLeft.map { [$0] } ?? [])
        return all.sorted { $0.place < $1.place }.map(\.passage)
    }

    mutating func note(_ record: JournalRecord) {
        count += 1
        let wall = record.moment.clock == .trusted ? record.moment.wall : nil
        switch record.event {
        case .ended(let outcome) where outcome.end == .passed && outcome.holder != .nobody:
            // Who went back the other way may come again.
            if outcome.direction != .forward {
                leave(RecordedPassage(.left, outcome.holder, wall: wall))
            } else if wall != nil {
                Self.add(RecordedPassage(.passed, outcome.holder, wall: wall), at: count, to: &passed)
            }
        case .passagesForgotten(.nobody):
            everybodyLeft = Entry(passage: RecordedPassage(.left, .nobody, wall: wall), place: count)
        case .passagesForgotten(let holder):
            leave(RecordedPassage(.left, holder, wall: wall))
        default: break
        }
    }

    /// Who left so long ago that it is not kept has not come in either: else he would be inside by an older record.
    private mutating func leave(_ passage: RecordedPassage) {
        if left.count == 2 * Self.most {
            let forgotten = Self.places(Array(left.prefix(Self.most)))
            passed.removeAll { $0.place < forgotten[$0.passage.holder] ?? -1 }
        }
        Self.add(passage, at: count, to: &left)
    }

    private static func add(_ passage: RecordedPassage, at place: Int, to entries: inout [Entry]) {
        if entries.count == 2 * most { entries.removeFirst(most) }
        entries.append(Entry(passage: passage, place: place))
    }

    private static func places(_ entries: [Entry]) -> [HolderNumber: Int] {
        Dictionary(entries.map { ($0.passage.holder, $0.place) }) { max($0, $1) }
    }
}
