import Admission
import Posix

/// Reads both clocks and keeps the judgement of the wall clock. Used by the lane's thread.
struct WallClock {
    private(set) var keeper: ClockKeeper
    private let stepWatch: ClockStepWatch
    /// Wall minus monotonic time, ms, at the last look: a difference is a step.
    private var offsetMilliseconds: Int64
    private var nextLook: MonotonicTime
    static let lookMilliseconds: Int64 = 1000

    init(floor: WallTime) throws(SystemFailure) {
        stepWatch = try ClockStepWatch()
        let wall = SystemClock.wallMilliseconds()
        let now = MonotonicTime.now()
        keeper = ClockKeeper(floor: floor, wall: WallTime(milliseconds: wall))
        offsetMilliseconds = wall - Int64(now.nanoseconds / 1_000_000)
        nextLook = now
    }

    var descriptor: Int32 { stepWatch.raw }
    var deadline: MonotonicTime { nextLook }

    /// This instant on both clocks.
    func moment() -> Moment {
        Moment(
            monotonic: .now(), wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: keeper.trust)
    }

    /// Looks for steps and at the floor; call it when `descriptor` is readable or `deadline` has come. What is returned
    /// goes to the lane machine.
    mutating func look(stepSignalled: Bool) -> LaneInput? {
        if stepSignalled { _ = try? stepWatch.drain() }
        let now = MonotonicTime.now()
        nextLook = now.advanced(byMilliseconds: Self.lookMilliseconds)
        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        let synchronised = (try? SystemClock.isSynchronised()) ?? false
        let offset = wall.milliseconds - Int64(now.nanoseconds / 1_000_000)
        let step = offset - offsetMilliseconds
        offsetMilliseconds = offset
        let isStep = abs(step) > ClockKeeper.agreementMilliseconds
        var changed = keeper.stepped(byMilliseconds: step, isKernelSynchronised: synchronised)
        if keeper.observe(wall: wall, monotonic: now, isKernelSynchronised: synchronised) { changed = true }
        return changed || isStep ? .clock(keeper.trust, stepMilliseconds: isStep ? step : 0) : nil
    }

    /// A technician looked at it and says that it is right.
    mutating func confirmed() -> LaneInput? {
        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        return keeper.confirmed(wall: wall) ? .clock(keeper.trust, stepMilliseconds: 0) : nil
    }

    /// Whether something signed `asOf` contradicts a clock that is sure.
    func contradicts(_ asOf: WallTime) -> Bool {
        keeper.contradicts(asOf, wall: WallTime(milliseconds: SystemClock.wallMilliseconds()))
    }

    /// A statement that the site signed says it was `asOf`; one that is not live only says that it was.
    mutating func signedTime(_ asOf: WallTime, isLive: Bool) -> LaneInput? {
        let wall = WallTime(milliseconds: SystemClock.wallMilliseconds())
        let changed =
            isLive ? keeper.signedTime(asOf, wall: wall, monotonic: .now()) : keeper.notEarlier(than: asOf, wall: wall)
        return changed ? .clock(keeper.trust, stepMilliseconds: 0) : nil
    }
}
