import Admission
import Configuration
import Control
import Cryptography
import Framing
import Posix
import Storage

/// A lane's credentials as its files have them, verified as lanekeeperd would and nothing written: for when it does not
/// run, and for the statement that waits in `uplink/incoming`.
struct CacheFiles {
    let directory: LaneDirectory
    private let site: SiteID
    private let publicKey: [UInt8]
    /// nil when this user may not read it, and why.
    private let badgeKey: Result<BadgeKey, CacheFailure>

    /// - Parameter configuration: the lane's lanekeeperd.yaml; only the site's keys are taken from it.
    init(_ location: LaneLocation, configuration: String) throws {
        directory = LaneDirectory(location.stateDirectory)
        let section = try ConfigurationReader(path: configuration).root.section("site")
        guard let site = SiteID(hex: section.text("id", rule: .hex(digits: 32))) else {
            throw CacheFailure("\(configuration) names no site (site: { id: … })")
        }
        self.site = site
        publicKey = try Self.key(section.path("public_key_file"), .sitePublic, site)
        do {
            guard let key = BadgeKey(bytes: try Self.key(section.path("badge_key_file"), .badge, site)) else {
                throw CacheFailure("the badge key is not 16 bytes")
            }
            badgeKey = .success(key)
        } catch { badgeKey = .failure(CacheFailure("\(error)")) }
    }

    private static func key(_ path: String, _ kind: KeyFile.Kind, _ site: SiteID) throws -> [UInt8] {
        let text = String(decoding: try FileSystem.read(path, limit: 4096), as: UTF8.self)
        do {
            let file = try KeyFile(text: text, expecting: kind)
            guard file.site == site else { throw CacheFailure("\(path) is a key of another site") }
            return file.key
        } catch let error as FormatError { throw CacheFailure("\(path): \(error.problem)") }
    }

    /// The newest of the statements that the daemon kept and the uplink brought; what is wrong with one is no statement.
    func newestStatement() throws -> (statement: Statement?, notes: [String]) {
        var notes: [String] = []
        var newest: Statement?
        let trust = try SiteTrust(site: site, publicKey: publicKey, badgeKeyFingerprint: 0)
        for path in ["\(directory.path)/statement", directory.statement] {
            do {
                let statement = try StatementFile.read(path, trusting: trust)
                if let statement, statement.asOf > newest?.asOf ?? WallTime(milliseconds: .min) { newest = statement }
            } catch { notes.append("\(error)") }
        }
        return (newest, notes)
    }

    /// What lanekeeperd would begin with: the newest image that is whole, and the changes of its log on top. nil when
    /// there is no image.
    func table() throws -> (table: BadgeTable?, notes: [String]) {
        guard let fingerprint = try badgeKeyFingerprint() else { return (nil, []) }
        let trust = try SiteTrust(site: site, publicKey: publicKey, badgeKeyFingerprint: fingerprint)
        // A clock that nobody asked about judges no date.
        let moment = Moment(
            monotonic: MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()),
            wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .behindFloor)
        let (image, refused) = try ImageInstaller(directory, trusting: trust).loadNewest(at: moment)
        var notes = refused.map { "kept image: \($0)" }
        guard let image else { return (nil, notes) }
        let (overlay, stopped) = ChangeOverlay.laid(
            try ChangeLog.lists(directory, trusting: trust), on: image.header)
        if let stopped { notes.append("changes: \(stopped.reason)") }
        return (BadgeTable(image: image, overlay: overlay), notes)
    }

    /// The change up to which the statement names others than these; nil where it does not, or they are not all here.
    func difference(of table: BadgeTable, from statement: Statement) throws -> UInt64? {
        guard statement.imageHeaderDigest == table.image.headerDigest, let named = statement.changes?.chain,
            let fingerprint = try badgeKeyFingerprint()
        else { return nil }
        let trust = try SiteTrust(site: site, publicKey: publicKey, badgeKeyFingerprint: fingerprint)
        var chain = ChangeChain(
            changeNumber: table.image.header.changeNumber, imageHeaderDigest: table.image.headerDigest)
        let lists = try ChangeLog.lists(directory, trusting: trust).sorted { $0.first < $1.first }
        for list in lists where list.last > chain.number {
            _ = try chain.append(list, through: statement.changeNumber)
        }
        return chain.number == statement.changeNumber && chain.digest != named ? chain.number : nil
    }

    func tag(of identifier: Identifier) throws -> BadgeTag { try badgeKey.get().tag(of: identifier) }

    /// This lane's own; where it may not be read the newest image's, so that the rest can be told.
    private func badgeKeyFingerprint() throws -> UInt64? {
        if case .success(let key) = badgeKey { return key.fingerprint }
        guard let newest = try ImageInstaller.kept(in: directory).first else { return nil }
        let file = try Descriptor.open(newest.path, [.read, .noFollow, .nonblocking])
        var bytes = [UInt8](repeating: 0, count: ImageHeader.longest)
        let count = try bytes.withUnsafeMutableBytes { try file.readFully(into: $0, at: 0) }
        return try bytes.withUnsafeBytes { try ImageHeader(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            .badgeKeyFingerprint
    }

    /// The images that are kept, newest first, at most `mostShown`.
    static func kept(_ directory: LaneDirectory) throws -> [CacheReply.Kept] {
        try ImageInstaller.kept(in: directory).prefix(mostShown).compactMap { version, path in
            try FileSystem.statusIfPresent(path).map {
                CacheReply.Kept(
                    version: version, bytes: $0.size, fetchedAtMilliseconds: $0.modifiedNanoseconds / 1_000_000)
            }
        }
    }
    static let mostShown = 64
}

/// Why the files do not tell.
struct CacheFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
