import Admission
import Posix

/// Opening hours as a policy writes and a technician reads them. Where the site's clock stands is written into each, so
/// that nothing else has to know:
///
///     08:30-20:00+08:00                                       every day
///     2026-11-07T07:00:00+08:00/2026-11-07T22:00:00+08:00     once, from an instant to another
///
/// A daily one whose end is not behind its beginning runs over midnight. The end itself is outside; 24:00 is allowed.
public enum OpeningHoursText {
    private static let expected =
        "such as 08:30-20:00+08:00, or 2026-11-07T07:00:00+08:00/2026-11-07T22:00:00+08:00, or the word always"

    /// `hours` of a group; nil when it is left out.
    public static func read(_ section: Section) -> OpeningHours? {
        if section.holdsOneValue("hours") {
            _ = section.text(
                "hours", rule: TextRule(expected: "a list of times, or the word always") { $0 == "always" })
            return .always
        }
        guard section.has("hours") else {
            _ = section.optionalText("hours")
            return nil
        }
        var hours = OpeningHours()
        let intervals = section.values(
            "hours", count: 1...OpeningHours.mostIntervals, expected: expected, interval)
        for interval in intervals {
            switch interval {
            case .daily(let daily): hours.daily.append(daily)
            case .dated(let dated): hours.dated.append(dated)
            }
        }
        return hours
    }

    private enum Interval {
        case daily(OpeningHours.Daily)
        case dated(OpeningHours.Dated)
    }

    private struct Wrong: Error, CustomStringConvertible {
        let description: String
    }

    private static func interval(_ text: String) throws -> Interval {
        let ends = text.split(separator: "/", omittingEmptySubsequences: false)
        guard ends.count == 2 else { return .daily(try daily(text)) }
        let from = try Timestamp.parse(String(ends[0]))
        let until = try Timestamp.parse(String(ends[1]))
        guard from < until else { throw Wrong(description: "'\(text)' ends before it begins") }
        return .dated(.init(from: WallTime(milliseconds: from), until: WallTime(milliseconds: until)))
    }

    /// `hh:mm-hh:mm±hh:mm` or `hh:mm-hh:mmZ`.
    private static func daily(_ text: String) throws -> OpeningHours.Daily {
        let bytes = Array(text.utf8.prefix(18))
        func number(_ place: Int) -> Int64? {
            guard place + 1 < bytes.count else { return nil }
            let (tens, ones) = (Int64(bytes[place]) - 0x30, Int64(bytes[place + 1]) - 0x30)
            return (0...9).contains(tens) && (0...9).contains(ones) ? 10 * tens + ones : nil
        }
        func time(_ place: Int, latestHour: Int64) -> Int64? {
            guard let hour = number(place), let minute = number(place + 3), bytes[place + 2] == UInt8(ascii: ":"),
                minute <= 59, hour <= latestHour, hour < 24 || minute == 0
            else { return nil }
            return 60 * hour + minute
        }
        let wrong = Wrong(description: "'\(text.prefix(40))' is not a time of the day with its offset")
        guard let from = time(0, latestHour: 23), bytes.count > 11, bytes[5] == UInt8(ascii: "-"),
            let until = time(6, latestHour: 24)
        else { throw wrong }
        let offset: Int64
        switch bytes[11] {
        case UInt8(ascii: "Z"):
            guard bytes.count == 12 else { throw wrong }
            offset = 0
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard bytes.count == 17, let east = time(12, latestHour: 14) else { throw wrong }
            offset = bytes[11] == UInt8(ascii: "-") ? -east : east
        default: throw wrong
        }
        guard from != until else {
            throw Wrong(description: "'\(text)' is empty; a whole day is 00:00-24:00\(text.dropFirst(11))")
        }
        let day: Int64 = 1440
        return OpeningHours.Daily(
            fromMilliseconds: (from - offset + day) % day * 60_000,
            lengthMilliseconds: (until > from ? until - from : until - from + day) * 60_000,
            toldOffsetMinutes: offset)
    }

    // MARK: Telling

    /// `always`, or `08:30-20:00+08:00, 2026-11-06T23:00:00.000Z/…`.
    public static func text(_ hours: OpeningHours) -> String {
        if hours.isAlways { return "always" }
        return
            (hours.daily.map(text)
            + hours.dated.map {
                "\(Timestamp.format($0.from.milliseconds))/\(Timestamp.format($0.until.milliseconds))"
            }).joined(separator: ", ")
    }

    private static func text(_ daily: OpeningHours.Daily) -> String {
        let day: Int64 = 1440
        let from = (daily.fromMilliseconds / 60_000 + daily.toldOffsetMinutes + day) % day
        let until = (from + daily.lengthMilliseconds / 60_000 - 1) % day + 1
        let offset = daily.toldOffsetMinutes
        return "\(clock(from))-\(clock(until))\(offset < 0 ? "-" : "+")\(clock(abs(offset)))"
    }

    private static func clock(_ minutes: Int64) -> String {
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(minutes / 60)):\(two(minutes % 60))"
    }
}
