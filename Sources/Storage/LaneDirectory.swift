import Framing
import Posix

/// The places in a lane's directory, `/var/lib/lanekeeper/<lane id>` by default.
///
///     lane.lock             held by lanekeeperd while it runs; its pid inside
///     journal/              segments, written by lanekeeperd alone
///     images/               verified credential images, live and kept
///     policies/             lane configuration files whose policy decided something
///     changes               signed change lists on top of the image in force
///     order                 what a technician ordered and still stands
///     applied               which image and change are in force
///     presence              what it knows of who is inside, where its rules ask for that
///     word                  what the lane says of itself, while lanekeeperd runs
///     uplink/               belongs to the uplink's user, and nothing in it is believed
///     uplink/incoming/      images, change lists and statements it fetched
///     uplink/cursor         what the collector has stored
public struct LaneDirectory: Sendable, Hashable {
    public let path: String

    public init(_ path: String) { self.path = path }

    public var lockFile: String { "\(path)/lane.lock" }
    public var journal: String { "\(path)/journal" }
    public var images: String { "\(path)/images" }
    public var policies: String { "\(path)/policies" }
    public var changes: String { "\(path)/changes" }
    public var applied: String { "\(path)/applied" }
    public var presence: String { "\(path)/presence" }
    public var word: String { "\(path)/word" }
    public var order: String { "\(path)/order" }
    public var uplink: String { "\(path)/uplink" }
    public var incoming: String { "\(path)/uplink/incoming" }
    public var statement: String { "\(path)/uplink/incoming/statement" }
    public var incomingPresence: String { "\(path)/uplink/incoming/presence" }
    public var cursor: String { "\(path)/uplink/cursor" }

    public static let directoryMode: UInt32 = 0o750
    public static let fileMode: UInt32 = 0o640

    /// Makes what lanekeeperd writes, where it is missing, and removes what crashes left half written. Call it with the
    /// lock held.
    public func prepareForDaemon() throws(StorageError) {
        try storing { () throws(SystemFailure) in
            for directory in [path, journal, images, policies] {
                try FileSystem.makeDirectories(directory, mode: Self.directoryMode)
                try FileSystem.removePartialFiles(in: directory)
            }
        }
    }

    /// Makes what lanekeeper-uplink writes, where it is missing. Installed, `uplink/` is there already and belongs to
    /// the uplink's user.
    public func prepareForUplink() throws(StorageError) {
        try storing { () throws(SystemFailure) in
            for directory in [uplink, incoming] {
                try FileSystem.makeDirectories(directory, mode: Self.directoryMode)
                try FileSystem.removePartialFiles(in: directory)
            }
        }
    }

    /// The name under which the uplink puts a complete download.
    public func incomingImage(version: UInt64) -> String { "\(incoming)/\(Self.incomingImageName(version: version))" }

    public static func incomingImageName(version: UInt64) -> String { "image-\(twentyDigits(version)).img" }

    /// nil for a name that is no download's.
    public static func incomingImageVersion(name: String) -> UInt64? {
        guard name.utf8.count == 30, name.hasPrefix("image-"), name.hasSuffix(".img") else { return nil }
        return number(twentyDigits: name.dropFirst(6).dropLast(4))
    }

    /// The name under which the uplink puts a change list. `changes-<first, 20 digits>-<last, 20 digits>.list`
    public func incomingChanges(first: UInt64, last: UInt64) -> String {
        "\(incoming)/changes-\(twentyDigits(first))-\(twentyDigits(last)).list"
    }

    /// nil for a name that is no change list's.
    public static func incomingChanges(name: String) -> (first: UInt64, last: UInt64)? {
        guard name.utf8.count == 54, name.hasPrefix("changes-"), name.hasSuffix(".list") else { return nil }
        let numbers = name.dropFirst(8).dropLast(5)
        guard let first = number(twentyDigits: numbers.prefix(20)), let last = number(twentyDigits: numbers.suffix(20)),
            numbers.dropFirst(20).first == "-", first <= last
        else { return nil }
        return (first, last)
    }
}

/// 20 digits hold any UInt64, and names sort as their numbers do.
func twentyDigits(_ number: UInt64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: 20 - digits.utf8.count) + digits
}

func number(twentyDigits text: Substring) -> UInt64? {
    guard text.utf8.count == 20, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(text)
}
