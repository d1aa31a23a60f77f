import Admission
import Posix

/// One row of the feed, every field read. Nothing is guessed: a value that is not exactly one of those allowed, or that
/// does not fit a slot of the image, is a problem.
struct FeedRow: Hashable, Sendable {
    var holder: String
    var kind: HolderKind
    /// The chip, the code, the vehicle tag: at least one.
    var identifiers: [Identifier]
    var zones: UInt64
    var vaccine: VaccineState
    var healthCode: HealthCode
    /// 0: never.
    var assessedAtSeconds: UInt32
    var test: TestResult
    /// 0: none.
    var sampledAtSeconds: UInt32
    var activation: Activation
    var validFromSeconds: Int64?
    var validUntilSeconds: Int64?

    func credential(_ number: HolderNumber) -> Credential {
        Credential(
            holder: number, kind: kind, vaccine: vaccine, healthCode: healthCode, assessedAtSeconds: assessedAtSeconds,
            test: test, sampledAtSeconds: sampledAtSeconds, activation: activation, zones: zones,
            validFromSeconds: validFromSeconds, validUntilSeconds: validUntilSeconds)
    }

    /// The states of the four keys as somebody else says.
    mutating func takeKeys(of credential: Credential) {
        vaccine = credential.vaccine
        healthCode = credential.healthCode
        assessedAtSeconds = credential.assessedAtSeconds
        test = credential.test
        sampledAtSeconds = credential.sampledAtSeconds
        activation = credential.activation
    }
}

/// Turns rows of text into `FeedRow`s. Keeps the zones it met, and the last instant of each column: feeds repeat them.
struct FeedRowReader: Sendable {
    static let longestHolder = 64
    static let chipLengths: Set<Int> = [4, 5, 7, 10]
    static let longestEPC = 62

    private let header: FeedHeader
    private let validity: ClosedRange<Int64>
    private let calendar: SiteCalendar?
    private(set) var zones = ZoneTable()
    private var instants: [FeedColumn: (text: ArraySlice<UInt8>, milliseconds: Int64)] = [:]
    private var problems: [FeedProblem] = []
    private var line = 0

    /// - Parameters:
    ///   - validity: the seconds since 1970 at which a badge's validity may begin or end.
    ///   - calendar: the site's, which makes instants of calendar dates; without it they are refused.
    init(_ header: FeedHeader, validity: ClosedRange<Int64>, calendar: SiteCalendar? = nil) {
        self.header = header
        self.validity = validity
        self.calendar = calendar
    }

    struct Problems: Error {
        var all: [FeedProblem]
    }

    /// The error holds everything that is wrong with the row.
    mutating func read(_ row: CSVRow) throws(Problems) -> FeedRow {
        problems.removeAll(keepingCapacity: true)
        line = row.line
        guard row.count == header.fieldCount else {
            throw Problems(all: [
                FeedProblem(
                    line: line, column: "row",
                    reason: "\(row.count) fields, the header has \(header.fieldCount)")
            ])
        }
        let read = fields(of: row)
        guard problems.isEmpty, let read else { throw Problems(all: problems) }
        return read
    }

    private mutating func fields(of row: CSVRow) -> FeedRow? {
        let holder = text(.holder, row, longest: Self.longestHolder)
        let kind = choice(.kind, row, Self.kinds)
        let identifiers = identifiers(of: row)
        let zones = zoneSet(row)
        let vaccine = choice(.vaccine, row, Self.vaccines)
        let healthCode = choice(.healthCode, row, Self.healthCodes)
        let assessedAt = instant(.assessedAt, row, roundingUp: false)
        let test = choice(.testResult, row, Self.tests)
        let sampledAt = instant(.sampledAt, row, roundingUp: false)
        let activation = choice(.activation, row, Self.activations)
        let from = instant(.validFrom, row, roundingUp: true)
        let until = instant(.validUntil, row, roundingUp: false)
        if healthCode == .green, assessedAt == .absent {
            note(.assessedAt, "a green code needs the time of its assessment")
        }
        if test == .negative, sampledAt == .absent { note(.sampledAt, "a negative test needs the time of its sample") }
        let assessedAtSeconds = small(.assessedAt, assessedAt)
        let sampledAtSeconds = small(.sampledAt, sampledAt)
        let fromSeconds = validity(.validFrom, from)
        let untilSeconds = validity(.validUntil, until)
        if let fromSeconds, let untilSeconds, untilSeconds < fromSeconds {
            note(.validUntil, "the validity ends before it begins")
        }
        guard let holder, let kind, let vaccine, let healthCode, let test, let activation else { return nil }
        return FeedRow(
            holder: holder, kind: kind, identifiers: identifiers, zones: zones, vaccine: vaccine,
            healthCode: healthCode, assessedAtSeconds: assessedAtSeconds, test: test,
            sampledAtSeconds: sampledAtSeconds, activation: activation, validFromSeconds: fromSeconds,
            validUntilSeconds: untilSeconds)
    }

