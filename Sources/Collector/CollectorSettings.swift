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
    public var siteName: Bilingual
    var calendar: SiteCalendar
    /// What people see of a kind: the colour its lanyard has, as a CSS hexadecimal colour or a word.
    var lanyardColours: [HolderKind: String]
    var zones: [ShortName: Bilingual]
    var lanes: [ShortName: String]

    /// Reads and checks all of it; the error names every problem by its line and column.
    public init(path: String) throws(ConfigurationFailure) {
        try self.init(ConfigurationReader(path: path))
    }

    init(_ reader: ConfigurationReader) throws(ConfigurationFailure) {
        let root = reader.root
        data = SiteDirectory(root.path("data"))
        let listen = root.section("listen")
        address = listen.text("address", default: "127.0.0.1", rule: .address)
        if !address.isEmpty, !LoopbackAddress.isOne(address) {
            listen.refuse("address", LoopbackAddress.refusal(address).reason + "; listen at 127.0.0.1 or ::1")
        }
        port = UInt16(clamping: listen.integer("port", default: 8480, in: 0...65_535))
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
        }
        lanes = [:]
        for (name, section) in root.namedSections("lanes", names: .laneID) {
            guard let lane = ShortName(name) else { continue }
            lanes[lane] = section.text("name", rule: .displayName)
        }
        try reader.finish()
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
