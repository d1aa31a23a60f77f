import Glibc
import Posix
import TestSupport

/// A built program that runs, its stdout and stderr in one file. Killed when the last reference goes.
final class RunningProgram {
    let process: pid_t
    private let outputPath: String
    /// As waitpid(2) tells it: the exit status, or 128 + the signal.
    private(set) var status: Int32?

    /// `environment` replaces the test's own, but for PATH.
    init(_ name: String, _ arguments: [String], output: String, environment: [String: String] = [:]) throws {
        outputPath = output
        let path = try BuiltProgram.path(name)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        argv.append(nil)
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") }
        variables.append(nil)
        defer { for text in argv + variables { free(text) } }
        var process = pid_t()
        let code = posix_spawn(&process, path, &actions, nil, &argv, &variables)
        guard code == 0 else { throw SystemFailure("start", path, code: code) }
        self.process = process
    }

    var output: String {
        ((try? FileSystem.read(outputPath, limit: 1 << 22)).map { String(decoding: $0, as: UTF8.self) }) ?? ""
    }

    func send(_ signal: Int32) { if status == nil { kill(process, signal) } }

    /// Whether it has ended within the time; `status` says how then.
    func hasEnded(within milliseconds: Int = 60_000) throws -> Bool {
        if status != nil { return true }
        return try eventually(within: milliseconds) {
            var code: Int32 = 0
            guard waitpid(process, &code, WNOHANG) == process else { return false }
            let signal = code & 0x7F
            status = signal == 0 ? (code >> 8) & 0xFF : 128 + signal
            return true
        }
    }

    deinit {
        if status == nil {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
    }
}