    /// A reason may repeat what stands in the feed; what would disturb the terminal or the report's lines does not.
    private mutating func note(_ column: FeedColumn, _ reason: String) {
        problems.append(FeedProblem(line: line, column: column.rawValue, reason: Self.withoutControls(reason)))
    }

    private static func withoutControls(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }

    // MARK: Texts and choices

    private mutating func text(_ column: FeedColumn, _ row: CSVRow, longest: Int) -> String? {
        let bytes = header.field(column, of: row)
        guard !bytes.isEmpty else {
            note(column, "is empty")
            return nil
        }
        guard bytes.count <= longest else {
            note(column, "\(bytes.count) bytes, at most \(longest) are allowed")
            return nil
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            note(column, "is not UTF-8")
            return nil
        }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            note(column, "holds a control character")
            return nil
        }
        return text
    }

    private mutating func choice<Value>(
        _ column: FeedColumn, _ row: CSVRow, _ values: [(name: [UInt8], value: Value)]
    ) -> Value? {
        let bytes = header.field(column, of: row)
        for (name, value) in values where bytes.elementsEqual(name) { return value }
        let allowed = values.map { String(decoding: $0.name, as: UTF8.self) }.joined(separator: ", ")
        note(column, "\(shown(bytes)) is not one of \(allowed)")
        return nil
    }

    // With their labels: an array of other tuples would be converted anew for each field of each row.
    private static let kinds: [(name: [UInt8], value: HolderKind)] = HolderKind.allCases.map {
        (name: Array("\($0.name)".utf8), value: $0)
    }
    private static let vaccines: [(name: [UInt8], value: VaccineState)] = VaccineState.allCases.map {
        (name: Array($0.name.utf8), value: $0)
    }
    private static let healthCodes: [(name: [UInt8], value: HealthCode)] = HealthCode.allCases.map {
        (name: Array($0.name.utf8), value: $0)
    }
    private static let tests: [(name: [UInt8], value: TestResult)] = TestResult.allCases.map {
        (name: Array($0.name.utf8), value: $0)
    }
    private static let activations: [(name: [UInt8], value: Activation)] = Activation.allCases.map {
        (name: Array($0.name.utf8), value: $0)
    }

    /// A value of the feed as a message shows it.
    private func shown(_ bytes: ArraySlice<UInt8>) -> String {
        if bytes.isEmpty { return "an empty field" }
        let text = String(decoding: bytes.prefix(40), as: UTF8.self)
        return "'\(text)\(bytes.count > 40 ? "…" : "")'"
    }

    // MARK: Identifiers

    private mutating func identifiers(of row: CSVRow) -> [Identifier] {
        let problemsBefore = problems.count
        var identifiers: [Identifier] = []
        if let chip = hexadecimal(.chip, row, "4, 5, 7 or 10 bytes", { Self.chipLengths.contains($0) }) {
            append(.chip, .chip, chip, to: &identifiers)
        }
        let code = header.field(.code, of: row)
        if !code.isEmpty, text(.code, row, longest: Identifier.longest) != nil {
            append(.code, .code, Array(code), to: &identifiers)
        }
        let epc = hexadecimal(.epc, row, "2 to \(Self.longestEPC) bytes, an even number of them") {
            (2...Self.longestEPC).contains($0) && $0.isMultiple(of: 2)
        }
        if let epc { append(.epc, .epc, epc, to: &identifiers) }
        if identifiers.isEmpty, problems.count == problemsBefore {
            note(.chip, "neither chip nor code nor epc is given; at least one is needed")
        }
        return identifiers
    }

    private mutating func append(
        _ type: IdentifierType, _ column: FeedColumn, _ bytes: [UInt8], to identifiers: inout [Identifier]
    ) {
        if let identifier = bytes.withUnsafeBytes({ Identifier(type, $0) }) {
            identifiers.append(identifier)
        } else {
            note(column, "\(bytes.count) bytes, at most \(Identifier.longest) are allowed")
        }
    }

    /// nil when the field is empty or wrong.
    private mutating func hexadecimal(
        _ column: FeedColumn, _ row: CSVRow, _ expected: String, _ isRight: (Int) -> Bool
    ) -> [UInt8]? {
        let field = header.field(column, of: row)
        guard !field.isEmpty else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(field.count / 2)
        var high: UInt8?
        for (place, character) in field.enumerated() {
            guard let digit = Self.digit(character) else {
                // Without the field: what is a badge's number stands in no report.
                note(column, "character \(place + 1) of \(field.count) is not hexadecimal")
                return nil
            }
            if let upper = high {
                bytes.append(upper << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        guard high == nil else {
            note(column, "\(field.count) hexadecimal digits: half a byte too much or too little")
            return nil
        }
        guard isRight(bytes.count) else {
            note(column, "\(bytes.count) bytes, expected \(expected)")
            return nil
        }
        return bytes
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x41...0x46: character - 0x41 + 10
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }

    // MARK: Zones

    private mutating func zoneSet(_ row: CSVRow) -> UInt64 {
        switch zones.set(of: header.field(.zones, of: row)) {
        case .success(let set): return set
        case .failure(let refusal):
            note(.zones, refusal.reason)
            return 0
        }
    }

    // MARK: Instants

    private enum Instant: Equatable {
        case absent
        case wrong
        case seconds(Int64)
    }

    /// Whole seconds: what a slot holds. A fraction is cut for ends and samples, which makes them older, and rounded up
    /// for beginnings: never in the badge's favour.
    private mutating func instant(_ column: FeedColumn, _ row: CSVRow, roundingUp: Bool) -> Instant {
        let bytes = header.field(column, of: row)
        guard !bytes.isEmpty else { return .absent }
        let milliseconds: Int64
        if let held = instants[column], held.text.elementsEqual(bytes) {
            milliseconds = held.milliseconds
        } else {
            let text = String(decoding: bytes, as: UTF8.self)
            do throws(TimestampFailure) {
                milliseconds = try bytes.count == Self.dateLength ? date(text, column) : Timestamp.parse(text)
            } catch {
                note(column, error.description)
                return .wrong
            }
            instants[column] = (ArraySlice(Array(bytes)), milliseconds)
        }
        let (whole, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        if rest == 0 { return .seconds(whole) }
        let down = rest < 0 ? whole - 1 : whole
        return .seconds(roundingUp ? down + 1 : down)
    }

    private static let dateLength = 10

    /// `2026-11-07` at the site: its first instant, or its last second where a badge is good until then. A sample of that
    /// day counts as old as it may be.
    private func date(_ text: String, _ column: FeedColumn) throws(TimestampFailure) -> Int64 {
        let midnight: Int64
        do throws(TimestampFailure) { midnight = try Timestamp.parse(text + "T00:00:00Z") } catch {
            throw TimestampFailure(text: text, column: error.column, reason: error.reason)
        }
        guard let calendar else {
            throw TimestampFailure(
                text: text, column: text.count + 1,
                reason: "a date alone is a day at the site: import with --config, whose site.time_zone says where")
        }
        let day = SiteCalendar.utc.day(ofMilliseconds: midnight)
        return column == .validUntil ? calendar.start(ofDay: day + 1) - 1000 : calendar.start(ofDay: day)
    }

    /// Seconds since 1970 in 32 bits, of which 0 means none.
    private mutating func small(_ column: FeedColumn, _ instant: Instant) -> UInt32 {
        guard case .seconds(let seconds) = instant else { return 0 }
        guard let small = UInt32(exactly: seconds), small > 0 else {
            note(column, "lies before 1970 or after 2106, which a badge's slot cannot hold")
            return 0
        }
        return small
    }

    private mutating func validity(_ column: FeedColumn, _ instant: Instant) -> Int64? {
        guard case .seconds(let seconds) = instant else { return nil }
        guard validity.contains(seconds) else {
            let (first, last) = (day(validity.lowerBound), day(validity.upperBound))
            note(
                column, "lies outside \(first) to \(last), which a badge's slot can hold; leave it empty for no limit")
            return nil
        }
        return seconds
    }

    private func day(_ seconds: Int64) -> Substring { Timestamp.format(seconds * 1000).prefix(10) }
}
