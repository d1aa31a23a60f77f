import Admission
import Configuration
import Framing
import Posix
import Storage
import Synchronization

/// Brings the rules of the configuration file into force while the lane runs: on SIGHUP, on a thread of its own, and for
/// `lanectl config reload`, on the control thread. One at a time.
///
/// Never half: both files are read and checked whole, then kept under their digest, and only then does the lane's thread
/// take the new rules, between two inputs. Whatever goes wrong before leaves the old ones in force. Only the policy is
/// reloaded; what else has changed is named, and waits for a restart.
final class PolicyReload: Sendable {
    struct Outcome: Sendable, Equatable {
        var digest: PolicyDigest
        /// False when the file says what is in force already.
        var isNew: Bool
        /// Groups of the configuration that say something else than when the program started.
        var needRestart: [String]
    }

    enum Failure: Error, CustomStringConvertible {
        case configuration(ConfigurationFailure)
        /// The file is another lane's: its rules mean other zones.
        case otherLane(String)
        case notKept(SystemFailure)
        case laneBusy

        var description: String {
            switch self {
            case .configuration(let failure): failure.description
            case .otherLane(let what): "\(what): the policy is not reloaded; restart lanekeeperd for another lane"
            case .notKept(let failure): "the policy cannot be kept, so it does not come into force: \(failure)"
            case .laneBusy: "the lane did not take the policy within 2 s; it may still do; look at its log and its disk"
            }
        }
    }

    private let path: String
    private let started: LaneSettings
    private let archive: PolicyArchive
    private let orders: Mailbox<LaneOrder>
    private let clockIsTrusted: @Sendable () -> Bool
    private let inForce: Mutex<PolicyDigest>
    private let wake: WakeUp
    private let isStopping = Atomic<Bool>(false)

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
        inForce = Mutex(started.policy.digest)
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

    /// Blocks for the disk and for the lane, at most 2 s for the latter. Not for the lane's own thread.
    func reload() throws -> Outcome {
        do {
            let outcome = try inForce.withLock { digest in
                let outcome = try bring(inForce: digest)
                digest = outcome.digest
                return outcome
            }
            Log.notice(
                "policy \(outcome.digest.hex) \(outcome.isNew ? "is in force" : "was in force already")"
                    + (outcome.needRestart.isEmpty
                        ? "" : "; changed, and taken only at a restart: \(outcome.needRestart.joined(separator: ", "))")
            )
            return outcome
        } catch {
            for line in "\(error)".split(separator: "\n") {
                Log.error("policy not reloaded, the old one stays: \(line)")
            }
            throw error
        }
    }

    private func bring(inForce digest: PolicyDigest) throws -> Outcome {
        let settings: LaneSettings
        let needRestart: [String]
        do {
            let reader = try ConfigurationReader(path: path)
            let before = try ConfigurationReader(contents: started.configurationContents, path: path)
            // Where the rules stand makes no difference.
            needRestart = reader.settingsThatDiffer(from: before).filter { $0 != "policy" }
            settings = try LaneSettings(finishing: reader)
        } catch let failure as ConfigurationFailure { throw Failure.configuration(failure) }
        if let other = difference(settings) { throw Failure.otherLane(other) }
        let outcome = Outcome(
            digest: settings.policy.digest, isNew: settings.policy.digest != digest, needRestart: needRestart)
        guard outcome.isNew else { return outcome }
        do throws(SystemFailure) {
            try archive.keep(settings.policyContents, outcome.digest)
        } catch { throw Failure.notKept(error) }
        guard orders.carryOut(.adopt(settings.policy)) else { throw Failure.laneBusy }
        let now = clockIsTrusted() ? WallTime(milliseconds: SystemClock.wallMilliseconds()) : nil
        do throws(SystemFailure) { try archive.removeExpired(inForce: outcome.digest, now: now) } catch {
            Log.warning("old policies: \(error)")
        }
        return outcome
    }

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
