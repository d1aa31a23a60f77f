/// Instants as text: RFC 3339, in and out, with calendar arithmetic of our own on the proleptic Gregorian calendar.
/// An instant is ms since 1970-01-01T00:00:00Z without leap seconds.
public enum Timestamp {
    /// `2026-11-21T09:05:50.123Z`. Years beyond 0000…9999 are written with a sign and as many digits as they need.
    public static func format(_ milliseconds: Int64) -> String {
        let (days, inDay) = floorDivide(milliseconds, millisecondsPerDay)
        let date = civil(daysSince1970: days)
        let year: String =
            (0...9999).contains(date.year)
            ? padded(date.year, 4) : (date.year < 0 ? "-" : "+") + padded(abs(date.year), 5)
        let hour = inDay / 3_600_000
        let minute = inDay / 60_000 % 60
        let second = inDay / 1000 % 60
        return "\(year)-\(padded(date.month, 2))-\(padded(date.day, 2))T"
            + "\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2)).\(padded(inDay % 1000, 3))Z"
    }

    /// ms since 1970 of `2026-11-21T17:05:50.123+08:00`. The offset (or Z) is required; a fraction of up to nine
    /// digits is cut to ms; a leap second (60) is refused, since feeds and clocks here have none.
    public static func parse(_ text: String) throws(TimestampFailure) -> Int64 {
        var reader = TimestampReader(text)
        let year = try reader.number("year", digits: 4, in: 0...9999)
        try reader.expect("-", after: "the year")
        let month = try reader.number("month", digits: 2, in: 1...12)
        try reader.expect("-", after: "the month")
        let day = try reader.number("day", digits: 2, in: 1...daysInMonth(year: year, month: month))
        try reader.expect("Tt ", after: "the date")
        let hour = try reader.number("hour", digits: 2, in: 0...23)
        try reader.expect(":", after: "the hour")
        let minute = try reader.number("minute", digits: 2, in: 0...59)
        try reader.expect(":", after: "the minute")
        let second = try reader.number("second", digits: 2, in: 0...59)
        let milliseconds = try reader.fraction()
        let offsetMinutes = try reader.offset()
        try reader.expectEnd()
        let days = daysSince1970(year: year, month: month, day: day)
        let minutes = (days * 24 + hour) * 60 + minute - offsetMinutes
        return (minutes * 60 + second) * 1000 + milliseconds
    }

    static let millisecondsPerDay: Int64 = 86_400_000

    public static func isLeap(_ year: Int64) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    public static func daysInMonth(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Years are counted from March, so that the leap day is the last of its year; 400 years have 146,097 days.
    public static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let yearFromMarch = month > 2 ? year : year - 1
        let (era, yearOfEra) = floorDivide(yearFromMarch, 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        // 719,468 days lie between 0000-03-01 and 1970-01-01.
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The inverse of `daysSince1970`.
    public static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

/// Why a text is not an instant: `column` counts bytes from 1.
public struct TimestampFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let text: String
    public let column: Int
    public let reason: String

    public init(text: String, column: Int, reason: String) {
        self.text = text
        self.column = column
        self.reason = reason
    }

    public var description: String {
        let shown = text.count > 40 ? text.prefix(40) + "…" : Substring(text)
        return "'\(shown)' is not a time: \(reason) at character \(column)"
            + "; expected such as 2026-11-21T09:05:50+08:00"
    }
}

private struct TimestampReader {
    private let text: String
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) {
        self.text = text
        // One byte more than the longest text that is accepted shows that it is too long.
        bytes = Array(text.utf8.prefix(36))
    }

    private func failure(_ reason: String, at place: Int? = nil) -> TimestampFailure {
        TimestampFailure(text: text, column: (place ?? position) + 1, reason: reason)
    }

    private func digit(at place: Int) -> Int64? {
        guard place < bytes.count, (0x30...0x39).contains(bytes[place]) else { return nil }
        return Int64(bytes[place] - 0x30)
    }

    mutating func number(_ what: String, digits: Int, in range: ClosedRange<Int64>) throws(TimestampFailure) -> Int64 {
        let start = position
        var value: Int64 = 0
        for _ in 0..<digits {
            guard let digit = digit(at: position) else { throw failure("the \(what) has \(digits) digits") }
            value = value * 10 + digit
            position += 1
        }
        guard range.contains(value) else {
            if what == "second", value == 60 { throw failure("a leap second (60) is not accepted", at: start) }
            throw failure("the \(what) is \(value), not in \(range.lowerBound)…\(range.upperBound)", at: start)
        }
        return value
    }

    mutating func expect(_ characters: String, after what: String) throws(TimestampFailure) {
        guard position < bytes.count, characters.utf8.contains(bytes[position]) else {
            throw failure("'\(characters.first ?? "-")' is missing after \(what)")
        }
        position += 1
    }

    mutating func fraction() throws(TimestampFailure) -> Int64 {
        guard position < bytes.count, bytes[position] == UInt8(ascii: ".") else { return 0 }
        position += 1
        let start = position
        var milliseconds: Int64 = 0
        while let digit = digit(at: position) {
            if position - start < 3 { milliseconds = milliseconds * 10 + digit }
            position += 1
        }
        let digits = position - start
        guard (1...9).contains(digits) else { throw failure("a fraction has 1 to 9 digits", at: start) }
        for _ in 0..<max(0, 3 - digits) { milliseconds *= 10 }
        return milliseconds
    }

    /// Minutes east of UTC.
    mutating func offset() throws(TimestampFailure) -> Int64 {
        guard position < bytes.count, "Zz+-".utf8.contains(bytes[position]) else {
            throw failure("the offset (Z or ±hh:mm) is missing")
        }
        let sign = bytes[position]
        position += 1
        if sign == UInt8(ascii: "Z") || sign == UInt8(ascii: "z") { return 0 }
        let hours = try number("offset's hour", digits: 2, in: 0...23)
        try expect(":", after: "the offset's hour")
        let minutes = try number("offset's minute", digits: 2, in: 0...59)
        return (sign == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
    }

    func expectEnd() throws(TimestampFailure) {
        guard position == bytes.count else { throw failure("more text follows the offset") }
    }
}
