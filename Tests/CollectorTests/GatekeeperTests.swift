import Admission
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("Who may ask the collector for what")
struct GatekeeperTests {
    @Test("wrong tokens of an address are counted for a minute, of others apart")
    func failures() {
        var limit = FailureLimit()
        for _ in 0..<FailureLimit.most { #expect(limit.count("10.0.0.1", now: 5) == true) }
        #expect(limit.count("10.0.0.1", now: 60_004) == false)
        #expect(limit.count("10.0.0.2", now: 60_004) == true)
        #expect(limit.count("10.0.0.1", now: 60_005) == true)
        // A clock that was set back holds nobody off for long.
        #expect(limit.count("10.0.0.1", now: 1) == true)
    }

    @Test("addresses without end are forgotten, not kept")
    func addresses() {
        var limit = FailureLimit()
        for number in 0..<5000 { #expect(limit.count("10.0.0.\(number)", now: 1) == true) }
    }

    @Test(
        "the token of a form",
        arguments: [
            ("token=lk_00ff", "lk_00ff"), ("a=b&token=lk_1&c", "lk_1"), ("token=+lk_1+", "lk_1"), ("token=", nil),
            ("tokens=lk_1", nil), ("token=lk%5F1", nil), ("token=a%0d%0aSet-Cookie", nil), ("", nil),
        ] as [(String, String?)])
    func form(text: String, token: String?) {
        #expect(LoginPage.token(Array(text.utf8)) == token)
    }

    @Test("a batch of another lane than the certificate's is refused")
    func wrongLane() throws {
        let site = SiteID(low: 1, high: 2)
        let body = makeBody([], site: site, lane: "south-01", oldestHeld: nil)
        let own = try #require(ShortName("south-01"))
        #expect(try IntakeBatch(body, site: site, of: own).head.lane == own)
        #expect {
            try IntakeBatch(body, site: site, of: ShortName("north-07"))
        } throws: {
            ($0 as? IntakeBatch.Refusal)?.status == 403
        }
    }

    @Test("a part of the site's authority that is lost is not made anew")
    func lost() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        _ = try SiteFounding.found(in: data)
        let parts = [data.authorityKeyFile, data.authorityFile, data.enrolmentDatabase]
        for part in parts {
            try FileSystem.rename(part, to: part + ".away")
            #expect(throws: CollectorFailure.self, "\(part)") { try SiteAuthority(data) }
            try FileSystem.rename(part + ".away", to: part)
        }
        try FileSystem.setMode(data.authorityKeyFile, 0o640)
        #expect(throws: CollectorFailure.self) { try SiteAuthority(data) }
        // A site that was made before there were authorities gets one.
        for part in parts { try FileSystem.unlink(part) }
        _ = try SiteAuthority(data)
    }

    @Test("a use that is not written yet survives what another process changes")
    func uses() throws {
        let directory = try TemporaryDirectory()
        let data = SiteDirectory(directory.file("data"))
        let site = try SiteFounding.found(in: data)
        let enrolment = try Enrolment(data)
        let lane = try #require(ShortName("north-07"))
        _ = try enrolment.addLane(
            "north-07", name: "7", url: "https://a", days: 365, file: directory.file("one.enrol"))
        let register = try EnrolmentRegister(data, site: site)
        var identity = LaneIdentity(
            site: site, lane: lane, enrolment: try #require(register.current().lanes[lane]).enrolment, issue: 3)
        register.used(identity, expires: 9, now: 1_000_000)
        _ = try enrolment.addToken("a", role: "viewer", days: nil)
        #expect(register.current().tokens.count == 1)
        #expect(register.current().lanes[lane]?.issue == 3)
        try register.writeUses()
        #expect(try EnrolmentRegister(data, site: site).current().lanes[lane]?.issue == 3)
        // What an enrolment before this one did is no matter.
        identity.enrolment ^= 1
        identity.issue = 9
        register.used(identity, expires: 9, now: 9_000_000)
        #expect(register.current().lanes[lane]?.issue == 3)
    }
}
