import Admission
import Framing

/// What is to be sent next, and what an answer changes. Pure: the runner reads the journal, speaks with the collector
/// and tells the time.
///
/// Two points matter. The *word* is what the collector said last that it has stored: `uplink/cursor` holds it, and
/// nothing else ever moves that file. The *reading place* is where the next batch begins. It runs ahead of the word only
/// by what has been sent, and goes back to the word when the collector says less than it was sent: it was restored from
/// a backup, or lost a record. So every record that is still held is offered until the collector says that it has it.
///
///     next(now) ─► gather(from) ─► runner reads the journal ─► gathered(span) ─► send ─► answered / failed ─► next …
///              └─► wait(until)                              └► wait
///
/// It never loops for ever:
/// - A failure, and a word that goes back, cost a wait of `Backoff`. Words that go back again and again cost longer and
///   longer ones, however much is taken between them; a minute without makes the waits short again.
/// - When what follows the word can never be sent (no longer held, or found damaged), the batch says so in its head;
///   should the collector stay at that word all the same, reading goes on forward, past the gap, until the word changes.
/// - When what follows the word was sent and the collector stays there, that is a failure: the same is sent again after
///   the wait. Records are never left out.
///
/// `Place` is a point between two records in the order of the journal.
public struct UploadLoop<Place: Comparable & Sendable>: Sendable {
    /// Consecutive places: what one batch carries.
    public struct Span: Sendable {
        public var from: Place
        /// The place behind the last record, or behind a damaged stretch that was passed over.
        public var through: Place
        public var recordCount: Int
        /// A full batch: more is waiting behind it.
        public var moreFollows: Bool

        public init(from: Place, through: Place, recordCount: Int, moreFollows: Bool) {
            self.from = from
            self.through = through
            self.recordCount = recordCount
            self.moreFollows = moreFollows
        }
    }

    /// Where in the journal the collector's word stands.
    public enum Whereabouts: Sendable {
        /// The place behind the record it names. `gapFollows`: what comes next was never or is no longer held, or is
        /// damaged.
        case known(Place, gapFollows: Bool)
        /// The journal has no such epoch, or has not got so far; the text says which. The next batch begins at the place:
        /// a collector may take what comes after an answer for what follows it, so where that is unknown, everything that
        /// is held is offered from its beginning.
        case unknown(String, readAgainFrom: Place)
    }

    public enum Next: Sendable {
        case gather(from: Place)
        case wait(until: MonotonicTime)
    }

    public enum Verdict: Sendable, Equatable {
        /// Write it to the cursor file.
        case moveCursor(StoredThrough)
        case unchanged
        /// The answer makes no sense, or brings nothing forward; the cursor stays. Tried again after the wait.
        case refused(String)
    }

    private enum Phase: Sendable {
        case idle
        case waiting(until: MonotonicTime)
        case sending(Span)
    }

    /// What the collector said last; nil before it ever said anything.
    public private(set) var word: StoredThrough?
    public private(set) var readingPlace: Place
    public private(set) var backoff = Backoff()
    private var setbacks = Backoff()
    private var lastSetback = MonotonicTime(nanoseconds: 0)
    private var phase = Phase.idle
    /// The word that the gap behind it was passed over for.
    private var passedOver: StoredThrough?
    private var probeDue: MonotonicTime
    private var newsDue = MonotonicTime(nanoseconds: 0)
    /// What the lane has to say of itself goes at most this often in batches of its own.
    static var newsMilliseconds: Int64 { 1000 }
    /// Longer than the longest wait by far, or words that keep going back would be forgotten between two.
    private let setbackMemory: Int64 = 60_000
    private let interval: Int64
    private let probeInterval: Int64

    /// - Parameters:
    ///   - intervalMilliseconds: how often the journal is looked at when nothing more was in it.
    ///   - probeIntervalMilliseconds: an empty batch is sent when nothing else was for so long: it shows that the lane
    ///     lives, and finds out that the collector has less than it had.
    public init(
        word: StoredThrough?, readingPlace: Place, intervalMilliseconds: Int64, probeIntervalMilliseconds: Int64
    ) {
        self.word = word
        self.readingPlace = readingPlace
        interval = intervalMilliseconds
        probeInterval = probeIntervalMilliseconds
        probeDue = MonotonicTime(nanoseconds: 0)
    }

