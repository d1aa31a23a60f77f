import Admission
import Testing

/// A keeper with both of its clocks, and a wall clock that can be wrong.
private final class KeptClock {
    var keeper: ClockKeeper
    /// Milliseconds since the test began.
    var elapsed: Int64 = 0
    /// What the wall clock says too much.
    var error: Int64 = 0
    var isSynchronised = false

    init(floor: WallTime = WallTime(seconds: 0), statement: WallTime? = nil, error: Int64 = 0) {
        self.error = error
        keeper = ClockKeeper(
            floor: floor, wall: noon.advanced(byMilliseconds: error), statement: statement)
    }

    var truth: WallTime { noon.advanced(byMilliseconds: elapsed) }
    var wall: WallTime { truth.advanced(byMilliseconds: error) }
    var monotonic: MonotonicTime { MonotonicTime(milliseconds: UInt64(1_000_000 + elapsed)) }
    var trust: ClockTrust { keeper.trust }

    /// Looks every second.
    func wait(seconds: Int64) {
        for _ in 0..<seconds {
            elapsed += 1000
            look()
        }
    }
    @discardableResult func look() -> Bool {
        keeper.observe(wall: wall, monotonic: monotonic, isKernelSynchronised: isSynchronised)
    }
    /// A statement that is `delay` old arrives, from a collector whose clock says `collectorError` too much.
    @discardableResult func statement(delay: Int64 = 50, collectorError: Int64 = 0) -> Bool {
        keeper.signedTime(
            truth.advanced(byMilliseconds: collectorError - delay), wall: wall, monotonic: monotonic)
    }
    func confirm() -> Bool { keeper.confirmed(wall: wall) }
    /// Somebody sets the clock.
    @discardableResult func step(by milliseconds: Int64) -> Bool {
        error += milliseconds
        return keeper.stepped(byMilliseconds: milliseconds, isKernelSynchronised: isSynchronised)
    }
}

@Suite("Clock keeper") struct ClockKeeperTests {
    static let years: Int64 = 365 * 86_400_000

    @Test("a clock that nothing speaks against is trusted, and the floor follows it")
    func plain() {
        let clock = KeptClock()
        #expect(clock.trust == .trusted)
        clock.wait(seconds: 5)
        #expect(clock.trust == .trusted)
        #expect(clock.keeper.floor == clock.wall)
    }

    @Test("a clock that starts 2 s behind the floor is trusted, one a millisecond more is not", arguments: [0, 1])
    func behindFloorAtStart(more: Int64) {
        let clock = KeptClock(floor: noon.advanced(byMilliseconds: 2000 + more))
        #expect(clock.trust == (more == 0 ? .trusted : .behindFloor))
        clock.look()
        #expect(clock.trust == (more == 0 ? .trusted : .behindFloor))
    }

    @Test("time alone does not bring trust back")
    func catchingUp() {
        let clock = KeptClock(floor: noon.advanced(byMilliseconds: 5000))
        clock.wait(seconds: 60)
        #expect(clock.trust == .behindFloor)
    }

    @Test(
        "a lane up to 2 s behind or before its collector stays trusted between its statements",
        arguments: [-2000, -1950, -500, 0, 500, 1999])
    func smallDifference(milliseconds: Int64) {
        let clock = KeptClock()
        for second in 0..<90 {
            if second % 10 == 0 { clock.statement(delay: 0, collectorError: milliseconds) }
            clock.wait(seconds: 1)
            #expect(clock.trust == .trusted, "after \(second) s")
        }
    }

    @Test("a clock that falls behind its own floor by more than 2 s is distrusted")
    func fallsBehind() {
        let clock = KeptClock()
        clock.wait(seconds: 10)
        clock.error = -2900
        clock.elapsed += 500
        #expect(clock.look())
        #expect(clock.trust == .behindFloor)
    }

    @Test("a statement from the clock's future by more than 2 s takes its trust away and moves the floor")
    func statementAhead() {
        let clock = KeptClock()
        #expect(clock.statement(delay: 0, collectorError: 2001))
        #expect(clock.trust == .behindFloor)
        #expect(clock.keeper.floor == clock.truth.advanced(byMilliseconds: 2001))
    }

