import Admission
import Framing
import Posix
import Storage

/// Carries the journal's records to the collector. `UploadLoop` says what and when, `JournalSource` reads; here are the
/// batch, the answer and the cursor file.
final class RecordUpload: Errand {
    private static let oldestPauseMilliseconds: Int64 = 1000

    private let settings: UplinkSettings
    private let client: CollectorClient
    private let directory: LaneDirectory
    private let source: JournalSource
    private var loop: UploadLoop<Int>
    private var random = SystemRandomNumberGenerator()
    private var exchange: Exchange?

    private let word: LaneWordSource
    /// In the batch that is under way.
    private var sentWord: LaneWord?
    /// What the collector heard last.
    private var toldWord: LaneWord?

    private var oldestHeld: StoredThrough?
    private var oldestDue = MonotonicTime(nanoseconds: 0)
    /// The word that the cursor file does not hold yet.
    private var unsavedWord: StoredThrough?
    private var cursorDue = MonotonicTime(nanoseconds: 0)

    private var sendReport = FailureReport("sending records")
    private var readReport = FailureReport("reading the journal")
    private var cursorReport = FailureReport("writing the cursor")

    init(_ settings: UplinkSettings, _ client: CollectorClient) {
        self.settings = settings
        self.client = client
        directory = LaneDirectory(settings.stateDirectory)
        self.word = LaneWordSource(directory)
        var word: StoredThrough?
        switch Cursor.read(directory.cursor) {
        case .stored(let stored): word = stored
        case .missing: Log.notice("no cursor yet: the collector is offered everything that the journal holds")
        case .ignored(let reason):
            Log.warning("the cursor says nothing, so the collector is offered everything: \(reason)")
        }
        source = JournalSource(directory, behind: word, mostRecords: settings.batchRecords)
        loop = UploadLoop(
            word: word, readingPlace: source.firstPlace,
            intervalMilliseconds: Int64(settings.uploadIntervalMilliseconds),
            probeIntervalMilliseconds: Int64(settings.probeIntervalMilliseconds))
    }

    var summary: String {
        guard let word = loop.word else { return "nothing stored yet" }
        return "stored through \(word.sequence) of epoch \(word.epoch.hex.prefix(8))"
    }

    var complaints: [String] {
        [sendReport, readReport, cursorReport].compactMap(\.current) + [word.complaint].compactMap { $0 }
    }

    private(set) var nextDue = MonotonicTime(nanoseconds: 0)

    func step(now: MonotonicTime) {
        saveCursor(now)
        switch loop.next(now: now) {
        case .wait(let until): nextDue = until
        case .gather(let place):
            gather(from: place, now)
            // Either a batch is under way now, or there is a time to wait until.
            if case .wait(let until) = loop.next(now: now) { nextDue = until }
        }
        if unsavedWord != nil { nextDue = min(nextDue, cursorDue) }
    }

    func stop() {
        if let exchange { client.cancel(exchange) }
        cursorDue = MonotonicTime(nanoseconds: 0)
        saveCursor(MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()))
    }

    // MARK: Sending

    private func gather(from place: Int, _ now: MonotonicTime) {
        do throws(StorageError) {
            let reading = try source.read(from: place, behind: loop.word)
            if now >= oldestDue {
                oldestHeld = try source.oldestHeld()
                oldestDue = now.advanced(byMilliseconds: Self.oldestPauseMilliseconds)
            }
            say(.notice, readReport.succeeded())
            guard oldestHeld != nil || !reading.batch.isEmpty else { return loop.nothingToRead(now: now) }
            let said = word.look(now: now)
            guard loop.gathered(reading.span, hasNews: isNews(said), now: now) else { return }
            sentWord = said
            send(reading.batch, now)
        } catch {
            say(.error, readReport.failed(key: "read", error.description, now: now))
            loop.nothingToRead(now: now)
        }
    }

    private func isNews(_ said: LaneWord?) -> Bool {
        guard let said, let toldWord else { return (said == nil) != (toldWord == nil) }
        return said.isNews(after: toldWord)
    }

    private func send(_ batch: JournalBatch, _ now: MonotonicTime) {
        let head = RecordBatch(
            site: settings.site, lane: settings.lane, recordCount: batch.count, oldestHeld: oldestHeld,
            lost: batch.lost, word: sentWord)
        let post = Request.Post(contentType: RecordBatch.contentType, body: head.encodedHead + batch.records)
        do throws(TransferFailure) {
            exchange = try client.start(
                Request(
                    path: "/v1/records", post: post,
                    timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds))
        } catch {
            failed(error, now)
        }
    }

    func take(_ exchange: Exchange, _ outcome: ExchangeOutcome, now: MonotonicTime) -> Bool {
        guard exchange === self.exchange else { return false }
        self.exchange = nil
        do throws(TransferFailure) {
            let answer = try outcome.expecting([200])
            toldWord = sentWord
            let text = String(decoding: answer.body.prefix(200), as: UTF8.self)
            let word = try decoding { () throws(FormatError) in try StoredThrough(text: text) }
            try heard(word, now)
        } catch {
            failed(error, now)
        }
        nextDue = now
        return true
    }

    private func heard(_ word: StoredThrough, _ now: MonotonicTime) throws(TransferFailure) {
        let whereabouts: UploadLoop<Int>.Whereabouts
        do throws(StorageError) { whereabouts = try source.whereabouts(of: word) } catch {
            throw TransferFailure(.local, error.description)
        }
        switch loop.answered(word, at: whereabouts, now: now, using: &random) {
        case .refused(let why):
            // The wait has begun already: only the words are missing.
            report(TransferFailure(.nonsense, why), now)
            return
        case .moveCursor(let word): unsavedWord = word
        case .unchanged: break
        }
        if case .known(let place, _) = whereabouts { source.forget(before: place, word) }
        say(.notice, sendReport.succeeded())
        saveCursor(now)
    }

    private func failed(_ failure: TransferFailure, _ now: MonotonicTime) {
        report(failure, now)
        loop.failed(retryAfterMilliseconds: failure.retryAfterMilliseconds, now: now, using: &random)
    }

    /// A batch that the collector will not take (4xx) is a matter for a person: it is never left out, and everything
    /// behind it waits.
    private func report(_ failure: TransferFailure, _ now: MonotonicTime) {
        let needsPerson = failure.kind == .notTrusted || (failure.status.map { (400..<500).contains($0) } ?? false)
        let line = sendReport.failed(
            key: "\(failure.kind) \(failure.status ?? 0)", failure.description, now: now)
        say(needsPerson ? .error : .warning, line)
    }

    // MARK: The cursor

    private func saveCursor(_ now: MonotonicTime) {
        guard let word = unsavedWord, now >= cursorDue else { return }
        cursorDue = now.advanced(byMilliseconds: Int64(settings.cursorIntervalMilliseconds))
        do throws(StorageError) {
            try Cursor.write(word, to: directory.cursor)
            unsavedWord = nil
            say(.notice, cursorReport.succeeded())
        } catch {
            say(.error, cursorReport.failed(key: "write", error.description, now: now))
        }
    }

    private func say(_ level: Log.Level, _ line: String?) {
        if let line { Log.write(level, line) }
    }
}
