import Admission
import Framing
import Posix
import Storage
import TestSupport

/// A lane directory with a journal that tests open, damage and open again.
struct JournalFixture {
    let temporary: TemporaryDirectory
    let directory: LaneDirectory
    var settings = JournalSettings(capacityRecords: 1000, reserveRecords: 128, recordsPerSegment: 32)
    static let lane = ShortName("north-07")!
    static let hall = ShortName("hall-1")!
    /// 09:20 in some hour.
    static let start = WallTime(seconds: 1_750_000_800)

    init() throws {
        temporary = try TemporaryDirectory(inMemory: true)
        directory = LaneDirectory(temporary.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
    }

    static func moment(_ seconds: Int64 = 0, _ clock: ClockTrust = .trusted) -> Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: 1000 + UInt64(bitPattern: seconds)),
            wall: WallTime(seconds: start.seconds + seconds), clock: clock)
    }

    func open(
        epoch: UInt64, lane: ShortName = lane, at moment: Moment = moment()
    ) throws -> (journal: Journal, recovery: JournalRecovery) {
        // Another test that starts a program holds all our files open for a moment, between fork and exec.
        var lock: LaneLock?
        _ = try eventually {
            lock = try? LaneLock(directory)
            return lock != nil
        }
        return try Journal.open(
            directory, holding: try lock ?? LaneLock(directory), lane: lane, from: .outside, to: Self.hall,
            settings: settings, epoch: Epoch(low: epoch, high: 7), at: moment)
    }

    /// Opens, lets `body` write, closes.
    @discardableResult
    func run(
        epoch: UInt64, at moment: Moment = moment(), _ body: (Journal) throws -> Void = { _ in }
    ) throws -> JournalRecovery {
        let (journal, recovery) = try open(epoch: epoch, at: moment)
        try body(journal)
        guard journal.close(by: SystemClock.deadline(milliseconds: 60_000)) else {
            throw SystemFailure("close", directory.journal, code: 110)
        }
        return recovery
    }

    // MARK: Files

    func segmentNames() throws -> [String] {
        try FileSystem.list(directory.journal).filter { SegmentHeader.ordinal(fileName: $0) != nil }
    }

    func contents() throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in try FileSystem.list(directory.journal) {
            files[name] = try FileSystem.read("\(directory.journal)/\(name)", limit: 1 << 24)
        }
        return files
    }

    func restore(_ files: [String: [UInt8]]) throws {
        for name in try FileSystem.list(directory.journal) where files[name] == nil {
            try FileSystem.unlink("\(directory.journal)/\(name)")
        }
        for (name, bytes) in files { try put(bytes, name) }
    }

    /// In place and without waiting for the disk.
    func put(_ bytes: [UInt8], _ name: String) throws {
        let file = try Descriptor.open("\(directory.journal)/\(name)", [.write, .create, .truncate])
        try file.writeAll(bytes)
    }

    func damage(_ name: String, at offset: Int, bit: UInt8 = 1) throws {
        let path = "\(directory.journal)/\(name)"
        var bytes = try FileSystem.read(path, limit: 1 << 24)
        bytes[offset] ^= bit
        try put(bytes, name)
    }

    func damageRecord(_ slot: Int, of name: String) throws { try damage(name, at: 256 * (slot + 1) + 30) }

    /// Every whole record in the folder, in order.
    func records() throws -> [JournalRecord] {
        var records: [JournalRecord] = []
        for name in try segmentNames() {
            var bytes = try FileSystem.read("\(directory.journal)/\(name)", limit: 1 << 24)
            // Where a file ends too early, zeros are read.
            bytes += [UInt8](repeating: 0, count: 255)
            for offset in stride(from: 256, through: bytes.count - 256, by: 256) {
                let record = Array(bytes[offset..<offset + 256])
                if let record = try? record.withUnsafeBytes({ try JournalRecord($0) }) { records.append(record) }
            }
        }
        return records
    }

    /// A segment written by hand: record n of it has `unsynced(n)` before it.
    func handmadeSegment(
        ordinal: UInt64, epoch: UInt64, firstSequence: UInt64 = 1, count: Int, capacity: Int,
        unsynced: (Int) -> UInt8
    ) throws {
        var bytes = SegmentHeader(ordinal: ordinal, capacity: UInt32(capacity), lane: Self.lane).encoded
        for index in 0..<count {
            let sequence = firstSequence + UInt64(index)
            let event: LaneEvent =
                sequence == 1 ? .epochStarted(previous: .none, lastSequence: 0) : .fire(alarm: index % 2 == 0)
            bytes +=
                JournalRecord(
                    event: event, moment: Self.moment(), epoch: Epoch(low: epoch, high: 7), sequence: sequence,
                    lane: Self.lane, from: .outside, to: Self.hall, unsyncedBefore: unsynced(index)
                ).encoded
        }
        bytes += [UInt8](repeating: 0, count: (capacity - count) * 256)
        try put(bytes, SegmentHeader.fileName(ordinal: ordinal))
    }

    // MARK: Events

    static func presentation(_ number: UInt32 = 1) -> Presentation {
        Presentation(
            tag: BadgeTag(low: UInt64(number), high: 3), type: .chip,
            lookup: .found(ImageFixture.credential(holder: number)), reader: 2)
    }

    static func decided(_ number: UInt32 = 1, admitted: Bool = true) -> LaneEvent {
        .decided(
            Decision(
                presentation: presentation(number), verdict: admitted ? .admitted : .refused,
                reasons: admitted ? [] : .testExpired, temperature: TemperatureFinding(outcome: .measured),
                temperatureOffsetCentidegrees: 0, temperatureLimitCentidegrees: 3730, credentials: .none,
                policyDigest: .none))
    }

    static func ended(_ sequence: UInt64, _ end: ReleaseEnd = .passed, epoch: UInt64? = nil) -> LaneEvent {
        .ended(
            Outcome(
                end: end, direction: .forward, decisionSequence: sequence,
                decisionEpoch: epoch.map { Epoch(low: $0, high: 7) }, tag: BadgeTag(low: 1, high: 3), type: .chip,
                holder: HolderNumber(1), kind: .visitor, reader: 2, openMilliseconds: 1500))
    }
}

extension Journal {
    /// The next record, whatever its number; waits for the keeper when it has not made room yet.
    func add(
        _ event: LaneEvent = .fire(alarm: true), at moment: Moment = JournalFixture.moment(),
        for purpose: RecordPurpose = .entrance
    ) throws {
        try append(event, at: moment, sequence: nextSequence, for: purpose)
    }

    /// `add`, so many times, giving the keeper time to make segments.
    func add(_ count: Int, for purpose: RecordPurpose = .entrance) throws {
        for _ in 0..<count {
            if room(for: purpose) == 0 { _ = try eventually { room(for: purpose) > 0 } }
            try add(for: purpose)
        }
    }
}

extension JournalReader {
    /// All that can be read now.
    func rest(limit: Int = 100) throws -> (records: [JournalRecord], lost: [RecordBatch.Stretch]) {
        var records: [JournalRecord] = []
        var lost: [RecordBatch.Stretch] = []
        while true {
            let batch = try read(atMost: limit)
            if batch.isEmpty { return (records, lost) }
            if let stretch = batch.lost { lost.append(stretch) }
            for index in 0..<batch.count {
                let bytes = Array(batch.records[index * 256..<(index + 1) * 256])
                records.append(try bytes.withUnsafeBytes { try JournalRecord($0) })
            }
        }
    }
}