    public var isSending: Bool {
        if case .sending = phase { true } else { false }
    }

    /// While a batch is under way: wait for its answer.
    public mutating func next(now: MonotonicTime) -> Next {
        switch phase {
        case .sending:
            return .wait(until: .never)
        case .waiting(let until) where until > now:
            return .wait(until: until)
        case .waiting, .idle:
            phase = .idle
            return .gather(from: readingPlace)
        }
    }

    /// Whether to send what was read. An empty span is sent only when a probe is due, or, a second after the batch before,
    /// when the head of the batch has news of the lane itself.
    public mutating func gathered(_ span: Span, hasNews: Bool, now: MonotonicTime) -> Bool {
        let isNothing = span.recordCount == 0 && span.through == span.from
        let due = hasNews ? min(newsDue, probeDue) : probeDue
        if isNothing && now < due {
            phase = .waiting(until: min(now.advanced(byMilliseconds: interval), due))
            return false
        }
        newsDue = now.advanced(byMilliseconds: Self.newsMilliseconds)
        phase = .sending(span)
        return true
    }

    /// No batch can be made now: there is no journal yet, or it cannot be read.
    public mutating func nothingToRead(now: MonotonicTime) {
        phase = .waiting(until: now.advanced(byMilliseconds: max(interval, 1000)))
    }

    /// The collector said `word`, which stands at `whereabouts` of the journal as it is now.
    public mutating func answered(
        _ word: StoredThrough, at whereabouts: Whereabouts, now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) -> Verdict {
        guard case .sending(let span) = phase else { return .unchanged }
        guard case .known(let place, let gapFollows) = whereabouts else {
            failed(now: now, using: &random)
            guard case .unknown(let why, let place) = whereabouts else { return .unchanged }
            readingPlace = place
            return .refused(why)
        }
        probeDue = now.advanced(byMilliseconds: probeInterval)
        let verdict: Verdict = word == self.word ? .unchanged : .moveCursor(word)
        self.word = word
        if place >= span.through {
            passedOver = nil
            goOn(from: place, span, now)
        } else if word == passedOver {
            goOn(from: span.through, span, now)
        } else if place > span.from {
            passedOver = nil
            goOn(from: place, span, now)
        } else if place < span.from {
            passedOver = nil
            goBack(to: place, now, &random)
        } else if gapFollows {
            passedOver = word
            goOn(from: span.through, span, now)
        } else {
            waitAfterFailure(now, asked: 0, &random)
            return .refused(
                "it took \(span.recordCount) records and still says that it has what comes before them only")
        }
        return verdict
    }

    /// No answer, or none that counts. `retryAfterMilliseconds`: what the collector asks for.
    public mutating func failed(
        retryAfterMilliseconds: Int64 = 0, now: MonotonicTime, using random: inout some RandomNumberGenerator
    ) {
        waitAfterFailure(now, asked: retryAfterMilliseconds, &random)
    }

    private mutating func goOn(from next: Place, _ span: Span, _ now: MonotonicTime) {
        readingPlace = next
        backoff.reset()
        // What is left behind the span, or was not taken of it, goes at once.
        let moreIsKnown = span.moreFollows || next < span.through
        phase = moreIsKnown ? .idle : .waiting(until: now.advanced(byMilliseconds: interval))
    }

    private mutating func goBack(
        to place: Place, _ now: MonotonicTime, _ random: inout some RandomNumberGenerator
    ) {
        readingPlace = place
        if now.milliseconds(since: lastSetback) > setbackMemory { setbacks.reset() }
        lastSetback = now
        phase = .waiting(until: now.advanced(byMilliseconds: setbacks.next(using: &random)))
    }

    private mutating func waitAfterFailure(
        _ now: MonotonicTime, asked: Int64, _ random: inout some RandomNumberGenerator
    ) {
        phase = .waiting(until: now.advanced(byMilliseconds: backoff.next(atLeast: asked, using: &random)))
    }
}
