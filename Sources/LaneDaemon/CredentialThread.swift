import Admission
import Cryptography
import Framing
import Posix
import Storage
import Synchronization

/// What the credential thread hands the lane.
enum CredentialNews: Sendable {
    /// Another image, or more changes on top of it.
    case table(BadgeTable)
    /// `isLive`: it came while this program ran, so its instant tells what time it is now.
    case statement(Statement, isLive: Bool)
    /// Who is where now.
    case presence(PresenceTable)
    /// Statements on this image do not count, or count again: nil.
    case disagreement(Disagreement?)
}

/// Takes over what the uplink brought: copies it, verifies the copy, keeps it, and only then hands it to the lane. The
/// uplink is another user and not trusted; everything it says is looked at here, off the decision's path.
///
/// Woken by one word, `look`, on a socket of its own, and by itself every 30 s. A file that was refused is not looked at
/// again until it changes.
final class CredentialThread: Sendable {
    struct Settings: Sendable {
        var directory: LaneDirectory
        var lookSocket: String
        var trust: SiteTrust
        var retention = ImageRetention()
        /// So long a newer image waits for the changes that belong on it.
        var pairingMilliseconds = 30_000
        /// After an image was damaged as it was read it is looked at again: the next time it may not be.
        var secondLookMilliseconds: Int64 = 60_000
        /// So long what is fetched once more may come no further.
        var standstillMilliseconds: UInt64 = 60_000
    }

    private let settings: Settings
    private let news: Mailbox<CredentialNews>
    private let stopping = Atomic<Bool>(false)
    private let wake: WakeUp
    /// What the lane now looks badges up in, and what it no longer does.
    private let handedBack: Mutex<HandedBack>
    /// Whether the lane trusts its clock: an image from the future is refused only by one that is trusted.
    let clockIsTrusted = Atomic<Bool>(false)
    /// As `ClockKeeper.isSure`: then a statement from the future is wrong, and not the clock.
    private let clockIsSure = Atomic<Bool>(false)
    let refusedFiles = RefusedFiles()
    private let presenceIsWanted = Atomic<Bool>(false)

    private struct HandedBack: Sendable {
        var inForce: AppliedMark?
        var retired: [BadgeTable] = []
    }

    static let periodMilliseconds = 30_000
    /// After the disk refused to take changes.
    static let retryMilliseconds = 2000
    /// A `look` is answered at most this often; an uplink that never stops asking costs next to nothing.
    static let shortestPeriodMilliseconds = 20

    init(_ settings: Settings, news: Mailbox<CredentialNews>) throws(SystemFailure) {
        self.settings = settings
        self.news = news
        wake = try WakeUp(name: "credential thread")
        handedBack = Mutex(HandedBack())
    }

    func start() throws(SystemFailure) -> NamedThread {
        let listener = try UnixSocket.listen(settings.lookSocket, mode: 0o660)
        return try NamedThread.start(name: "credentials") { [self] in
            CredentialLoop(settings, news: news, listener: listener, wake: wake, owner: self).run()
        }
    }

    func end() {
        stopping.store(true, ordering: .releasing)
        wake.signal()
    }

    /// What the lane thinks of its clock.
    func clock(isTrusted: Bool, isSure: Bool) {
        clockIsTrusted.store(isTrusted, ordering: .relaxed)
        // What was believed before is looked at with other eyes.
        if clockIsSure.exchange(isSure, ordering: .relaxed) != isSure { wake.signal() }
    }

    var isClockSure: Bool { clockIsSure.load(ordering: .relaxed) }

    /// Whether the lane's rules ask who is inside by other lanes.
    func want(presence: Bool) {
        guard presenceIsWanted.exchange(presence, ordering: .acquiringAndReleasing) != presence else { return }
        wake.signal()
    }

    var wantsPresence: Bool { presenceIsWanted.load(ordering: .acquiring) }

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// Called by the lane after it began to use another table. The old one is given away for good before this thread can
    /// take it: whoever holds it last unmaps an image, and that takes longer than a decision may wait.
    func retire(_ old: inout BadgeTable?, inForce: BadgeTable) {
        handedBack.withLock { box in
            box.inForce = inForce.mark
            if let given = old.take() { box.retired.append(given) }
        }
        wake.signal()
    }

