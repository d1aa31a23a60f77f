import Glibc
import Posix
import TestSupport
import Testing

@Suite struct PollTests {
    @Test("a wait ends at its deadline when nothing happens, and at once when it has passed")
    func deadline() throws {
        let set = PollSet(capacity: 1)
        let pipe = try Pipe()
        let place = set.add(pipe.reader.raw, .readable)
        let deadline = SystemClock.deadline(milliseconds: 5)
        #expect(try set.wait(until: deadline) == 0)
        #expect(SystemClock.monotonicNanoseconds() >= deadline)
        #expect(set[place] == [])
        #expect(try set.wait(until: 0) == 0)
        withExtendedLifetime(pipe) {}
    }

    @Test("each place tells its own descriptor's state")
    func places() throws {
        let set = PollSet(capacity: 4)
        let first = try Pipe()
        let second = try Pipe()
        try second.writer.writeAll([1])
        let places = [
            set.add(first.reader.raw, .readable), set.add(second.reader.raw, .readable),
            set.add(first.writer.raw, .writable), set.add(-1, .readable),
        ]
        #expect(set.isFull)
        #expect(try set.wait(until: nil) == 2)
        #expect(places.map { set[$0] } == [[], .readable, .writable, []])
        withExtendedLifetime((first, second)) {}
    }

    @Test("a reader whose writer has gone is hung up")
    func hangUp() throws {
        let set = PollSet(capacity: 1)
        let reader = try Pipe().reader
        let place = set.add(reader.raw, .readable)
        #expect(try set.wait(until: nil) == 1)
        #expect(set[place].contains(.hungUp))
        withExtendedLifetime(reader) {}
    }

    @Test("a wake-up from another thread ends a wait, and signals before the wait are not lost")
    func wakeUp() throws {
        let wakeUp = try WakeUp()
        wakeUp.signal()
        wakeUp.signal()
        #expect(try wakeUp.descriptor.wait(for: .readable, until: 0))
        #expect(wakeUp.drain() == 2)
        #expect(wakeUp.drain() == 0)
        let thread = try NamedThread.start(name: "waker") { wakeUp.signal() }
        #expect(try wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
        thread.join()
    }

    @Test("a timer goes off at its instant, not before, and not when it was disarmed")
    func timer() throws {
        let timer = try DeadlineTimer()
        let instant = SystemClock.deadline(milliseconds: 5)
        try timer.arm(at: instant)
        #expect(try timer.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
        #expect(SystemClock.monotonicNanoseconds() >= instant)
        #expect(timer.drain())
        #expect(!timer.drain())
        try timer.arm(at: 0)
        #expect(try timer.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000)))
        try timer.arm(at: nil)
        #expect(try !timer.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 5)))
    }

    @Test("a clock that nobody sets has no step")
    func clockStep() throws {
        let watch = try ClockStepWatch()
        #expect(try !watch.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 5)))
        #expect(try !watch.drain())
    }

    @Test("the kernel tells whether its clock is synchronised")
    func synchronised() throws {
        _ = try SystemClock.isSynchronised()
    }
}
