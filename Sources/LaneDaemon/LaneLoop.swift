// Read this first: one lane, from a device's bytes to the gate's relay.
//
// One thread, blocked in poll(2), owns everything that a decision needs: it reads the badge, looks it up in memory, asks
// the lane machine, writes the record and releases the gate. Nothing else runs on it. Three other threads hand it
// letters through mailboxes and take its letters back: the fire thread (which has opened before it tells), the
// credential thread (which verifies images and statements), and the control thread (which answers `lanectl`). A fourth
// reads the rules again when SIGHUP asks for it, a fifth writes what the lane says of itself for the collector.
//
//     poll ─► fire ─► gate contacts ─► deadlines ─► readers, thermometer ─► letters ─► poll …
//               └────────┴─────────────┴──────── LaneMachine.handle ─► EffectRunner.perform

import Admission
import Devices
import Framing
import Posix
import Storage
import Synchronization

final class LaneLoop {
    private let parts: LaneParts
    private var runner: EffectRunner
    private var clock: WallClock
    private var table: BadgeTable?
    private var statement: Statement?
    private var holders: PresenceTable?
    private var disagreement: Disagreement?
    private var isStopping = false
    private var isTapped = false
    private var supervisor: WatchdogPulse
    private var nextJournalLook: MonotonicTime
    private var nextPublication: MonotonicTime
    private var published: Published?
    private var presence: PresenceTimes
    private var display: ReaderDisplay
    private let set = PollSet(capacity: 32)

    /// Journal room and failed writes are looked at this often.
    private static let journalLookMilliseconds: Int64 = 1000

    init(parts: LaneParts, runner: EffectRunner, clock: WallClock) {
        self.parts = parts
        self.runner = runner
        self.clock = clock
        supervisor = WatchdogPulse(parts.notifier)
        nextJournalLook = .now()
        nextPublication = .now()
        presence = PresenceTimes(since: clock.moment().wall)
        display = ReaderDisplay(servicePoint: parts.servicePoint)
    }

    /// Runs until a signal asks to stop.
    func run(unfinished: Outcome?, beside: Outcome?) throws(SystemFailure) {
        tellCredentialThread()
        publish()
        parts.progress.beginTurn()
        runner.start(unfinished: unfinished, beside: beside, at: clock.moment())
        give(.journal(runner.journalState))
        // On record: what decides from here on.
        runner.adopt(runner.machine.policy, at: clock.moment())
        parts.credentials.want(presence: runner.machine.asksWhoIsInside)
        supervisor.ready(runner.statusLine)
        while !isStopping {
            try wait()
            lookAtFire()
            lookAtTap()
            // Before the deadlines: after a stall, who walked in time has passed and was not annulled.
            serviceGate()
            giveTime()
            serviceDevices()
            display.show(runner.machine, on: parts.readers)
            readMail()
            lookAtClock()
            lookAtJournal()
            lookAtSignals()
            let isNew = runner.takeModeChange()
            supervisor.pulse(at: .now(), status: runner.statusLine, isNew: isNew)
            if isNew || MonotonicTime.now() >= nextPublication { publish() }
        }
        supervisor.stopping()
        give(.stopping)
        parts.gate.close()
    }

    // MARK: Waiting

    private var places = Places()
    private struct Places {
        var fire = 0
        var clock = 0
        var signals = 0
        var credentials = 0
        var questions = 0
        var orders = 0
        var store = 0
    }

    private func wait() throws(SystemFailure) {
        set.removeAll()
        places.fire = set.add(parts.fire.told.raw, .readable)
        places.clock = set.add(clock.descriptor, .readable)
        places.signals = set.add(parts.signals.raw, .readable)
        places.credentials = set.add(parts.credentialNews.wakeUp.raw, .readable)
        places.questions = set.add(parts.questions.wakeUp.raw, .readable)
        places.orders = set.add(parts.orders.wakeUp.raw, .readable)
        places.store = set.add(parts.store.news.wakeUp.raw, .readable)
        parts.gate.add(to: set)
        for reader in parts.readers { reader.add(to: set) }
        parts.thermometer?.add(to: set)
        parts.progress.endTurn()
        defer { parts.progress.beginTurn() }
        try set.wait(until: deadline.nanoseconds)
    }

