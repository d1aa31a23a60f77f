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
    }

    private let settings: Settings
    private let news: Mailbox<CredentialNews>
    private let stopping = Atomic<Bool>(false)
    private let wake: WakeUp
    /// What the lane now looks badges up in, and what it no longer does.
    private let handedBack: Mutex<HandedBack>
    /// Whether the lane trusts its clock: an image from the future is refused only by one that is trusted.
    let clockIsTrusted = Atomic<Bool>(false)

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

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// Called by the lane after it began to use another table.
    func retire(_ old: BadgeTable?, inForce: BadgeTable) {
        handedBack.withLock { box in
            box.inForce = inForce.mark
            if let old { box.retired.append(old) }
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
    private var newestVersion: UInt64 { newest?.version ?? 0 }
    private var changes: StandingChanges
    /// The lane's box was full.
    private var isOwed = false
    private var newestStatement: Statement?
    private var refused: [String: FileStatus] = [:]
    /// The clock as it was when an image was refused for its date: another clock judges it again.
    private var clockOfRefusal: ClockReading?
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
        changes = StandingChanges(settings.directory, trusting: settings.trust)
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
                nextLook = after + UInt64(period) * 1_000_000
            }
            set.removeAll()
            set.add(wake.raw, .readable)
            let door = set.add(listener.raw, .readable)
            if (try? set.wait(until: asked ? earliestLook : nextLook)) == nil {
                _ = try? wake.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 1000))
            }
            _ = wake.drain()
            confirm()
            if isOwed { hand() }
            if set[door].contains(.readable), hearLook() { asked = true }
        }
    }

    private var installer: ImageInstaller { ImageInstaller(settings.directory, trusting: settings.trust) }
    private var keptStatement: String { "\(settings.directory.path)/statement" }

    /// The clock is not trusted either while it is behind what the site signed: the lane hears of that a moment later.
    private func moment() -> Moment {
        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        let isBehind = newestStatement.map {
            wall.advanced(byMilliseconds: ClockKeeper.agreementMilliseconds) < $0.asOf
        }
        let isTrusted = owner.clockIsTrusted.load(ordering: .relaxed) && isBehind != true
        return Moment(monotonic: .now(), wall: wall, clock: isTrusted ? .trusted : .behindFloor)
    }

    /// The newest image that was verified before, and the newest statement. Both are verified again.
    private func startWithWhatIsKept() {
        // Statements first: a controller that starts in 1970 learns from them that its image is not from the future.
        readStatement(keptStatement, isLive: false)
        readStatement(settings.directory.statement, isLive: false)
        do {
            let (image, refused) = try installer.loadNewest(at: moment())
            for problem in refused { Log.error("kept image: \(problem)") }
            if let image {
                do { try changes.lie(on: image) } catch {
                    Log.error("changes: \(error); they are fetched anew")
                    changes.beginWithout(image)
                }
                goLive(image)
            }
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
        readStatement(settings.directory.statement, isLive: true)
        if let before = clockOfRefusal, !before.agrees(with: ClockReading(moment())) {
            clockOfRefusal = nil
            refused = [:]
        }
        takeImage()
        switch changes.takeIncoming(at: moment()) {
        case .nothing: return true
        case .changed:
            hand()
            return true
        case .failed: return false
        }
    }

    private func takeImage() {
        do {
            guard let path = try installer.newestIncoming(above: newestVersion) else { return }
            let status = try FileSystem.statusIfPresent(path)
            guard refused[path] == nil || refused[path] != status else { return }
            do {
                let image = try installer.install(from: path, newerThan: newestVersion, at: moment())
                refused = [:]
                do { try changes.lie(on: image) } catch {
                    // Which changes the image has not taken in cannot be read: the one in force has them.
                    return Log.error("image \(image.version) waits, the one in force stays: \(error)")
                }
                goLive(image)
                for old in try installer.removeExpired(settings.retention, inForce: newestVersion, at: moment()) {
                    Log.information("\(old): removed, its time is over")
                }
            } catch {
                Log.error("image refused, the one in force stays: \(error)")
                // From the future of a clock that may be wrong, as in 1970: it is judged anew at the next look.
                if case .image(_, .issuedInFuture) = error { return }
                if refused.count >= 64 { refused = [:] }
                refused[path] = status
                if case StorageError.image(_, .issuedInFuture) = error { clockOfRefusal = ClockReading(moment()) }
            }
        } catch { Log.error("images: \(error)") }
    }

    private func readStatement(_ path: String, isLive: Bool) {
        do {
            let status = try FileSystem.statusIfPresent(path)
            guard status != nil, refused[path] != status else { return }
            let bytes = try Descriptor.open(path, [.read, .nonblocking, .noFollow]).readAll(limit: Statement.longest)
            do {
                let statement = try StatementFile.verify(bytes, trusting: settings.trust)
                if let known = newestStatement, statement.asOf <= known.asOf { return }
                newestStatement = statement
                if path != keptStatement {
                    try FileSystem.replace(keptStatement, with: bytes, mode: LaneDirectory.fileMode)
                }
                if !news.post(.statement(statement, isLive: isLive)) { newestStatement = nil }
            } catch {
                let refusal = (error as? StatementRefusal).map { StorageError.statement(path: path, $0) }
                Log.error("statement refused: \(refusal?.description ?? "\(error)")")
                if refused.count >= 64 { refused = [:] }
                refused[path] = status
            }
        } catch { Log.error("statement: \(error)") }
    }

    private func goLive(_ image: CredentialImage) {
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

    /// After the lane began to use a table, `applied` says so; only then does the uplink report it.
    private func confirm() {
        guard let mark = owner.takeHandedBack() else { return }
        do { try AppliedFile.write(mark, to: settings.directory.applied) } catch { Log.error("\(error)") }
    }
}

/// The wall clock at a look, beside the clock that never steps.
private struct ClockReading {
    let trust: ClockTrust
    let offsetMilliseconds: Int64

    init(_ moment: Moment) {
        trust = moment.clock
        offsetMilliseconds = moment.wall.milliseconds - Int64(moment.monotonic.nanoseconds / 1_000_000)
    }

    func agrees(with other: ClockReading) -> Bool {
        trust == other.trust
            && (offsetMilliseconds - other.offsetMilliseconds).magnitude <= ClockKeeper.agreementMilliseconds
    }
}
