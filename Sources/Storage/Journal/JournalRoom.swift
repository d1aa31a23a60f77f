import Admission

/// How much room a journal has, from four counts of slots. Positions count slots from the oldest one held.
struct JournalRoom {
    var settings: JournalSettings
    /// Position of the next record.
    var written: Int
    /// Everything before this position is stored by the collector.
    var acknowledged: Int
    /// Where the preallocated slots end.
    var allocated: Int
    /// The next segment could not be made (disk full): what is allocated is all there is.
    var isShort: Bool

    private var unacknowledged: Int { written - acknowledged }
    private var free: Int { allocated - written }

    /// Records of this purpose that still fit.
    func left(for purpose: RecordPurpose) -> Int {
        let reserve = settings.reserveRecords
        let kept =
            switch purpose {
            case .entrance: reserve
            case .reserve: JournalSettings.counterRecords
            case .counter: 0
            }
        return max(0, min(settings.capacityRecords + reserve - unacknowledged, free) - kept)
    }

    var state: JournalState {
        if left(for: .entrance) == 0 { return left(for: .reserve) == 0 ? .full : .reserveOnly }
        // Counts are at most 10^8, so ten times them fits.
        if isShort || unacknowledged * 10 >= settings.capacityRecords * 9 { return .nearlyFull }
        return unacknowledged * 10 >= settings.capacityRecords * 8 ? .filling : .roomy
    }
}
