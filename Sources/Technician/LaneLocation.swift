import CommandLine
import Configuration
import Control
import Posix

/// Where a lane's files and sockets are.
struct LaneLocation: Equatable {
    /// nil when only directories were named.
    var lane: String?
    var stateDirectory: String
    var runDirectory: String

    static let stateRoot = "/var/lib/lanekeeper"
    static let runRoot = "/run/lanekeeper"

    var controlSocket: String { "\(runDirectory)/\(ControlProtocol.socketName)" }

    init(lane: String?, stateDirectory: String, runDirectory: String) {
        self.lane = lane
        self.stateDirectory = stateDirectory
        self.runDirectory = runDirectory
    }

    /// A lane in the places where the units put it.
    init(lane: String, stateRoot: String = stateRoot, runRoot: String = runRoot) {
        self.init(lane: lane, stateDirectory: "\(stateRoot)/\(lane)", runDirectory: "\(runRoot)/\(lane)")
    }

    /// From a lanekeeperd configuration file. Only the places are read, so that a lane can be looked at whose file has a
    /// mistake elsewhere; `lanekeeperd --check-config` is the one that judges it.
    init(configuration path: String) throws {
        let reader = try ConfigurationReader(path: path)
        let lane = reader.root.section("lane").text("id", rule: .laneID)
        guard !lane.isEmpty else {
            throw LocationFailure("\(path) names no lane (lane: { id: … }); check it with lanekeeperd --check-config")
        }
        self.init(lane: lane)
        guard let directories = reader.root.optionalSection("directories") else { return }
        stateDirectory = directories.optionalPath("state") ?? stateDirectory
        runDirectory = directories.optionalPath("run") ?? runDirectory
    }

    /// From what was given on the command line; with nothing, the only lane of this machine.
    static func choose(
        config: String?, lane: String?, run: String?, state: String?, stateRoot: String = stateRoot,
        runRoot: String = runRoot
    ) throws -> LaneLocation {
        guard config == nil || lane == nil else {
            throw LocationFailure("--config and --lane both name a lane; give one of them")
        }
        var location: LaneLocation
        if let config {
            location = try LaneLocation(configuration: config)
        } else if let lane {
            location = LaneLocation(lane: lane, stateRoot: stateRoot, runRoot: runRoot)
        } else if let directory = run ?? state {
            location = LaneLocation(lane: nil, stateDirectory: state ?? directory, runDirectory: run ?? directory)
        } else {
            location = try theOnlyLane(stateRoot: stateRoot, runRoot: runRoot)
        }
        location.runDirectory = run ?? location.runDirectory
        location.stateDirectory = state ?? location.stateDirectory
        return location
    }

    private static func theOnlyLane(stateRoot: String, runRoot: String) throws -> LaneLocation {
        var lanes: Set<String> = []
        for root in [stateRoot, runRoot] {
            for name in (try? FileSystem.list(root)) ?? [] where TextRule.laneID.accepts(name) { lanes.insert(name) }
        }
        guard let only = lanes.first else {
            throw LocationFailure(
                "no lane is installed here; name one with --config FILE, or --run DIR and --state DIR")
        }
        guard lanes.count == 1 else {
            throw LocationFailure(
                "several lanes are on this machine; choose one with --lane: \(lanes.sorted().joined(separator: ", "))")
        }
        return LaneLocation(lane: only, stateRoot: stateRoot, runRoot: runRoot)
    }
}

/// Why no lane was chosen, and what to give.
struct LocationFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
