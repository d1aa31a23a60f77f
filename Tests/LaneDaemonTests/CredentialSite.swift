import Admission
import Control
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// A lane directory, the site's secret, and images and lists made with it. Chips are single numbers.
struct CredentialSite {
    let folder: TemporaryDirectory
    let directory: LaneDirectory
    let key: Ed25519.SigningKey
    let badgeKey: BadgeKey
    let trust: SiteTrust
    let id = SiteID(low: 1, high: 2)

    init() throws {
        SignalWatch.ignoreBrokenPipe()
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
        key = try Ed25519.SigningKey.generate()
        badgeKey = try #require(BadgeKey(bytes: [UInt8](repeating: 7, count: 16)))
        trust = try SiteTrust(site: id, publicKey: key.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)
    }

    func tag(_ chip: UInt8) throws -> BadgeTag {
        badgeKey.tag(of: try #require(Identifier(.chip, bytes: [1, 2, 3, chip])))
    }

    private func credential(_ chip: UInt8, _ code: HealthCode, holderBase: UInt32 = 0) -> Credential {
        Credential(
            holder: HolderNumber(holderBase + UInt32(chip)), kind: .staff, vaccine: .full, healthCode: code,
            assessedAtSeconds: 1,
            test: .negative, sampledAtSeconds: 1, activation: .activated, zones: 0, validFromSeconds: nil,
            validUntilSeconds: nil)
    }

    /// Chips 1 to 9, all green, of the holders `holderBase` + chip, and `padding` others; change numbers up to `change` are in it. Written where the uplink puts it.
    @discardableResult
    func image(
        _ version: UInt64, change: UInt64 = 0, chips: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9],
        holderBase: UInt32 = 0, padding: Int = 0
    ) throws -> String {
        var builder = try ImageBuilder(
            identifiers: chips.count + padding, validityBaseSeconds: 0,
            zones: ShortName("hall-1").map { [$0] } ?? [])
        for chip in chips { try builder.add(try tag(chip), credential(chip, .green, holderBase: holderBase)) }
        for number in 0..<padding {
            let bytes = (0..<5).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
            try builder.add(
                badgeKey.tag(of: try #require(Identifier(.chip, bytes: bytes))), credential(1, .red, holderBase: 9))
        }
        let path = directory.incomingImage(version: version)
        _ = try builder.write(
            to: path,
            title: ImageBuilder.Title(
                site: id, version: version, changeNumber: change, issuedAt: WallTime(milliseconds: 1000),
                holders: chips.count,
                badgeKeyFingerprint: badgeKey.fingerprint), signingWith: key)
        return path
    }

    /// What names the image of this file in statements.
    func digest(_ path: String) throws -> [UInt8] {
        try CredentialImage(path, trusting: trust, at: moment).headerDigest
    }

    func installed(_ version: UInt64, change: UInt64 = 0) throws -> CredentialImage {
        try ImageInstaller(directory, trusting: trust).install(
            from: try image(version, change: change), newerThan: 0, at: moment)
    }

    var moment: Moment {
        Moment(monotonic: .now(), wall: WallTime(milliseconds: 2_000_000), clock: .trusted)
    }

    func list(
        _ first: UInt64, _ chips: [UInt8], site: SiteID? = nil, fingerprint: UInt64? = nil, issuedAt: Int64 = 2_000_000,
        signedBy other: Ed25519.SigningKey? = nil
    ) throws -> [UInt8] {
        let list = ChangeList(
            site: site ?? id, first: first, issuedAt: WallTime(milliseconds: issuedAt), validityBaseSeconds: 0,
            badgeKeyFingerprint: fingerprint ?? badgeKey.fingerprint, zones: [], zoneSets: [0],
            changes: try chips.map { chip in
                try #require(
                    ImageSlot(
                        tag: try tag(chip), credential: credential(chip, .red), zoneSet: 0, validityBaseSeconds: 0))
            })
        return list.signedPart + (try (other ?? key).sign(list.signedPart))
    }

    @discardableResult
    func bring(_ bytes: [UInt8], _ first: UInt64, _ last: UInt64) throws -> String {
        let path = directory.incomingChanges(first: first, last: last)
        try FileSystem.replace(path, with: bytes, mode: 0o640)
        return path
    }

    func bring(_ first: UInt64, _ chips: [UInt8]) throws {
        try bring(try list(first, chips), first, first + UInt64(chips.count) - 1)
    }

    func reds(_ overlay: ChangeOverlay?) throws -> [UInt8] {
        try (1...9).filter { chip in
            if case .found(let credential)? = overlay?.lookup(try tag(chip)) {
                credential.healthCode == .red
            } else {
                false
            }
        }
    }
}

/// A lane's credential thread, and the tables that it hands the lane, each looked at as a decision would look.
final class CredentialLane {
    let site: CredentialSite
    let news: Mailbox<CredentialNews>
    let look: String
    private var thread: CredentialThread?
    private var running: NamedThread?
    /// All that the lane decided by, oldest first.
    private(set) var tables: [BadgeTable] = []
    private(set) var disagreement: Disagreement?
    /// The newest that the lane was given, ms since 1970.
    private(set) var newestStatement: Int64?
    /// Whether the lane heard of the disagreement before it was given the statement.
    private(set) var disagreementCameFirst = false
    private var asOf = SystemClock.wallMilliseconds() - 1_000_000

