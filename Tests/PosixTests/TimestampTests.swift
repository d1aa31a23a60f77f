import Posix
import TestSupport
import Testing

@Suite struct TimestampTests {
    @Test(
        "an instant is written in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+10000-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func format(milliseconds: Int64, text: String) throws {
        #expect(Timestamp.format(milliseconds) == text)
        if !text.hasPrefix("+") { #expect(try Timestamp.parse(text) == milliseconds) }
    }

    @Test("the ends of the range are written without a crash", arguments: [Int64.min, Int64.max])
    func ends(milliseconds: Int64) {
        #expect(Timestamp.format(milliseconds).hasSuffix("Z"))
    }

    @Test(
        "an RFC 3339 time with its offset is read to the millisecond",
        arguments: [
            ("2026-11-21T17:05:50+08:00", 1_795_251_950_000),
            ("2026-11-21T09:05:50Z", 1_795_251_950_000),
            ("2026-11-21t09:05:50z", 1_795_251_950_000),
            ("2026-11-21 09:05:50Z", 1_795_251_950_000),
            ("2026-11-21T09:05:50-00:00", 1_795_251_950_000),
            ("2026-11-21T04:35:50-04:30", 1_795_251_950_000),
            ("2026-11-22T09:04:50+23:59", 1_795_251_950_000),
            ("2026-11-21T09:05:50.1Z", 1_795_251_950_100),
            ("2026-11-21T09:05:50.123999999Z", 1_795_251_950_123),
            ("1969-12-31T23:59:59.5Z", -500),
            ("2024-02-29T00:00:00+14:00", 1_709_114_400_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] as [(String, Int64)])
    func parse(text: String, milliseconds: Int64) throws {
        #expect(try Timestamp.parse(text) == milliseconds)
    }

    @Test(
        "a text that is not such a time is refused, with the place and the reason",
        arguments: [
            ("", 1, "the year has 4 digits"),
            ("2026-11-21", 11, "'T' is missing after the date"),
            ("2026-11-21T09:05:50", 20, "the offset (Z or ±hh:mm) is missing"),
            ("2026-13-21T09:05:50Z", 6, "the month is 13, not in 1…12"),
            ("2026-00-21T09:05:50Z", 6, "the month is 0, not in 1…12"),
            ("2026-02-29T09:05:50Z", 9, "the day is 29, not in 1…28"),
            ("1900-02-29T09:05:50Z", 9, "the day is 29, not in 1…28"),
            ("2100-02-29T09:05:50Z", 9, "the day is 29, not in 1…28"),
            ("2026-11-31T09:05:50Z", 9, "the day is 31, not in 1…30"),
            ("2026-11-21T24:00:00Z", 12, "the hour is 24, not in 0…23"),
            ("2026-11-21T09:60:00Z", 15, "the minute is 60, not in 0…59"),
            ("2016-12-31T23:59:60Z", 18, "a leap second (60) is not accepted"),
            ("2026-11-21T09:05:61Z", 18, "the second is 61, not in 0…59"),
            ("2026-11-21T09:05:50.Z", 21, "a fraction has 1 to 9 digits"),
            ("2026-11-21T09:05:50.1234567890Z", 21, "a fraction has 1 to 9 digits"),
            ("2026-11-21T09:05:50+24:00", 21, "the offset's hour is 24, not in 0…23"),
            ("2026-11-21T09:05:50+08", 23, "':' is missing after the offset's hour"),
            ("2026-11-21T09:05:50+0800", 23, "':' is missing after the offset's hour"),
            ("2026-11-21T09:05:50ZZ", 21, "more text follows the offset"),
            ("2026/11/21T09:05:50Z", 5, "'-' is missing after the year"),
            ("12026-11-21T09:05:50Z", 5, "'-' is missing after the year"),
            ("-026-11-21T09:05:50Z", 1, "the year has 4 digits"),
            ("２026-11-21T09:05:50Z", 1, "the year has 4 digits"),
        ])
    func refuse(text: String, column: Int, reason: String) {
        #expect(throws: TimestampFailure(text: text, column: column, reason: reason)) { try Timestamp.parse(text) }
    }

    @Test("a huge text is refused without being shown whole")
    func huge() {
        #expect {
            try Timestamp.parse(String(repeating: "9", count: 1_000_000))
        } throws: {
            "\($0)".utf8.count < 200
        }
    }

    @Test("every day of 800 years follows the one before, and both directions agree")
    func days() {
        var (year, month, day): (Int64, Int64, Int64) = (1600, 1, 1)
        for days in Timestamp.daysSince1970(
            year: 1600, month: 1, day: 1)..<Timestamp.daysSince1970(year: 2400, month: 1, day: 1)
        {
            let date = Timestamp.civil(daysSince1970: days)
            guard date == (year, month, day), Timestamp.daysSince1970(year: year, month: month, day: day) == days else {
                Issue.record("day \(days) is \(date), expected \((year, month, day))")
                return
            }
            day += 1
            if day > Timestamp.daysInMonth(year: year, month: month) { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test("any instant of four-digit years survives being written and read")
    func roundTrip() throws {
        var random = SeededGenerator()
        for _ in 0..<2000 {
            let instant = Int64.random(in: -62_167_219_200_000...253_402_300_799_999, using: &random)
            #expect(try Timestamp.parse(Timestamp.format(instant)) == instant)
        }
    }
}
