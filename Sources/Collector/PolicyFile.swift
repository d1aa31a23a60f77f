import Admission
import Configuration
import Cryptography
import Framing

/// A policy's own file, or the configuration of a lane that has the rules in it, and what its rules are for each lane: read by the same reader as at the lane.
struct PolicyFile {
    /// More lanes than any site has: zones, lanes and traffic stand in records, and somebody may make them up.
    static let mostLanes = 20_000

    private struct Place: Hashable {
        var lane: ShortName
        var to: ShortName
        var traffic: Traffic
    }

    let path: String
    let digest: PolicyDigest
    private let contents: [UInt8]
    private var rules: [Place: AdmissionPolicy] = [:]

    /// Reads and checks all of it, also what it says of zones and lanes.
    init(_ path: String) throws(CollectorFailure) {
        do {
            let reader = try ConfigurationReader(path: path)
            _ = PolicySettings(Self.rules(reader), lane: "", to: .outside)
            // What else a lane's configuration says is not of interest.
            if reader.root.has("lane") { _ = try reader.finish(needing: ["policy"]) } else { try reader.finish() }
            contents = reader.contents
            digest = PolicyDigest(bytes: try SHA256.hash(reader.contents)) ?? .none
        } catch let failure as ConfigurationFailure {
            throw CollectorFailure("use", "the policy \(path)", failure.description)
        } catch { throw CollectorFailure("use", "the policy \(path)", "\(error)") }
        self.path = path
    }

    /// Where the rules stand. Where a lane's configuration names another file, that is the one to be given.
    private static func rules(_ reader: ConfigurationReader) -> Section {
        guard reader.root.has("lane") else { return reader.root }
        return reader.root.section("policy")
    }

    /// The rules at this lane, with this file's digest.
    mutating func policy(at record: JournalRecord) throws(CollectorFailure) -> AdmissionPolicy {
        let place = Place(lane: record.lane, to: record.to, traffic: record.traffic)
        if let known = rules[place] { return known }
        let reader: ConfigurationReader
        do throws(ConfigurationFailure) { reader = try ConfigurationReader(contents: contents, path: path) } catch {
            throw CollectorFailure("use", "the policy \(path)", error.description)
        }
        var policy =
            PolicySettings(Self.rules(reader), lane: record.lane.text, to: record.to, traffic: record.traffic).policy
        policy.digest = digest
        if rules.count >= Self.mostLanes { rules = [:] }
        rules[place] = policy
        return policy
    }
}