    private var deadline: MonotonicTime {
        var earliest = min(runner.deadline, clock.deadline, nextJournalLook, supervisor.deadline)
        earliest = min(earliest, parts.gate.nextDeadline)
        for reader in parts.readers { earliest = min(earliest, reader.nextDeadline) }
        if let thermometer = parts.thermometer { earliest = min(earliest, thermometer.nextDeadline) }
        return earliest
    }

    // MARK: What happened

    private func give(_ input: LaneInput) {
        switch input {
        case .clock:
            tellCredentialThread()
            nextPublication = .now()
        case .fire, .tamper: nextPublication = .now()
        case .deviceLost(let device), .deviceBack(let device):
            presence.changed(device, clock.moment().wall)
            nextPublication = .now()
        default: break
        }
        runner.give(input, at: clock.moment())
    }

    private func tellCredentialThread() {
        parts.credentials.clock(isTrusted: clock.keeper.trust == .trusted, isSure: clock.keeper.isSure)
    }

    private func lookAtFire() {
        if set[places.fire].contains(.readable) { _ = parts.fire.told.drain() }
        let alarm = parts.fire.isAlarm.load(ordering: .acquiring)
        if alarm != runner.isInAlarm { give(.fire(alarm: alarm)) }
    }

    /// Whether a technician wants to see what goes over the lines.
    private func lookAtTap() {
        let isWanted = parts.tap.isWanted
        guard isWanted != isTapped else { return }
        isTapped = isWanted
        Log.notice(
            isWanted ? "the lines of the devices are tapped" : "the lines of the devices are not tapped any more")
        for device in parts.readers + (parts.thermometer.map { [$0] } ?? []) {
            device.tap = isWanted ? parts.tap : nil
        }
    }

    private func giveTime() {
        let moment = clock.moment()
        runner.timePassed(at: moment)
    }

    private func serviceGate() {
        parts.gate.service(set, at: .now()) { event in
            switch event {
            case .contact(let direction, let closed): give(.contact(direction, closed: closed))
            case .guardPressed: give(.guardPressed)
            case .tamper(let opened):
                DeviceNotices.log(.tampered(opened), of: "cabinet")
                give(.tamper(.cabinet, opened: opened))
            case .lost(let failure):
                Log.error("gate lost: \(failure)")
                give(.deviceLost(.gate))
            case .back:
                Log.notice("gate is back")
                give(.deviceBack(.gate))
            }
        }
    }

    private func serviceDevices() {
        for (index, reader) in parts.readers.enumerated() {
            reader.service(set, at: .now()) { report in
                self.report(report, of: reader, as: .reader(UInt8(index)), reader: UInt8(index))
            }
        }
        if let thermometer = parts.thermometer {
            thermometer.service(set, at: .now()) { report in
                self.report(report, of: thermometer, as: .thermometer, reader: 0)
            }
        }
    }

    private func report(_ report: DeviceReport, of attached: AttachedDevice, as device: Device, reader: UInt8) {
        switch report {
        case .event(.identifier(let identifier)): give(.presented(present(identifier, reader: reader)))
        case .event(.temperature(let sample)): give(.temperature(sample))
        case .event(.rejected): break
        case .event(.notice(let notice)):
            DeviceNotices.log(notice, of: attached.name)
            if case .tampered(let opened) = notice { give(.tamper(.reader(reader), opened: opened)) }
        case .lost(let failure):
            Log.error("\(attached.name) lost: \(failure)")
            give(.deviceLost(device))
        case .back:
            Log.notice("\(attached.name) is back on \(attached.path)")
            give(.deviceBack(device))
        }
    }

    private func present(_ identifier: Identifier, reader: UInt8) -> Presentation {
        let tag = parts.badgeKey.tag(of: identifier)
        var presentation = Presentation(
            tag: tag, type: identifier.type, lookup: table?.lookup(tag) ?? .noImage, reader: reader)
        if let holders, let credential = presentation.credential {
            presentation.presence = holders.presence(of: credential.holder, at: parts.configuration.to)
        }
        return presentation
    }

