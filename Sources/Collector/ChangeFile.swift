import Admission
import Cryptography
import Framing
import Posix

/// `lanekeeper-collector changes FILE.csv`: urgent changes from a file, whole or not at all. The columns are
/// `ChangeFields`' names: `holder` and at least one more. An empty field changes nothing. The same file again changes
/// nothing again.
public struct ChangeFile {
    /// What came of it.
    public struct Summary: Sendable {
        public var rows: Int
        public var published: ChangeStore.Published

        public var text: String { "\(rows) rows: \(published.words)" }
    }

    private static let mostBytes = 8 << 20
    private let directory: SiteDirectory
    private let path: String

    public init(data directory: SiteDirectory, file path: String) {
        self.directory = directory
        self.path = path
    }

    /// `note` gets the first 20 problems as lines.
    public func run(note: (String) -> Void) throws(CollectorFailure) -> Summary {
        let bytes = try collecting { () throws(SystemFailure) in try FileSystem.read(path, limit: Self.mostBytes) }
        let store = try ChangeStore(directory)
        let now = SystemClock.wallMilliseconds()
        var problems: [FeedProblem] = []
        var changes: [HolderChange] = []
        try read(bytes, store, now, &changes, &problems)
        guard problems.isEmpty else {
            for problem in problems.prefix(20) { note(problem.description) }
            throw CollectorFailure(
                "change what stands in", path, "nothing was changed: \(problems.count) problems",
                advice: "put them right and give it again")
        }
        guard !changes.isEmpty else {
            throw CollectorFailure("change what stands in", path, "it has no rows", advice: "see docs/formats.md")
        }
        if try store.isBehind() {
            // As `serve` does when it begins.
            let lock = try directory.lock(directory.importLock)
            defer { withExtendedLifetime(lock) {} }
            try NumberLeap(directory: directory, database: directory.openSite().database)
                .heal(by: AuditTrail.operatorName, now: now)
        }
        let digest: [UInt8]
        do { digest = try SHA256.hash(bytes) } catch { throw CollectorFailure("read", path, error.reason) }
        do throws(ChangeStore.Refusal) {
            let published = try store.publish(
                changes, request: "file \(Hexadecimal.text(digest.prefix(16)))", digest: digest, now: now)
            return Summary(rows: changes.count, published: published)
        } catch {
            if case .failure(let failure) = error { throw failure }
            throw CollectorFailure("change what stands in", path, error.reason, advice: error.advice)
        }
    }

    private func read(
        _ bytes: [UInt8], _ store: ChangeStore, _ now: Int64, _ changes: inout [HolderChange],
        _ problems: inout [FeedProblem]
    ) throws(CollectorFailure) {
        var csv = CSVReader()
        csv.append(bytes)
        csv.finish()
        var row = CSVRow()
        var names: [String]?
        var fields = ChangeFields(nowMilliseconds: now)
        while let outcome = csv.next(into: &row) {
            if case .failure(let fault) = outcome {
                problems.append(
                    FeedProblem(line: fault.line, column: "field \(fault.field + 1)", reason: fault.reason))
                continue
            }
            if row.isBlank { continue }
            guard let columns = names else {
                names = (0..<row.count).map { row.text($0) }
                continue
            }
            guard row.count == columns.count else {
                problems.append(
                    FeedProblem(
                        line: row.line, column: "row", reason: "\(row.count) fields, the header has \(columns.count)"))
                continue
            }
            var texts: [String: String] = [:]
            for (index, name) in columns.enumerated() where !row[index].isEmpty {
                if texts.updateValue(row.text(index), forKey: name) != nil {
                    problems.append(FeedProblem(line: row.line, column: name, reason: "the header names it twice"))
                }
            }
            let number = try texts[FeedColumn.holder.rawValue].flatMap { id throws(CollectorFailure) in
                try store.holder(id)
            }
            if let change = fields.read(texts, holder: number) {
                changes.append(change)
            } else {
                problems += fields.problems.map { FeedProblem(line: row.line, column: $0.field, reason: $0.reason) }
            }
        }
    }
}
