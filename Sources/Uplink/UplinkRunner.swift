import Admission
import Framing
import Glibc
import Posix
import Storage

/// The uplink's life: waits for its directory, then carries records up and credentials down until a signal ends it.
///
/// One thread, which waits in one place (`CollectorClient.wait`) for the collector, for signals and for the next thing
/// that is due. Nothing it does can reach the gate but through files in `uplink/`, which the daemon verifies.
public final class UplinkRunner {
    private static let patienceMilliseconds: Int64 = 1000

    private let settings: UplinkSettings
    private let signals: SignalWatch
    private let notifier: ServiceNotifier
    private let client: CollectorClient
    private let directory: LaneDirectory
    private var lock: Descriptor?
    private var lockCheckDue = MonotonicTime(nanoseconds: 0)
    private var errands: [any Errand] = []
    private var waitReport = FailureReport("waiting for the lane's directory")
    private var nextTry = MonotonicTime(nanoseconds: 0)
    private var watchdogDue = MonotonicTime(nanoseconds: 0)
    private var shownStatus = ""
    private var statusDue = MonotonicTime(nanoseconds: 0)

    /// `signals`: SIGTERM and SIGINT, watched before any thread was started.
    public init(
        _ settings: UplinkSettings, signals: SignalWatch, notifier: ServiceNotifier
    ) throws(TransferFailure) {
        self.settings = settings
        self.signals = signals
        self.notifier = notifier
        client = try CollectorClient(settings.collector)
        directory = LaneDirectory(settings.stateDirectory)
    }

    /// Returns after SIGTERM or SIGINT, whatever is under way. Throws when it cannot go on at all: another uplink serves
    /// this lane, or libcurl fails.
    public func run() throws(TransferFailure) {
        let mirror = settings.mirror.map { ", images and changes from \($0.url)" } ?? ""
        Log.notice("lane \(settings.lane.text): uplink to \(settings.collector.url) starts\(mirror)")
        let now = Self.now
        try prepare(now)
        notifier.ready(status: status)
        while !isToldToStop {
            try turn()
        }
        notifier.stopping(status: "stopping")
        for errand in errands { errand.stop() }
        Log.notice("lane \(settings.lane.text): uplink stops")
    }

    private static var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    private var isToldToStop: Bool {
        while let signal = signals.next() {
            if signal == .terminate || signal == .interrupt { return true }
        }
        return false
    }

    private func turn() throws(TransferFailure) {
        let now = Self.now
        try prepare(now)
        for errand in errands { errand.step(now: now) }
        tellSupervisor(now)
        var due = min(nextTry, now.advanced(byMilliseconds: Self.patienceMilliseconds * 30))
        if lock != nil { due = min(due, lockCheckDue) }
        for errand in errands { due = min(due, errand.nextDue) }
        if notifier.watchdogIntervalNanoseconds != nil { due = min(due, watchdogDue) }
        _ = try client.wait(until: due.nanoseconds, alsoFor: [signals.raw])
        let then = Self.now
        while let (exchange, outcome) = client.nextFinished() {
            for errand in errands where errand.take(exchange, outcome, now: then) { break }
        }
    }

    // MARK: The directory

    /// Takes the uplink's directory as soon as it can be taken; looks once a second until then.
    private func prepare(_ now: MonotonicTime) throws(TransferFailure) {
        letGoOfLostDirectory(now)
        guard lock == nil, now >= nextTry else { return }
        guard let taken = try takeDirectory(now) else {
            nextTry = now.advanced(byMilliseconds: Self.patienceMilliseconds)
            return
        }
        if let line = waitReport.succeeded() { Log.notice(line) }
        lock = taken
        nextTry = .never
        let credentials = CredentialSync(settings, client, now: now)
        let changes = ChangeSync(
            settings, client, bell: credentials.bell, now: now,
            named: { [weak credentials] in credentials?.statement }
        ) { [weak credentials] now in
            credentials?.imageIsNeeded(now: now)
        }
        errands = [
            RecordUpload(settings, client), credentials, changes,
            PresenceSync(settings, client, bell: credentials.bell, now: now),
        ]
        if let identity = settings.collector.encryption.identityDirectory {
            errands.append(CertificateRenewal(settings, client, identityDirectory: identity, now: now))
        }
    }

    /// nil while something is missing. The lane directory is lanekeeperd's (or the installation's) to make; `uplink/` in
    /// it is made here when this user may.
    private func takeDirectory(_ now: MonotonicTime) throws(TransferFailure) -> Descriptor? {
        do throws(SystemFailure) {
            guard try FileSystem.statusIfPresent(directory.path) != nil else {
                wait("\(directory.path) does not exist; lanekeeperd makes it when it starts for the first time", now)
                return nil
            }
            try FileSystem.makeDirectories(directory.uplink, mode: LaneDirectory.directoryMode)
            let lock = try Descriptor.open(
                "\(directory.uplink)/uplink.lock", [.readWrite, .create, .noFollow], mode: LaneDirectory.fileMode)
            try lock.lockExclusively()
            do throws(StorageError) { try directory.prepareForUplink() } catch {
                wait("\(error)", now)
                return nil
            }
            return lock
        } catch {
            guard error.code == EWOULDBLOCK else {
                wait(error.description, now)
                return nil
            }
            throw TransferFailure(.local, "another uplink serves this lane: \(error)")
        }
    }

    /// A lane directory that was removed and made anew has to be taken anew: the lock of the old one guards nothing.
    private func letGoOfLostDirectory(_ now: MonotonicTime) {
        guard let lock, now >= lockCheckDue else { return }
        lockCheckDue = now.advanced(byMilliseconds: Self.patienceMilliseconds)
        let held = try? lock.status()
        let present = try? FileSystem.statusIfPresent("\(directory.uplink)/uplink.lock")
        guard held == nil || present?.inode != held?.inode || present?.device != held?.device else { return }
        Log.warning("\(directory.uplink) is not what it was: it is taken anew")
        for errand in errands { errand.stop() }
        errands = []
        self.lock = nil
        nextTry = now
    }

    private func wait(_ why: String, _ now: MonotonicTime) {
        if let line = waitReport.failed(key: why, why, now: now) { Log.warning(line) }
    }

    // MARK: The supervisor

    private var status: String {
        guard lock != nil else { return "waiting: \(waitReport.current ?? "")" }
        let complaints = errands.flatMap(\.complaints)
        let words =
            errands.map(\.summary).filter { !$0.isEmpty }
            + (complaints.isEmpty ? [] : ["TROUBLE: \(complaints.joined(separator: "; "))"])
        return words.joined(separator: "; ")
    }

    private func tellSupervisor(_ now: MonotonicTime) {
        guard notifier.isSupervised else { return }
        if let interval = notifier.watchdogIntervalNanoseconds, now >= watchdogDue {
            notifier.watchdog()
            watchdogDue = MonotonicTime(nanoseconds: now.nanoseconds + interval)
        }
        guard now >= statusDue else { return }
        let status = status
        if status != shownStatus {
            notifier.status(status)
            shownStatus = status
            statusDue = now.advanced(byMilliseconds: Self.patienceMilliseconds)
        }
    }
}
