import Admission
import Posix

/// Something that another thread wants the lane's thread to do. Whoever orders waits a bounded time for it.
final class LaneOrder: Sendable {
    enum Deed: Sendable {
        /// Both in one step; nil leaves what is in force.
        case adopt(AdmissionPolicy?, schedule: [ScheduledMode]?)
        case give(LaneInput)
    }

    let deed: Deed
    private let done: WakeUp

    init(_ deed: Deed) throws(SystemFailure) {
        self.deed = deed
        done = try WakeUp(name: "order to the lane")
    }

    func carriedOut() { done.signal() }

    /// False when it was not carried out in time; it may still be.
    func wait(milliseconds: Int) -> Bool {
        (try? done.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: milliseconds))) == true
    }
}

extension Mailbox where Letter == LaneOrder {
    /// The lane turns in well under a millisecond; this is for one that hangs in a disk.
    static var patienceMilliseconds: Int { 2000 }

    /// Orders it and waits until it is done; false when the lane did not do it in time.
    func carryOut(_ deed: LaneOrder.Deed) -> Bool {
        guard let order = try? LaneOrder(deed), post(order) else { return false }
        return order.wait(milliseconds: Self.patienceMilliseconds)
    }
}
