import Foundation
import Glibc
import Posix
import TestSupport

/// The built program with its arguments: run to its end, or kept running. Killed when the last reference goes.
final class CollectorProgram {
    private let process: Process
    private let output: String

    init(_ arguments: [String], output: String, environment: [String: String] = [:]) throws {
        self.output = output
        process = Process()
        process.executableURL = URL(fileURLWithPath: try BuiltProgram.path("lanekeeper-collector"))
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        _ = try Descriptor.open(output, [.write, .create, .truncate], mode: 0o600)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = file
        process.standardError = file
        try process.run()
    }

    var said: String {
        (try? FileSystem.read(output, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// The exit status, 128 + the signal that ended it, or nil when it still runs after that time.
    func status(within milliseconds: Int = 60_000) throws -> Int32? {
        guard try eventually(within: milliseconds, { !process.isRunning }) else { return nil }
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }

    /// The port that a serving program says it listens at.
    func port() throws -> UInt16? {
        var port: UInt16?
        _ = try eventually(within: 60_000) {
            guard let start = said.range(of: "http://127.0.0.1:") else { return !process.isRunning }
            port = UInt16(said[start.upperBound...].prefix { $0.isNumber })
            return port != nil
        }
        return port
    }

    deinit {
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }
}
