import Admission
import Configuration
import Framing
import Posix
import Storage
import Synchronization

/// Brings the rules of the configuration file into force while the lane runs, its policy and its schedule: on SIGHUP and
/// for `lanectl config reload`. One at a time, each on a thread of its own, so that whoever asks waits a bounded time for
/// a disk that hangs.
///
/// Never half: both files are read and checked whole, then the policy is kept under its digest, and only then does the
/// lane's thread take the new rules, all in one step between two inputs. Whatever goes wrong before leaves the old ones in
/// force. What else has changed is named, and waits for a restart.
final class RulesReload: Sendable {
    struct Outcome: Sendable, Equatable {
        var digest: PolicyDigest
        /// False when the file says what is in force already.
        var isNew: Bool
        /// False when the schedule says what is in force already.
        var isScheduleNew: Bool
        /// Groups of the configuration that say something else than when the program started.
        var needRestart: [String]
    }

    enum Failure: Error, CustomStringConvertible {
        case configuration(ConfigurationFailure)
        /// The file is another lane's: its rules mean other zones.
        case otherLane(String)
        case notKept(SystemFailure)
        case laneBusy
        case diskSilent

        /// Whether asking again may do, with the same files.
        var passes: Bool {
            switch self {
            case .laneBusy, .diskSilent: true
            case .configuration, .otherLane, .notKept: false
            }
        }

        var description: String {
            switch self {
            case .configuration(let failure): failure.description
            case .otherLane(let what): "\(what): nothing is reloaded; restart lanekeeperd for another lane"
            case .notKept(let failure): "the policy cannot be kept, so it does not come into force: \(failure)"
            case .laneBusy: "the lane did not take the rules within 2 s; it may still do; look at its log and its disk"
            case .diskSilent:
                "the disk did not answer within \(patienceMilliseconds / 1000) s; the rules in force stay until it does"
            }
        }
    }

    private let path: String
    private let started: LaneSettings
    private let archive: PolicyArchive
    private let orders: Mailbox<LaneOrder>
    private let clockIsTrusted: @Sendable () -> Bool
    private let inForce: Mutex<InForce>
    private let wake: WakeUp
    private let isStopping = Atomic<Bool>(false)
    private let underWay = Atomic<Int>(0)

    private struct InForce: Sendable {
        var digest: PolicyDigest
        var schedule: [ScheduledMode]
        /// The lane did not take others in time, and may have taken them since.
        var isDoubtful = false
    }

    /// For files and lane together: `lanectl` waits 5 s.
    static let patienceMilliseconds = 4000
    /// One that works, and one that came meanwhile and finds what was written since.
    private static let mostUnderWay = 2

    /// - Parameters:
    ///   - path: the lane's configuration file.
    ///   - started: what it said when the program started.
    init(
        path: String, started: LaneSettings, archive: PolicyArchive, orders: Mailbox<LaneOrder>,
        clockIsTrusted: @escaping @Sendable () -> Bool
    ) throws(SystemFailure) {
        self.path = path
        self.started = started
        self.archive = archive
        self.orders = orders
        self.clockIsTrusted = clockIsTrusted
        inForce = Mutex(InForce(digest: started.policy.digest, schedule: started.lane.schedule))
        wake = try WakeUp(name: "policy reload")
    }

    // MARK: For SIGHUP