    @Test("5 min ahead of signed time is trusted still, a millisecond more is not", arguments: [0, 1])
    func ahead(more: Int64) {
        let clock = KeptClock()
        clock.statement(delay: 300_000 + more)
        #expect(clock.look() == (more == 1))
        #expect(clock.trust == (more == 1 ? .aheadOfSignedTime : .trusted))
        clock.wait(seconds: 59)
        #expect(clock.trust == (more == 1 ? .aheadOfSignedTime : .trusted))
    }

    @Test("an uplink that is silent proves nothing: signed time older than 60 s takes no trust away")
    func silentUplink() {
        let clock = KeptClock()
        clock.statement()
        clock.wait(seconds: 61)
        // Set wrongly, in steps that are too small to be seen.
        clock.error = 400_000
        clock.look()
        #expect(clock.trust == .trusted)
        clock.statement()
        clock.look()
        #expect(clock.trust == .aheadOfSignedTime)
    }

    @Test("a step of more than 2 s either way takes trust away, one of 2 s does not", arguments: [-2001, 2001])
    func steps(milliseconds: Int64) {
        let clock = KeptClock()
        #expect(!clock.step(by: milliseconds.signum() * 2000))
        #expect(clock.trust == .trusted)
        #expect(clock.step(by: milliseconds))
        #expect(clock.trust == .stepped)
        #expect(!clock.step(by: milliseconds), "a second step changes nothing")
    }

    @Test("a step that the kernel's synchronisation made is no reason")
    func synchronisedStep() {
        let clock = KeptClock()
        clock.isSynchronised = true
        clock.look()
        #expect(!clock.step(by: 3_600_000))
        #expect(clock.trust == .trusted)
    }

    enum Distrust: CaseIterable { case behindFloor, ahead, stepped }
    enum WayBack: CaseIterable { case synchronised, signedTime, technician }

    @Test("every distrust ends in each of three ways", arguments: Distrust.allCases, WayBack.allCases)
    func wayBack(distrust: Distrust, way: WayBack) {
        let clock = KeptClock()
        clock.wait(seconds: 1)
        switch distrust {
        case .behindFloor:
            clock.error = -60_000
            clock.look()
        case .ahead:
            clock.error = 400_000
            clock.statement()
            clock.look()
        case .stepped: clock.step(by: 60_000)
        }
        #expect(clock.trust != .trusted)
        clock.wait(seconds: 61)
        #expect(clock.trust != .trusted, "not by waiting")
        clock.error = 0
        clock.look()
        #expect(clock.trust != .trusted, "not by being right where nobody can know it")
        switch way {
        case .synchronised:
            clock.isSynchronised = true
            #expect(clock.look())
        case .signedTime:
            clock.statement(delay: 2001)
            #expect(clock.trust != .trusted, "2001 ms is not within 2 s")
            clock.elapsed += 1
            clock.statement(delay: 2000)
        case .technician: #expect(clock.confirm())
        }
        #expect(clock.trust == .trusted)
        clock.wait(seconds: 120)
        #expect(clock.trust == .trusted)
    }

    @Test("a controller that boots in 1970 distrusts its clock and heals by itself", arguments: [true, false])
    func bootsIn1970(bySignedTime: Bool) {
        let clock = KeptClock(floor: noon.advanced(byMilliseconds: -3_600_000), error: -noon.milliseconds)
        #expect(clock.trust == .behindFloor)
        clock.statement()
        #expect(clock.trust == .behindFloor)
        // The network sets the clock: the kernel says synchronised, or says nothing and signed time agrees.
        clock.step(by: noon.milliseconds)
        clock.isSynchronised = !bySignedTime
        clock.wait(seconds: 10)
        if bySignedTime {
            #expect(clock.trust == .behindFloor)
            clock.statement()
        }
        #expect(clock.trust == .trusted)
        clock.wait(seconds: 60)
        #expect(clock.trust == .trusted)
    }

