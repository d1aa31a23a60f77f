import Admission
import Configuration
import Wording

/// What `lanekeeper-collector serve --config FILE` reads.
public struct CollectorSettings: Sendable {
    /// The data directory that `init` made.
    public var data: SiteDirectory
    /// An IPv4 or IPv6 literal of this machine's own.
    public var address: String
    /// 0: a free one.
    public var port: UInt16
    /// How many connections another machine may have at once.
    var connectionsOfAddress: Int
    /// Whether it speaks TLS, and asks lanes for certificates and people for tokens.
    public var isEncrypted: Bool
    /// DNS names and IP addresses by which lanes and browsers know it; the first stands in enrolment files.
    var names: [String]
    /// A certificate of the operator's own instead of one that the site's authority makes.
    var ownCertificate: OwnCertificate?

    struct ZoneLimit: Sendable, Hashable {
        var people: Int?
        var vehicles: Int?
    }

    struct OwnCertificate: Sendable {
        var certificateFile: String
        var keyFile: String
        /// Whom lanes shall believe.
        var authorityFile: String
    }
    public var siteName: Bilingual
    var calendar: SiteCalendar
    /// What people see of a kind: the colour its lanyard has, as a CSS hexadecimal colour or a word.
    var lanyardColours: [HolderKind: String]
    var zones: [ShortName: Bilingual]
    /// How many people and vehicles a zone is for, as the wall screen shows it. Lanes have the limits that refuse in their
    /// policies.
    var zoneLimits: [ShortName: ZoneLimit] = [:]
    var lanes: [ShortName: String]
    /// Lanes that are one entrance on the wall screen.
    var entrances: [ShortName: Bilingual] = [:]
    /// A lane's entrance; a lane that has none is one by itself.
    var entranceOfLane: [ShortName: ShortName] = [:]
    /// People whom a lane can let through in a minute, where it is not `alerts.persons_per_minute`.
    var personsPerMinuteOfLane: [ShortName: Int] = [:]
    /// From when on a state is an alert.
    public var alerts = AlertLimits()
    /// How far it is from lane to lane.
    var distances = WalkingDistances()
    /// What keeps an image from being published by itself.
    public var feedGuard: FeedGuard
    var images = ImageLimits()
    public var keep = Retention()
    /// By which the collector judges whether a key turns.
    public var windows = KeyWindows()

    /// Reads and checks all of it; the error names every problem by its line and column.
    public init(path: String) throws(ConfigurationFailure) {
        try self.init(ConfigurationReader(path: path))
    }

    init(_ reader: ConfigurationReader) throws(ConfigurationFailure) {
        let root = reader.root
        data = SiteDirectory(root.path("data"))
        let listen = root.section("listen")
        address = listen.text("address", default: "127.0.0.1", rule: .address)
        isEncrypted = listen.truth("tls", default: false)
        if !address.isEmpty, !isEncrypted, !LoopbackAddress.isOne(address) {
            let refusal = LoopbackAddress.refusal(address)
            listen.refuse("address", "\(refusal.reason); \(refusal.advice)")
        }
        names = listen.has("names") ? listen.texts("names", count: 1...16, rule: .serverName) : []
        if isEncrypted, !listen.has("names") {
            names = [address]
            if ["0.0.0.0", "::"].contains(address) {
                listen.refuse(
                    "address", "every address of this machine; say in listen.names by which ones it is known")
            }
        }
        ownCertificate = Self.ownCertificate(listen, isEncrypted: isEncrypted)
        port = UInt16(clamping: listen.integer("port", default: 8480, in: 0...65_535))
        connectionsOfAddress = listen.integer(
            "connections_per_address", default: HTTPServer.Limits().connectionsOfAddress,
            in: 1...HTTPServer.Limits().connections)
        let site = root.section("site")
        siteName = Bilingual(site.text("name_zh", rule: .displayName), site.text("name_en", rule: .displayName))
        let zone = site.text("time_zone", default: "UTC", rule: .characters(1...64))
        calendar = SiteCalendar(identifier: zone) ?? .utc
        if SiteCalendar(identifier: zone) == nil {
            site.refuse("time_zone", "'\(zone)' is not in the tz database; expected such as Asia/Shanghai")
        }
        lanyardColours = CollectorSettings.colours(root)
        zones = [:]
        for (name, section) in root.namedSections("zones", names: .zone) {
            guard let zone = ShortName(name) else { continue }
            zones[zone] = Bilingual(
                section.text("name_zh", rule: .displayName), section.text("name_en", rule: .displayName))
            zoneLimits[zone] = ZoneLimit(
                people: section.optionalInteger("limit", in: 1...10_000_000),
                vehicles: section.optionalInteger("vehicle_limit", in: 1...10_000_000))
        }
        alerts = AlertLimits(root)
        distances = WalkingDistances(root)
        for (name, section) in root.namedSections("entrances", names: .laneID) {
            guard let entrance = ShortName(name) else { continue }
            entrances[entrance] = Bilingual(
                section.text("name_zh", rule: .displayName), section.text("name_en", rule: .displayName))
            let east = section.optionalInteger("east_metres", in: -100_000...100_000)
            let north = section.optionalInteger("north_metres", in: -100_000...100_000)
            if let east, let north { distances.places[name] = WalkingDistances.Place(east: east, north: north) }
            if (east == nil) != (north == nil) {
                section.refuse(
                    east == nil ? "north_metres" : "east_metres", "east_metres and north_metres belong together")
            }
        }
        lanes = [:]
        for (name, section) in root.namedSections("lanes", names: .laneID) {
            guard let lane = ShortName(name) else { continue }
            lanes[lane] = section.text("name", rule: .displayName)
            personsPerMinuteOfLane[lane] = section.optionalInteger("persons_per_minute", in: 1...600)
            guard let text = section.optionalText("entrance", rule: .laneID) else {
                if entrances[lane] != nil {
                    section.refuse(
                        "name",
                        "an entrance has the id of this lane, so both would be counted as one; "
                            + "give one of them another id, or the lane `entrance: \(name)`")
                }
                continue
            }
            guard let entrance = ShortName(text), entrances[entrance] != nil else {
                section.refuse("entrance", "'\(text)' is not among the entrances")
                continue
            }
            if entrances[lane] != nil, entrance != lane {
                section.refuse(
                    "entrance", "the lane has the id of another entrance; give one of them another id")
            }
            entranceOfLane[lane] = entrance
        }
        distances.entrances = Entrances(entranceOfLane)
        feedGuard = FeedGuard()
        if let section = root.optionalSection("import") {
            feedGuard.mostLosingPercent = section.integer(
                "most_losing_percent", default: FeedGuard.defaultMostLosingPercent, in: 0...100)
        }
        if let section = root.optionalSection("keys") {
            windows = KeyWindows(
                testHours: section.integer(
                    "test_window_hours", default: KeyWindows.defaultTestHours, in: 1...336, unit: "hours"),
                assessmentHours: section.integer(
                    "assessment_window_hours", default: KeyWindows.defaultAssessmentHours, in: 1...336, unit: "hours"))
        }
        if let section = root.optionalSection("images") {
            images.days = section.integer("keep_days", default: ImageLimits.defaultDays, in: 0...3650, unit: "days")
            images.most = section.integer("keep_most", default: ImageLimits.defaultMost, in: 1...10_000)
        }
        if let section = root.optionalSection("keep") { keep = Retention(section) }
        try reader.finish()
    }

