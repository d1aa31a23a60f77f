import Admission
import Framing
import Posix
import Storage

/// A feed's file on its way into the roster, as a stream: 256 KiB of it are in memory at a time.
final class FeedReading {
    private static let chunkBytes = 1 << 18
    /// From here on the rest is taken to be like the beginning, and room is made for it.
    private static let sampleBytes: Int64 = 1 << 22

    private let feed: String
    private let refused: RefusedRows
    private let register: HolderRegister
    private let badgeKey: BadgeKey
    private let validity: ClosedRange<Int64>
    private let calendar: SiteCalendar?
    private let decided: [UInt32: ActivationOffice.Decision]
    private let isStopped: () -> Bool
    private let standing: StandingKeys
    private let note: (String) -> Void
    private let progress: (FeedImport.Progress) -> Void

    private(set) var roster: FeedRoster
    private(set) var frame = FeedFrame()
    private(set) var rows = 0
    private(set) var unusedColumns: [String] = []
    /// Holders of whom the feed has news since the office decided of them.
    private(set) var overruled: [UInt32] = []
    /// When the file was changed last, ms since 1970, and which file it is.
    private(set) var modifiedMilliseconds: Int64 = 0
    private(set) var source = ""
    private var header: FeedHeader?
    private var reader: FeedRowReader?

    /// `decided`: what the office decided of fourth keys, by holder number; `standing`: what urgent changes said since.
    init(
        _ feed: String, refused: RefusedRows, register: HolderRegister, badgeKey: BadgeKey, validityBaseSeconds: Int64,
        calendar: SiteCalendar?, decided: [UInt32: ActivationOffice.Decision], standing: StandingKeys,
        isStopped: @escaping () -> Bool,
        note: @escaping (String) -> Void,
        progress: @escaping (FeedImport.Progress) -> Void
    ) {
        self.feed = feed
        self.refused = refused
        self.register = register
        self.badgeKey = badgeKey
        validity = (validityBaseSeconds + 1)...(validityBaseSeconds + ImageSlot.longestValidity)
        self.calendar = calendar
        self.decided = decided
        self.isStopped = isStopped
        self.standing = standing
        self.note = note
        self.progress = progress
        roster = FeedRoster(validityBaseSeconds: validityBaseSeconds)
    }

    var zones: [ShortName] { reader?.zones.names ?? [] }

    /// When the feed was made: as it says itself, or else as its file does.
    var madeMilliseconds: Int64 { frame.madeMilliseconds ?? modifiedMilliseconds }

    static func source(_ status: FileStatus) -> String {
        "\(status.device):\(status.inode):\(status.modifiedNanoseconds):\(status.size)"
    }

    func read() throws(CollectorFailure) {
        let file = try collecting { () throws(SystemFailure) in try Descriptor.open(feed, [.read]) }
        let status = try collecting { () throws(SystemFailure) in try file.status() }
        modifiedMilliseconds = status.modifiedNanoseconds / 1_000_000
        source = Self.source(status)
        var csv = CSVReader()
        var row = CSVRow()
        var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
        var done: Int64 = 0
        var lastByte: UInt8?
        var isAtEnd = false
        var isRoomMade = false
        while !isAtEnd {
            guard !isStopped() else { throw CollectorFailure("import", feed, "it was stopped before its end") }
            let outcome = try collecting { () throws(SystemFailure) in try chunk.withBytes(file.read) }
            switch outcome {
            case .bytes(let count):
                csv.append(chunk[..<count])
                lastByte = chunk[count - 1]
                done += Int64(count)
            case .end, .wouldBlock:
                csv.finish()
                isAtEnd = true
            }
            while let outcome = csv.next(into: &row) { try take(outcome, row) }
            if !isRoomMade, done >= Self.sampleBytes {
                isRoomMade = true
                roster.reserve(identifiers: Int(Double(roster.identifiers) * Double(status.size) / Double(done) * 1.02))
            }
            progress(FeedImport.Progress(bytes: done, ofBytes: max(status.size, done), rows: rows))
        }
        frame.end(lastByte: lastByte)
        guard header != nil else {
            throw CollectorFailure("read", feed, "it is empty", advice: "the first line names the columns")
        }
    }