    private func readMail() {
        if set[places.credentials].contains(.readable) {
            for news in parts.credentialNews.takeAll() { take(news) }
        }
        if set[places.orders].contains(.readable) {
            for order in parts.orders.takeAll() { carryOut(order) }
        }
        if set[places.store].contains(.readable) {
            for news in parts.store.news.takeAll() { take(news) }
        }
        if set[places.questions].contains(.readable) {
            for question in parts.questions.takeAll() where question.isWanted {
                if let act = question.act { carryOut(act) }
                question.answer(snapshot(lookingUp: question.identifier))
            }
        }
    }

    private func carryOut(_ order: LaneOrder) {
        switch order.deed {
        case .adopt(let policy, let schedule):
            runner.adopt(policy, schedule: schedule, at: clock.moment())
            nextPublication = .now()
            parts.credentials.want(presence: runner.machine.asksWhoIsInside)
        case .give(let input): give(input)
        }
        order.carriedOut()
    }

    private func take(_ news: StoreNews) {
        switch news {
        case .opened(let opened):
            runner.take(opened, at: clock.moment())
            nextPublication = .now()
            Log.notice("journal: opened, epoch \(opened.journal.epoch.hex)")
            let floor = opened.recovery.newestTrustedWall
            if let floor, let input = clock.signedTime(floor, isLive: false) { give(input) }
            if let order = parts.store.order { runner.resume(order, at: clock.moment()) }
        case .unavailable(let why): runner.journalIsAbsent(why)
        case .failed(let error):
            Log.error("journal: \(error)")
            runner.journalIsAbsent("\(error)")
        }
    }

    /// False when the disk did not answer in time.
    func closeJournal(by deadline: UInt64) -> Bool { runner.closeJournal(by: deadline) }

    private func carryOut(_ act: TechnicianAct) {
        give(.technician(act))
        guard act.what == .confirmedClock else { return }
        if let input = clock.confirmed() { give(input) }
        lookAtKnowledge()
    }

    private func take(_ news: CredentialNews) {
        switch news {
        case .table(let new):
            var old: BadgeTable? = new
            swap(&table, &old)
            putInForce()
            // The old table goes back to the thread that made it: unmapping takes time.
            parts.credentials.retire(&old, inForce: new)
        case .statement(let new, let isLive):
            // The credential thread heard that the clock is sure while this was under way, and forgets it, too.
            if clock.contradicts(new.asOf) { return }
            if let input = clock.signedTime(new.asOf, isLive: isLive) { give(input) }
            statement = new
            putInForce()
            if let occupancy = new.occupancy { learn(occupancy) }
        case .disagreement(let new):
            disagreement = new
            putInForce()
        case .presence(let new): holders = clock.contradicts(new.asOf) ? nil : new
        }
    }

    /// Lets go of what was believed while the clock was not sure, and contradicts it now that it is.
    private func lookAtKnowledge() {
        tellCredentialThread()
        if let holders, clock.contradicts(holders.asOf) { self.holders = nil }
        if let statement, clock.contradicts(statement.asOf) { self.statement = nil }
        // Where it did not count before it does not now.
        if let asOf = runner.credentials.statementAsOf, clock.contradicts(asOf) { putInForce() }
    }

    /// Tells the machine what its decisions stand on. A statement counts for the image it names, and only once the changes
    /// that it names are in force, too.
    private func putInForce() {
        guard let table else { return }
        let header = table.image.header
        var asOf = runner.credentials.imageVersion == header.version ? runner.credentials.statementAsOf : nil
        let before = runner.credentials
        if before.imageVersion != header.version || before.changeNumber != table.changeNumber {
            nextPublication = .now()
        }
        // By its digest: after a collector was restored from a backup another image may have its number.
        if let disagreement = disagreementInForce {
            asOf = disagreement.agreedAsOf
        } else if let statement, statement.imageVersion == header.version,
            statement.imageHeaderDigest == table.image.headerDigest, statement.changeNumber <= table.changeNumber
        {
            asOf = statement.asOf
        }
        // Without one the image's own issue counts, which is older.
        if let told = asOf, clock.contradicts(told) { asOf = nil }
        let to = parts.configuration.to
        runner.adopt(
            CredentialsInForce(
                imageVersion: header.version, changeNumber: table.changeNumber, imageIssuedAt: header.issuedAt,
                statementAsOf: asOf, destinationZoneBit: to == .outside ? 0 : header.zoneBit(to)),
            at: clock.moment()
        ) { table.lookup($0) }
    }