    @Test("a controller without a floor that boots in 1970 is distrusted at the first statement")
    func bootsIn1970WithoutFloor() {
        let clock = KeptClock(error: -noon.milliseconds)
        #expect(clock.trust == .trusted)
        clock.statement()
        #expect(clock.trust == .behindFloor)
    }

    @Test("one bad date does not poison the years until then", arguments: [true, false])
    func badFutureDate(keptInRecords: Bool) {
        let far = noon.advanced(byMilliseconds: 70 * Self.years)
        // Either the lane itself believed it for a while, or its last run did and the records say so.
        let clock = keptInRecords ? KeptClock(floor: far) : KeptClock(error: 70 * Self.years)
        clock.wait(seconds: 3)
        if !keptInRecords {
            #expect(clock.keeper.floor > far)
            clock.statement()
            clock.wait(seconds: 1)
            #expect(clock.trust == .aheadOfSignedTime)
            clock.step(by: -70 * Self.years)
            clock.wait(seconds: 1)
        }
        #expect(clock.trust == .behindFloor)
        clock.statement()
        #expect(clock.trust == .trusted)
        #expect(clock.keeper.floor <= clock.truth)
        clock.wait(seconds: 300)
        #expect(clock.trust == .trusted)
    }

    @Test("a replayed older statement says nothing, neither in this run nor after a restart")
    func replay() {
        let clock = KeptClock()
        clock.statement()
        clock.wait(seconds: 5)
        let floor = clock.keeper.floor
        #expect(!clock.statement(delay: 3_600_000))
        clock.wait(seconds: 1)
        #expect(clock.trust == .trusted)
        #expect(clock.keeper.floor >= floor)

        let restarted = KeptClock(floor: noon, statement: noon.advanced(byMilliseconds: -400_000))
        #expect(!restarted.statement(delay: 400_000))
        restarted.wait(seconds: 1)
        #expect(restarted.trust == .trusted)
    }

    @Test("a statement that the synchronised clock contradicts does not make the lane waver", arguments: [-5000, 5000])
    func contradictedStatement(collectorError: Int64) {
        let clock = KeptClock()
        clock.isSynchronised = true
        clock.look()
        for _ in 0..<5 {
            #expect(!clock.statement(collectorError: collectorError))
            #expect(clock.trust == .trusted)
            clock.wait(seconds: 10)
        }
    }

    enum Sureness: CaseIterable { case synchronised, technician }

    private func makeSure(_ clock: KeptClock, _ how: Sureness) {
        if how == .synchronised { clock.isSynchronised = true }
        clock.look()
        if how == .technician { _ = clock.confirm() }
    }

    @Test(
        "a clock that is sure is not impressed by a collector's that is more than 5 min ahead",
        arguments: Sureness.allCases)
    func sure(how: Sureness) {
        let clock = KeptClock()
        clock.look()
        #expect(clock.trust == .trusted && !clock.keeper.isSure)
        makeSure(clock, how)
        #expect(clock.keeper.isSure)
        #expect(!clock.keeper.contradicts(clock.wall.advanced(byMilliseconds: 300_000), wall: clock.wall))
        #expect(clock.keeper.contradicts(clock.wall.advanced(byMilliseconds: 300_001), wall: clock.wall))
        #expect(!clock.statement(delay: 0, collectorError: 10 * 86_400_000))
        clock.wait(seconds: 5)
        #expect(clock.trust == .trusted && clock.keeper.floor == clock.wall)
        // What the collector says when its clock is right is news: it brings trust back after a step.
        clock.isSynchronised = false
        clock.step(by: 1500)
        clock.step(by: 2500)
        #expect(clock.trust == .stepped)
        clock.error = 0
        clock.statement()
        #expect(clock.trust == .trusted)
    }

