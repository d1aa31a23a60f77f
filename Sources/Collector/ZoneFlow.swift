import Admission

/// From which zone to which somebody went through a lane. What a lane lies between may change with its configuration: every
/// record names the two zones, so its counts are kept by both.
struct ZonePath: Hashable, Sendable {
    var from: ShortName
    var to: ShortName
}

/// People and vehicles that went one way.
struct ZoneFlow: Hashable, Sendable {
    var people: Int64 = 0
    var vehicles: Int64 = 0

    mutating func add(_ count: Int64, isVehicle: Bool) {
        if isVehicle {
            vehicles = Tally.bounded(vehicles &+ count)
        } else {
            people = Tally.bounded(people &+ count)
        }
    }

    static func += (sum: inout ZoneFlow, other: ZoneFlow) {
        sum.add(other.people, isVehicle: false)
        sum.add(other.vehicles, isVehicle: true)
    }
}

/// Of which path, by its row, and of when: five minutes or a day, as `TallyKey` has them.
struct ZoneFlowKey: Hashable, Sendable {
    var path: Int64
    var span: TallySpan
    var start: Int64
}
