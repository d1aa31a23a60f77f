import Framing
import Posix
import Storage

/// `lanectl events`: prints what the journal holds, and with --follow what comes. Reads the lane's files only.
struct EventReading {
    static let mostShown = 1_000_000
    /// How often files are looked at for new records.
    static let followMilliseconds = 200
    private static let batchRecords = 1000

    let directory: LaneDirectory
    let last: Int
    let asJSON: Bool

    init(journal stateDirectory: String, last: Int, asJSON: Bool) {
        directory = LaneDirectory(stateDirectory)
        self.last = last
        self.asJSON = asJSON
    }

    /// Without `follows` until the newest record that was there; with it until Ctrl-C or SIGTERM.
    func run(follows: Bool) throws {
        guard try FileSystem.statusIfPresent(directory.journal)?.kind == .directory else {
            throw SystemFailure(
                "read", directory.journal, code: 2,
                advice: "this lane has no journal yet; name another with --lane, --config or --state")
        }
        let stop = follows ? try SignalWatch([.interrupt, .terminate]) : nil
        let reader = JournalReader(directory, from: .last(last))
        var shown = 0
        while true {
            let batch = try reader.read(atMost: follows ? Self.batchRecords : min(Self.batchRecords, last - shown))
            if !batch.isEmpty {
                guard try show(batch) else { return }
                shown += batch.count
            }
            guard let stop else {
                if batch.isEmpty || shown >= last { return }
                continue
            }
            // A signal ends it between two batches too, also when records never stop coming.
            let deadline = batch.isEmpty ? SystemClock.deadline(milliseconds: Self.followMilliseconds) : 0
            if try stop.descriptor.wait(for: .readable, until: deadline) { return }
        }
    }

    /// false when nobody reads any more.
    private func show(_ batch: JournalBatch) throws -> Bool {
        var text = ""
        if let lost = batch.lost { text += missing(lost) + "\n" }
        batch.records.withUnsafeBytes { bytes in
            for offset in stride(from: 0, to: bytes.count, by: JournalRecord.size) {
                text += line(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + JournalRecord.size])) + "\n"
            }
        }
        return try StandardOutput.write(text)
    }

    private func line(_ bytes: UnsafeRawBufferPointer) -> String {
        do throws(FormatError) {
            let record = try JournalRecord(bytes)
            return asJSON ? EventJSON(record: record).line : EventText(record: record).line
        } catch {
            // Written by a newer program: the others can still be read.
            return asJSON ? JSONLine.unreadable(error) : "a record that cannot be read: \(error)"
        }
    }

    private func missing(_ lost: RecordBatch.Stretch) -> String {
        asJSON
            ? JSONLine.missing(lost)
            : "MISSING: records \(lost.first) to \(lost.last) of epoch \(lost.epoch.hex), damaged or never written"
    }
}
