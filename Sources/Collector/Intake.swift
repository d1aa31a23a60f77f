import Admission
import Framing
import Posix
import Synchronization

/// Takes batches in: one thread owns the store and makes what waits durable, several batches a transaction. The server's
/// thread only queues them.
final class Intake: Sendable {
    /// What the queue holds at most; more is answered with 503.
    static let mostWaiting = 4096
    /// What one transaction takes at most.
    static let mostBatchesTogether = 256
    static let mostRecordsTogether = 30_000
    /// How long the batches of a group that failed are tried one by one.
    static let apartMilliseconds = 5000

    /// The books as they were after the last commit.
    struct Snapshot: Sendable {
        var lanes: [ShortName: LaneBook]
        var site: SiteBook
        var day: Int64
        /// Grows with every change.
        var revision: UInt64
    }

    private struct Job: Sendable {
        var request: HTTPRequest
        var bytes: [UInt8]
        /// Whose certificate it came with; nil: nobody was asked.
        var lane: ShortName?
    }

    private struct Queue {
        var jobs: [Job] = []
        /// Monotonic ns; what is not stored by then is left to be sent again.
        var stopDeadline: UInt64?
    }

    private let siteID: SiteID
    private let queue = Mutex(Queue())
    private let bell: WakeUp
    private let published: Mutex<Snapshot>
    private let lastFailure = Mutex<String?>(nil)
    private let dayFailure = Mutex<String?>(nil)
    private let thread = Mutex<NamedThread?>(nil)
    /// Monotonic ns at which the thread was last known to go round; for the watchdog.
    private let lastRound = Atomic<UInt64>(SystemClock.monotonicNanoseconds())

