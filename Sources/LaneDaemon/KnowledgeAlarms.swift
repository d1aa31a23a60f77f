import Admission

/// What `lanectl status` says when the lane's rules ask for what other lanes saw, and its knowledge of that is too old for
/// them: then nobody is refused for it.
enum KnowledgeAlarms {
    /// - Parameter insideAsOf: of the list of who is inside; nil: there is none.
    static func texts(_ machine: LaneMachine, insideAsOf: WallTime?, at wall: WallTime) -> [String] {
        [
            machine.insideLimitMilliseconds.flatMap { text("who is inside by other lanes", insideAsOf, $0, wall) },
            machine.occupancyLimitMilliseconds.flatMap {
                text("how full \(machine.configuration.to.text) is", machine.zoneCountAsOf, $0, wall)
            },
        ].compactMap { $0 }
    }

    private static func text(_ what: String, _ asOf: WallTime?, _ limit: Int64, _ wall: WallTime) -> String? {
        guard let asOf else { return "nobody told \(what): nobody is refused for that; check the uplink" }
        let age = wall.milliseconds(since: asOf)
        if age > limit {
            return
                "\(what) is known as of \(age / 1000) s ago, and the rules ask for \(limit / 1000) s: nobody is refused "
                + "for what is too old; check the uplink, and the collector's page for lanes that are silent"
        }
        guard age < -ClockKeeper.aheadMilliseconds else { return nil }
        return
            "\(what) is known as of \(-(age / 1000)) s in the future: nobody is refused for that; compare the clocks of "
            + "lane and collector"
    }
}
