import Admission
import Storage

/// The wall clock at one look of the credential thread, and how far it is believed.
struct ClockReading: Sendable {
    let moment: Moment
    /// As `ClockKeeper.isSure`.
    let isSure: Bool

    /// By how many ms what is dated so contradicts a clock that is sure; nil where it does not.
    func contradiction(of asOf: WallTime) -> Int64? {
        let ahead = asOf.milliseconds(since: moment.wall)
        return isSure && ahead > ClockKeeper.aheadMilliseconds ? ahead : nil
    }

    /// Whether it is the same clock still: neither set nor believed in another way since.
    func agrees(with other: ClockReading) -> Bool {
        moment.clock == other.moment.clock && isSure == other.isSure
            && (offsetMilliseconds - other.offsetMilliseconds).magnitude <= ClockKeeper.agreementMilliseconds
    }

    /// Wall less monotonic time.
    private var offsetMilliseconds: Int64 {
        moment.wall.milliseconds - Int64(moment.monotonic.nanoseconds / 1_000_000)
    }
}
