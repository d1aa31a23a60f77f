import Admission
import Configuration
import Control
import Cryptography
import Devices
import Framing
import Posix
import Storage

/// One lane, assembled and run. What goes wrong before the lane stands is one message and a non-zero end.
public enum LaneProgram {
    /// What `--check-config` says: the settings in sentences.
    public static func check(configuration path: String) throws -> String {
        let settings = try LaneSettings(path: path)
        _ = try SiteKeys(settings)
        for line in settings.readers { _ = try ReaderKeys.options(of: line) }
        return LaneSummary.text(settings)
    }

    /// Whether starting again cannot help before somebody changed the configuration.
    public static func isConfigurationFault(_ error: any Error) -> Bool {
        error is ConfigurationFailure || error is FormatError
    }

    /// Runs until SIGTERM or SIGINT.
    public static func run(configuration path: String, version: String) throws {
        SignalWatch.ignoreBrokenPipe()
        let signals = try SignalWatch()
        let settings = try LaneSettings(path: path)
        let fire = try FireThread()
        let now = MonotonicTime.now()
        // Before anything that can fail or wait: from here on the fire input opens the lane.
        let fireThread = try makeFireLine(settings, at: now).map { try fire.start($0) }
        defer {
            fire.end()
            fireThread?.join()
        }
        try run(settings, path, version, signals, fire)
    }

    private static func run(
        _ settings: LaneSettings, _ path: String, _ version: String, _ signals: SignalWatch, _ fire: FireThread
    ) throws {
        let notifier = ServiceNotifier()
        let keys = try SiteKeys(settings)
        let directory = LaneDirectory(settings.stateDirectory)
        let lock = try LaneLock(directory)
        try directory.prepareForDaemon()
        try FileSystem.makeDirectories(settings.runDirectory, mode: 0o750)
        let archive = PolicyArchive(directory)
        try archive.keep(settings.policyContents, settings.policy.digest)

        let began = Moment(
            monotonic: .now(), wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted)
        guard let epoch = Epoch(bytes: try RandomBytes.make(16)) else { return }
        let (journal, recovery) = try Journal.open(
            directory, holding: lock, lane: settings.id, from: settings.lane.from, to: settings.lane.to,
            settings: JournalSettings(
                capacityRecords: settings.journalCapacityRecords, reserveRecords: settings.journalReserveRecords,
                recordsPerSegment: settings.journalRecordsPerSegment),
            epoch: epoch, at: began)
        report(recovery)

        let gate = try makeGate(settings, at: .now())
        let clock = try WallClock(floor: recovery.newestTrustedWall ?? WallTime(milliseconds: 0))
        var machine = LaneMachine(
            configuration: settings.lane, policy: settings.policy, nextSequence: journal.nextSequence,
            hourTotals: recovery.hourTotals, at: clock.moment())
        let start = clock.moment()
        for passage in recovery.passages { machine.remember(passage.holder, passedAt: passage.wall, at: start) }
        let news = try Mailbox<CredentialNews>(name: "credential news", capacity: 8)
        let questions = try Mailbox<LaneQuestion>(name: "questions", capacity: 16)
        let tap = FrameTap()
        let credentials = try CredentialThread(
            CredentialThread.Settings(
                directory: directory, lookSocket: "\(settings.runDirectory)/look.sock", trust: keys.trust),
            news: news)
        let credentialThread = try credentials.start()
        let orders = try Mailbox<LaneOrder>(name: "orders", capacity: 16)
        let reload = try PolicyReload(
            path: path, started: settings, archive: archive, orders: orders,
            clockIsTrusted: { credentials.clockIsTrusted.load(ordering: .relaxed) })
        let reloadThread = try reload.start()
        let control = try ControlServer(
            path: "\(settings.runDirectory)/\(ControlProtocol.socketName)", excluded: { uplinkUser(directory) }
        ) { request in
            ControlDesk(
                settings: settings, version: version, startedAtMilliseconds: began.wall.milliseconds,
                questions: questions, orders: orders, reload: reload, tap: tap
            ).reply(request)
        }
        let loop = LaneLoop(
            parts: LaneParts(
                configuration: settings.lane, servicePoint: settings.servicePoint, badgeKey: keys.badgeKey,
                readers: try settings.readers.map { try attach($0) },
                thermometer: try settings.thermometer.map { try attach($0) },
                gate: gate, fire: fire, signals: signals, credentials: credentials, credentialNews: news,
                questions: questions, orders: orders, reload: reload, tap: tap, notifier: notifier),
            runner: EffectRunner(machine: machine, journal: journal, gate: gate), clock: clock)
        defer {
            control.stop()
            reload.end()
            reloadThread.join()
            credentials.end()
            credentialThread.join()
            if !journal.close(by: SystemClock.deadline(milliseconds: 500)) {
                Log.error(
                    "journal: the disk did not answer within 500 ms; what was written last may be lost on power loss")
            }
        }
        Log.notice("lane \(settings.id.text) (\(settings.name)) is up, epoch \(journal.epoch.hex)")
        try loop.run(unfinished: recovery.outstanding)
        Log.notice("lane \(settings.id.text) stopped")
    }

    /// The uplink's user owns its folder. It shares the lane's group and is not trusted: what badges hold is not its
    /// business. Looked at for each client, since the folder may come later; empty when one user runs both.
    private static func uplinkUser(_ directory: LaneDirectory) -> [UInt32] {
        guard let owner = (try? FileSystem.statusIfPresent(directory.uplink))??.user else { return [] }
        return owner == Invocation.effectiveUser ? [] : [owner]
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

    private static func attach(_ line: LaneSettings.Line) throws -> AttachedDevice {
        AttachedDevice(
            name: line.name, type: line.type, path: line.port, baud: line.baud,
            options: try ReaderKeys.options(of: line), at: .now())
    }

    private static func makeGate(_ settings: LaneSettings, at now: MonotonicTime) throws -> Gate {
        switch settings.gate {
        case .simulated(let socket): Gate.simulated(socket: socket, at: now)
        case .gpio(let gate, _): Gate.gpio(gate, at: now)
        }
    }

    private static func makeFireLine(_ settings: LaneSettings, at now: MonotonicTime) throws -> FireLine? {
        switch settings.gate {
        case .simulated(let socket): FireLine.simulated(socket: socket, at: now)
        case .gpio(_, let fire?): FireLine.gpio(fire, at: now)
        case .gpio(_, nil): nil
        }
    }
}
