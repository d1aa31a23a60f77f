import Admission
import Framing
import Posix
import Storage

/// Brings lists of who is inside from the collector into `uplink/incoming/presence` and wakes the daemon, which verifies
/// everything. Only where the lane's rules ask for them: the daemon says so in the file `presence`, and what it has.
///
/// Each list goes on from what the daemon has, so that one which was lost or refused is made good by the next, and one
/// file is enough.
final class PresenceSync: Errand {
    private let settings: UplinkSettings
    private let client: CollectorClient
    private let directory: LaneDirectory
    private let bell: LookBell
    private var backoff = Backoff()
    private var random = SystemRandomNumberGenerator()
    private var due: MonotonicTime
    private var exchange: Exchange?
    private var receiver: ListReceiver?
    private var asked = PresenceMark.none
    private var isWanted = false
    private var report = FailureReport("fetching who is inside")

    /// How soon the daemon's wish is looked for again, ms.
    private static let lookMilliseconds: Int64 = 1000

    init(_ settings: UplinkSettings, _ client: CollectorClient, bell: LookBell, now: MonotonicTime) {
        self.settings = settings
        self.client = client
        directory = LaneDirectory(settings.stateDirectory)
        self.bell = bell
        due = now
    }

    var summary: String { isWanted ? "presence through \(asked.number)" : "" }
    var complaints: [String] { [report.current].compactMap { $0 } }
    var nextDue: MonotonicTime { exchange == nil ? due : .never }

    func step(now: MonotonicTime) {
        guard exchange == nil, now >= due else { return }
        do throws(TransferFailure) {
            guard let mark = try mark() else {
                isWanted = false
                due = now.advanced(byMilliseconds: Self.lookMilliseconds)
                return
            }
            // Lanes that are told to ask, by new rules for all of them, do not do it all at once.
            if !isWanted {
                isWanted = true
                due = now.advanced(byMilliseconds: Int64.random(in: 0...Self.lookMilliseconds, using: &random))
                return
            }
            asked = mark
            let receiver = ListReceiver("presence list", longest: PresenceList.longest)
            self.receiver = receiver
            exchange = try client.start(
                Request(
                    path: "/v1/presence?numbering=\(mark.numbering.hex)&after=\(mark.number)",
                    timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds), receiver: receiver)
        } catch { failed(error, now) }
    }

    private func mark() throws(TransferFailure) -> PresenceMark? {
        do throws(StorageError) { return try PresenceFile.read(directory.presence) } catch {
            throw TransferFailure(.local, "\(error)")
        }
    }

    func take(_ exchange: Exchange, _ outcome: ExchangeOutcome, now: MonotonicTime) -> Bool {
        guard exchange === self.exchange else { return false }
        self.exchange = nil
        do throws(TransferFailure) { try came(outcome, now) } catch { failed(error, now) }
        receiver = nil
        return true
    }

    private func came(_ outcome: ExchangeOutcome, _ now: MonotonicTime) throws(TransferFailure) {
        _ = try outcome.expecting([200])
        let bytes = receiver?.bytes ?? []
        let head = try decoding { () throws(FormatError) in try PresenceList.parse(bytes).list }
        guard head.site == settings.site else {
            throw TransferFailure(.nonsense, "a presence list of another site, \(head.site.hex)")
        }
        guard head.isWhole || (head.numbering == asked.numbering && head.after == asked.number) else {
            throw TransferFailure(
                .nonsense, "a presence list behind \(head.after) where that behind \(asked.number) was asked for")
        }
        try onDisk { () throws(SystemFailure) in
            try FileSystem.replace(directory.incomingPresence, with: bytes, mode: LaneDirectory.fileMode)
        }
        backoff.reset()
        say(.notice, report.succeeded())
        let interval = Int64(settings.statementIntervalMilliseconds)
        due = now.advanced(
            byMilliseconds: interval + Int64.random(in: -(interval / 10)...(interval / 10), using: &random))
        bell.ring(now: now)
    }

    func stop() {
        if let exchange { client.cancel(exchange) }
    }

    private func failed(_ failure: TransferFailure, _ now: MonotonicTime) {
        say(.warning, report.failed(key: "\(failure.kind)", failure.description, now: now))
        let wait = backoff.next(atLeast: failure.retryAfterMilliseconds, using: &random)
        due = now.advanced(byMilliseconds: wait)
    }

    private func say(_ level: Log.Level, _ line: String?) {
        if let line { Log.write(level, line) }
    }
}
