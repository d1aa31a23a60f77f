import Admission
import Framing
import Posix
import Storage
import Synchronization

/// Writes the file `word`, what the lane says of itself, which its uplink passes on to the collector: at once when
/// something changes, and every few seconds as long as the program runs. An uplink that does not see it change takes the
/// daemon for stopped.
///
/// On a thread of its own: a disk that hangs or is full holds up neither the lane nor the program's end. It asks the
/// lane's thread nothing, and makes the word of what that publishes anyway, so it also tells of a lane that hangs.
final class WordThread: Sendable {
    struct Settings: Sendable {
        var path: String
        var version: ShortName
        var startedAt: WallTime
        /// All that the lane is configured to have.
        var devices: [Device]
        /// Records that the journal has room for, without the reserve.
        var journalCapacity: Int
    }

    /// It is written anew at least this often: half a dozen times before an uplink believes that nobody writes it.
    static let periodMilliseconds: UInt64 = 5000
    /// Whether the lane hangs, and how old its credentials are, is looked at this often.
    static let lookMilliseconds: UInt64 = 1000
    /// It is written at most this often, whatever flickers.
    static let shortestMilliseconds: UInt64 = 200
    /// The program's end waits so long for its file to be removed.
    static let patienceMilliseconds = 500

    private let settings: Settings
    private let progress: LaneProgress
    private let isInAlarm: @Sendable () -> Bool
    private let bell: WakeUp
    private let stopping = Atomic<Bool>(false)
    private let removed: LateResult<Bool>

    /// - Parameters:
    ///   - bell: rung when something was published to `progress`.
    ///   - isInAlarm: as the fire thread knows it, which does not hang.
    init(
        _ settings: Settings, _ progress: LaneProgress, bell: WakeUp, isInAlarm: @escaping @Sendable () -> Bool
    ) throws(SystemFailure) {
        self.settings = settings
        self.progress = progress
        self.bell = bell
        self.isInAlarm = isInAlarm
        removed = try LateResult(name: "end of the lane's word")
    }

    /// Nobody joins this thread: it may hang in the disk when the program ends.
    func start() throws(SystemFailure) { _ = try NamedThread.start(name: "word") { [self] in run() } }

    func end() {
        stopping.store(true, ordering: .releasing)
        bell.signal()
    }

    /// False when the disk did not answer in time: then the file stays, and says nothing new.
    func waitForEnd() -> Bool { removed.wait(milliseconds: Self.patienceMilliseconds) ?? false }

    private func run() {
        var written: LaneWord?
        var isFailing = false
        var (earliest, latest): (UInt64, UInt64) = (0, .max)
        var isOwed = false
        while true {
            let look = SystemClock.deadline(milliseconds: Int(Self.lookMilliseconds))
            _ = try? bell.descriptor.wait(for: .readable, until: isOwed ? earliest : min(look, latest))
            _ = bell.drain()
            if stopping.load(ordering: .acquiring) { break }
            guard let word = word() else { continue }
            let now = SystemClock.monotonicNanoseconds()
            isOwed = now >= latest || written.map(word.isNews(after:)) ?? true
            guard isOwed, now >= earliest else { continue }
            isOwed = false
            do {
                try WordFile.write(word, to: settings.path)
                if isFailing { Log.notice("\(settings.path): written again") }
                isFailing = false
            } catch {
                if !isFailing { Log.error("\(error): what the lane says of itself does not reach the collector") }
                isFailing = true
            }
            written = word
            let after = SystemClock.monotonicNanoseconds()
            earliest = after + Self.shortestMilliseconds * 1_000_000
            latest = after + Self.periodMilliseconds * 1_000_000
        }
        _ = try? WordFile.write(nil, to: settings.path)
        removed.end(true)
    }

    /// nil before the lane's thread has begun.
    private func word() -> LaneWord? {
        guard let snapshot = progress.snapshot else { return nil }
        var word = LaneWord(
            snapshot, at: WallTime(milliseconds: SystemClock.wallMilliseconds()), version: settings.version,
            isInAlarm: isInAlarm(), hangs: progress.hang() != nil)
        word.startedAt = settings.startedAt
        word.recordsRoom = UInt32(clamping: settings.journalCapacity)
        for device in settings.devices {
            word.devices |= 1 << UInt32(device.code)
            if snapshot.machine.isLost(device) { word.lostDevices |= 1 << UInt32(device.code) }
        }
        return word
    }
}

extension LaneWord {
    /// Of the lane as it was published last; `wall` is now.
    fileprivate init(
        _ snapshot: LaneSnapshot, at wall: WallTime, version: ShortName, isInAlarm: Bool, hangs: Bool
    ) {
        self.init(asOf: wall, version: version)
        let machine = snapshot.machine
        let inForce = machine.credentialsInForce
        (mode, cause) = isInAlarm ? (.emergency, .fire) : machine.mode
        clock = snapshot.moment.clock
        journal = snapshot.journal.state
        freshness = StatusAnswer.freshness(inForce, machine.policy, at: wall)
        if isInAlarm { flags.insert(.fireAlarm) }
        if hangs { flags.insert(.hangs) }
        if snapshot.journal.absence != nil { flags.insert(.hasNoJournal) }
        let faults = snapshot.journal.faults
        if machine.hasJournalFault || faults.sync != nil || faults.room != nil { flags.insert(.hasJournalFault) }
        imageVersion = inForce.imageVersion
        changeNumber = inForce.changeNumber
        statementAsOf = inForce.statementAsOf
        imageIssuedAt = inForce.imageVersion == 0 ? nil : inForce.imageIssuedAt
        recordsHeld = UInt32(clamping: snapshot.journal.used)
        for contact in (0..<32).compactMap({ TamperContact(code: $0) }) where machine.isTampered(contact) {
            openCovers |= 1 << UInt32(contact.code)
        }
        policyDigest = machine.policy.digest
    }
}
