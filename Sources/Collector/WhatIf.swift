import Admission
import Framing
import Posix

/// `lanekeeper-collector whatif`: the decisions of a day, judged again under another policy.
///
/// Each by itself, from its record, the image that it names, and the changes on top: who would have come in has no
/// influence on the next one. Reads block by block, so that a day of any length takes the same memory, and holds no
/// transaction open for longer than some blocks: intake goes on beside it. It begins with what came in a day before that day
/// and ends when all decisions were found that the day counts; what came before is read when some were not: a clock far ahead
/// may have told of them.
public struct WhatIf {
    /// Blocks that are read in one transaction.
    private static let blocksAtOnce = 64
    /// Clocks that are trusted are hardly ahead of the collector's.
    private static let aheadMilliseconds: Int64 = 86_400_000
    /// Rows of the table; kinds of badge times sets of reasons are few in practice.
    static let mostRows = 10_000

    public struct Change: Sendable {
        /// Of `/v1/records`.
        public var row: Int64
        public var atMilliseconds: Int64
        public var lane: String
        /// As the feed names him; empty: no feed does any more, or nobody knows whose badge it was.
        public var holder: String
        /// Empty where nobody knows.
        public var kind: String
        public var before: String
        public var after: String
    }

    private struct Row: Hashable {
        var kind: HolderKind?
        var before: Reasons
        var after: Reasons
    }

    /// Decisions whose records were found.
    public private(set) var decisions = 0
    /// As the counts of the day say.
    public private(set) var counted = 0
    /// From refused to admitted, or the other way round.
    public private(set) var changed = 0
    /// Refused before and after, for other reasons.
    public private(set) var otherwiseRefused = 0
    public private(set) var unchanged = 0
    public private(set) var letOut = 0
    /// Of `changed`, by a temperature that the lane would have measured once more.
    public private(set) var measuredOnce = 0
    public private(set) var damaged = 0
    private(set) var obstacles: [Recomputation.Obstacle: Int] = [:]
    private var rows: [Row: Int] = [:]
    private(set) var blocksRead = 0
    /// Of `rows`, what is beyond `mostRows`.
    private var unlisted = 0

    public var notRecomputed: Int { obstacles.values.reduce(0, +) }

    private let path: String
    private let day: String
    private var policy: PolicyFile
    private var then: PolicyFile?
    private let history: CredentialHistory
    private let database: Database
    private let selectHolder: SQLStatement
    private let span: Range<Int64>

    /// - Parameters:
    ///   - policy: the file with the other rules.
    ///   - then: the file with the rules that were in force, where the other rules ask for what stands in a record only
    ///     as those rules found it.
    ///   - day: `2026-11-21`, at the site.
    ///   - list: gets every decision whose outcome changes, in the order in which records came.
    public init(
        _ settings: CollectorSettings, policy path: String, then: String?, day: String,
        list: (Change) throws -> Void
    ) throws {
        let data = settings.data
        let calendar = settings.calendar
        guard let number = SiteCalendar.day(day) else {
            throw CollectorFailure("judge", "the day '\(day)'", "it is none", advice: "write it as 2026-11-21")
        }
        self.path = path
        self.day = day
        policy = try PolicyFile(path)
        self.then = try then.map { (path) throws(CollectorFailure) in try PolicyFile(path) }
        history = try CredentialHistory(data)
        database = try Database(data.intakeDatabase, .readOnly)
        let site = try data.key(.sitePublic, data.publicKeyFile).site
        try SiteDirectory.check(
            database, site: site, version: IntakeSchema.version, older: "start `serve`, which takes it over")
        let siteDatabase = try Database(data.siteDatabase, .readOnly)
        try SiteDirectory.check(siteDatabase, site: site, version: SiteSchema.version)
        selectHolder = try siteDatabase.prepare("SELECT id FROM holder WHERE number = ?")
        span = calendar.start(ofDay: number)..<calendar.start(ofDay: number + 1)
        let counts = try database.prepare("SELECT counts FROM tally WHERE span = ? AND start = ? AND lane != 0")
        counts.bind(1, TallySpan.day.rawValue)
        counts.bind(2, number)
        while try counts.step() {
            counted += Int(clamping: counts.withBlob(0) { Tally(encoded: $0) }?[.presented] ?? 0)
        }
        try readAll(list)
    }

