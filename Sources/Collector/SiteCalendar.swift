import Foundation
import Posix

/// Which day it is at the site: for tallies, the screen, and the calendar dates of a feed, never for a decision. A day is a number: days since
/// 1970-01-01 in the site's time zone.
struct SiteCalendar: Sendable {
    let zone: TimeZone

    init(_ zone: TimeZone) { self.zone = zone }

    /// nil when the system's tz database has no such name.
    init?(identifier: String) {
        guard let zone = TimeZone(identifier: identifier) else { return nil }
        self.zone = zone
    }

    static let utc = SiteCalendar(.gmt)

    func day(ofMilliseconds instant: Int64) -> Int64 {
        SiteCalendar.floor(instant &+ offsetMilliseconds(at: instant), by: 86_400_000)
    }

    /// Milliseconds since 1970 at which a day begins at the site: where the clocks go forward at midnight, an hour later.
    func start(ofDay day: Int64) -> Int64 {
        // No zone is a day and a half from UTC.
        var (before, after) = ((day - 2) &* 86_400_000, (day + 2) &* 86_400_000)
        while after - before > 1 {
            let middle = before + (after - before) / 2
            if self.day(ofMilliseconds: middle) < day { before = middle } else { after = middle }
        }
        return after
    }

    func offsetMilliseconds(at instant: Int64) -> Int64 {
        // Beyond the years that Foundation's dates are good for, a lane's clock says nothing about days anyway.
        let seconds = Double(min(max(instant, -1 << 46), 1 << 46)) / 1000
        return Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: seconds))) * 1000
    }

    /// `2026-11-21`
    static func text(day: Int64) -> String {
        String(Date(timeIntervalSince1970: Double(day) * 86_400).ISO8601Format().prefix(10))
    }

    /// The number of a day written as `2026-11-21`; nil: it is none.
    static func day(_ text: String) -> Int64? {
        guard text.utf8.count == 10, let start = try? Timestamp.parse(text + "T00:00:00Z") else { return nil }
        return floor(start, by: 86_400_000)
    }

    /// Seconds since 1970 at which the hour of an instant began (UTC).
    static func hourStart(ofMilliseconds instant: Int64) -> Int64 { floor(instant, by: 3_600_000) * 3600 }

    /// Seconds since 1970 at which the five minutes of an instant began (UTC).
    static func fiveMinutesStart(ofMilliseconds instant: Int64) -> Int64 { floor(instant, by: 300_000) * 300 }

    private static func floor(_ value: Int64, by divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
