import Admission

// Small text files and answers: one line each, words separated by one space, so that a person can read them.

/// Digits alone: `UInt64.init` would take a sign as well.
func decimal(_ text: Substring) -> UInt64? {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(text) : nil
}

/// What the collector has stored of a lane: everything up to and including this record. The uplink's `cursor` file and
/// the collector's answer to a batch.
///
///     stored <epoch, 32 hex digits> <sequence>\n
public struct StoredThrough: Sendable, Hashable {
    public var epoch: Epoch
    /// 0 = nothing of this epoch.
    public var sequence: UInt64

    public init(epoch: Epoch, sequence: UInt64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    public var text: String { "stored \(epoch.hex) \(sequence)\n" }

    public init(text: String) throws(FormatError) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "stored", words[2].last == "\n", text.utf8.count <= 64,
            let epoch = Epoch(hex: String(words[1])), let sequence = decimal(words[2].dropLast())
        else {
            throw FormatError("stored-through line", "expected `stored <32 hex digits> <number>` and a line feed")
        }
        self.epoch = epoch
        self.sequence = sequence
    }
}

/// Which image and change are in force at a lane, as its daemon writes it after applying: the file `applied`.
///
///     applied <image version> <change number> <SHA-256 of the image's header, 64 hex digits>\n
public struct AppliedMark: Sendable, Hashable {
    public var imageVersion: UInt64
    public var changeNumber: UInt64
    public var headerDigestHex: String

    public init(imageVersion: UInt64, changeNumber: UInt64, headerDigestHex: String) {
        self.imageVersion = imageVersion
        self.changeNumber = changeNumber
        self.headerDigestHex = headerDigestHex
    }

    public var text: String { "applied \(imageVersion) \(changeNumber) \(headerDigestHex)\n" }

    public init(text: String) throws(FormatError) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 4, words[0] == "applied", let version = decimal(words[1]), let change = decimal(words[2]),
            words[3].last == "\n", Hexadecimal.bytes(words[3].dropLast())?.count == 32
        else {
            throw FormatError(
                "applied mark", "expected `applied <version> <change> <64 hex digits>` and a line feed")
        }
        imageVersion = version
        changeNumber = change
        headerDigestHex = String(words[3].dropLast())
    }
}

/// What a technician ordered and a restart must not forget: the file `order`. The mode is its raw value.
///
///     order <mode> <minutes, 0 until something else> <user> <given at, ms since 1970> <remark…>\n
extension StandingOrder {
    public var fileText: String {
        "order \(mode.rawValue) \(minutes) \(user) \(givenAt.milliseconds) \(remark.text)\n"
    }

    public init(fileText: String) throws(FormatError) {
        let words = fileText.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: false)
        guard words.count == 6, words[0] == "order", words[5].last == "\n",
            let mode = decimal(words[1]).flatMap({ UInt8(exactly: $0) }).flatMap(OrderedMode.init(rawValue:)),
            let minutes = decimal(words[2]).flatMap({ UInt32(exactly: $0) }),
            let user = decimal(words[3]).flatMap({ UInt32(exactly: $0) }), let given = Int64(words[4])
        else { throw FormatError("order", "expected `order <mode> <minutes> <user> <ms> <remark>` and a line feed") }
        self.init(
            mode: mode, minutes: minutes, user: user, remark: Remark(String(words[5].dropLast())),
            givenAt: WallTime(milliseconds: given))
    }
}

/// A key file: one line of what it is, whose site, and the key.
///
///     lanekeeper-site-public-1 <site id, 32 hex> <Ed25519 public key, 64 hex>
///     lanekeeper-site-secret-1 <site id, 32 hex> <Ed25519 seed, 64 hex>
///     lanekeeper-badge-1       <site id, 32 hex> <SipHash key, 32 hex>
public struct KeyFile: Sendable {
    public enum Kind: String, Sendable {
        case sitePublic = "lanekeeper-site-public-1"
        case siteSecret = "lanekeeper-site-secret-1"
        case badge = "lanekeeper-badge-1"

        public var keyLength: Int { self == .badge ? 16 : 32 }
    }

    public var kind: Kind
    public var site: SiteID
    public var key: [UInt8]

    public init(kind: Kind, site: SiteID, key: [UInt8]) {
        self.kind = kind
        self.site = site
        self.key = key
    }

    public var text: String { "\(kind.rawValue) \(site.hex) \(Hexadecimal.text(key))\n" }

    /// The error names no part of the key.
    public init(text: String, expecting kind: Kind) throws(FormatError) {
        var line = text[...]
        if line.last == "\n" { line = line.dropLast() }
        let words = line.split(separator: " ")
        guard words.count == 3 else {
            throw FormatError("key file", "expected one line `\(kind.rawValue) <site id> <key>`")
        }
        guard words[0] == kind.rawValue else {
            let said = Kind(rawValue: String(words[0])).map { "this is a \($0.rawValue) file" } ?? "this is none"
            throw FormatError("key file", "a \(kind.rawValue) file is needed, \(said)")
        }
        guard let site = SiteID(hex: String(words[1])) else {
            throw FormatError("key file", "the site id is not 32 hexadecimal digits")
        }
        guard let key = Hexadecimal.bytes(words[2]), key.count == kind.keyLength else {
            throw FormatError("key file", "the key is not \(2 * kind.keyLength) hexadecimal digits")
        }
        self.init(kind: kind, site: site, key: key)
    }
}
