import Glibc
import Posix

/// How long something slow took, by the wall and by this process's threads together, in milliseconds.
struct TimeTaken: Codable {
    var wallMilliseconds: Double
    var processorMilliseconds: Double

    static func measure<Value>(_ body: () throws -> Value) rethrows -> (Value, TimeTaken) {
        let processor = processorMilliseconds()
        let begin = SystemClock.monotonicNanoseconds()
        let value = try body()
        let wall = Double(SystemClock.monotonicNanoseconds() - begin) / 1e6
        return (value, TimeTaken(wallMilliseconds: wall, processorMilliseconds: processorMilliseconds() - processor))
    }

    private static func processorMilliseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
    }
}

/// The same thing several times.
struct TimesTaken: Codable {
    var repeats: Int
    var medianMilliseconds: Double
    var leastMilliseconds: Double
    var mostMilliseconds: Double
    var medianProcessorMilliseconds: Double
    var leastProcessorMilliseconds: Double

    init(_ all: [TimeTaken]) {
        let wall = all.map(\.wallMilliseconds).sorted()
        let processor = all.map(\.processorMilliseconds).sorted()
        func shown(_ milliseconds: Double) -> Double { (milliseconds * 100).rounded() / 100 }
        repeats = all.count
        medianMilliseconds = shown(wall[wall.count / 2])
        leastMilliseconds = shown(wall[0])
        mostMilliseconds = shown(wall[wall.count - 1])
        medianProcessorMilliseconds = shown(processor[processor.count / 2])
        leastProcessorMilliseconds = shown(processor[0])
    }
}
