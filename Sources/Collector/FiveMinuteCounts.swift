/// Counts of five minutes from the table `tally`, one look for each: where many lanes count in the same minutes, only the
/// rows that are asked for are read.
struct FiveMinuteCounts {
    private let database: Database
    private let select: SQLStatement

    init(_ intake: Database) throws(CollectorFailure) {
        database = intake
        select = try intake.prepare("SELECT counts FROM tally WHERE span = ? AND start = ? AND lane = ?")
    }

    /// `lane`: its row, 0 the site; `start`: seconds since 1970. nil: nothing was counted.
    func tally(lane: Int64, start: Int64) throws(CollectorFailure) -> Tally? {
        select.bind(1, TallySpan.fiveMinutes.rawValue)
        select.bind(2, start)
        select.bind(3, lane)
        defer { select.reset() }
        guard try select.step() else { return nil }
        guard let tally = select.withBlob(0, { Tally(encoded: $0) }) else {
            throw CollectorFailure(
                "read", database.path, "it holds counts that are none",
                advice: "the file is damaged; put a backup in its place")
        }
        return tally
    }

    /// What these lanes counted in the running five minutes and the two before. `now`: ms since 1970-01-01 UTC.
    func recent(of lanes: [Int64], now: Int64) throws(CollectorFailure) -> Tally {
        let running = SiteCalendar.fiveMinutesStart(ofMilliseconds: now)
        var sum = Tally()
        for lane in lanes {
            for start in [running - 600, running - 300, running] {
                if let tally = try tally(lane: lane, start: start) { sum += tally }
            }
        }
        return sum
    }
}