    private static func ownCertificate(_ listen: Section, isEncrypted: Bool) -> OwnCertificate? {
        let keys = ["certificate_file", "key_file", "ca_file"]
        let given = keys.filter(listen.has)
        let paths = keys.map { listen.optionalPath($0) ?? "" }
        if let first = given.first, !isEncrypted { listen.refuse(first, "is of use with tls: true only") }
        if let first = given.first, given.count < keys.count {
            listen.refuse(first, "certificate_file, key_file and ca_file belong together; give all or none")
        }
        guard given.count == keys.count else { return nil }
        return OwnCertificate(certificateFile: paths[0], keyFile: paths[1], authorityFile: paths[2])
    }

    /// Whether a Host header names this collector.
    func isHost(_ host: String) -> Bool {
        guard let name = LoopbackAddress.name(ofHost: host) else { return false }
        return names.contains { $0.lowercased() == name }
    }

    /// What a lane's uplink is told.
    func url(port: UInt16) -> String {
        let name = names.first ?? address
        return "https://\(name.contains(":") ? "[\(name)]" : name):\(port)"
    }

    private static func colours(_ root: Section) -> [HolderKind: String] {
        guard let section = root.optionalSection("lanyard_colours") else { return [:] }
        var colours: [HolderKind: String] = [:]
        for kind in HolderKind.allCases {
            colours[kind] = section.optionalText("\(kind.name)", rule: .colour)
        }
        return colours
    }
}

extension TextRule {
    static let address = TextRule(expected: "an address of this machine, such as 127.0.0.1 or ::1") {
        (1...45).contains($0.utf8.count)
            && $0.utf8.allSatisfy { byte in
                byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":") || (0x30...0x39).contains(byte)
                    || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
            }
    }

    /// It stands in a certificate and in addresses.
    static let serverName = TextRule(expected: "a DNS name or an IP address: letters, digits, - . :") {
        (1...253).contains($0.utf8.count)
            && $0.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == 0x2D || byte == 0x2E
                    || byte == 0x3A
            }
    }

    static let zone = TextRule(expected: "a zone's name: 1 to 31 bytes, without | and control characters") {
        ShortName($0) != nil && !$0.contains("|") && TextRule.line.accepts($0)
    }

    /// It stands in a style sheet.
    static let colour = TextRule(expected: "a colour: letters such as gold, or # and 3 or 6 hexadecimal digits") {
        let bytes = Array($0.utf8)
        if bytes.first == UInt8(ascii: "#") {
            return (bytes.count == 4 || bytes.count == 7)
                && bytes.dropFirst().allSatisfy {
                    UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || 0x61...0x66 ~= $0 | 0x20
                }
        }
        return (2...24).contains(bytes.count) && bytes.allSatisfy { (0x61...0x7A).contains($0 | 0x20) }
    }
}
