import Admission
import Framing
import Posix
import Synchronization

/// Lanes that are enrolled, tokens that are valid: `enrolment.sqlite`. What another process changes there holds from the
/// next look on, without a restart.
final class EnrolmentRegister: Sendable {
    struct Lane: Sendable, Equatable {
        var name: String
        var enrolment: UInt64
        /// The newest issue that was used; older ones are refused from then on.
        var issue: UInt32
        /// How long its certificates are valid.
        var days: Int
        var expiresMilliseconds: Int64
        var addedMilliseconds: Int64
        var removedMilliseconds: Int64?
        var usedMilliseconds: Int64?
    }

    enum Role: String, Sendable, CaseIterable {
        case viewer
        case `operator`

        var words: String { self == .operator ? "an operator" : "a viewer" }

        func includes(_ other: Role) -> Bool { self == .operator || other == .viewer }
    }

    struct Token: Sendable, Equatable {
        var name: String
        var role: Role
        var hash: [UInt8]
        var addedMilliseconds: Int64
        var expiresMilliseconds: Int64?
    }

    struct Snapshot: Sendable {
        var lanes: [ShortName: Lane] = [:]
        var tokens: [Token] = []
    }

    static let mostTokens = 256

    private struct State {
        let database: Database
        let changes: SQLStatement
        var seen: Int64 = -1
        var snapshot = Snapshot()
        /// Uses that are not written yet.
        var unwritten: Set<ShortName> = []
        /// Among them an issue that was not used before.
        var isUrgent = false
        var writtenAt: UInt64 = 0
        var failure: String?
    }

    private let state: Mutex<State>
    private let path: String

    init(_ directory: SiteDirectory, site: SiteID) throws(CollectorFailure) {
        path = directory.enrolmentDatabase
        let database = try Database(path, .readWrite)
        try database.useWriteAheadLog()
        try SiteDirectory.check(database, site: site, version: EnrolmentSchema.version)
        let changes = try database.prepare("PRAGMA data_version")
        state = Mutex(State(database: database, changes: changes, snapshot: try Self.read(database)))
    }

    /// What holds now. Costs some microseconds when nothing was changed.
    func current() -> Snapshot {
        state.withLock { state in
            do throws(CollectorFailure) {
                let version = try state.changes.step() ? state.changes.integer(0) : 0
                state.changes.reset()
                if version != state.seen {
                    var read = try Self.read(state.database)
                    for lane in state.unwritten {
                        guard let known = state.snapshot.lanes[lane], var stored = read.lanes[lane],
                            known.enrolment == stored.enrolment
                        else { continue }
                        stored.issue = max(stored.issue, known.issue)
                        stored.expiresMilliseconds = known.expiresMilliseconds
                        stored.usedMilliseconds = known.usedMilliseconds
                        read.lanes[lane] = stored
                    }
                    state.snapshot = read
                    state.seen = version
                }
                state.failure = nil
            } catch {
                // What was read last goes on holding: a disk that fails must not stop what lanes bring in.
                if state.failure != error.description { Log.error("enrolment: \(error.description)") }
                state.failure = error.description
            }
            return state.snapshot
        }
    }

    /// A lane showed this certificate. Holds at once; `writeUses` makes it durable. How often is no matter: only an
    /// issue that was not used before, and one use a minute, are news.
    func used(_ identity: LaneIdentity, expires: Int64, now: Int64) {
        state.withLock { state in
            guard var lane = state.snapshot.lanes[identity.lane], lane.enrolment == identity.enrolment else { return }
            guard identity.issue > lane.issue || now - (lane.usedMilliseconds ?? 0) > 60_000 else { return }
            if identity.issue > lane.issue { state.isUrgent = true }
            if identity.issue >= lane.issue { lane.expiresMilliseconds = expires }
            lane.issue = max(lane.issue, identity.issue)
            lane.usedMilliseconds = now
            state.snapshot.lanes[identity.lane] = lane
            state.unwritten.insert(identity.lane)
        }
    }

    /// A new issue at once, the rest every ten seconds: each writing makes `current` read again.
    private static let restNanoseconds: UInt64 = 10_000_000_000

    /// Not on the server's thread: it waits for the disk.
    func writeUses() throws(CollectorFailure) {
        let now = SystemClock.monotonicNanoseconds()
        let lanes = state.withLock { state in
            guard state.isUrgent || now - state.writtenAt > Self.restNanoseconds else {
                return [(ShortName, Lane)]()
            }
            return state.unwritten.compactMap { name in state.snapshot.lanes[name].map { (name, $0) } }
        }
        guard !lanes.isEmpty else { return }
        let database = try Database(path, .readWrite)
        try database.useWriteAheadLog()
        try database.transaction { () throws(CollectorFailure) in
            let update = try database.prepare(
                "UPDATE lane SET issue = max(issue, ?), expires = ?, used = ? WHERE id = ? AND enrolment = ?")
            for (name, lane) in lanes {
                update.bind(1, Int64(lane.issue))
                update.bind(2, lane.expiresMilliseconds)
                update.bind(3, lane.usedMilliseconds)
                update.bind(4, name.text)
                update.bind(5, Int64(bitPattern: lane.enrolment))
                try update.run()
            }
        }
        state.withLock { state in
            state.writtenAt = now
            state.isUrgent = false
            for (name, written) in lanes where state.snapshot.lanes[name] == written { state.unwritten.remove(name) }
        }
    }

    private static func read(_ database: Database) throws(CollectorFailure) -> Snapshot {
        var snapshot = Snapshot()
        let lanes = try database.prepare(
            "SELECT id, name, enrolment, issue, days, expires, added, removed, used FROM lane")
        while try lanes.step() {
            guard let id = ShortName(lanes.text(0)) else { continue }
            snapshot.lanes[id] = Lane(
                name: lanes.text(1), enrolment: UInt64(bitPattern: lanes.integer(2)),
                issue: UInt32(clamping: lanes.integer(3)), days: Int(lanes.integer(4)),
                expiresMilliseconds: lanes.integer(5), addedMilliseconds: lanes.integer(6),
                removedMilliseconds: lanes.isNull(7) ? nil : lanes.integer(7),
                usedMilliseconds: lanes.isNull(8) ? nil : lanes.integer(8))
        }
        let tokens = try database.prepare("SELECT name, role, hash, added, expires FROM token ORDER BY name")
        while try tokens.step() {
            guard let role = Role(rawValue: tokens.text(1)) else { continue }
            snapshot.tokens.append(
                Token(
                    name: tokens.text(0), role: role, hash: tokens.blob(2), addedMilliseconds: tokens.integer(3),
                    expiresMilliseconds: tokens.isNull(4) ? nil : tokens.integer(4)))
        }
        return snapshot
    }
}
