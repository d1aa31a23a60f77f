import Admission

/// Which lane a client certificate is of, as its subject says: O = site id, CN = lane id, serialNumber =
/// `<enrolment, 16 hex digits>.<issue>`.
///
/// An enrolment begins with `lane add` and ends with `lane remove` or the next `lane add` of that lane; within it every
/// renewal has the next issue number.
public struct LaneIdentity: Sendable, Hashable {
    public var site: SiteID
    public var lane: ShortName
    public var enrolment: UInt64
    /// From 1.
    public var issue: UInt32

    public init(site: SiteID, lane: ShortName, enrolment: UInt64, issue: UInt32) {
        self.site = site
        self.lane = lane
        self.enrolment = enrolment
        self.issue = issue
    }

    public var serialNumber: String {
        let digits = String(enrolment, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits + ".\(issue)"
    }

    /// nil: not what a lane's certificate says.
    public init?(organisation: String, commonName: String, serialNumber: String) {
        let parts = serialNumber.split(separator: ".", omittingEmptySubsequences: false)
        guard let site = SiteID(hex: organisation), let lane = ShortName(commonName), parts.count == 2,
            let enrolment = Hexadecimal.bytes(parts[0]), enrolment.count == 8,
            parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let issue = UInt32(parts[1]), issue > 0
        else { return nil }
        self.init(
            site: site, lane: lane, enrolment: enrolment.reduce(0) { $0 << 8 | UInt64($1) }, issue: issue)
    }
}

/// What a new controller needs, in one file that `lanekeeper-collector lane add` makes and `lanectl enrol` takes apart:
///
///     lanekeeper-enrolment-1
///     lane north-07
///     name 北登录厅-07
///     url https://collector.example:8480
///     lanekeeper-site-public-1 <site id> <key>
///     lanekeeper-badge-1 <site id> <key>
///     authorities <bytes>      PEM: whom the uplink believes
///     …
///     identity <bytes>         PEM: the lane's certificate and its key
///     …
///     crc32c <8 hex digits>    over everything before this line
///
/// Secret: whoever has it is that lane until it is removed.
public struct EnrolmentFile: Sendable, Hashable {
    public static let mostBytes = 256 << 10
    private static let firstLine = "lanekeeper-enrolment-1"

    public var lane: ShortName
    public var name: String
    public var url: String
    public var site: SiteID
    public var sitePublicKey: [UInt8]
    public var badgeKey: [UInt8]
    public var authorities: [UInt8]
    public var identity: [UInt8]

    public init(
        lane: ShortName, name: String, url: String, site: SiteID, sitePublicKey: [UInt8], badgeKey: [UInt8],
        authorities: [UInt8], identity: [UInt8]
    ) {
        self.lane = lane
        self.name = name
        self.url = url
        self.site = site
        self.sitePublicKey = sitePublicKey
        self.badgeKey = badgeKey
        self.authorities = authorities
        self.identity = identity
    }

    public var publicKeyFile: KeyFile { KeyFile(kind: .sitePublic, site: site, key: sitePublicKey) }
    public var badgeKeyFile: KeyFile { KeyFile(kind: .badge, site: site, key: badgeKey) }

    public var bytes: [UInt8] {
        var bytes = Array("\(Self.firstLine)\nlane \(lane.text)\nname \(name)\nurl \(url)\n".utf8)
        bytes += publicKeyFile.text.utf8
        bytes += badgeKeyFile.text.utf8
        bytes += Array("authorities \(authorities.count)\n".utf8) + authorities
        bytes += Array("identity \(identity.count)\n".utf8) + identity
        return bytes + Array(Self.lastLine(bytes).utf8)
    }

    private static func lastLine(_ bytes: [UInt8]) -> String {
        let sum = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        return "crc32c \(Hexadecimal.text((0..<4).reversed().map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) }))\n"
    }

    /// The error names no part of a key.
    public init(_ bytes: [UInt8]) throws(FormatError) {
        guard bytes.starts(with: "\(Self.firstLine)\n".utf8) else {
            throw FormatError("enrolment file", "it does not begin with \(Self.firstLine)")
        }
        let last = Self.lastLine([]).utf8.count
        guard bytes.count <= Self.mostBytes, bytes.count > last,
            bytes.suffix(last).elementsEqual(Self.lastLine(Array(bytes.dropLast(last))).utf8)
        else { throw FormatError("enrolment file", "it is damaged or cut off: its checksum does not fit") }
        var reader = LineReader(rest: bytes[...])
        _ = try reader.line()
        guard let lane = ShortName(try reader.value("lane")), LaneIdentity.isLaneID(lane) else {
            throw FormatError("enrolment file", "its lane is not a lane's id")
        }
        let name = try reader.value("name")
        let url = try reader.value("url")
        let publicKey = try KeyFile(text: try reader.line(), expecting: .sitePublic)
        let badgeKey = try KeyFile(text: try reader.line(), expecting: .badge)
        guard publicKey.site == badgeKey.site else {
            throw FormatError("enrolment file", "its keys are of different sites")
        }
        self.init(
            lane: lane, name: name, url: url, site: publicKey.site, sitePublicKey: publicKey.key,
            badgeKey: badgeKey.key, authorities: try reader.block("authorities"),
            identity: try reader.block("identity"))
        guard reader.rest.count == last else { throw FormatError("enrolment file", "more follows than belongs in it") }
    }

    private struct LineReader {
        var rest: ArraySlice<UInt8>

        mutating func line() throws(FormatError) -> String {
            guard let end = rest.firstIndex(of: 0x0A) else { throw FormatError("enrolment file", "a line is missing") }
            defer { rest = rest[(end + 1)...] }
            return String(decoding: rest[..<end], as: UTF8.self)
        }

        mutating func value(_ key: String) throws(FormatError) -> String {
            let line = try line()
            guard line.hasPrefix("\(key) ") else { throw FormatError("enrolment file", "the line '\(key)' is missing") }
            return String(line.dropFirst(key.count + 1))
        }

        mutating func block(_ key: String) throws(FormatError) -> [UInt8] {
            guard let count = Int(try value(key)), (1...rest.count).contains(count) else {
                throw FormatError("enrolment file", "'\(key)' has no length that fits")
            }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
    }
}

extension LaneIdentity {
    /// 1 to 31 of a-z, 0-9 and -.
    public static func isLaneID(_ name: ShortName) -> Bool {
        (0..<name.count).allSatisfy {
            switch name[$0] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
    }
}
