import Admission
import Cryptography
import Framing
import Posix
import Storage

/// Brings urgent changes from the collector into `uplink/incoming` and wakes the daemon, which verifies everything.
///
/// It asks for what comes behind the change that is in force at the lane (and what waits there already); the collector
/// keeps the question until there is more, for some seconds. So a change is here as soon as it is published, and a lane
/// that was away goes on from its number. When the collector does not have what is missing, an image is fetched.
final class ChangeSync: Errand {
    /// Asked again after an answer that came at once and held nothing, ms.
    private static let intervalMilliseconds: Int64 = 1000
    /// After an answer that sends for an image.
    private static let gapMilliseconds: Int64 = 5000
    private static let longestWaitSeconds = 8

    private let settings: UplinkSettings
    private let client: CollectorClient
    private let directory: LaneDirectory
    private let waiting: IncomingChanges
    private let bell: LookBell
    private let named: () -> Statement?
    private let imageIsNeeded: (MonotonicTime) -> Void
    private let waitSeconds: Int
    private var backoff = Backoff()
    private var random = SystemRandomNumberGenerator()
    private var due: MonotonicTime
    private var exchange: Exchange?
    private var receiver: ListReceiver?
    /// The SHA-256 of the list that is being fetched under its name.
    private var expectedDigest: [UInt8]?
    private var askedAt = MonotonicTime(nanoseconds: 0)
    /// What is here, in force or waiting.
    private var through: UInt64 = 0
    private var report = FailureReport("fetching changes")

    /// - Parameters:
    ///   - named: the newest statement, which names lists.
    ///   - imageIsNeeded: called when changes are missing that only an image can make good.
    init(
        _ settings: UplinkSettings, _ client: CollectorClient, bell: LookBell, now: MonotonicTime,
        named: @escaping () -> Statement? = { nil }, imageIsNeeded: @escaping (MonotonicTime) -> Void
    ) {
        self.named = named
        self.settings = settings
        self.client = client
        self.imageIsNeeded = imageIsNeeded
        directory = LaneDirectory(settings.stateDirectory)
        waiting = IncomingChanges(directory: directory)
        self.bell = bell
        // Both a stalled transfer and a late answer are told by their own deadlines: an answer must come before.
        waitSeconds = max(
            0,
            min(
                Self.longestWaitSeconds, settings.collector.stallSeconds - 2,
                settings.collector.answerTimeoutMilliseconds / 1000 - 2))
        due = now.advanced(byMilliseconds: Int64.random(in: 0...500, using: &random))
    }

    var summary: String { through > 0 ? "changes through \(through)" : "" }
    var complaints: [String] { report.current.map { [$0] } ?? [] }
    var nextDue: MonotonicTime { exchange == nil ? due : .never }

    func step(now: MonotonicTime) {
        guard exchange == nil, now >= due else { return }
        do throws(TransferFailure) {
            guard let applied = try applied() else {
                // Without an image there is nothing to change; the daemon says when it has one.
                due = now.advanced(byMilliseconds: Self.intervalMilliseconds)
                return
            }
            switch try waiting.tidied(applied: applied.changeNumber, wallMilliseconds: SystemClock.wallMilliseconds()) {
            case .enoughWait: due = now.advanced(byMilliseconds: Self.intervalMilliseconds)
            case .behind(let number):
                if let mirror = settings.mirror {
                    try askByName(behind: number, at: mirror, now)
                } else {
                    try ask(behind: number, on: applied.imageVersion, now)
                }
            }
        } catch { failed(error, now) }
    }

    private func applied() throws(TransferFailure) -> AppliedMark? {
        do throws(StorageError) { return try AppliedFile.read(directory.applied) } catch {
            throw TransferFailure(.local, "\(error)")
        }
    }

    /// With the version of the image in force: a collector that was restored from a backup may not know it.
    private func ask(behind number: UInt64, on image: UInt64, _ now: MonotonicTime) throws(TransferFailure) {
        through = number
        askedAt = now
        let receiver = ListReceiver("change list", longest: ChangeList.longest)
        self.receiver = receiver
        exchange = try client.start(
            Request(
                path: "/v1/changes?after=\(number)&wait=\(waitSeconds)",
                headers: ["Lanekeeper-Image-Version: \(image)"],
                timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds), receiver: receiver)
    }

