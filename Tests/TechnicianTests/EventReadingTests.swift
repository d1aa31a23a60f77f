import Admission
import Foundation
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@testable import Technician

/// Runs the built `lanectl`; ended when the last reference goes.
private final class Run {
    let process = Process()
    let output = Pipe()
    let errors = Pipe()

    init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: try BuiltProgram.path("lanectl"))
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = errors
        try process.run()
    }

    deinit { if process.isRunning { process.terminate() } }

    func finish() throws -> (status: Int32, output: String, errors: String) {
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        let wrong = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: text, as: UTF8.self), String(decoding: wrong, as: UTF8.self)
        )
    }
}

/// A journal with the daemon's own writer.
private final class WrittenJournal {
    let directory: TemporaryDirectory
    private let journal: Journal
    private let epoch = Epoch(low: 11, high: 12)

    init() throws {
        directory = try TemporaryDirectory()
        let places = LaneDirectory(directory.path)
        let lock = try LaneLock(places)
        try places.prepareForDaemon()
        (journal, _) = try Journal.open(
            places, holding: lock, lane: lane, from: .outside, to: ring,
            settings: JournalSettings(capacityRecords: 1024, reserveRecords: 128, recordsPerSegment: 64), epoch: epoch,
            at: moment)
    }

    private let moment = Moment(monotonic: MonotonicTime(nanoseconds: 5), wall: someWall, clock: .trusted)

    /// The journal's own thread makes segments ahead; waits while it has none ready.
    func append(_ event: LaneEvent) throws {
        let isWritten = try eventually {
            do throws(StorageError) {
                try journal.append(event, at: moment, sequence: journal.nextSequence, for: .entrance)
                return true
            } catch {
                guard case .noRoom = error else { throw error }
                return false
            }
        }
        guard isWritten else { throw SystemFailure("find room in", directory.path, code: ETIMEDOUT) }
    }
}

@Suite("lanectl events")
struct EventReadingTests {
    @Test("shows the newest records of a lane whose daemon does not run")
    func last() throws {
        let written = try WrittenJournal()
        for _ in 0..<100 { try written.append(.decided(makeDecision())) }
        let all = try Run(["events", "--state", written.directory.path, "--last", "1000"]).finish()
        #expect(all.status == 0)
        #expect(all.output.split(separator: "\n").count == 101)
        #expect(all.output.contains("the lane's first"))
        let three = try Run(["events", "--state", written.directory.path, "--last", "3", "--json"]).finish()
        let sequences = try three.output.split(separator: "\n").map { line in
            try (JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["sequence"] as? Int
        }
        #expect(sequences == [99, 100, 101])
        #expect(try Run(["events", "--state", written.directory.path, "--last", "0"]).finish().output.isEmpty)
    }

    @Test("follows what is written, and an interrupt ends it well")
    func follow() throws {
        let written = try WrittenJournal()
        let run = try Run(["events", "--state", written.directory.path, "--follow", "--last", "1"])
        let reading = Descriptor(adopting: dup(run.output.fileHandleForReading.fileDescriptor), name: "lanectl")
        var text = ""
        var chunk = [UInt8](repeating: 0, count: 65_536)
        func waitFor(_ part: String) throws -> Bool {
            try eventually(on: reading) {
                if text.contains(part) { return true }
                guard try reading.wait(for: .readable, until: 0) else { return false }
                if case .bytes(let count) = try chunk.withUnsafeMutableBytes({ try reading.read(into: $0) }) {
                    text += String(decoding: chunk[..<count], as: UTF8.self)
                }
                return text.contains(part)
            }
        }
        #expect(try waitFor("the lane's first"))
        try written.append(.fire(alarm: true))
        #expect(try waitFor("ALARM"))
        // Over the end of a segment.
        for _ in 0..<100 { try written.append(.decided(makeDecision())) }
        try written.append(.stopping)
        #expect(try waitFor("stopping"))
        run.process.interrupt()
        run.process.waitUntilExit()
        #expect(run.process.terminationReason == .exit)
        #expect(run.process.terminationStatus == 0)
    }

    @Test("without a journal it says what to name")
    func nothing() throws {
        let directory = try TemporaryDirectory()
        let run = try Run(["events", "--state", directory.path]).finish()
        #expect(run.status == 1)
        #expect(run.errors.contains("--lane"))
    }

    @Test(
        "the daemon's absence has its own exit status and advice", arguments: [["status"], ["explain", "6f007b3972"]])
    func absent(command: [String]) throws {
        let directory = try TemporaryDirectory()
        let run = try Run(["--run", directory.path] + command).finish()
        #expect(run.status == 69)
        #expect(run.output.isEmpty)
        #expect(run.errors.contains("systemctl start lanekeeperd@LANE"))
    }
}
