extension LaneMachine {
    /// Across lanes: nobody is refused on knowledge of who is inside that is older, ms; the shortest of the kinds' limits.
    /// nil: no rule in force asks.
    public var insideLimitMilliseconds: Int64? {
        guard leadsIntoZone else { return nil }
        var shortest: Int64?
        for kind in HolderKind.allCases {
            let rule = policy.antiPassback(for: kind)
            guard rule.action != .off, rule.scope == .acrossLanes else { continue }
            shortest = min(shortest ?? .max, rule.knowledgeLimitMilliseconds)
        }
        return shortest
    }

    /// Nobody is refused for a count of the zone that is older, ms; the shortest of the kinds' limits. nil: no rule in force
    /// asks.
    public var occupancyLimitMilliseconds: Int64? {
        guard leadsIntoZone else { return nil }
        var shortest: Int64?
        for kind in HolderKind.allCases {
            let rule = policy.occupancy(for: kind)
            guard rule.action != .off, (kind == .vehicle ? rule.vehicles : rule.people) != nil else { continue }
            shortest = min(shortest ?? .max, rule.knowledgeLimitMilliseconds)
        }
        return shortest
    }

    /// Whether the rules in force want to know who is inside by other lanes.
    public var asksWhoIsInside: Bool { insideLimitMilliseconds != nil }

    /// As of when the zone was counted that this lane leads to; nil: nobody told.
    public var zoneCountAsOf: WallTime? { zoneCount?.asOf }

    private var leadsIntoZone: Bool { configuration.kind != .exit && configuration.to != .outside }
}
