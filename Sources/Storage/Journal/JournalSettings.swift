/// How much a journal holds. Counts are records of 256 bytes.
public struct JournalSettings: Sendable, Hashable {
    /// Ordinary room for records the collector has not stored yet; the reserve comes on top.
    public var capacityRecords: Int
    /// For exits, fire and the outcomes of releases, once the ordinary room is used up. Preallocated when the journal is
    /// opened.
    public var reserveRecords: Int
    /// A segment of the default size is 2 MiB.
    public var recordsPerSegment: Int

    public init(capacityRecords: Int = 1_000_000, reserveRecords: Int = 20_000, recordsPerSegment: Int = 8192) {
        self.capacityRecords = capacityRecords
        self.reserveRecords = reserveRecords
        self.recordsPerSegment = recordsPerSegment
    }

    /// The last part of the reserve, which only the hourly counter records use: more than two days of them.
    static let counterRecords = 64
    public static let capacityRange = 64...100_000_000
    public static let reserveRange = 128...1_000_000
    public static let recordsPerSegmentRange = 16...1_048_576

    static let mostSegments = 10_000

    func check() throws(StorageError) {
        for (name, value, range) in [
            ("capacity_records", capacityRecords, Self.capacityRange),
            ("reserve_records", reserveRecords, Self.reserveRange),
            ("records_per_segment", recordsPerSegment, Self.recordsPerSegmentRange),
        ] where !range.contains(value) {
            throw .settings("journal.\(name) is \(value); allowed is \(range.lowerBound) to \(range.upperBound)")
        }
        guard (capacityRecords + reserveRecords) / recordsPerSegment <= Self.mostSegments else {
            throw .settings(
                "journal.records_per_segment is \(recordsPerSegment), which makes more than \(Self.mostSegments) segments"
            )
        }
    }

    /// Slots that all segments together may have: what is not stored begins and ends somewhere within a segment, and
    /// one segment is made ahead of need.
    var mostSlots: Int { capacityRecords + reserveRecords + 3 * recordsPerSegment }
    /// Free slots below which the next segment is made.
    var wantedFreeSlots: Int { reserveRecords + (recordsPerSegment + 1) / 2 }
}

/// What a record is for, which says how much of the journal's room it may use.
public enum RecordPurpose: Sendable, Hashable {
    /// A decision at an entrance, and whatever is only said when there is room.
    case entrance
    /// Exits, fire, and the outcome of a release that was given: these use the reserve as well.
    case reserve
    /// The hourly record of totals, which stands for records that found no room: it uses the last part of the reserve.
    case counter
}