    func start() throws(SystemFailure) -> NamedThread {
        try NamedThread.start(name: "policy") { [self] in
            while !isStopping.load(ordering: .acquiring) {
                _ = try? wake.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 60_000))
                guard wake.drain() > 0, !isStopping.load(ordering: .acquiring) else { continue }
                _ = try? reload()
            }
        }
    }

    /// Returns at once; what came of it stands in the log.
    func ask() { wake.signal() }

    func end() {
        isStopping.store(true, ordering: .releasing)
        wake.signal()
    }

    // MARK: Reloading

    /// Blocks for the disk and for the lane, at most `patienceMilliseconds`. Not for the lane's own thread.
    func reload() throws -> Outcome {
        guard underWay.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue <= Self.mostUnderWay else {
            underWay.wrappingSubtract(1, ordering: .acquiringAndReleasing)
            throw silence()
        }
        let attempt: LateResult<Result<Outcome, any Error>>
        do {
            attempt = try LateResult(name: "end of a reload")
            // Nobody waits for its end: it may hang in the disk when the program ends.
            _ = try NamedThread.start(name: "reload") { [self] in
                let result = Result { try reloadHoweverLong() }
                underWay.wrappingSubtract(1, ordering: .acquiringAndReleasing)
                attempt.end(result)
            }
        } catch {
            underWay.wrappingSubtract(1, ordering: .acquiringAndReleasing)
            throw error
        }
        guard let result = attempt.wait(milliseconds: Self.patienceMilliseconds) else {
            throw silence()
        }
        return try result.get()
    }

    private func silence() -> Failure {
        Log.error("rules not reloaded: \(Failure.diskSilent)")
        return .diskSilent
    }

    private func reloadHoweverLong() throws -> Outcome {
        do {
            let outcome = try inForce.withLock { rules in try bring(&rules) }
            Log.notice(
                "policy \(outcome.digest.hex) \(outcome.isNew ? "is in force" : "was in force already")"
                    + (outcome.isScheduleNew ? "; another schedule is in force" : "")
                    + (outcome.needRestart.isEmpty
                        ? "" : "; changed, and taken only at a restart: \(outcome.needRestart.joined(separator: ", "))")
            )
            return outcome
        } catch {
            for line in "\(error)".split(separator: "\n") {
                Log.error("rules not reloaded, the old ones stay: \(line)")
            }
            throw error
        }
    }

    private func bring(_ rules: inout InForce) throws -> Outcome {
        let settings: LaneSettings
        let needRestart: [String]
        do {
            let reader = try ConfigurationReader(path: path)
            let before = try ConfigurationReader(contents: started.configurationContents, path: path)
            // Where the rules stand makes no difference.
            needRestart = reader.settingsThatDiffer(from: before).filter { !Self.reloaded.contains($0) }
            settings = try LaneSettings(finishing: reader)
        } catch let failure as ConfigurationFailure { throw Failure.configuration(failure) }
        if let other = difference(settings) { throw Failure.otherLane(other) }
        let outcome = Outcome(
            digest: settings.policy.digest, isNew: rules.isDoubtful || settings.policy.digest != rules.digest,
            isScheduleNew: rules.isDoubtful || settings.lane.schedule != rules.schedule, needRestart: needRestart)
        guard outcome.isNew || outcome.isScheduleNew else { return outcome }
        if outcome.isNew {
            do throws(SystemFailure) {
                try archive.keep(settings.policyContents, outcome.digest)
            } catch { throw Failure.notKept(error) }
        }
        let deed = LaneOrder.Deed.adopt(
            outcome.isNew ? settings.policy : nil, schedule: outcome.isScheduleNew ? settings.lane.schedule : nil)
        guard orders.carryOut(deed) else {
            rules.isDoubtful = true
            throw Failure.laneBusy
        }
        rules = InForce(digest: outcome.digest, schedule: settings.lane.schedule)
        guard outcome.isNew else { return outcome }
        let now = clockIsTrusted() ? WallTime(milliseconds: SystemClock.wallMilliseconds()) : nil
        do throws(SystemFailure) { try archive.removeExpired(inForce: outcome.digest, now: now) } catch {
            Log.warning("old policies: \(error)")
        }
        return outcome
    }

    /// The groups that it reads.
    private static let reloaded = ["policy", "schedule"]

    private func difference(_ settings: LaneSettings) -> String? {
        if settings.site != started.site { return "site.id is another site's" }
        if settings.id != started.id { return "lane.id is \(settings.id.text), this lane is \(started.id.text)" }
        if settings.lane.kind != started.lane.kind { return "lane.kind has changed" }
        if settings.lane.from != started.lane.from || settings.lane.to != started.lane.to {
            return "the lane leads from \(settings.lane.from.text) to \(settings.lane.to.text) in the file"
        }
        return nil
    }
}
