import Configuration

/// From when on a state is an alert: `alerts` in the collector's configuration.
public struct AlertLimits: Sendable, Hashable {
    /// Without a word from a lane, which has one every 10 s.
    public var laneOfflineSeconds = 60
    /// Without a word of its daemon from a lane whose uplink comes.
    public var daemonSilentSeconds = 20
    /// Beyond that a lane is not expected any more.
    public var laneForgottenHours = 168
    /// Age of the statement by which a lane decides.
    public var statementSeconds = 300
    public var deviceSeconds = 10
    public var clockSeconds = 60
    /// How long records may be missing that the lane can still send.
    public var holesSeconds = 120
    /// How long it is said of records that can never come, after the last of them was missed.
    public var holesHours = 24
    /// Tailgaters of a hundred passages of a lane in a quarter of an hour, and how many there must be at least.
    public var tailgatingPercent = 5
    public var tailgatingLeast = 5
    /// Of a zone's limit.
    public var zonePercent = 90
    /// Of what an entrance's lanes can carry.
    public var flowPercent = 90
    /// People whom a lane can let through in a minute: badge and temperature within 2 s, and 3 s to walk through.
    public var personsPerMinute = 12
    /// How long a double use is said after it was found.
    public var doubleUseMinutes = 60

    public init() {}

    init(_ root: Section) {
        guard let section = root.optionalSection("alerts") else { return }
        func seconds(_ key: String, _ value: inout Int) {
            value = section.integer(key, default: value, in: 1...86_400, unit: "seconds")
        }
        func percent(_ key: String, _ value: inout Int) {
            value = section.integer(key, default: value, in: 1...100, unit: "per cent")
        }
        seconds("lane_offline_seconds", &laneOfflineSeconds)
        seconds("daemon_silent_seconds", &daemonSilentSeconds)
        seconds("statement_seconds", &statementSeconds)
        seconds("device_seconds", &deviceSeconds)
        seconds("clock_seconds", &clockSeconds)
        seconds("holes_seconds", &holesSeconds)
        laneForgottenHours = section.integer(
            "lane_forgotten_hours", default: laneForgottenHours, in: 1...8760, unit: "hours")
        holesHours = section.integer("holes_hours", default: holesHours, in: 1...8760, unit: "hours")
        percent("tailgating_percent", &tailgatingPercent)
        tailgatingLeast = section.integer("tailgating_least", default: tailgatingLeast, in: 1...10_000)
        percent("zone_percent", &zonePercent)
        percent("flow_percent", &flowPercent)
        personsPerMinute = section.integer("persons_per_minute", default: personsPerMinute, in: 1...600)
        doubleUseMinutes = section.integer(
            "double_use_minutes", default: doubleUseMinutes, in: 1...10_080, unit: "minutes")
    }
}