    init(_ site: CredentialSite? = nil) throws {
        self.site = try site ?? CredentialSite()
        news = try Mailbox(name: "news", capacity: 8)
        look = self.site.folder.file("look.sock")
    }

    func start(pairingMilliseconds: Int = 60_000, standstillMilliseconds: UInt64 = 60_000) throws {
        let thread = try CredentialThread(
            CredentialThread.Settings(
                directory: site.directory, lookSocket: look, trust: site.trust,
                pairingMilliseconds: pairingMilliseconds, standstillMilliseconds: standstillMilliseconds), news: news)
        self.thread = thread
        running = try thread.start()
    }

    func stop() {
        thread?.end()
        running?.join()
        thread = nil
        (tables, disagreement) = ([], nil)
        _ = news.takeAll()
    }

    /// A statement of this image and change, and a look that has begun after it was there; ends when the look before has
    /// ended.
    func state(_ image: UInt64, _ digest: [UInt8], change: UInt64, chain: [UInt8]? = nil) throws {
        for _ in 0..<2 {
            asOf += 1000
            let statement = Statement(
                site: site.id, imageVersion: image, changeNumber: change, asOf: WallTime(milliseconds: asOf),
                imageHeaderDigest: digest, changes: chain.map { PublishedChanges(chain: $0) })
            try FileSystem.replace(
                site.directory.statement, with: statement.signedPart + (try site.key.sign(statement.signedPart)),
                mode: 0o640)
            try ring()
            let expected = asOf
            try take { if case .statement(let it, _) = $0 { it.asOf.milliseconds == expected } else { false } }
        }
    }

    func ring() throws { try UnixSocket.connect(look).writeAll(Array("look\n".utf8)) }

    func awaitStatement(asOf: Int64) throws {
        try take { if case .statement(let it, _) = $0 { it.asOf.milliseconds == asOf } else { false } }
    }

    func awaitVersion(_ version: UInt64) throws {
        if tables.last?.image.version == version { return }
        try take { if case .table(let it) = $0 { it.image.version == version } else { false } }
    }

    /// Of any image.
    func awaitChange(atLeast number: UInt64) throws {
        if let last = tables.last, last.changeNumber >= number { return }
        try take { if case .table(let it) = $0 { it.changeNumber >= number } else { false } }
    }

    func awaitTable(_ version: UInt64, change: UInt64) throws {
        if tables.last?.image.version == version, tables.last?.changeNumber == change { return }
        try take {
            if case .table(let it) = $0 { it.image.version == version && it.changeNumber == change } else { false }
        }
    }

    @discardableResult
    func takeWhatIsThere() -> [CredentialNews] {
        let letters = news.takeAll()
        for letter in letters {
            switch letter {
            case .table(let table):
                var former = tables.last
                thread?.retire(&former, inForce: table)
                tables.append(table)
            case .disagreement(let new):
                if disagreement == nil, let before = newestStatement { disagreementCameFirst = before < asOf }
                disagreement = new
            case .statement(let statement, _): newestStatement = statement.asOf.milliseconds
            case .presence: break
            }
        }
        return letters
    }

    /// nil: until there is none.
    func awaitDisagreement(_ number: UInt64?) throws {
        if disagreement?.changeNumber == number { return }
        try take { if case .disagreement(let it) = $0 { it?.changeNumber == number } else { false } }
    }

    var refused: [CacheReply.Refused] { thread?.refusedFiles.all ?? [] }

    private func take(until isIt: (CredentialNews) -> Bool) throws {
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        var found = false
        while !found {
            try #require(try news.wakeUp.descriptor.wait(for: .readable, until: deadline), "no news in 60 s")
            for letter in takeWhatIsThere() where isIt(letter) { found = true }
        }
    }

    /// What every table says of a chip, in the order they were in force, without repetition.
    func said(of chip: UInt8) throws -> [String] {
        var all: [String] = []
        for table in tables {
            let word =
                switch table.lookup(try site.tag(chip)) {
                case .found(let credential): "\(credential.healthCode)"
                case let other: "\(other)"
                }
            if all.last != word { all.append(word) }
        }
        return all
    }
}