    /// The store becomes the new thread's.
    init(_ store: sending IntakeStore, site: SiteID) throws(CollectorFailure) {
        siteID = site
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "intake") }
        published = Mutex(Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: 1))
        let owned = Owned(store: store)
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "intake") { self.run(owned.store) }
        }
        thread.withLock { $0 = started }
    }

    private struct Owned: @unchecked Sendable {
        // Unchecked: carries the store to the one thread that uses it.
        let store: IntakeStore
    }

    var snapshot: Snapshot { published.withLock { $0 } }

    /// Why the last group of batches could not be stored; nil when it was.
    var failure: String? { lastFailure.withLock { $0 } }

    /// How long the thread has not gone round, ms: a disk that hangs shows here.
    var silenceMilliseconds: UInt64 {
        (SystemClock.monotonicNanoseconds() &- lastRound.load(ordering: .relaxed)) / 1_000_000
    }

    /// Answers the request when its batch is durable, or at once when too much waits.
    /// `lane`: the only one whose records are taken.
    func take(_ request: HTTPRequest, of lane: ShortName? = nil) {
        let bytes = request.takeBody()
        let isTaken = queue.withLock {
            guard $0.stopDeadline == nil, $0.jobs.count < Self.mostWaiting else { return false }
            $0.jobs.append(Job(request: request, bytes: bytes, lane: lane))
            return true
        }
        if isTaken { bell.signal() } else { request.answer(Self.overloaded) }
    }

    /// Stores what waits, as far as `milliseconds` allow, then ends. What comes later is refused.
    func stop(withinMilliseconds milliseconds: Int) {
        queue.withLock { $0.stopDeadline = SystemClock.deadline(milliseconds: milliseconds) }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    private static let overloaded = HTTPResponse.error(
        503, "more batches wait than are taken", advice: "send this one again in a second",
        headers: [("Retry-After", "1")])

    // MARK: The thread

    private func run(_ store: IntakeStore) {
        let poll = PollSet(capacity: 1)
        while true {
            lastRound.store(SystemClock.monotonicNanoseconds(), ordering: .relaxed)
            let (jobs, stopDeadline) = next()
            if let stopDeadline, jobs.isEmpty || stopDeadline < SystemClock.monotonicNanoseconds() {
                return abandon(jobs)
            }
            if jobs.isEmpty {
                turnDay(store)
                poll.removeAll()
                poll.add(bell.raw, .readable)
                // The day is looked at every second; an error here only makes the round shorter.
                _ = try? poll.wait(until: SystemClock.deadline(milliseconds: 1000))
                bell.drain()
                continue
            }
            storeTogether(jobs, in: store)
        }
    }

    private func abandon(_ jobs: [Job]) {
        let rest = queue.withLock {
            let rest = $0.jobs
            $0.jobs = []
            return rest
        }
        for job in jobs + rest { job.request.answer(Self.overloaded) }
    }

    private func next() -> (jobs: [Job], stopDeadline: UInt64?) {
        queue.withLock {
            var count = 0
            var records = 0
            while count < min($0.jobs.count, Self.mostBatchesTogether) {
                records += $0.jobs[count].bytes.count / JournalRecord.size
                if count > 0 && records > Self.mostRecordsTogether { break }
                count += 1
            }
            let jobs = Array($0.jobs[..<count])
            $0.jobs.removeFirst(count)
            return (jobs, $0.stopDeadline)
        }
    }

    private func storeTogether(_ jobs: [Job], in store: IntakeStore) {
        var accepted: [(HTTPRequest, IntakeStore.Request)] = []
        for job in jobs {
            do {
                let batch = try IntakeBatch(job.bytes, site: siteID, of: job.lane)
                accepted.append(
                    (job.request, IntakeStore.Request(batch: batch, connection: job.request.connectionNumber)))
            } catch {
                refuse(job.request, error)
            }
        }
        guard !accepted.isEmpty else { return }
        let end = SystemClock.deadline(milliseconds: Self.apartMilliseconds)
        let outcomes = store.take(accepted.map(\.1), now: SystemClock.wallMilliseconds()) {
            let now = SystemClock.monotonicNanoseconds()
            lastRound.store(now, ordering: .relaxed)
            return now < end
        }
        let failed = accepted.indices.filter { if case .failed = outcomes[$0] { true } else { false } }
        if case .failed(let failure)? = failed.first.map({ outcomes[$0] }) {
            lastFailure.withLock { $0 = failure.description }
            let names = Set(failed.map { accepted[$0].1.batch.head.lane.text }).sorted().prefix(10)
            Log.error(
                "\(failure.description); \(failed.count) of \(accepted.count) batches were not stored, their lanes send "
                    + "them again: \(names.joined(separator: ", "))")
        } else {
            lastFailure.withLock { $0 = nil }
        }
        // What is answered must already be seen by whoever asks for the tallies next.
        if failed.count < accepted.count || store.day != snapshot.day { publish(store) }
        noteDay(store)
        for ((request, stored), outcome) in zip(accepted, outcomes) {
            switch outcome {
            case .stored(let answer):
                note(answer, lane: stored.batch.head.lane)
                request.answer(.text(answer.storedThrough.text))
            case .refused(let refusal): refuse(request, refusal)
            case .failed(let failure):
                request.answer(
                    .error(
                        503, "the batch could not be stored: \(failure.reason)", advice: failure.advice,
                        headers: [("Retry-After", "2")]))
            }
        }
    }

    private func refuse(_ request: HTTPRequest, _ refusal: IntakeBatch.Refusal) {
        Log.warning("a batch was refused: \(refusal.problem)")
        request.answer(.error(refusal.status, refusal.problem, advice: refusal.advice))
    }

    private func note(_ answer: IntakeStore.Answer, lane: ShortName) {
        if answer.conflicting > 0 {
            Log.error(
                "lane \(lane.text): \(answer.conflicting) records came under identities that others hold; the first "
                    + "ones were kept. Two controllers may use this lane's id")
        }
        for (epoch, beginning) in answer.journals.prefix(10) {
            Log.warning("lane \(lane.text): another journal begins with epoch \(epoch.hex): \(beginning.words)")
        }
        for hole in answer.holes.prefix(10) {
            Log.warning(
                "lane \(lane.text): records \(hole.first) to \(hole.last) of epoch \(hole.epoch.hex) cannot come: "
                    + hole.cause.name)
        }
    }

    private func turnDay(_ store: IntakeStore) {
        if (try? store.turnDay(now: SystemClock.wallMilliseconds())) == true { publish(store) }
        noteDay(store)
    }

    /// Tells once why a new day cannot begin.
    private func noteDay(_ store: IntakeStore) {
        let failure = store.dayFailure?.description
        let isNews = dayFailure.withLock { known in
            defer { known = failure }
            return known != failure
        }
        if isNews, let failure { Log.error("today's tallies are yesterday's: \(failure)") }
    }

    private func publish(_ store: IntakeStore) {
        published.withLock {
            $0 = Snapshot(lanes: store.lanes, site: store.site, day: store.day, revision: $0.revision + 1)
        }
    }
}