    @Test(
        "a date that was believed before the clock was sure is forgotten when it is, and what is said later counts",
        arguments: Sureness.allCases)
    func forgets(how: Sureness) {
        let clock = KeptClock()
        clock.statement(delay: 0, collectorError: 10 * 86_400_000)
        #expect(clock.trust == .behindFloor)
        clock.wait(seconds: 20)
        #expect(!clock.statement(), "of a clock that is not sure nobody knows which of the two is wrong")
        #expect(clock.trust == .behindFloor)
        makeSure(clock, how)
        #expect(clock.trust == .trusted)
        clock.isSynchronised = false
        clock.wait(seconds: 5)
        clock.step(by: 2500)
        #expect(clock.trust == .stepped)
        clock.error = 0
        clock.statement()
        #expect(clock.trust == .trusted)
        clock.wait(seconds: 60)
        #expect(clock.trust == .trusted)
    }

    @Test("after forgetting, what was signed long ago tells no clock that was set back that it is right")
    func replayAfterForgetting() {
        let clock = KeptClock()
        clock.statement(delay: 0, collectorError: 10 * 86_400_000)
        #expect(clock.confirm())
        clock.wait(seconds: 5)
        clock.step(by: -3_600_000)
        #expect(clock.trust == .stepped)
        // An hour old, and just what the clock says now.
        #expect(!clock.statement(delay: 3_600_000))
        #expect(clock.trust == .stepped)
    }

    @Test("what a technician said holds until the clock steps, or is not trusted any more", arguments: [true, false])
    func confirmationEnds(byStep: Bool) {
        let clock = KeptClock()
        _ = clock.confirm()
        #expect(clock.keeper.isSure)
        if byStep {
            clock.step(by: -3_600_000)
        } else {
            clock.statement(delay: 0, collectorError: 60_000)
        }
        #expect(!clock.keeper.isSure && clock.trust != .trusted)
        // An hour late by now, and it learns from signed time again.
        clock.error = -3_600_000
        clock.statement(delay: 0, collectorError: 61_000)
        #expect(clock.trust == .behindFloor)
        #expect(clock.keeper.floor == clock.truth.advanced(byMilliseconds: 61_000))
    }

    @Test("no clock, step or statement traps", arguments: [Int64.min, -1, 0, Int64.max])
    func extremes(milliseconds: Int64) {
        let values: [Int64] = [.min, .min + 1, -1, 0, .max - 1, .max]
        for floor in values {
            for wall in values {
                var keeper = ClockKeeper(
                    floor: WallTime(milliseconds: floor), wall: WallTime(milliseconds: wall))
                for monotonic in [UInt64.min, .max] {
                    let now = MonotonicTime(nanoseconds: monotonic)
                    _ = keeper.signedTime(
                        WallTime(milliseconds: milliseconds), wall: WallTime(milliseconds: wall), monotonic: now)
                    _ = keeper.observe(
                        wall: WallTime(milliseconds: floor), monotonic: now, isKernelSynchronised: false)
                    _ = keeper.stepped(byMilliseconds: milliseconds, isKernelSynchronised: false)
                }
                _ = keeper.confirmed(wall: WallTime(milliseconds: wall))
                #expect(keeper.trust == .trusted)
            }
        }
    }

    @Test("a kept statement puts the clock behind the floor or says nothing, and is no news when it comes again")
    func keptStatement() {
        var keeper = ClockKeeper(floor: WallTime(milliseconds: 0), wall: WallTime(milliseconds: 5_000_000))
        let wall = WallTime(milliseconds: 5_000_000)
        let afterOld = keeper.notEarlier(than: WallTime(milliseconds: 1_000_000), wall: wall)
        #expect(!afterOld)
        #expect(keeper.trust == .trusted)
        // An hour old, heard again: were it news, the clock would be far ahead of signed time.
        let now = MonotonicTime(milliseconds: 10)
        let afterReplay = keeper.signedTime(WallTime(milliseconds: 1_000_000), wall: wall, monotonic: now)
        let afterLook = keeper.observe(wall: wall, monotonic: now, isKernelSynchronised: false)
        #expect(!afterReplay && !afterLook)
        #expect(keeper.trust == .trusted)
        let afterFuture = keeper.notEarlier(than: WallTime(milliseconds: 9_000_000), wall: wall)
        #expect(afterFuture)
        #expect(keeper.trust == .behindFloor)
    }
}
