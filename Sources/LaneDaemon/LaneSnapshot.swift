import Admission
import Devices
import Framing
import Posix
import Storage
import Synchronization

/// The whole lane at one instant, as a value: other threads make status and explanations of it.
struct LaneSnapshot: Sendable {
    var machine: LaneMachine
    var moment: Moment
    var clockFloor: WallTime
    var readers: [DeviceStatus]
    var thermometer: DeviceStatus?
    var gateFailure: String?
    var gateSince: WallTime
    var fireFailure: String?
    var journal: JournalStatus
    var image: ImageHeader?
    var statement: Statement?
    var total: LaneTotals
    var recent: RecentDecisions
    /// What was asked about, looked up; nil when nothing was.
    var presentation: Presentation?
}

struct DeviceStatus: Sendable {
    var name: String
    var type: String
    var path: String
    var isPresent: Bool
    /// Since when it has been so.
    var since: WallTime
    var failure: String?
    var frames: UInt64
    var rejected: UInt64
    var conditions: DeviceConditions

    init(_ device: AttachedDevice, since: WallTime) {
        self.since = since
        name = device.name
        type = device.type.name
        path = device.path
        isPresent = device.supervision.presence == .well
        failure = device.failure?.description
        frames = device.counters.frames
        rejected = device.counters.rejected
        conditions = device.conditions
    }
}

/// A question for the lane's thread. Whoever asks waits a bounded time; an answer that comes later is thrown away.
final class LaneQuestion: Sendable {
    /// Which badge to look up; nil for a plain snapshot.
    let identifier: Identifier?
    private let reply: Mutex<LaneSnapshot?>
    private let answered: WakeUp

    init(identifier: Identifier?) throws(SystemFailure) {
        self.identifier = identifier
        reply = Mutex(nil)
        answered = try WakeUp(name: "answer of the lane")
    }

    func answer(_ snapshot: LaneSnapshot) {
        reply.withLock { $0 = snapshot }
        answered.signal()
    }

    /// nil when the lane did not answer in time.
    func wait(milliseconds: Int) -> LaneSnapshot? {
        let deadline = SystemClock.deadline(milliseconds: milliseconds)
        guard (try? answered.descriptor.wait(for: .readable, until: deadline)) == true else { return nil }
        return reply.withLock { $0 }
    }
}
