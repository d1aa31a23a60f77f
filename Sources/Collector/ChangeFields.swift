import Admission
import Posix

/// One change as people and programs write it: names and values are those of the feed. A key that is not named stays.
///
///     holder  health_code assessed_at  test_result sampled_at  vaccine  activation
///
/// A green code needs the time of its assessment, a negative test that of its sample; without one, others are of now.
struct ChangeFields {
    static let names: [FeedColumn] = [
        .holder, .healthCode, .assessedAt, .testResult, .sampledAt, .vaccine, .activation,
    ]

    struct Problem: Error, Hashable, Sendable {
        var field: String
        var reason: String
    }

    /// s since 1970.
    private let now: UInt32
    private(set) var problems: [Problem] = []

    init(nowMilliseconds: Int64) { now = UInt32(clamping: nowMilliseconds / 1000) }

    /// `fields`: those that are given, by their names. nil: `problems` says why.
    mutating func read(_ fields: [String: String], holder number: HolderNumber?) -> HolderChange? {
        problems = []
        for name in fields.keys.sorted() where !Self.names.contains(where: { $0.rawValue == name }) {
            problems.append(
                Problem(field: name, reason: "is not known; \(Self.names.map(\.rawValue).joined(separator: ", ")) are"))
        }
        if fields[FeedColumn.holder.rawValue] == nil {
            note(.holder, "is missing")
        } else if number == nil {
            note(.holder, "no feed has named this holder yet")
        }
        var change = HolderChange(number ?? .nobody)
        let code = choice(.healthCode, fields, HealthCode.allCases) { $0.name }
        let assessed = instant(.assessedAt, fields, of: .healthCode)
        if let code {
            if code == .green, fields[FeedColumn.assessedAt.rawValue] == nil {
                note(.assessedAt, "a green code needs the time of its assessment")
            }
            change.code = .init(code, assessedAtSeconds: assessed ?? now)
        }
        let test = choice(.testResult, fields, TestResult.allCases) { $0.name }
        let sampled = instant(.sampledAt, fields, of: .testResult)
        if let test {
            if test == .negative, fields[FeedColumn.sampledAt.rawValue] == nil {
                note(.sampledAt, "a negative test needs the time of its sample")
            }
            change.test = .init(test, sampledAtSeconds: sampled ?? now)
        }
        change.vaccine = choice(.vaccine, fields, VaccineState.allCases) { $0.name }
        change.activation = choice(.activation, fields, Activation.allCases) { $0.name }
        if problems.isEmpty, change.isEmpty { note(.holder, "nothing is to be changed") }
        return problems.isEmpty ? change : nil
    }

    private mutating func note(_ column: FeedColumn, _ reason: String) {
        problems.append(Problem(field: column.rawValue, reason: reason))
    }

    private mutating func choice<Value>(
        _ column: FeedColumn, _ fields: [String: String], _ values: [Value], _ name: (Value) -> String
    ) -> Value? {
        guard let text = fields[column.rawValue] else { return nil }
        if let value = values.first(where: { name($0) == text }) { return value }
        note(column, "'\(text.prefix(40))' is not one of \(values.map(name).joined(separator: ", "))")
        return nil
    }

    private mutating func instant(
        _ column: FeedColumn, _ fields: [String: String], of state: FeedColumn
    ) -> UInt32? {
        guard let text = fields[column.rawValue] else { return nil }
        guard fields[state.rawValue] != nil else {
            note(column, "is given without \(state.rawValue)")
            return nil
        }
        do {
            let milliseconds = try Timestamp.parse(text)
            guard let seconds = UInt32(exactly: milliseconds.quotientAndRemainder(dividingBy: 1000).quotient),
                seconds > 0
            else {
                note(column, "lies before 1970 or after 2106, which a badge's slot cannot hold")
                return nil
            }
            return seconds
        } catch {
            note(column, error.description)
            return nil
        }
    }
}
