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
    /// nil: nobody told who is inside by other lanes.
    var presenceAsOf: WallTime?
    var total: LaneTotals
    var recent: RecentDecisions
    /// What was asked about, looked up; nil when nothing was.
    var presentation: Presentation?
    /// Of the table in force; nil without one.
    var cache: CacheFigures?
    /// What image and changes say of what was asked about.
    var held: HeldBadge?
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
    /// What the lane is to do first; nil when it is only asked.
    let act: TechnicianAct?
    private enum State: Sendable {
        case asked, begun, answered(LaneSnapshot), givenUp
    }
    private let state = Mutex(State.asked)
    private let answered: WakeUp

    init(identifier: Identifier? = nil, act: TechnicianAct? = nil) throws(SystemFailure) {
        self.identifier = identifier
        self.act = act
        answered = try WakeUp(name: "answer of the lane")
    }

    /// For the lane: false when whoever asked has given up, so that nothing moves that nobody waits for any more.
    var isWanted: Bool {
        state.withLock { state in
            if case .givenUp = state { return false }
            state = .begun
            return true
        }
    }

    func answer(_ snapshot: LaneSnapshot) {
        state.withLock { $0 = .answered(snapshot) }
        answered.signal()
    }

    /// Whether whoever asked gave up before the lane had begun: then it does nothing of it any more.
    var isGivenUp: Bool { state.withLock { if case .givenUp = $0 { true } else { false } } }

    /// nil when the lane did not answer in time.
    func wait(milliseconds: Int) -> LaneSnapshot? {
        let deadline = SystemClock.deadline(milliseconds: milliseconds)
        _ = try? answered.descriptor.wait(for: .readable, until: deadline)
        return state.withLock { state in
            if case .answered(let snapshot) = state { return snapshot }
            if case .asked = state { state = .givenUp }
            return nil
        }
    }
}