    /// What the lane handed back since the last call; the retired tables are let go of by whoever takes them.
    fileprivate func takeHandedBack() -> AppliedMark? {
        let box = handedBack.withLock { box in
            let taken = box
            box = HandedBack()
            return taken
        }
        return box.inForce
    }
}

private final class CredentialLoop {
    private let settings: CredentialThread.Settings
    private let news: Mailbox<CredentialNews>
    private let listener: Descriptor
    private let wake: WakeUp
    private let owner: CredentialThread
    private let set = PollSet(capacity: 2)

    private var newest: CredentialImage?
    /// Of the images in force and waiting.
    private var newestVersion: UInt64 { max(newest?.version ?? 0, waiting?.image.version ?? 0) }
    /// Whole and ours, but what the site changed again on top of it is not all here: it comes into force with that.
    private var waiting: (image: CredentialImage, deadline: UInt64)?
    /// What the disk said last when an image could not be taken over.
    private var diskComplaint = ""
    private var changes: StandingChanges
    /// The lane's box was full.
    private var isOwed = false
    private var presence: StandingPresence
    private var presenceWasWanted: Bool?
    private var presenceIsOwed = false
    private var statement: StandingStatement
    private var comparison = ChainComparison()
    private var toldDisagreement: Disagreement?
    private var settled = SettledFiles()
    /// What the lane uses, and what `applied` says; after a failure it is written at `nextConfirmation`.
    private var inUse: AppliedMark?
    private var confirmed: AppliedMark?
    private var nextConfirmation: UInt64 = 0
    private var nextLook: UInt64 = 0
    private var earliestLook: UInt64 = 0

    init(
        _ settings: CredentialThread.Settings, news: Mailbox<CredentialNews>, listener: Descriptor, wake: WakeUp,
        owner: CredentialThread
    ) {
        self.settings = settings
        self.news = news
        self.listener = listener
        self.wake = wake
        self.owner = owner
        changes = StandingChanges(settings.directory, trusting: settings.trust, refused: owner.refusedFiles)
        presence = StandingPresence(settings.directory, trusting: settings.trust, refused: owner.refusedFiles)
        statement = StandingStatement(settings.directory, trusting: settings.trust, refused: owner.refusedFiles)
    }

