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
        try FileSystem.makeDirectories(settings.runDirectory, mode: 0o750)
        let archive = PolicyArchive(directory)
        let startedAt = SystemClock.wallMilliseconds()
        let store = try LaneStore(settings)
        try store.start()
        let (opened, absence) = try store.first()

        let gate = try makeGate(settings, at: .now())
        let clock = try WallClock(floor: opened?.recovery.newestTrustedWall ?? WallTime(milliseconds: 0))
        var machine = LaneMachine(
            configuration: settings.lane, policy: settings.policy, nextSequence: opened?.journal.nextSequence ?? 1,
            hourTotals: opened?.recovery.hourTotals ?? LaneTotals(), at: clock.moment())
        let start = clock.moment()
        machine.remember(opened?.recovery.passages ?? [], at: start)
        if let order = store.order { machine.resume(order, at: clock.moment()) }
        let news = try Mailbox<CredentialNews>(name: "credential news", capacity: 8)
        let questions = try Mailbox<LaneQuestion>(name: "questions", capacity: 16)
        let tap = FrameTap()
        let wordBell = try WakeUp(name: "lane's word")
        let progress = LaneProgress(waking: wordBell)
        let word = try WordThread(
            WordThread.Settings(
                path: directory.word, version: ShortName(bytes: version.utf8.prefix(ShortName.longest)) ?? .outside,
                startedAt: WallTime(milliseconds: startedAt), devices: settings.devices,
                journalCapacity: settings.journalCapacityRecords),
            progress, bell: wordBell, isInAlarm: { fire.isAlarm.load(ordering: .acquiring) })
        try word.start()
        let credentials = try CredentialThread(
            CredentialThread.Settings(
                directory: directory, lookSocket: "\(settings.runDirectory)/look.sock", trust: keys.trust),
            news: news)
        let credentialThread = try credentials.start()
        let orders = try Mailbox<LaneOrder>(name: "orders", capacity: 16)
        let reload = try RulesReload(
            path: path, started: settings, archive: archive, orders: orders,
            clockIsTrusted: { credentials.clockIsTrusted.load(ordering: .relaxed) })
        let reloadThread = try reload.start()
        let uplinkUser = UplinkUser(directory)
        let orderKeeper = OrderKeeper(directory)
        let control = try ControlServer(
            path: "\(settings.runDirectory)/\(ControlProtocol.socketName)", excluded: { uplinkUser.find() }
        ) { request, user in
            ControlDesk(
                settings: settings, version: version, startedAtMilliseconds: startedAt,
                questions: questions, orders: orders, orderKeeper: orderKeeper, reload: reload, tap: tap,
                progress: progress, fire: fire, refused: credentials.refusedFiles
            ).reply(request, user: user)
        }
        let loop = LaneLoop(
            parts: LaneParts(
                configuration: settings.lane, servicePoint: settings.servicePoint, badgeKey: keys.badgeKey,
                readers: try settings.readers.map { try attach($0) },
                thermometer: try settings.thermometer.map { try attach($0) },
                gate: gate, fire: fire, signals: signals, credentials: credentials, credentialNews: news,
                store: store, questions: questions, orders: orders, reload: reload, tap: tap, notifier: notifier,
                progress: progress),
            runner: EffectRunner(
                machine: machine, journal: opened?.journal, absence: absence, gate: gate, progress: progress),
            clock: clock)
        defer {
            word.end()
            control.stop()
            reload.end()
            reloadThread.join()
            credentials.end()
            credentialThread.join()
            store.end()
            if !word.waitForEnd() { Log.warning("\(directory.word): the disk did not answer; it stays as it is") }
            if !loop.closeJournal(by: SystemClock.deadline(milliseconds: 500)) {
                Log.error(
                    "journal: the disk did not answer within 500 ms; what was written last may be lost on power loss")
            }
        }
        let epoch = opened.map { "epoch \($0.journal.epoch.hex)" } ?? "WITHOUT A JOURNAL"
        Log.notice("lane \(settings.id.text) (\(settings.name)) is up, \(epoch)")
        try loop.run(unfinished: opened?.recovery.outstanding, beside: opened?.recovery.outstandingBeside)
        Log.notice("lane \(settings.id.text) stopped")
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