    func report(_ conflicts: [FeedRoster.Conflict]) throws(CollectorFailure) {
        for (index, conflict) in conflicts.enumerated() {
            let name = conflict.type.name
            let lines = conflict.lines.map(String.init).joined(separator: ", ")
            let more =
                conflict.claimants > conflict.lines.count
                ? " and \(conflict.claimants - conflict.lines.count) more" : ""
            let problem = FeedProblem(
                line: conflict.lines.first ?? 0, column: name,
                reason:
                    "the same \(name) is claimed on lines \(lines)\(more): published as conflict, nobody passes with it"
            )
            if index < 20 { note(problem.description) }
            try refused.append(problem, refusesRow: false)
        }
    }

    private func refuse(_ problems: [FeedProblem]) throws(CollectorFailure) {
        for problem in problems {
            if refused.entries < 20 { note(problem.description) }
            try refused.append(problem)
        }
    }

    private func take(_ outcome: Result<Void, CSVFault>, _ row: CSVRow) throws(CollectorFailure) {
        if case .failure(let fault) = outcome {
            guard let header else {
                throw CollectorFailure("read the header of", feed, "line \(fault.line): \(fault.reason)")
            }
            rows += 1
            let column = header.name(ofField: fault.field)
            return try refuse([FeedProblem(line: fault.line, column: column, reason: fault.reason)])
        }
        if row.isBlank { return }
        do throws(FeedProblem) { if try frame.take(row, isFirst: header == nil) { return } } catch {
            throw CollectorFailure("read", feed, error.description, advice: "docs/formats.md shows a feed's frame")
        }
        if header == nil { return try begin(row) }
        rows += 1
        let read = Result { () throws(FeedRowReader.Problems) in try reader?.read(row) }
        switch read {
        case .failure(let problems): try refuse(problems.all)
        case .success(nil): break
        case .success(let entry?): try add(entry, line: row.line)
        }
    }

    private func begin(_ row: CSVRow) throws(CollectorFailure) {
        do throws(FeedProblem) {
            let header = try FeedHeader(row)
            self.header = header
            unusedColumns = header.unused
            reader = FeedRowReader(header, validity: validity, calendar: calendar)
        } catch { throw CollectorFailure("read the header of", feed, error.description) }
    }

    private func add(_ entry: FeedRow, line: Int) throws(CollectorFailure) {
        let number = try register.number(of: entry.holder)
        if let former = roster.line(of: number) {
            return try refuse([
                FeedProblem(
                    line: line, column: FeedColumn.holder.rawValue,
                    reason: "this holder stands on line \(former) already; that row is used")
            ])
        }
        var entry = entry
        if !decided.isEmpty, let decision = decided[number.number] {
            let settled = decision.settled(feed: entry.activation)
            if settled != decision.state { overruled.append(number.number) }
            entry.activation = settled
        }
        if !standing.isEmpty {
            entry.takeKeys(
                of: standing.merged(entry.credential(number), decided: decided[number.number]?.state))
        }
        try roster.add(entry, number, line: line, key: badgeKey)
    }

    /// The roster's image; the roster is used up.
    func build() throws(ImageBuildError) -> ImageBuilder { try roster.build(zones: zones) }
}

extension [UInt8] {
    fileprivate mutating func withBytes<Value>(
        _ body: (UnsafeMutableRawBufferPointer) throws(SystemFailure) -> Value
    ) throws(SystemFailure) -> Value {
        var result: Result<Value, SystemFailure>?
        withUnsafeMutableBytes { bytes in
            result = Result { () throws(SystemFailure) in try body(bytes) }
        }
        guard let result else { throw SystemFailure("read", "a file", code: 5) }
        return try result.get()
    }
}
