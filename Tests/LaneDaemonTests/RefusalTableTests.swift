import Admission
import Control
import Cryptography
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

/// A field of one of the three formats that the site signs. `to` is counted from the end where it is not positive.
struct Field: Sendable, CustomTestStringConvertible {
    let name: String
    let from: Int
    let to: Int
    /// What is said when the site itself has signed nonsense here; nil where any value is one the format allows.
    var nonsense: Bool

    init(_ name: String, _ from: Int, _ to: Int, nonsense: Bool = false) {
        self.name = name
        self.from = from
        self.to = to
        self.nonsense = nonsense
    }

    var testDescription: String { name }

    func range(in bytes: [UInt8]) -> Range<Int> {
        (from < 0 ? bytes.count + from : from)..<(to <= 0 ? bytes.count + to : to)
    }

    // docs/formats.md draws all three.
    static let ofImage = [
        Field("magic", 0, 8), Field("format", 8, 12), Field("header length", 12, 16), Field("site", 16, 32),
        Field("version", 32, 40), Field("change number", 40, 48), Field("issued at", 48, 56), Field("slots", 56, 64),
        Field("identifiers", 64, 72), Field("holders", 72, 80), Field("validity base", 80, 88),
        Field("badge key", 88, 96), Field("digest of the body", 96, 128), Field("region size", 128, 132),
        Field("regions", 132, 136), Field("zones", 136, 140), Field("zone sets", 140, 144),
        Field("name of a zone", 144, 176), Field("a zone set", 176, 184), Field("checksum of a region", 184, 188),
        Field("zeros behind the tables", 188, 4032), Field("signature", 4032, 4096),
    ]
    static let ofChanges = [
        Field("magic", 0, 8), Field("format", 8, 12), Field("length", 12, 16), Field("site", 16, 32),
        Field("first change", 32, 40), Field("issued at", 40, 48), Field("validity base", 48, 56),
        Field("badge key", 56, 64), Field("changes", 64, 68), Field("zones", 68, 72), Field("zone sets", 72, 76),
        Field("zeros", 76, 80), Field("a zone set", 80, 88), Field("tag of a change", 88, 98),
        Field("rest of a change", 98, 120), Field("signature", -64, 0),
    ]
    static let ofStatement = [
        Field("magic", 0, 8), Field("format", 8, 12), Field("length", 12, 16), Field("site", 16, 32),
        Field("image version", 32, 40), Field("change number", 40, 48), Field("as of", 48, 56),
        Field("digest of the image", 56, 88), Field("signature", -64, 0),
    ]
}

/// What is done to a field.
enum Corruption: String, CaseIterable, Sendable {
    case firstBit, lastBit, zeros, ones, oneMore, reversed

    /// nil when the field would be as it was.
    func apply(_ bytes: [UInt8], _ range: Range<Int>) -> [UInt8]? {
        var bad = bytes
        switch self {
        case .firstBit: bad[range.lowerBound] ^= 1
        case .lastBit: bad[range.upperBound - 1] ^= 0x80
        case .zeros: for place in range { bad[place] = 0 }
        case .ones: for place in range { bad[place] = 0xFF }
        case .oneMore: bad[range.lowerBound] &+= 1
        case .reversed: bad.replaceSubrange(range, with: bytes[range].reversed())
        }
        return bad == bytes ? nil : bad
    }
}

/// Every field of what the site signs, every block of an image's body, every kind of thing that can lie in `incoming`:
/// each is refused with a reason, one by one, and what is in force stays.
@Suite struct RefusalTableTests {
    private let site: CredentialSite
    private let installer: ImageInstaller

    init() throws {
        site = try CredentialSite()
        installer = ImageInstaller(site.directory, trusting: site.trust)
    }

    private func image(padding: Int = 0) throws -> [UInt8] {
        try FileSystem.read(try site.image(2, padding: padding), limit: 1 << 24)
    }

    /// Why the installer does not take these bytes; nil when it does.
    private func refusal(ofImage bytes: [UInt8]) throws -> String? {
        let path = site.directory.incomingImage(version: 2)
        try FileSystem.replace(path, with: bytes, mode: 0o640)
        do {
            let image = try installer.install(from: path, newerThan: 1, at: site.moment)
            // What the site signed may be nonsense; it is looked up without harm all the same.
            for chip: UInt8 in 0...20 { _ = image.lookup(try site.tag(chip)) }
            try FileSystem.unlink(image.path)
            return nil
        } catch StorageError.image(_, let refusal) {
            return refusal.reason
        } catch {
            return "\(error)"
        }
    }

    private func expectUntouched(_ row: String) throws {
        let names = try FileSystem.list(site.directory.images)
        #expect(names.count == 1 && names[0].hasPrefix("00000000000000000001-"), "\(row): \(names)")
    }

