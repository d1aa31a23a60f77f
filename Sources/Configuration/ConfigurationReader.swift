import Posix

/// One configuration file being read.
///
///     let reader = try ConfigurationReader(path: path)
///     let lane = reader.root.section("lane")
///     let id = lane.text("id", rule: .laneID)
///     let offset = lane.number("offset_celsius", default: 0, in: -2...2)
///     try reader.finish()
///
/// The getters of `Section` never throw: what is wrong is gathered, and they return a stand-in. `finish` throws all
/// of it at once, with every key that nobody asked for; only after it may the values be used.
public final class ConfigurationReader {
    public static let maximumBytes = 1 << 20

    public let path: String
    /// The file as it was read.
    public let contents: [UInt8]
    /// The top of the file.
    public let root: Section
    private let problems: ProblemList

    /// Reads a regular file of at most 1 MiB.
    public convenience init(path: String) throws(ConfigurationFailure) {
        let problems = ProblemList(file: path)
        let contents: [UInt8]
        do throws(SystemFailure) {
            contents = try FileSystem.read(path, limit: ConfigurationReader.maximumBytes)
        } catch {
            problems.add(nil, "", error.description)
            throw problems.failure()
        }
        try self.init(contents: contents, path: path, problems: problems)
    }

    /// For contents that are at hand; `path` names them in messages, and relative paths are relative to its folder.
    public convenience init(contents: [UInt8], path: String) throws(ConfigurationFailure) {
        try self.init(contents: contents, path: path, problems: ProblemList(file: path))
    }

    private init(contents: [UInt8], path: String, problems: ProblemList) throws(ConfigurationFailure) {
        self.path = path
        self.contents = contents
        self.problems = problems
        let text = contents[(contents.starts(with: TextCheck.byteOrderMark) ? 3 : 0)...]
        if contents.count > ConfigurationReader.maximumBytes {
            problems.add(nil, "", "the file is longer than 1 MiB")
            throw problems.failure()
        }
        if let fault = TextCheck.firstFault(in: text) {
            problems.add(fault.position, "", fault.message)
            throw problems.failure()
        }
        let tree = text.withUnsafeBufferPointer { NodeParser.parse($0, problems: problems) }
        guard let tree else {
            if problems.isEmpty { problems.add(nil, "", "the file holds no settings; see the example in Config/") }
            throw problems.failure()
        }
        guard case .mapping(let entries) = tree.content else {
            problems.add(tree.position, "", "expected settings (name: value) at the top, found \(tree.kind)")
            throw problems.failure()
        }
        root = Section(
            entries: entries, position: tree.position, path: "", directory: FileSystem.parent(of: path), problems)
    }

    /// The top settings that say something else in the other file, or stand in one of the two only, in the order of this
    /// file and then of the other.
    public func settingsThatDiffer(from other: ConfigurationReader) -> [String] {
        let keys = root.keys + other.root.keys.filter { !root.has($0) }
        return keys.filter { key in
            let here = root.entries.first { $0.key == key }?.value
            let there = other.root.entries.first { $0.key == key }?.value
            guard let here, let there else { return true }
            return !here.saysTheSame(as: there)
        }
    }

    /// Throws everything that is wrong with the file, when anything is.
    public func finish() throws(ConfigurationFailure) {
        root.reportUnknownKeys()
        guard problems.isEmpty else { throw problems.failure() }
    }

    /// As `finish`, for a program that needs a part of the file only: throws what is wrong there.
    ///
    /// - Parameter paths: of the groups and settings that it needs, such as `gate` and `lane.kind`, with all that is below
    ///   them.
    /// - Returns: what is wrong elsewhere; nil when nothing is. The values of those paths may be used all the same.
    public func finish(needing paths: [String]) throws(ConfigurationFailure) -> ConfigurationFailure? {
        root.reportUnknownKeys()
        func isNeeded(_ path: String) -> Bool {
            path.isEmpty || paths.contains { $0 == path || path.hasPrefix("\($0).") || $0.hasPrefix("\(path).") }
        }
        if let failure = problems.failure(where: isNeeded) { throw failure }
        return problems.failure { !isNeeded($0) }
    }
}