    func run() {
        startWithWhatIsKept()
        var asked = true
        while !owner.isStopping {
            let now = SystemClock.monotonicNanoseconds()
            if (asked && now >= earliestLook) || now >= nextLook {
                asked = false
                let isWell = look()
                let after = SystemClock.monotonicNanoseconds()
                earliestLook = after + UInt64(CredentialThread.shortestPeriodMilliseconds) * 1_000_000
                let period = isWell ? CredentialThread.periodMilliseconds : CredentialThread.retryMilliseconds
                nextLook = min(after + UInt64(period) * 1_000_000, settled.nextLook(after: after))
                if let waiting { nextLook = min(nextLook, waiting.deadline) }
                // One that is due and did not begin waits for a statement.
                if let attempt = comparison.nextAttempt, attempt > after { nextLook = min(nextLook, attempt) }
                confirm()
                if confirmed != mark { nextLook = min(nextLook, nextConfirmation) }
            }
            set.removeAll()
            set.add(wake.raw, .readable)
            let door = set.add(listener.raw, .readable)
            if (try? set.wait(until: asked ? earliestLook : nextLook)) == nil {
                _ = try? wake.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 1000))
            }
            _ = wake.drain()
            confirm()
            if owner.isClockSure, forgetWhatIsAhead() { asked = true }
            if isOwed { hand() }
            tellDisagreement()
            if presenceIsOwed { handPresence() }
            if owner.wantsPresence != presenceWasWanted { takePresence() }
            if set[door].contains(.readable), hearLook() { asked = true }
        }
    }

    private var installer: ImageInstaller { ImageInstaller(settings.directory, trusting: settings.trust) }

    /// A clock that is not sure is not trusted either while it is behind what the site signed: the lane hears of that a
    /// moment later.
    private func clock() -> ClockReading {
        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        let isSure = owner.isClockSure
        let isBehind = statement.newest.map {
            wall.advanced(byMilliseconds: ClockKeeper.agreementMilliseconds) < $0.asOf
        }
        let isTrusted = owner.clockIsTrusted.load(ordering: .relaxed) && (isSure || isBehind != true)
        return ClockReading(
            moment: Moment(monotonic: .now(), wall: wall, clock: isTrusted ? .trusted : .behindFloor), isSure: isSure)
    }

    private func moment() -> Moment { clock().moment }

    /// The lane does the same with what it was given.
    private func forgetWhatIsAhead() -> Bool {
        let clock = clock()
        let forgotten = (statement.forgetWhatIsAhead(of: clock), presence.forgetWhatIsAhead(of: clock))
        if forgotten.0 { comparison.forgetAgreement() }
        return forgotten.0 || forgotten.1
    }

    /// The newest image that was verified before, and the newest statement. Both are verified again.
    private func startWithWhatIsKept() {
        // Statements first: a controller that starts in 1970 learns from them that its image is not from the future.
        let clock = clock()
        statement.start(at: clock) { [news] in news.post(.statement($0, isLive: false)) }
        defer { if let said = statement.newest { compare(with: said) } }
        do {
            let (image, refused) = try installer.loadNewest(at: moment())
            for problem in refused { Log.error("kept image: \(problem)") }
            guard let image else { return }
            do { try changes.lie(on: image) } catch {
                Log.error("changes: \(error); they are fetched anew")
                changes.beginWithout(image)
            }
            guard lacksChanges(image), let former = try imageInForceBefore(image) else { return goLive(image) }
            // It was waiting when this program ended.
            do { try changes.lie(on: former) } catch {
                Log.error("changes: \(error); they are fetched anew")
                changes.beginWithout(image)
                return goLive(image)
            }
            goLive(former)
            wait(image)
        } catch { Log.error("kept images: \(error)") }
    }

    /// One connection: the word is read within 100 ms, and it does not matter much what it was.
    private func hearLook() -> Bool {
        guard let caller = try? UnixSocket.accept(listener) else { return false }
        var bytes: [UInt8] = []
        let deadline = SystemClock.deadline(milliseconds: 100)
        while bytes.count < 5, (try? caller.wait(for: .readable, until: deadline)) == true {
            var buffer = [UInt8](repeating: 0, count: 8)
            let outcome = try? buffer.withUnsafeMutableBytes { (room) throws(SystemFailure) in
                try caller.read(into: room)
            }
            guard case .bytes(let count)? = outcome, count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes.starts(with: Array("look\n".utf8))
    }

    /// Looks through `incoming`: the statement first, which says what time it is, then an image that is newer than ours,
    /// then changes on top of it. False when the disk refused to take them.
    private func look() -> Bool {
        let clock = clock()
        statement.takeIncoming(at: clock) { said in
            // The lane is not to count it for a moment.
            compare(with: said)
            return toldDisagreement == comparison.disagreement && news.post(.statement(said, isLive: true))
        }
        owner.refusedFiles.forgetMissing(in: settings.directory.incoming)
        let isTaken = takeImage()
        takePresence()
        let found = changes.takeIncoming(at: moment())
        if found == .changed { hand() }
        if let said = statement.newest { compare(with: said) }
        endWaiting()
        return isTaken && found != .failed
    }

    // MARK: The pair of an image and the changes on top of it

    /// The changes that an image has not taken in are numbered before it is announced, some of them anew (a holder may have
    /// another identifier in it), and the statement that names the image names the last of them. Image and changes come
    /// here side by side. Were the image in force first, a code that turned red on the image before would be green again
    /// until the changes are here, too.
    private func lacksChanges(_ image: CredentialImage) -> Bool {
        guard let overlay = changes.overlay, let announcement = statement.announcement,
            announcement.imageVersion == image.version,
            announcement.imageHeaderDigest == image.headerDigest
        else { return false }
        // A lane that lacks changes which the image has taken in wins more by it than it may lose.
        return overlay.changeNumber >= image.header.changeNumber && overlay.changeNumber < announcement.changeNumber
    }

    private func wait(_ image: CredentialImage) {
        let period = UInt64(settings.pairingMilliseconds) * 1_000_000
        waiting = (image, SystemClock.monotonicNanoseconds() + period)
        Log.notice(
            "image \(image.version) waits for the changes up to \(statement.announcement?.changeNumber ?? 0) that belong on it"
        )
    }

    private func endWaiting() {
        guard let waiting else { return }
        let isOver = SystemClock.monotonicNanoseconds() >= waiting.deadline
        guard isOver || !lacksChanges(waiting.image) else { return }
        if isOver {
            Log.warning(
                "image \(waiting.image.version): the changes that belong on it have not come for "
                    + "\(settings.pairingMilliseconds / 1000) s; it goes live without them")
        }
        self.waiting = nil
        bringIntoForce(waiting.image)
    }

    private func bringIntoForce(_ image: CredentialImage) {
        do { try changes.lie(on: image, after: newest) } catch {
            // Which changes the image has not taken in cannot be read: the one in force has them.
            guard newest == nil else {
                return Log.error("image \(image.version) waits, the one in force stays: \(error)")
            }
            Log.error("changes: \(error); they are fetched anew")
            changes.beginWithout(image)
        }
        goLive(image)
        do {
            for old in try installer.removeExpired(settings.retention, inForce: image.version, at: moment()) {
                Log.information("\(old): removed, its time is over")
            }
        } catch { Log.error("images: \(error)") }
    }

    /// What `applied` names, if that is not `image`: it is tried once, and nothing is said when it cannot be used.
    private func imageInForceBefore(_ image: CredentialImage) throws -> CredentialImage? {
        guard let mark = try? AppliedFile.read(settings.directory.applied), mark.imageVersion < image.version,
            let former = try installer.loadNewest(below: image.version, at: moment()).image,
            former.version == mark.imageVersion
        else { return nil }
        return former
    }

    /// False when the lane's own disk refused: that is tried again soon.
    private func takeImage() -> Bool {
        do {
            guard let path = try installer.newestIncoming(above: newestVersion) else { return true }
            guard let status = try FileSystem.statusIfPresent(path), !settled.has(path, status, at: clock()) else {
                return true
            }
            do {
                let image = try installer.install(from: path, newerThan: newestVersion, at: moment())
                settled.forgetAll()
                owner.refusedFiles.forget(path)
                diskComplaint = ""
                if newest != nil, lacksChanges(image) {
                    wait(image)
                } else {
                    waiting = nil
                    bringIntoForce(image)
                }
            } catch {
                if case .system(let failure) = error, failure.subject != path {
                    // Full, or failing: nothing is wrong with the image. Said once.
                    if diskComplaint != failure.description {
                        Log.error("image not taken over, the one in force stays: \(failure)")
                    }
                    diskComplaint = failure.description
                    owner.refusedFiles.add(path, failure.description)
                    return false
                }
                owner.refusedFiles.add(path, Self.reason(error))
                if settled.settle(path, status, Self.kind(error), again(error), at: clock()) {
                    Log.error("image refused, the one in force stays: \(error)")
                }
            }
            return true
        } catch {
            Log.error("images: \(error)")
            return false
        }
    }

    private static func reason(_ error: StorageError) -> String {
        if case .image(_, let refusal) = error { refusal.reason } else { "\(error)" }
    }

    /// Without its figures: from how far in the future it is differs every time.
    private static func kind(_ error: StorageError) -> String {
        if case .image(_, .issuedInFuture) = error { "in the future" } else { reason(error) }
    }

    /// What a disk or a memory may have done is looked at again, here and then there: an uplink whose image is not taken
    /// fetches it anew.
    private func again(_ error: StorageError) -> SettledFiles.Again {
        switch error {
        case .image(_, .issuedInFuture(let ahead)):
            .byTheClock(milliseconds: ahead - CredentialImage.farthestFutureMilliseconds)
        case .image(_, .damagedRegion), .image(_, .damagedBody), .image(_, .notVerifiable), .system:
            .after(milliseconds: settings.secondLookMilliseconds)
        default: .whenItChanges
        }
    }

    // MARK: The same changes as the site's?

    /// Whether the changes on the image are those that the statement names by their chain. If not, the uplink is made to
    /// fetch them once more, by what `applied` says; they come into force together when they are all here and right.
    private func compare(with said: Statement) {
        guard let image = newest, said.imageHeaderDigest == image.headerDigest, let chain = said.changes?.chain else {
            return
        }
        let now = SystemClock.monotonicNanoseconds()
        let agrees = comparison.wentBack(said) ? false : changes.agree(at: said.changeNumber, with: chain)
        if let agrees {
            if agrees { changes.giveUpAnew() }
            comparison.found(agrees, said, on: image)
        }
        guard comparison.disagreement != nil else { return tellDisagreement() }
        switch changes.agreeAnew(at: said.changeNumber, with: chain) {
        case true?:
            do {
                try changes.adoptAnew()
                comparison.found(true, said, on: image)
                hand()
            } catch { Log.error("changes fetched once more: \(error)") }
        case false?:
            Log.error("changes: fetched once more, they are again not those that the collector's statement names")
            changes.giveUpAnew()
        case nil: break
        }
        if let number = changes.numberAnew,
            comparison.standsStill(at: number, said, now: now, milliseconds: settings.standstillMilliseconds)
        {
            Log.error(
                "changes: fetched once more, they come no further than change \(number); until the next attempt the lane "
                    + "goes on from those in force")
            changes.giveUpAnew()
        }
        tellDisagreement()
        if comparison.disagreement != nil, changes.numberAnew == nil, comparison.beginsAttempt(now: now) {
            changes.fetchAnew(on: image)
        }
    }

    private func tellDisagreement() {
        let disagreement = comparison.disagreement
        guard toldDisagreement != disagreement, news.post(.disagreement(disagreement)) else { return }
        toldDisagreement = disagreement
    }

    private func goLive(_ image: CredentialImage) {
        comparison = ChainComparison()
        if let failure = image.notLocked { Log.warning("image \(image.version) is not locked in memory: \(failure)") }
        newest = image
        hand()
        Log.notice(
            "image \(image.version): \(image.header.identifiers) identifiers of \(image.header.holders) holders")
    }

    /// A lane whose box is full gets it when it has emptied it.
    private func hand() {
        guard let newest, let overlay = changes.overlay else { return }
        isOwed = !news.post(.table(BadgeTable(image: newest, overlay: overlay)))
    }

    private func takePresence() {
        let isWanted = owner.wantsPresence
        presenceWasWanted = isWanted
        if presence.takeIncoming(isWanted: isWanted, at: moment()) != nil { handPresence() }
    }

    private func handPresence() {
        guard let table = presence.table else {
            presenceIsOwed = false
            return
        }
        presenceIsOwed = !news.post(.presence(table))
    }

    /// What `applied` is to say: what the lane uses. While changes are fetched once more their number is what the uplink
    /// goes on from.
    private var mark: AppliedMark? {
        var mark = inUse
        if let inUse, let anew = changes.numberAnew { mark?.changeNumber = min(inUse.changeNumber, anew) }
        return mark
    }

    /// After the lane began to use a table, `applied` says so; only then does the uplink report it.
    private func confirm() {
        if let used = owner.takeHandedBack() { inUse = used }
        guard let mark, mark != confirmed, SystemClock.monotonicNanoseconds() >= nextConfirmation else { return }
        do {
            try AppliedFile.write(mark, to: settings.directory.applied)
            confirmed = mark
        } catch {
            if nextConfirmation == 0 { Log.error("\(error)") }
            let period = UInt64(CredentialThread.retryMilliseconds) * 1_000_000
            nextConfirmation = SystemClock.monotonicNanoseconds() + period
            nextLook = min(nextLook, nextConfirmation)
            return
        }
        nextConfirmation = 0
    }
}
