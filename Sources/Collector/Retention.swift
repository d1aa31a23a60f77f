import Configuration

/// How long what is stored is kept, by its class. Days of 24 h; images have limits of their own (`ImageLimits`), and what
/// changes need is kept by `ChangeStore`.
public struct Retention: Sendable, Hashable {
    public static let defaultRecordsDays = 90
    public static let defaultCountsDays = 400
    public static let defaultAuditDays = 3650
    public static let defaultAlertsDays = 400
    private static let day: Int64 = 86_400_000
    /// Passages older than that are not compared: a lane that sends them later is not either.
    private static let comparedMilliseconds: Int64 = 3 * day

    /// Records, since they came: who, where, when, and what of him was decided by. Also double uses, since they were found.
    public var recordsDays = Self.defaultRecordsDays
    /// Counts of five minutes and of hours, since those. Of days and in all they stay.
    public var countsDays = Self.defaultCountsDays
    /// Entries of `audit`, but for those on which something that stands rests.
    public var auditDays = Self.defaultAuditDays
    /// Alerts, since they ended.
    public var alertsDays = Self.defaultAlertsDays

    public init() {}

    init(_ section: Section) {
        func days(_ key: String, _ value: inout Int) {
            value = section.integer(key, default: value, in: 1...36_500, unit: "days")
        }
        days("records_days", &recordsDays)
        days("counts_days", &countsDays)
        days("audit_days", &auditDays)
        days("alerts_days", &alertsDays)
    }

    // What is older than these goes. All ms since 1970-01-01 UTC.

    func oldestRecord(now: Int64) -> Int64 { now - Int64(recordsDays) * Self.day }
    func oldestCount(now: Int64) -> Int64 { now - Int64(countsDays) * Self.day }
    func oldestEntry(now: Int64) -> Int64 { now - Int64(auditDays) * Self.day }
    func oldestAlert(now: Int64) -> Int64 { now - Int64(alertsDays) * Self.day }
    /// Who was where is not known for longer by this than by records.
    func oldestPassage(now: Int64) -> Int64 {
        max(now - Self.comparedMilliseconds, oldestRecord(now: now))
    }
}
