import Admission
import Framing
import Glibc
import Posix

/// What is asked of a run, from the command line.
struct Load {
    var port: UInt16
    var site: SiteID
    var lanes: Int
    var recordsEach: Int
    var batch: Int
    var holders: UInt32
    /// ms since 1970-01-01 UTC: the lanes' records lie in the day that begins here.
    var start: Int64

    static let dayMilliseconds: Int64 = 86_400_000
}

/// What a run showed. Times in milliseconds.
struct Figures {
    var seconds = 0.0
    var records = 0
    var passed = 0
    var distinctHolders = 0
    /// Of every batch, from its first byte to the whole answer.
    var answersP50 = 0.0
    var answersP99 = 0.0
    var answersMost = 0.0
    /// When half of all records were stored, of the lane that had come least far and of the one that had come farthest.
    var leastAtHalf = 0
    var mostAtHalf = 0
    var firstLaneDone = 0.0
    var lastLaneDone = 0.0
    /// Answers 503, and connections that ended before the answer: the batch was sent again.
    var refused = 0
    var cut = 0

    var json: String {
        """
        {"seconds": \(seconds), "records": \(records), "passed": \(passed), "distinct_holders": \(distinctHolders), \
        "answer_p50_ms": \(answersP50), "answer_p99_ms": \(answersP99), "answer_max_ms": \(answersMost), \
        "least_at_half": \(leastAtHalf), "most_at_half": \(mostAtHalf), "first_lane_done_s": \(firstLaneDone), \
        "last_lane_done_s": \(lastLaneDone), "refused": \(refused), "cut": \(cut)}
        """
    }
}

/// Many lanes at one collector, each with a connection of its own and one batch under way, in one thread: it makes the
/// records as it sends them, so that what it measures is not what it holds in memory.
final class CrowdOfLanes {
    private static let patienceMilliseconds = 60_000

    private let load: Load
    private var lanes: [SendingLane] = []
    private var latencies: [Float] = []
    private var figures = Figures()

    init(_ load: Load) throws(Mistake) {
        self.load = load
        for number in 0..<load.lanes { lanes.append(try SendingLane(number, load)) }
        latencies.reserveCapacity(load.lanes * (load.recordsEach / load.batch + 1))
    }

    func run() throws -> Figures {
        let poll = PollSet(capacity: lanes.count)
        let total = load.lanes * load.recordsEach
        let began = SystemClock.monotonicNanoseconds()
        var lastAnswer = began
        var isHalf = false
        while figures.records < total {
            poll.removeAll()
            var now = SystemClock.monotonicNanoseconds()
            for lane in lanes {
                lane.goOn(now)
                poll.add(lane.socket, lane.interest)
            }
            try poll.wait(until: SystemClock.deadline(milliseconds: 20))
            now = SystemClock.monotonicNanoseconds()
            for (place, lane) in lanes.enumerated() where !poll[place].isEmpty {
                switch try lane.proceed() {
                case .waiting: break
                case .refused: figures.refused += 1
                case .cut: figures.cut += 1
                case .stored(let count, let sentAt):
                    let answered = SystemClock.monotonicNanoseconds()
                    latencies.append(Float(answered - sentAt) / 1e6)
                    figures.records += count
                    lastAnswer = answered
                    if lane.isDone {
                        let seconds = Double(answered - began) / 1e9
                        if figures.firstLaneDone == 0 { figures.firstLaneDone = seconds }
                        figures.lastLaneDone = seconds
                    }
                }
            }
            if !isHalf, figures.records * 2 >= total {
                isHalf = true
                figures.leastAtHalf = lanes.map(\.stored).min() ?? 0
                figures.mostAtHalf = lanes.map(\.stored).max() ?? 0
            }
            guard now < lastAnswer + UInt64(Self.patienceMilliseconds) * 1_000_000 else {
                throw Mistake("no batch was answered for \(Self.patienceMilliseconds / 1000) s")
            }
        }
        figures.seconds = Double(lastAnswer - began) / 1e9
        count()
        return figures
    }

    private func count() {
        latencies.sort()
        func at(_ share: Double) -> Double {
            latencies.isEmpty ? 0 : Double(latencies[min(latencies.count - 1, Int(share * Double(latencies.count)))])
        }
        figures.answersP50 = at(0.5)
        figures.answersP99 = at(0.99)
        figures.answersMost = at(1)
        var holders = [Bool](repeating: false, count: Int(load.holders) + 1)
        for lane in 0..<load.lanes {
            for sequence in stride(from: 2, through: load.recordsEach, by: 2) {
                figures.passed += 1
                holders[Int(SendingLane.holder(lane: lane, sequence: UInt64(sequence), of: load.holders))] = true
            }
        }
        figures.distinctHolders = holders.count { $0 }
    }
}

struct Mistake: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