    private mutating func readAll(_ list: (Change) throws -> Void) throws {
        let first = try firstBlock(receivedFrom: span.lowerBound - Self.aheadMilliseconds)
        try read(from: first, to: .max, list)
        if !isWhole { try read(from: 0, to: first - 1, list) }
    }

    /// Whether all decisions of the day were found.
    private var isWhole: Bool { counted > 0 && decisions >= counted }

    /// By halves: blocks stand in the order in which they came. Where a clock was set back between, one of those that came then.
    private func firstBlock(receivedFrom instant: Int64) throws(CollectorFailure) -> Int64 {
        let select = try database.prepare("SELECT id, received FROM block WHERE id >= ? ORDER BY id LIMIT 1")
        var (low, high) = (Int64(0), try database.integer("SELECT coalesce(max(id), 0) FROM block"))
        while low < high {
            let middle = low + (high - low) / 2
            select.bind(1, middle)
            defer { select.reset() }
            guard try select.step() else { return low }
            if select.integer(1) < instant { low = select.integer(0) + 1 } else { high = middle }
        }
        return low
    }

    /// `to`: the last one.
    private mutating func read(from first: Int64, to end: Int64, _ list: (Change) throws -> Void) throws {
        let select = try database.prepare(
            "SELECT id, bytes FROM block WHERE id > ? AND id <= ? ORDER BY id LIMIT \(Self.blocksAtOnce)")
        var last = first - 1
        while !isWhole {
            select.bind(1, last)
            select.bind(2, end)
            var blocks = 0
            while try select.step() {
                blocks += 1
                last = select.integer(0)
                blocksRead += 1
                let found = select.withBlob(1) { Self.decisions(of: $0, in: span) }
                damaged += found.damaged
                for (index, record) in found.records { try judge(record, row: last + Int64(index), list) }
            }
            if blocks < Self.blocksAtOnce { return }
        }
    }

    /// The decisions of a block that lie in this span of time, with their places. All others are passed over unread.
    private static func decisions(
        of block: UnsafeRawBufferPointer, in span: Range<Int64>
    ) -> (records: [(Int, JournalRecord)], damaged: Int) {
        var records: [(Int, JournalRecord)] = []
        var damaged = 0
        for index in 0..<block.count / JournalRecord.size {
            let start = index * JournalRecord.size
            let wall = Int64(littleEndian: block.loadUnaligned(fromByteOffset: start + wallOffset, as: Int64.self))
            guard block[start + JournalRecord.kindOffset] == decidedKind, span.contains(wall) else { continue }
            guard let record = RecordBlock.record(index, of: block) else {
                damaged += 1
                continue
            }
            records.append((index, record))
        }
        return (records, damaged)
    }

    /// The bytes of an encoded record where its wall time begins, and the kind of a decision (JournalRecord.swift).
    private static let wallOffset = 32
    private static let decidedKind: UInt8 = 2

    private mutating func judge(_ record: JournalRecord, row: Int64, _ list: (Change) throws -> Void) throws {
        guard case .decided(let decision) = record.event else { return }
        decisions += 1
        let recomputation = Recomputation(record: record, decision: decision, history: history)
        guard !recomputation.isLetOut else {
            letOut += 1
            return
        }
        let reasons: Reasons
        do {
            let rulesThen =
                then?.digest == decision.policyDigest ? try then?.policy(at: record) : nil
            reasons = try recomputation.reasons(under: try policy.policy(at: record), then: rulesThen)
        } catch let obstacle as Recomputation.Obstacle {
            obstacles[obstacle, default: 0] += 1
            return
        }
        guard reasons != decision.reasons else {
            unchanged += 1
            return
        }
        let kind = decision.presentation.credential?.kind
        count(Row(kind: kind, before: decision.reasons, after: reasons))
        guard reasons.isEmpty != (decision.verdict == .admitted) else {
            otherwiseRefused += 1
            return
        }
        changed += 1
        if recomputation.isMeasuredOnce(reasons) { measuredOnce += 1 }
        try list(
            Change(
                row: row, atMilliseconds: record.moment.wall.milliseconds, lane: record.lane.text,
                holder: try holder(of: record), kind: kind.map { "\($0.name)" } ?? "",
                before: Self.text(decision.reasons), after: Self.text(reasons)))
    }