    private func askByName(
        behind number: UInt64, at mirror: CollectorSettings, _ now: MonotonicTime
    ) throws(TransferFailure) {
        through = number
        guard let statement = named(), statement.changeNumber > number else {
            due = now.advanced(byMilliseconds: Self.intervalMilliseconds)
            return
        }
        // Behind an older image than the one named, which is on its way, nothing goes on.
        guard
            let list = statement.changes?.lists.first(where: {
                $0.last > number && $0.first <= number + 1
            })
        else {
            if statement.changes?.lists.isEmpty ?? true {
                say(
                    .warning,
                    report.failed(
                        key: "unnamed", "the statement names no list of what comes behind change \(number)",
                        now: now))
            }
            due = now.advanced(byMilliseconds: jittered(Self.gapMilliseconds))
            return
        }
        askedAt = now
        let receiver = ListReceiver("change list", longest: ChangeList.longest)
        self.receiver = receiver
        expectedDigest = list.digest
        exchange = try client.start(
            Request(
                path: "/v1/lists/\(list.digestHex)",
                timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds),
            receiver: receiver, at: mirror)
    }

    func take(_ exchange: Exchange, _ outcome: ExchangeOutcome, now: MonotonicTime) -> Bool {
        guard exchange === self.exchange else { return false }
        self.exchange = nil
        do throws(TransferFailure) { try came(outcome, now) } catch { failed(error, now) }
        return true
    }

    private func came(_ outcome: ExchangeOutcome, _ now: MonotonicTime) throws(TransferFailure) {
        let answer = try outcome.expecting(settings.mirror == nil ? [200, 204, 410] : [200])
        switch answer.head.status {
        case 200:
            let bytes = receiver?.bytes ?? []
            if let expectedDigest, (try? SHA256.hash(bytes)) != expectedDigest {
                throw TransferFailure(
                    .nonsense,
                    "what came is not the list \(Hexadecimal.text(expectedDigest)) that was asked for")
            }
            let (list, _, _) = try decoding { () throws(FormatError) in try ChangeList.parse(bytes) }
            guard list.site == settings.site else {
                throw TransferFailure(.nonsense, "changes of another site, \(list.site.hex)")
            }
            guard list.first <= through + 1, list.last > through else {
                throw TransferFailure(
                    .nonsense, "changes \(list.first) to \(list.last) where those behind \(through) were asked for")
            }
            try waiting.put(bytes, list)
            through = list.last
            succeeded()
            due = now
            bell.ring(now: now)
        case 204:
            succeeded()
            let tookItsTime = now.milliseconds(since: askedAt) >= Self.intervalMilliseconds / 2
            due = tookItsTime ? now : now.advanced(byMilliseconds: jittered(Self.intervalMilliseconds))
        default:
            say(
                .warning,
                report.failed(
                    key: "gap", "the collector does not have what comes behind change \(through): an image is fetched",
                    now: now))
            due = now.advanced(byMilliseconds: jittered(Self.gapMilliseconds))
            imageIsNeeded(now)
        }
        receiver = nil
    }

    func stop() {
        if let exchange { client.cancel(exchange) }
    }

    private func succeeded() {
        backoff.reset()
        say(.notice, report.succeeded())
    }

    private func failed(_ failure: TransferFailure, _ now: MonotonicTime) {
        receiver = nil
        say(.warning, report.failed(key: "\(failure.kind)", failure.description, now: now))
        let wait = backoff.next(atLeast: failure.retryAfterMilliseconds, using: &random)
        due = now.advanced(byMilliseconds: wait)
    }

    private func jittered(_ interval: Int64) -> Int64 {
        interval + Int64.random(in: -(interval / 5)...(interval / 5), using: &random)
    }

    private func say(_ level: Log.Level, _ line: String?) {
        if let line { Log.write(level, line) }
    }
}