    /// Nothing while the table in force is not the one that was compared.
    private var disagreementInForce: Disagreement? {
        guard let disagreement, let table, disagreement.imageDigest == table.image.headerDigest else { return nil }
        return disagreement
    }

    /// How full the zone is that this lane leads to; nobody is inside where everybody may be.
    private func learn(_ occupancy: ZoneOccupancy) {
        let to = parts.configuration.to
        if to != .outside { runner.learn(occupancy.count(of: to)) }
    }

    /// For who asks while this thread hangs, and for what the lane says of itself.
    private func publish() {
        parts.progress.publish(snapshot())
        published = Published(runner.machine)
        nextPublication = MonotonicTime.now().advanced(byMilliseconds: LaneProgress.publicationMilliseconds)
    }

    private func snapshot(lookingUp identifier: Identifier? = nil) -> LaneSnapshot {
        let presentation = identifier.map { present($0, reader: 0) }
        return LaneSnapshot(
            machine: runner.machine, moment: clock.moment(), clockFloor: clock.keeper.floor,
            readers: parts.readers.enumerated().map {
                DeviceStatus($0.element, since: presence.since(.reader(UInt8($0.offset))))
            },
            thermometer: parts.thermometer.map { DeviceStatus($0, since: presence.since(.thermometer)) },
            gateFailure: parts.gate.failure?.description, gateSince: presence.since(.gate),
            fireFailure: parts.fire.failureText, journal: runner.journalStatus, image: table?.image.header,
            statement: statement, presenceAsOf: holders?.asOf, total: runner.total, recent: runner.recent,
            presentation: presentation,
            cache: table.map { CacheFigures($0, differsAt: disagreementInForce?.changeNumber) },
            held: presentation.flatMap { asked in
                table.map { HeldBadge(image: $0.image.lookup(asked.tag), overlay: $0.overlay.lookup(asked.tag)) }
            })
    }

    private func lookAtClock() {
        let signalled = set[places.clock].contains(.readable)
        guard signalled || MonotonicTime.now() >= clock.deadline else { return }
        if let input = clock.look(stepSignalled: signalled) {
            Log.warning("wall clock: \(clock.keeper.trust)")
            give(input)
        }
        lookAtKnowledge()
    }

    private func lookAtJournal() {
        let now = MonotonicTime.now()
        guard now >= nextJournalLook else { return }
        nextJournalLook = now.advanced(byMilliseconds: Self.journalLookMilliseconds)
        runner.lookAtJournal(at: clock.moment())
        // A mode without a record of it, because none can be written, is news, too.
        if published != Published(runner.machine) { nextPublication = now }
    }

    private func lookAtSignals() {
        guard set[places.signals].contains(.readable) else { return }
        while let signal = parts.signals.next() {
            switch signal {
            case .terminate, .interrupt: isStopping = true
            case .reload: parts.reload.ask()
            }
        }
    }
}

/// What of a lane's state is published within a second, whatever changed it.
private struct Published: Equatable {
    var mode: LaneMode
    var cause: ModeCause
    var journal: JournalState
    var hasJournalFault: Bool

    init(_ machine: LaneMachine) {
        (mode, cause) = machine.mode
        journal = machine.journalRoom
        hasJournalFault = machine.hasJournalFault
    }
}

/// When each device was last lost or back; since the start when nothing changed.
private struct PresenceTimes {
    private var times: InlineArray<18, WallTime>

    init(since start: WallTime) { times = InlineArray(repeating: start) }

    mutating func changed(_ device: Device, _ wall: WallTime) { times[Int(device.code)] = wall }
    func since(_ device: Device) -> WallTime { times[Int(device.code)] }
}

/// Everything the loop works with. Made once, by LaneProgram.
struct LaneParts {
    let configuration: LaneConfiguration
    let servicePoint: String
    let badgeKey: BadgeKey
    let readers: [AttachedDevice]
    let thermometer: AttachedDevice?
    let gate: Gate
    let fire: FireThread
    let signals: SignalWatch
    let credentials: CredentialThread
    let credentialNews: Mailbox<CredentialNews>
    let store: LaneStore
    let questions: Mailbox<LaneQuestion>
    let orders: Mailbox<LaneOrder>
    let reload: RulesReload
    let tap: FrameTap
    let notifier: ServiceNotifier
    let progress: LaneProgress
}