    @Test("an image with one field changed", arguments: Field.ofImage, Corruption.allCases)
    func imageField(field: Field, how: Corruption) throws {
        _ = try site.installed(1)
        let bytes = try image()
        guard let bad = how.apply(bytes, field.range(in: bytes)) else { return }
        let reason = try refusal(ofImage: bad)
        #expect(reason?.isEmpty == false, "taken")
        if field.name == "site" { #expect(reason?.contains("of site") == true, "\(reason ?? "")") }
        if field.name == "magic" { #expect(reason?.contains("does not begin as one") == true, "\(reason ?? "")") }
        try expectUntouched(field.name)
    }

    /// The signature would tell anyhow; here the site's own program has a fault, and the format alone stands in between.
    @Test("an image with one field changed before it was signed does no harm", arguments: Field.ofImage)
    func signedNonsense(field: Field) throws {
        _ = try site.installed(1)
        let bytes = try image()
        for how in Corruption.allCases where field.name != "signature" {
            guard var bad = how.apply(bytes, field.range(in: bytes)) else { continue }
            bad.replaceSubrange(4032..<4096, with: try site.key.sign(Array(bad[..<4032])))
            let reason = try refusal(ofImage: bad)
            if [
                "magic", "format", "header length", "site", "slots", "badge key", "digest of the body", "region size",
                "regions", "zones", "zone sets", "checksum of a region",
            ].contains(field.name) {
                #expect(reason != nil, "\(how)")
            }
            try expectUntouched(field.name)
        }
    }

    @Test("every block of 4 KiB of an image's body, damaged by one bit, zeroed, or swapped with the next")
    func everyBlock() throws {
        var random = SeededGenerator()
        _ = try site.installed(1)
        let bytes = try image(padding: 12_000)
        #expect(try refusal(ofImage: bytes) == nil)
        let blocks = stride(from: 4096, to: bytes.count, by: 4096)
        var rows = 0
        for block in blocks {
            let range = block..<min(block + 4096, bytes.count)
            var flipped = bytes
            flipped[Int.random(in: range, using: &random)] ^= 1 << UInt8(random.next() % 8)
            var zeroed = bytes
            zeroed.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
            var swapped = bytes
            if block + 8192 <= bytes.count {
                swapped.replaceSubrange(range, with: bytes[(block + 4096)..<(block + 8192)])
                swapped.replaceSubrange((block + 4096)..<(block + 8192), with: bytes[range])
            }
            for bad in [flipped, zeroed, swapped] where bad != bytes {
                rows += 1
                #expect(try refusal(ofImage: bad) == "region 0 of it (1 MiB each) is damaged", "block \(block / 4096)")
            }
        }
        #expect(rows > 300, "\(rows)")
        print("\(rows) damaged blocks refused")
        try expectUntouched("blocks")
    }

    @Test("an image cut at every block, and one with bytes behind it")
    func lengths() throws {
        _ = try site.installed(1)
        let bytes = try image(padding: 1000)
        for length in Array(stride(from: 0, to: bytes.count, by: 4096)) + [1, 15, 16, 4095, bytes.count - 1] {
            #expect(try refusal(ofImage: Array(bytes[..<length])) != nil, "\(length) bytes")
        }
        for tail in [[0], [UInt8](repeating: 0, count: 4096), bytes] {
            #expect(try refusal(ofImage: bytes + tail)?.contains("bytes long instead of") == true)
        }
        try expectUntouched("lengths")
    }

    @Test("a change list with one field changed", arguments: Field.ofChanges, Corruption.allCases)
    func changesField(field: Field, how: Corruption) throws {
        let refused = RefusedFiles()
        var changes = StandingChanges(site.directory, trusting: site.trust, refused: refused)
        try changes.lie(on: try site.installed(1))
        let bytes = try site.list(1, [1])
        guard let bad = how.apply(bytes, field.range(in: bytes)) else { return }
        let path = try site.bring(bad, 1, 1)
        #expect(changes.takeIncoming(at: site.moment) == .nothing)
        #expect(changes.overlay?.identifiers == 0)
        #expect(refused.all.count == 1 && refused.all.first?.reason.isEmpty == false)
        #expect(refused.all.first.map { path.hasSuffix($0.file) } == true)
        // The right one afterwards.
        try site.bring(bytes, 1, 1)
        #expect(changes.takeIncoming(at: site.moment) == .changed)
        #expect(refused.all.isEmpty)
    }

    @Test("a change list cut anywhere, and one with bytes behind it")
    func changesLengths() throws {
        var changes = StandingChanges(site.directory, trusting: site.trust)
        try changes.lie(on: try site.installed(1))
        let bytes = try site.list(1, [1, 2])
        for length in 0..<bytes.count {
            try site.bring(Array(bytes[..<length]), 1, 2)
            #expect(changes.takeIncoming(at: site.moment) == .nothing, "\(length) bytes")
        }
        for tail in [[0], [UInt8](repeating: 0, count: 4096), bytes] {
            try site.bring(bytes + tail, 1, 2)
            #expect(changes.takeIncoming(at: site.moment) == .nothing)
        }
        #expect(changes.overlay?.identifiers == 0)
    }

    @Test("a statement with one field changed, cut anywhere, or with bytes behind it", arguments: Field.ofStatement)
    func statementField(field: Field) throws {
        let statement = Statement(
            site: site.id, imageVersion: 3, changeNumber: 4, asOf: WallTime(milliseconds: 5),
            imageHeaderDigest: (0..<32).map { $0 })
        let bytes = statement.signedPart + (try site.key.sign(statement.signedPart))
        #expect(try StatementFile.verify(bytes, trusting: site.trust) == statement)
        for how in Corruption.allCases {
            guard let bad = how.apply(bytes, field.range(in: bytes)) else { continue }
            #expect(throws: StatementRefusal.self, "\(how)") { try StatementFile.verify(bad, trusting: site.trust) }
        }
        for length in 0..<bytes.count {
            #expect(throws: StatementRefusal.self) {
                try StatementFile.verify(Array(bytes[..<length]), trusting: site.trust)
            }
        }
        for tail in [[0], bytes] {
            #expect(throws: StatementRefusal.self) { try StatementFile.verify(bytes + tail, trusting: site.trust) }
        }
    }

    // MARK: Through the daemon's thread

    enum Thing: String, CaseIterable, Sendable {
        case nothing, noise, directory, pipe, link, danglingLink, socket, sparse, cut, longer, foreign, otherSite,
            unreadable
    }
    enum Place: String, CaseIterable, Sendable { case image, changes, statement }

    @Test(
        "whatever lies where an image, changes or a statement belong is refused with a reason; the right one is taken then",
        arguments: Place.allCases, Thing.allCases)
    func things(place: Place, thing: Thing) throws {
        let lane = try CredentialLane(site)
        try site.image(1)
        try lane.start()
        defer { lane.stop() }
        try lane.awaitVersion(1)
        let path: String
        let good: [UInt8]
        switch place {
        case .image:
            path = try site.image(2)
            good = try FileSystem.read(path, limit: 1 << 24)
            try FileSystem.unlink(path)
        case .changes:
            path = site.directory.incomingChanges(first: 1, last: 1)
            good = try site.list(1, [1])
        case .statement:
            path = site.directory.statement
            let statement = Statement(
                site: site.id, imageVersion: 1, changeNumber: 0, asOf: WallTime(milliseconds: 9),
                imageHeaderDigest: [UInt8](repeating: 0, count: 32))
            good = statement.signedPart + (try site.key.sign(statement.signedPart))
        }
        var descriptor: Descriptor?
        switch thing {
        case .nothing: try FileSystem.replace(path, with: [], mode: 0o640)
        case .noise: try FileSystem.replace(path, with: [UInt8](repeating: 0x5A, count: 9000), mode: 0o640)
        case .directory: try FileSystem.makeDirectories(path)
        case .pipe: try #require(mkfifo(path, 0o666) == 0)
        case .link:
            try FileSystem.replace(site.folder.file("good"), with: good, mode: 0o640)
            try #require(symlink(site.folder.file("good"), path) == 0)
        case .danglingLink: try #require(symlink(site.folder.file("nowhere"), path) == 0)
        case .socket:
            // A socket's path is short; the file may then be renamed.
            descriptor = try UnixSocket.listen(site.folder.file("s"), mode: 0o660)
            try #require(rename(site.folder.file("s"), path) == 0)
        case .sparse:
            // Begins as it should, and has far more bytes than any disk.
            try FileSystem.replace(path, with: good, mode: 0o640)
            try #require(truncate(path, 1 << 40) == 0)
        case .cut: try FileSystem.replace(path, with: Array(good.dropLast(9)), mode: 0o640)
        case .longer: try FileSystem.replace(path, with: good + good, mode: 0o640)
        case .foreign:
            let signedLength = place == .image ? 4032 : good.count - 64
            var bad = good
            let signature = try Ed25519.SigningKey.generate().sign(Array(good[..<signedLength]))
            bad.replaceSubrange(signedLength..<signedLength + 64, with: signature)
            try FileSystem.replace(path, with: bad, mode: 0o640)
        case .otherSite:
            var bad = good
            bad[16] ^= 1
            try FileSystem.replace(path, with: bad, mode: 0o640)
        case .unreadable:
            // Tests may run as root, whom no mode stops: then it is a file like any other.
            try FileSystem.replace(path, with: Array(good.dropLast()), mode: 0)
        }
        try lane.ring()
        try #require(try eventually { !lane.refused.isEmpty }, "not refused")
        #expect(lane.refused.count == 1 && path.hasSuffix(lane.refused.first?.file ?? "?"))
        #expect(lane.refused.first?.reason.isEmpty == false)
        lane.takeWhatIsThere()
        #expect(lane.tables.count == 1 && lane.tables.last?.changeNumber == 0)

        if thing == .directory { try #require(rmdir(path) == 0) } else { try FileSystem.unlink(path) }
        descriptor = nil
        _ = descriptor
        try FileSystem.replace(path, with: good, mode: 0o640)
        try lane.ring()
        switch place {
        case .image: try lane.awaitVersion(2)
        case .changes: try lane.awaitTable(1, change: 1)
        case .statement: try lane.awaitStatement(asOf: 9)
        }
        try #require(try eventually { lane.refused.isEmpty }, "still refused")
    }
}
