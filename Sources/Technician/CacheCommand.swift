import Admission
import Control
import Framing
import Posix
import Storage

/// `lanectl cache info`, `cache lookup BADGE` and `cache compare`: asks lanekeeperd, and reads the lane's files when it
/// does not run.
struct CacheCommand {
    static let behindStatus: Int32 = 3
    static let differentStatus: Int32 = 4
    static let unknownStatus: Int32 = 5
    /// An older statement does not say what the collector has now, unless the policy's own warn limit is known.
    static let usualLimitMilliseconds = AdmissionPolicy().statementWarnMilliseconds

    let location: LaneLocation
    /// The lane's lanekeeperd.yaml; nil when none was named and none stands in its usual place.
    let configuration: String?
    let asJSON: Bool

    init(_ location: LaneLocation, configuration: String?, asJSON: Bool) {
        self.location = location
        self.asJSON = asJSON
        let usual = location.lane.map { "\(LaneEnrolment.usualEtc)/\($0)/lanekeeperd.yaml" }
        self.configuration =
            configuration ?? usual.flatMap { (try? FileSystem.statusIfPresent($0)) == nil ? nil : $0 }
    }

    func info() throws -> Int32 {
        let cache = try read()
        try StandardOutput.write(asJSON ? try ControlReply.cache(cache).json() + "\n" : CacheText.info(cache))
        return 0
    }

    func lookup(_ badge: String, _ identifier: Identifier, type: String) throws -> Int32 {
        let reply = try lookUp(identifier, type: type)
        try StandardOutput.write(
            asJSON ? try ControlReply.cacheLookup(reply).json() + "\n" : CacheText.lookup(reply, badge: badge))
        return 0
    }

    func compare() throws -> Int32 {
        var cache = try read()
        if let files = try? files(), let found = try? files.newestStatement() {
            cache.notes += found.notes
            let isNewer = found.statement.map { $0.asOf.milliseconds > cache.statement?.asOfMilliseconds ?? .min }
            if isNewer == true { cache.statement = found.statement.map { CacheReply.Statement($0) } }
        } else if configuration == nil {
            cache.notes.append("uplink/incoming was not looked at: name the lane's file with --config to verify it")
        }
        let comparison = CacheComparison(
            cache, limitMilliseconds: cache.freshness?.statementWarnMilliseconds ?? Self.usualLimitMilliseconds)
        try StandardOutput.write(
            asJSON ? try comparison.json() + "\n" : CacheText.comparison(comparison, notes: cache.notes))
        return switch comparison.state {
        case .equal: 0
        case .behind: Self.behindStatus
        case .different: Self.differentStatus
        case .unknown: Self.unknownStatus
        }
    }

    // MARK: Daemon or files

    /// nil when no daemon listens there.
    private func ask(_ request: ControlRequest) throws -> ControlReply? {
        do { return try ControlClient(path: location.controlSocket).ask(request) } catch {
            guard case ControlFailure.unreachable = error else { throw error }
            // Without its file nothing can be verified: then it is the daemon that is missing.
            if configuration == nil { throw error }
            return nil
        }
    }

    private func files() throws -> CacheFiles? {
        try configuration.map { try CacheFiles(location, configuration: $0) }
    }

    private func read() throws -> CacheReply {
        let reply = try ask(.cache)
        if case .cache(var cache)? = reply {
            do { cache.kept = try CacheFiles.kept(LaneDirectory(location.stateDirectory)) } catch {
                cache.notes.append("kept images: \(error)")
            }
            return cache
        }
        guard reply == nil, let files = try files() else { throw unexpected }
        let (table, tableNotes) = try files.table()
        let (statement, statementNotes) = try files.newestStatement()
        var differsAt: UInt64?
        if let table, let statement { differsAt = try files.difference(of: table, from: statement) }
        return CacheReply(
            source: "files", nowMilliseconds: SystemClock.wallMilliseconds(),
            image: table.map { CacheReply.Image($0.image.header, digest: $0.image.headerDigest) },
            overlay: table.map {
                CacheReply.Overlay(
                    changeNumber: $0.changeNumber, identifiers: $0.overlay.identifiers,
                    room: ChangeOverlay.mostIdentifiers - $0.overlay.identifiers,
                    issuedAtMilliseconds: $0.overlay.issuedAt?.milliseconds, differsAt: differsAt)
            }, statement: statement.map { CacheReply.Statement($0) }, freshness: nil,
            kept: try CacheFiles.kept(files.directory), notes: tableNotes + statementNotes)
    }

    private func lookUp(_ identifier: Identifier, type: String) throws -> CacheLookupReply {
        let reply = try ask(
            .cacheLookup(BadgeRequest(type: type, identifierHex: Hexadecimal.text(identifier.bytes))))
        if case .cacheLookup(let found)? = reply { return found }
        guard reply == nil, let files = try files() else { throw unexpected }
        let tag = try files.tag(of: identifier)
        let table = try files.table().table
        let zones = table?.image.header.zones ?? []
        return CacheLookupReply(
            source: "files", nowMilliseconds: SystemClock.wallMilliseconds(), type: type,
            imageVersion: table?.image.version ?? 0, changeNumber: table?.changeNumber ?? 0,
            image: .init(table?.image.lookup(tag) ?? .noImage, zones: zones),
            overlay: table?.overlay.lookup(tag).map { .init($0, zones: zones) })
    }

    private var unexpected: ControlFailure {
        .malformed(path: location.controlSocket, problem: "it answered another question than the one it was asked")
    }
}
