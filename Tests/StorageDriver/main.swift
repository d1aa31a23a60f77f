// A program for the tests of Storage, which kill it, fail its calls and cut its power: `storage-driver ROLE DIRECTORY …`.
// It says what it has done on stdout, a line at a time, and ends with 0 when nothing was refused.

import Admission
import Cryptography
import Framing
import Glibc
import Posix
import Storage

func say(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(1, line, line.count)
}

/// Appends COUNT records, each a decision of the holder with its number, and says `wrote N` for each, `synced N` when all
/// up to it are on disk, `refused …` when one was not taken.
/// With `waiting` false it never waits for the disk but, at the end, as long as it may.
func journal(
    _ directory: LaneDirectory, epoch: UInt64, count: UInt32, waiting: Bool, endMilliseconds: Int
) throws -> Bool {
    guard let lane = ShortName("north-07"), let hall = ShortName("hall-1") else { return false }
    func moment(_ number: UInt32) -> Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: UInt64(number)),
            wall: WallTime(seconds: 1_750_000_800 + Int64(number)), clock: .trusted)
    }
    func event(_ number: UInt32) -> LaneEvent {
        .ended(
            Outcome(
                end: .passed, direction: .forward, decisionSequence: UInt64(number), decisionEpoch: nil,
                tag: BadgeTag(low: UInt64(number), high: 1), type: .chip, holder: HolderNumber(number), kind: .visitor,
                reader: 0, openMilliseconds: 7))
    }
    let lock = try LaneLock(directory)
    let (journal, recovery) = try Journal.open(
        directory, holding: lock, lane: lane, from: .outside, to: hall,
        settings: JournalSettings(capacityRecords: 5000, reserveRecords: 128, recordsPerSegment: 32),
        epoch: Epoch(low: epoch, high: 7), at: moment(0))
    say("opened \(journal.nextSequence - 1) \(recovery.recordsHeld)")
    var whole = true
    for number in 1...count {
        var tries = 0
        while true {
            if journal.room(for: .entrance) == 0 {
                let deadline = SystemClock.deadline(milliseconds: 3000)
                while journal.room(for: .entrance) == 0 && SystemClock.monotonicNanoseconds() < deadline {
                    _ = try journal.changed.descriptor.wait(
                        for: .readable, until: min(deadline, SystemClock.deadline(milliseconds: 5)))
                    journal.changed.drain()
                }
            }
            do {
                let sequence = journal.nextSequence
                try journal.append(event(number), at: moment(number), sequence: sequence, for: .entrance)
                say("wrote \(sequence)")
                break
            } catch {
                say("refused \(error)")
                tries += 1
                if tries == 3 {
                    whole = false
                    break
                }
            }
        }
        if waiting, number % 10 == 0, journal.waitUntilSynced(by: SystemClock.deadline(milliseconds: 60_000)) {
            say("synced \(journal.nextSequence - 1)")
        }
    }
    if journal.close(by: SystemClock.deadline(milliseconds: endMilliseconds)) {
        say("synced \(journal.nextSequence - 1)")
    }
    return whole
}

/// Takes the newest delivered image over and marks it applied: `installed V`.
func image(_ directory: LaneDirectory, site: SiteID, publicKey: [UInt8], fingerprint: UInt64) throws {
    let trust = try SiteTrust(site: site, publicKey: publicKey, badgeKeyFingerprint: fingerprint)
    let installer = ImageInstaller(directory, trusting: trust)
    let now = Moment(
        monotonic: MonotonicTime(milliseconds: 1), wall: WallTime(seconds: 1_750_000_000), clock: .trusted)
    try directory.prepareForDaemon()
    let inForce = try installer.loadNewest(at: now).image?.version ?? 0
    guard let source = try installer.newestIncoming(above: inForce) else { return }
    let image = try installer.install(from: source, newerThan: inForce, at: now)
    say("installed \(image.version)")
    try AppliedFile.write(image.mark, to: directory.applied)
    say("applied \(image.version)")
}

/// Appends the delivered change lists to the log, oldest first: `applied N`; then lets go of those up to `keepAbove`:
/// `kept`.
func changes(_ directory: LaneDirectory, _ trust: SiteTrust, keepAbove: UInt64) throws {
    try directory.prepareForDaemon()
    let opened = try ChangeLog.open(directory, trusting: trust)
    say("opened \(opened.lists.last?.last ?? 0)")
    for name in try FileSystem.list(directory.incoming) where LaneDirectory.incomingChanges(name: name) != nil {
        let bytes = try FileSystem.read("\(directory.incoming)/\(name)", limit: ChangeList.longest)
        let list = try ChangeList.verified(bytes, trusting: trust)
        guard list.last > opened.lists.last?.last ?? 0 else { continue }
        try opened.log.append(bytes)
        say("applied \(list.last)")
    }
    guard keepAbove > 0 else { return }
    _ = try ChangeLog.keep(above: keepAbove, in: directory, trusting: trust)
    say("kept \(keepAbove)")
}

/// Writes the cursor 1…COUNT times: `stored N`.
func cursor(_ directory: LaneDirectory, count: UInt64) throws {
    for number in 1...count {
        try Cursor.write(StoredThrough(epoch: Epoch(low: 1, high: 7), sequence: number), to: directory.cursor)
        say("stored \(number)")
    }
}

func run(_ arguments: [String]) throws -> Bool {
    guard arguments.count >= 3 else { return false }
    let directory = LaneDirectory(arguments[1])
    switch arguments[0] {
    case "journal":
        guard arguments.count >= 4, let epoch = UInt64(arguments[2]), let count = UInt32(arguments[3]) else {
            return false
        }
        // `nowait`, and how long the end may take, in milliseconds.
        let end = arguments.count == 6 ? Int(arguments[5]) : 5000
        guard let end else { return false }
        return try journal(
            directory, epoch: epoch, count: count, waiting: arguments.count == 4, endMilliseconds: end)
    case "image":
        guard arguments.count == 5, let site = SiteID(hex: arguments[2]),
            let key = Hexadecimal.bytes(arguments[3]), let fingerprint = UInt64(arguments[4])
        else { return false }
        try image(directory, site: site, publicKey: key, fingerprint: fingerprint)
        return true
    case "changes":
        guard arguments.count == 6, let site = SiteID(hex: arguments[2]),
            let key = Hexadecimal.bytes(arguments[3]), let fingerprint = UInt64(arguments[4]),
            let keepAbove = UInt64(arguments[5])
        else { return false }
        try changes(
            directory, try SiteTrust(site: site, publicKey: key, badgeKeyFingerprint: fingerprint),
            keepAbove: keepAbove)
        return true
    case "cursor":
        guard let count = UInt64(arguments[2]) else { return false }
        try cursor(directory, count: count)
        return true
    default: return false
    }
}

do {
    exit(try run(Invocation.arguments) ? 0 : 1)
} catch {
    say("refused \(error)")
    exit(1)
}
