import Admission
import Cryptography
import Framing
import Posix
import Storage
import Synchronization

/// What the lane's directory held, opened.
struct OpenedLane: @unchecked Sendable {
    // Unchecked: handed over whole; the thread that opened it touches it no more.
    let journal: Journal
    let recovery: JournalRecovery
}

enum StoreNews: Sendable {
    case opened(OpenedLane)
    /// Not now; it is tried again.
    case unavailable(String)
    /// Trying again cannot help before a person did something.
    case failed(any Error)
}

/// Opens the lane's directory on a thread of its own: a disk that hangs, is full or refuses keeps nobody in an exit and
/// holds up no fire. Until it is opened the lane runs without a journal: an entrance out of service, an exit open, both
/// counting.
final class LaneStore: Sendable {
    let news: Mailbox<StoreNews>
    private let settings: LaneSettings
    private let stop: WakeUp
    private let readOrder = Mutex<StandingOrder?>(nil)
    /// What a technician had ordered, as far as it could be read.
    var order: StandingOrder? { readOrder.withLock { $0 } }

    static let retryMilliseconds = 10_000
    /// A disk that works is opened long before this.
    static let patienceMilliseconds = 5000

    init(_ settings: LaneSettings) throws(SystemFailure) {
        self.settings = settings
        news = try Mailbox(name: "lane store", capacity: 4)
        stop = try WakeUp(name: "lane store's stop")
    }

    /// Nobody waits for this thread: it may hang in the disk when the program ends.
    func start() throws(SystemFailure) { _ = try NamedThread.start(name: "store") { [self] in run() } }

    func end() { stop.signal() }

    /// The first that is known, for the beginning of the program: opened, or why not yet. Throws what cannot pass.
    func first() throws -> (opened: OpenedLane?, absence: String) {
        let deadline = SystemClock.deadline(milliseconds: Self.patienceMilliseconds)
        while try news.wakeUp.descriptor.wait(for: .readable, until: deadline) {
            for letter in news.takeAll() {
                switch letter {
                case .opened(let opened): return (opened, "")
                case .unavailable(let why): return (nil, why)
                case .failed(let error): throw error
                }
            }
        }
        let absence = "\(settings.stateDirectory) does not answer"
        Log.error("\(absence); the lane begins without a journal")
        return (nil, absence)
    }

    private func run() {
        var told = ""
        while true {
            do {
                news.post(.opened(try open()))
                return
            } catch {
                guard Self.mayPass(error) else {
                    news.post(.failed(error))
                    return
                }
                let text = "\(error)"
                if text != told {
                    Log.error("\(text); the lane runs without a journal, and tries again every 10 s")
                    news.post(.unavailable(text))
                }
                told = text
            }
            let deadline = SystemClock.deadline(milliseconds: Self.retryMilliseconds)
            if (try? stop.descriptor.wait(for: .readable, until: deadline)) != false { return }
        }
    }

    private static func mayPass(_ error: any Error) -> Bool {
        switch error as? StorageError {
        case .locked, .foreignJournal, .settings: false
        default: true
        }
    }

    private func open() throws -> OpenedLane {
        let directory = LaneDirectory(settings.stateDirectory)
        let lock = try LaneLock(directory)
        let order = OrderFile.read(in: directory)
        readOrder.withLock { $0 = order }
        try directory.prepareForDaemon()
        let archive = PolicyArchive(directory)
        do { try archive.keep(settings.policyContents, settings.policy.digest) } catch {
            // At an exit no policy decides, and a copy from before is a copy.
            let isKept = try FileSystem.statusIfPresent(archive.path(settings.policy.digest)) != nil
            guard isKept || settings.lane.kind == .exit else { throw error }
            Log.error("\(error)")
        }
        guard let epoch = Epoch(bytes: try RandomBytes.make(16)) else {
            throw StorageError.settings("no random bytes for the journal's epoch")
        }
        let (journal, recovery) = try Journal.open(
            directory, holding: lock, lane: settings.id, from: settings.lane.from, to: settings.lane.to,
            traffic: settings.lane.traffic,
            settings: JournalSettings(
                capacityRecords: settings.journalCapacityRecords, reserveRecords: settings.journalReserveRecords,
                recordsPerSegment: settings.journalRecordsPerSegment),
            epoch: epoch,
            at: Moment(
                monotonic: .now(), wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted))
        Self.report(recovery)
        return OpenedLane(journal: journal, recovery: recovery)
    }

    private static func report(_ recovery: JournalRecovery) {
        if recovery.recordsDropped > 0 {
            Log.warning(
                "journal: \(recovery.recordsDropped) records behind a torn one were not on disk yet and are dropped")
        }
        for hole in recovery.holes {
            guard case .hole(let epoch, let first, let count, _, _) = hole else { continue }
            Log.error(
                "journal: \(count) records from \(first) of epoch \(epoch.hex) are damaged; they stay on disk and are reported"
            )
        }
        for path in recovery.setAside {
            Log.error("journal: \(path) has a damaged header and was set aside, not erased")
        }
    }
}
