import Glibc
import Posix
import TestSupport

/// What happens to the driver's calls (Tests/FailingCalls/failing.c).
enum CallFate: Sendable, CustomStringConvertible {
    case untouched
    case fails(at: Int, with: Int32)
    case killed(at: Int)
    case powerCut(at: Int, seed: UInt64)
    /// Of the calls of all threads but the first; 0: they are only counted.
    case hangs(at: Int)

    var environment: [String] {
        switch self {
        case .untouched: ["FAIL_AT=0"]
        case .fails(let at, let code): ["FAIL_AT=\(at)", "FAIL_HOW=\(code)"]
        case .killed(let at): ["FAIL_AT=\(at)", "FAIL_HOW=kill"]
        case .powerCut(let at, let seed): ["FAIL_AT=\(at)", "FAIL_HOW=cut", "FAIL_SEED=\(seed)"]
        case .hangs(let at): ["FAIL_AT=\(at)", "FAIL_HOW=hang"]
        }
    }

    var description: String { environment.joined(separator: " ") }
}

/// One run of `storage-driver`, to its end or until it was killed.
struct DriverRun {
    /// What it said, line by line.
    private(set) var lines: [String] = []
    /// nil when a signal ended it.
    private(set) var status: Int32?
    /// Calls counted; nil when it did not end by itself.
    private(set) var calls: Int?

    /// `under`: the folder whose calls are counted. `onLine` is called for each line as it comes, with the driver's pid.
    init(
        _ arguments: [String], under: String, fate: CallFate = .untouched,
        onLine: (String, pid_t) -> Void = { _, _ in }
    ) throws {
        let driver = try BuiltProgram.path("storage-driver")
        let library = "\(FileSystem.parent(of: driver))/libFailingCalls.so"
        let report = "\(under).calls"
        _ = try FileSystem.unlinkIfPresent(report)
        let pipe = try Pipe()
        let environment =
            fate.environment + ["LD_PRELOAD=\(library)", "FAIL_UNDER=\(under)", "FAIL_REPORT=\(report)"]
            + (Invocation.environment("LD_LIBRARY_PATH").map { ["LD_LIBRARY_PATH=\($0)"] } ?? [])
        let process = try Self.spawn([driver] + arguments, environment, output: pipe.writeEnd.raw)
        pipe.closeWriteEnd()
        lines = try Self.read(pipe.readEnd) { onLine($0, process) }
        var ended: Int32 = 0
        while waitpid(process, &ended, 0) == -1 && errno == EINTR {}
        status = ended & 0x7F == 0 ? (ended >> 8) & 0xFF : nil
        calls = (try? FileSystem.read(report, limit: 100)).flatMap {
            Int(String(decoding: $0.filter { $0 != 10 }, as: UTF8.self))
        }
        _ = try FileSystem.unlinkIfPresent(report)
    }

    /// Numbers behind a word: `wrote 7` → 7.
    func numbers(_ word: String) -> [UInt64] {
        lines.compactMap { $0.hasPrefix(word + " ") ? UInt64($0.dropFirst(word.utf8.count + 1)) : nil }
    }

    private final class Pipe {
        let readEnd: Descriptor
        private(set) var writeEnd: Descriptor
        init() throws {
            var ends: (Int32, Int32) = (-1, -1)
            let result = withUnsafeMutableBytes(of: &ends) {
                pipe($0.baseAddress?.assumingMemoryBound(to: Int32.self))
            }
            guard result == 0 else { throw SystemFailure("make", "a pipe", code: errno) }
            readEnd = Descriptor(adopting: ends.0, name: "driver's output")
            writeEnd = Descriptor(adopting: ends.1, name: "driver's output")
            // The other tests' children must not hold these open.
            _ = fcntl(ends.0, F_SETFD, FD_CLOEXEC)
            _ = fcntl(ends.1, F_SETFD, FD_CLOEXEC)
        }
        func closeWriteEnd() { writeEnd = readEnd }
    }

    private static func spawn(_ arguments: [String], _ environment: [String], output: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        let words = arguments.map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { (words + variables).forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, arguments[0], &actions, nil, words, variables)
        guard code == 0 else { throw SystemFailure("start", arguments[0], code: code) }
        return process
    }

    private static func read(_ descriptor: Descriptor, _ onLine: (String) -> Void) throws -> [String] {
        var lines: [String] = []
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while true {
            guard try descriptor.wait(for: .readable, until: deadline) else {
                throw SystemFailure("wait for", "the driver", code: ETIMEDOUT)
            }
            guard case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try descriptor.read(into: $0) }) else {
                return lines
            }
            for byte in buffer[..<count] {
                if byte == 10 {
                    lines.append(String(decoding: line, as: UTF8.self))
                    line = []
                    onLine(lines[lines.count - 1])
                } else {
                    line.append(byte)
                }
            }
        }
    }
}
