import Configuration

/// How long what is stored is kept, by its class. Days of 24 h; images have limits of their own (`ImageLimits`), and what
/// changes need is kept by `ChangeStore`.
public struct Retention: Sendable, Hashable {
    public static let defaultRecordsDays = 90
    public static let defaultCountsDays = 400
    public static let defaultAuditDays = 3650

    /// Records, since they came: who, where, when, and what of him was decided by.
    public var recordsDays = Self.defaultRecordsDays
    /// Counts of five minutes and of hours, since those. Of days and in all they stay.
    public var countsDays = Self.defaultCountsDays
    /// Entries of `audit`, but for those on which something that stands rests.
    public var auditDays = Self.defaultAuditDays

    public init() {}

    init(_ section: Section) {
        recordsDays = section.integer("records_days", default: Self.defaultRecordsDays, in: 1...36_500, unit: "days")
        countsDays = section.integer("counts_days", default: Self.defaultCountsDays, in: 1...36_500, unit: "days")
        auditDays = section.integer("audit_days", default: Self.defaultAuditDays, in: 1...36_500, unit: "days")
    }
}
