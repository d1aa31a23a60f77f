import Admission
import Configuration

/// How long a person needs from lane to lane at least: `walking` in the collector's configuration, and the places of its
/// entrances.
struct WalkingDistances: Sendable {
    /// An entrance's place on a plane, m.
    struct Place: Hashable, Sendable {
        var east: Int
        var north: Int
    }

    /// A fast walk; the usual one is 1.4 m/s.
    var metresPerSecond = 2.5
    /// Between lanes of one entrance.
    var sameEntranceSeconds = 3
    /// Between entrances of the site whose places are not known.
    var betweenEntrancesSeconds = 60
    /// Two entries farther apart are no double use: he has left by a way that nobody saw.
    var longestInsideHours = 12
    var places: [String: Place] = [:]
    var entrances = Entrances([:])

    init() {}

    init(_ root: Section) {
        guard let section = root.optionalSection("walking") else { return }
        metresPerSecond = section.number(
            "metres_per_second", default: metresPerSecond, in: 0.5...10, unit: "m/s")
        sameEntranceSeconds = section.integer(
            "same_entrance_seconds", default: sameEntranceSeconds, in: 0...3600, unit: "seconds")
        betweenEntrancesSeconds = section.integer(
            "between_entrances_seconds", default: betweenEntrancesSeconds, in: 0...86_400, unit: "seconds")
        longestInsideHours = section.integer(
            "longest_inside_hours", default: longestInsideHours, in: 1...48, unit: "hours")
    }

    var longestInsideMilliseconds: Int64 { Int64(longestInsideHours) * 3_600_000 }

    /// nil: nobody knows how far it is.
    func milliseconds(_ first: DoubleUse.Passage, _ second: DoubleUse.Passage) -> Int64? {
        let (one, other) = (entrances.entrance(of: first.lane), entrances.entrance(of: second.lane))
        if one == other { return Int64(sameEntranceSeconds) * 1000 }
        if let from = places[one], let to = places[other] {
            let (east, north) = (Double(to.east - from.east), Double(to.north - from.north))
            return Int64((east * east + north * north).squareRoot() / metresPerSecond * 1000)
        }
        // A hall's door may stand right behind the entrance.
        guard first.way != .within, second.way != .within else { return nil }
        return Int64(betweenEntrancesSeconds) * 1000
    }
}
