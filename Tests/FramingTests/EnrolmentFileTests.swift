import Admission
import Framing
import Testing

@Suite("The enrolment file and a lane's identity")
struct EnrolmentFileTests {
    private func makeFile() throws -> EnrolmentFile {
        EnrolmentFile(
            lane: try #require(ShortName("north-07")), name: "北登录厅-07", url: "https://collector.example:8480",
            site: SiteID(low: 7, high: 9), sitePublicKey: Array(1...32), badgeKey: Array(33...48),
            authorities: Array("PEM\nof one\n".utf8), identity: Array("PEM\nof both\n".utf8))
    }

    @Test("what was written is read")
    func roundTrip() throws {
        let file = try makeFile()
        #expect(try EnrolmentFile(file.bytes) == file)
    }

    @Test("a file of which any byte is another, or that ends anywhere, is refused")
    func damaged() throws {
        let bytes = try makeFile().bytes
        for place in bytes.indices {
            var changed = bytes
            changed[place] ^= 0x20
            #expect(throws: FormatError.self) { try EnrolmentFile(changed) }
            #expect(throws: FormatError.self) { try EnrolmentFile(Array(bytes[..<place])) }
        }
        #expect(throws: FormatError.self) { try EnrolmentFile(bytes + [0x0A]) }
    }

    @Test("an error names no part of a key")
    func silent() throws {
        var file = try makeFile()
        file.identity = []
        do {
            _ = try EnrolmentFile(file.bytes)
            Issue.record("a file without an identity was read")
        } catch {
            #expect(error.problem == "'identity' has no length that fits")
        }
    }

    @Test("an identity stands in a certificate's subject and is found there")
    func identity() throws {
        let identity = LaneIdentity(
            site: SiteID(low: 7, high: 9), lane: try #require(ShortName("north-07")), enrolment: 0xAB, issue: 12)
        #expect(identity.serialNumber == "00000000000000ab.12")
        let found = LaneIdentity(
            organisation: identity.site.hex, commonName: "north-07", serialNumber: identity.serialNumber)
        #expect(found == identity)
    }

    @Test(
        "what is no identity is none",
        arguments: [
            "", "1", "00000000000000ab", "00000000000000ab.", "00000000000000ab.0", "00000000000000ab.-1",
            "00000000000000ab.+1", "ab.1", "00000000000000ab.1.1", "00000000000000ab.4294967296",
            "00000000000000xy.1",
        ])
    func none(serialNumber: String) {
        let site = SiteID(low: 7, high: 9).hex
        #expect(LaneIdentity(organisation: site, commonName: "north-07", serialNumber: serialNumber) == nil)
    }
}