    private mutating func count(_ row: Row) {
        guard rows[row] != nil || rows.count < Self.mostRows else {
            unlisted += 1
            return
        }
        rows[row, default: 0] += 1
    }

    private func holder(of record: JournalRecord) throws(CollectorFailure) -> String {
        guard let holder = record.holder else { return "" }
        selectHolder.bind(1, Int64(holder.number))
        defer { selectHolder.reset() }
        return try selectHolder.step() ? selectHolder.text(0) : ""
    }

    static func text(_ reasons: Reasons) -> String {
        reasons.isEmpty
            ? "admitted" : Reasons.ordered.filter { reasons.contains($0) }.map { "\($0.name)" }.joined(separator: "+")
    }

    // MARK: Telling

    /// The figures and the table, as the command prints them.
    public var text: String {
        var text = "\(path) on \(day): \(decisions) decisions, each judged again by itself\n"
        func line(_ count: Int, _ words: String) { if count > 0 { text += "  \(count) \(words)\n" } }
        line(changed, "change: let in instead of refused, or the other way round")
        line(otherwiseRefused, "are refused as before, for other reasons")
        text += "  \(unchanged) stay as they were\n"
        line(letOut, "were let out, which no policy changes")
        line(notRecomputed, "CANNOT BE RECOMPUTED, and nothing is said of them here:")
        for obstacle in Recomputation.Obstacle.allCases {
            guard let count = obstacles[obstacle] else { continue }
            text += "    \(count) \(obstacle.rawValue): \(obstacle.words)\n"
        }
        line(damaged, "records are damaged")
        if counted > decisions + damaged {
            line(counted - decisions - damaged, "more were counted that day; their records are not kept any more")
        }
        line(
            measuredOnce,
            "of those that change are refused for a temperature that the lane would have measured once more")
        text += table
        return text
    }

    private var table: String {
        guard !rows.isEmpty else { return "" }
        var lines = [["KIND", "COUNT", "BEFORE → AFTER"]]
        let sorted = rows.sorted {
            ($1.value, $0.key.kind?.rawValue ?? 0, $0.key.before.rawValue, $0.key.after.rawValue)
                < ($0.value, $1.key.kind?.rawValue ?? 0, $1.key.before.rawValue, $1.key.after.rawValue)
        }
        for (row, count) in sorted {
            lines.append([
                row.kind.map { "\($0.name)" } ?? "-", "\(count)", "\(Self.text(row.before)) → \(Self.text(row.after))",
            ])
        }
        if unlisted > 0 { lines.append(["…", "\(unlisted)", "others"]) }
        let widths = (0..<2).map { column in lines.map { $0[column].count }.max() ?? 0 }
        return "\n"
            + lines.map { line in
                let cells = (0..<2).map {
                    line[$0] + String(repeating: " ", count: widths[$0] - line[$0].count)
                }
                return cells.joined(separator: "  ") + "  \(line[2])\n"
            }.joined()
    }
}

extension WhatIf.Change {
    public static let csvHead = "row,at,lane,holder,kind,before,after\r\n"

    /// A line of CSV with its end.
    public var csv: String {
        let cells = ["\(row)", Timestamp.format(atMilliseconds), lane, holder, kind, before, after]
        return cells.map(Self.cell).joined(separator: ",") + "\r\n"
    }

    /// For people.
    public var line: String {
        "\(row)  \(Timestamp.format(atMilliseconds))  \(lane)  \(holder.isEmpty ? "-" : holder)"
            + "  \(kind.isEmpty ? "-" : kind)  \(before) → \(after)\n"
    }

    private static func cell(_ text: String) -> String {
        guard text.contains(where: { ",\"\r\n".contains($0) }) else { return text }
        return "\"\(text.replacing("\"", with: "\"\""))\""
    }
}
