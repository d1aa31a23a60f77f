import Admission
import Configuration
import Posix
import Testing

@testable import LaneDaemon

private let minute: Int64 = 60_000

private func hours(_ text: String) throws -> OpeningHours {
    let file = "hours: ['\(text)']\n"
    let reader = try ConfigurationReader(contents: Array(file.utf8), path: "/etc/lane.yaml")
    let hours = try #require(OpeningHoursText.read(reader.root))
    try reader.finish()
    return hours
}

private func instant(_ text: String) throws -> WallTime { WallTime(milliseconds: try Timestamp.parse(text)) }

/// A policy's hours and a lane's schedule are the same `OpeningHours`, and carry their distance from UTC. Where a site's
/// clocks are put back or forward, a file says in which of the two the hours are meant. New York's: back on 2026-11-01,
/// when the hour from one to two comes twice, forward on 2026-03-08, when that from two to three never comes.
@Suite("Daylight saving") struct DaylightSavingTests {
    @Test(
        "hours begin and end at one instant, whatever the clocks on the wall do",
        arguments: [
            // The hour that comes twice is inside once: as often as it is written.
            ("01:00-02:00-05:00", "2026-11-01T01:30:00-04:00", false),
            ("01:00-02:00-05:00", "2026-11-01T01:30:00-05:00", true),
            ("01:00-02:00-04:00", "2026-11-01T01:30:00-04:00", true),
            ("01:00-02:00-04:00", "2026-11-01T01:30:00-05:00", false),
            ("01:00-02:00-05:00", "2026-11-01T01:59:59.999-04:00", false),
            ("01:00-02:00-05:00", "2026-11-01T01:00:00-05:00", true),
            // The hour that never comes is inside all the same: on the wall it is another one.
            ("02:00-03:00-05:00", "2026-03-08T01:59:59.999-05:00", false),
            ("02:00-03:00-05:00", "2026-03-08T03:00:00-04:00", true),
            ("02:00-03:00-05:00", "2026-03-08T03:59:59.999-04:00", true),
            ("02:00-03:00-05:00", "2026-03-08T04:00:00-04:00", false),
            // A night over the change is as long as every other.
            ("22:30-06:00-04:00", "2026-11-01T04:59:59.999-05:00", true),
            ("22:30-06:00-04:00", "2026-11-01T05:00:00-05:00", false),
            ("22:30-06:00-05:00", "2026-03-08T06:59:59.999-04:00", true),
            ("22:30-06:00-05:00", "2026-03-08T07:00:00-04:00", false),
            // From an instant to another, of which each has an offset of its own.
            ("2026-11-01T01:30:00-04:00/2026-11-01T01:30:00-05:00", "2026-11-01T01:29:59.999-05:00", true),
            ("2026-11-01T01:30:00-04:00/2026-11-01T01:30:00-05:00", "2026-11-01T01:30:00-05:00", false),
        ])
    func edges(text: String, at: String, isOpen: Bool) throws {
        #expect(try hours(text).isOpen(at: instant(at)) == isOpen)
    }

    @Test(
        "a daily hour is open for one hour of every 24, on the days of 25 and of 23 hours too",
        arguments: ["2026-11-01T00:00:00-04:00", "2026-03-08T00:00:00-05:00", "2026-07-01T00:00:00-04:00"],
        ["01:00-02:00-05:00", "02:00-03:00-05:00", "01:00-02:00-04:00", "23:30-00:30-04:00"])
    func lengths(midnight: String, text: String) throws {
        let (hours, start) = (try hours(text), try instant(midnight))
        let open = (0..<Int64(1440)).filter { hours.isOpen(at: start.advanced(byMilliseconds: $0 * minute)) }
        #expect(open.count == 60)
    }

    @Test(
        "48 h are 48 h: exactly passes, a second more does not, over a night of 25 hours, of 23, and none",
        arguments: [
            // sampled, the last instant of the 48 h by the clock on the wall, one second more
            ("2026-10-31T12:00:00-04:00", "2026-11-02T11:00:00-05:00", "2026-11-02T11:00:01-05:00"),
            ("2026-03-07T12:00:00-05:00", "2026-03-09T13:00:00-04:00", "2026-03-09T13:00:01-04:00"),
            // Sampled in the hour that comes twice, in its first and in its second time.
            ("2026-11-01T01:30:00-04:00", "2026-11-03T00:30:00-05:00", "2026-11-03T00:30:01-05:00"),
            ("2026-11-01T01:30:00-05:00", "2026-11-03T01:30:00-05:00", "2026-11-03T01:30:01-05:00"),
            // Passes in the hour that comes twice.
            ("2026-10-30T01:30:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:01-04:00"),
            ("2026-10-30T02:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T01:30:01-05:00"),
            // 02:30 never comes on the second day: the clock on the wall is at 03:30.
            ("2026-03-06T02:30:00-05:00", "2026-03-08T03:30:00-04:00", "2026-03-08T03:30:01-04:00"),
            ("2026-11-05T12:00:00+08:00", "2026-11-07T12:00:00+08:00", "2026-11-07T12:00:01+08:00"),
            // Who sampled him and who lets him in are in different zones.
            ("2026-11-05T12:00:00+08:00", "2026-11-06T23:00:00-05:00", "2026-11-06T23:00:01-05:00"),
        ])
    func testWindow(sampled: String, last: String, tooLate: String) throws {
        let credential = Credential(
            holder: HolderNumber(1), kind: .visitor, vaccine: .full, healthCode: .green,
            assessedAtSeconds: UInt32(clamping: try instant(last).seconds), test: .negative,
            sampledAtSeconds: UInt32(clamping: try instant(sampled).seconds), activation: .activated, zones: 1,
            validFromSeconds: nil, validUntilSeconds: nil)
        func reasons(_ at: String) throws -> Reasons {
            FourKeys.reasons(
                credential, policy: AdmissionPolicy(), destinationZoneBit: 1, leadsOutside: false, at: try instant(at))
        }
        #expect(try reasons(last) == [])
        #expect(try reasons(tooLate) == .testExpired)
    }
}
