import Admission
import Framing
import Posix
import Storage
import Uplink

/// One lane's directories, as its daemon leaves them for the uplink: a journal that holds its first record, and a socket
/// to be woken at.
struct CrowdLane: Sendable {
    let name: ShortName
    let settings: UplinkSettings
    let directory: LaneDirectory
    let bell: Descriptor

    init(_ name: ShortName, below parent: String, _ trust: SiteTrust, _ collector: CollectorURL) throws {
        self.name = name
        let state = "\(parent)/\(name.text)/state"
        let run = "\(parent)/\(name.text)/run"
        settings = UplinkSettings(
            site: trust.site, lane: name, stateDirectory: state, runDirectory: run,
            collector: CollectorSettings(
                url: collector,
                encryption: CollectorSettings.Encryption(identityDirectory: "\(parent)/\(name.text)/identity")))
        directory = LaneDirectory(state)
        try FileSystem.makeDirectories(run, mode: LaneDirectory.directoryMode)
        try directory.prepareForDaemon()
        bell = try UnixSocket.listen("\(run)/look.sock", mode: 0o660)
        try Self.beginJournal(directory, name)
    }

    /// So that records, and the probes that follow them, go up as from any lane.
    private static func beginJournal(_ directory: LaneDirectory, _ name: ShortName) throws {
        let lock = try LaneLock(directory)
        var random = SystemRandomNumberGenerator()
        guard let zone = ShortName("north-ring") else { return }
        let (journal, _) = try Journal.open(
            directory, holding: lock, lane: name, from: .outside, to: zone,
            settings: JournalSettings(capacityRecords: 512, reserveRecords: 128, recordsPerSegment: 32),
            epoch: Epoch(low: random.next(), high: random.next()),
            at: Moment(
                monotonic: MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()),
                wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted))
        guard journal.close(by: SystemClock.deadline(milliseconds: 60_000)) else {
            throw FormatError(directory.journal, "the disk does not take its first record")
        }
    }
}
