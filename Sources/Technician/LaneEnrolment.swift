import Admission
import Configuration
import Cryptography
import Framing
import Glibc
import Posix

/// `lanectl enrol FILE`: takes the file of `lanekeeper-collector lane add` apart, each part for the one user who needs it.
///
///     ETC/site.pub                       0644
///     ETC/badge.key                      0600, lanekeeperd's user: the uplink never sees it
///     ETC/<lane>/lanekeeper-uplink.yaml  0644
///     IDENTITY/ca.pem                    0644
///     IDENTITY/lane.pem                  0600, the uplink's user, who renews it: lanekeeperd never sees it
///
/// Everything is looked at before anything is written; to do it again does no harm.
struct LaneEnrolment {
    static let usualEtc = "/etc/lanekeeper"
    static let identityRoot = "/var/lib/lanekeeper-uplink"

    struct Places: Sendable {
        var etc: String
        /// nil: the usual one of the lane.
        var identity: String?
        /// lanekeeperd's configuration; nil: the usual one, if it is there.
        var configuration: String?
        var state: String?
        var run: String?
        var daemonUser: String
        var uplinkUser: String
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    private struct Owner {
        var user: uid_t
        var group: gid_t
    }

    private let path: String
    private let file: EnrolmentFile
    private let certificate: Certificate
    private let places: Places
    private let identity: String

    private var lane: String { file.lane.text }
    private var laneFolder: String { "\(places.etc)/\(lane)" }
    private var uplinkFile: String { "\(laneFolder)/lanekeeper-uplink.yaml" }

    init(_ path: String, _ places: Places, now: Int64) throws {
        self.path = path
        self.places = places
        let mode = try FileSystem.statusFollowingLinks(path).mode
        guard mode & 0o077 == 0 else {
            throw Failure(
                "\(path) is refused: others than its owner can read it. If nobody has, chmod 600 it; otherwise make "
                    + "another with `lanekeeper-collector lane add`, which ends the validity of this one")
        }
        do throws(FormatError) {
            file = try EnrolmentFile(try Self.read(path))
        } catch {
            throw Failure("\(path) is refused: \(error.problem); copy it again from the collector's machine")
        }
        identity = places.identity ?? "\(Self.identityRoot)/\(file.lane.text)"
        certificate = try Certificate(pem: file.identity)
        let key = try PrivateKey(pem: file.identity)
        let subject = certificate.subject
        guard key.belongs(to: certificate), subject.commonName == file.lane.text, subject.organisation == file.site.hex
        else { throw Failure("\(path) is refused: its certificate is not of lane \(file.lane.text)") }
        _ = try Certificate(pem: file.authorities)
        // A controller without a battery clock is years behind; it must be possible to enrol it all the same.
        guard now <= certificate.notAfterMilliseconds else {
            throw Failure(
                "\(path) is refused: its certificate expired \(Timestamp.format(certificate.notAfterMilliseconds)); "
                    + "make another with `lanekeeper-collector lane add`, or correct this machine's clock")
        }
        guard file.url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) else {
            throw Failure("\(path) is refused: the collector's address in it is not one")
        }
    }

    private static func read(_ path: String) throws(FormatError) -> [UInt8] {
        do { return try FileSystem.read(path, limit: EnrolmentFile.mostBytes) } catch {
            throw FormatError("enrolment file", error.description)
        }
    }

    /// What was done, for the technician.
    func run() throws -> String {
        try refuseIfForeign()
        try refuseIfAnotherLane()
        let isRoot = geteuid() == 0
        let daemon = isRoot ? try owner(places.daemonUser) : nil
        let uplink = isRoot ? try owner(places.uplinkUser) : nil
        try FileSystem.makeDirectories(laneFolder, mode: 0o755)
        // The uplink's user must be able to get there.
        try FileSystem.makeDirectories(FileSystem.parent(of: identity), mode: 0o755)
        try FileSystem.makeDirectories(identity, mode: 0o700)
        if let uplink, chown(identity, uplink.user, uplink.group) != 0 {
            throw SystemFailure("give away", identity, code: errno)
        }
        try FileSystem.setMode(identity, 0o700)
        // A certificate that was asked for by the controller before this one is of no use any more.
        try FileSystem.unlinkIfPresent("\(identity)/next.pem")
        try write("\(identity)/ca.pem", file.authorities, 0o644, uplink)
        try write("\(identity)/lane.pem", file.identity, 0o600, uplink)
        try write("\(places.etc)/site.pub", Array(file.publicKeyFile.text.utf8), 0o644, nil)
        try write("\(places.etc)/badge.key", Array(file.badgeKeyFile.text.utf8), 0o600, daemon)
        let kept = try writeUplinkFile()
        return """
            lane \(lane) (\(file.name)) is enrolled at \(file.url)
            its certificate is good until \(Timestamp.format(certificate.notAfterMilliseconds)); the uplink renews it
            written: \(places.etc)/site.pub, \(places.etc)/badge.key, \(uplinkFile), \(identity)/
            \(kept.map { "the uplink's file of before is \($0)\n" } ?? "")\
            Delete \(path) now. In \(laneFolder)/lanekeeperd.yaml:
              site: { id: \(file.site.hex) }
              lane: { id: \(lane), name: \(file.name) }
            Then: systemctl restart lanekeeperd@\(lane) lanekeeper-uplink@\(lane)

            """
    }

    // MARK: What is here already

    private func existing(_ path: String) throws -> [UInt8]? {
        guard try FileSystem.statusIfPresent(path) != nil else { return nil }
        return try FileSystem.read(path, limit: 64 << 10)
    }

    private func refuseIfForeign() throws {
        for (name, expected) in [("site.pub", file.publicKeyFile), ("badge.key", file.badgeKeyFile)] {
            let path = "\(places.etc)/\(name)"
            guard let bytes = try existing(path) else { continue }
            let here: KeyFile
            do throws(FormatError) {
                here = try KeyFile(text: String(decoding: bytes, as: UTF8.self), expecting: expected.kind)
            } catch { throw Failure("\(path) is there and damaged (\(error.problem)); remove it first") }
            guard here.site == expected.site else {
                throw Failure(
                    "\(self.path) is of site \(file.site.hex), this controller of \(here.site.hex) (\(path)); "
                        + "use a file of that site, or remove the keys of the old one first")
            }
            guard here.key == expected.key else {
                throw Failure("\(path) is of the same site and another key; remove it first if it is the wrong one")
            }
        }
    }

    private func refuseIfAnotherLane() throws {
        if let bytes = try existing("\(identity)/lane.pem"), let other = try? Certificate(pem: bytes),
            other.subject.commonName != lane
        {
            throw Failure(
                "\(identity) is of lane \(other.subject.commonName) already, \(path) is of \(lane); "
                    + "choose another --identity, or remove that directory if that lane is not here any more")
        }
        let usual = "\(laneFolder)/lanekeeperd.yaml"
        guard let configuration = try places.configuration ?? (existing(usual) == nil ? nil : usual) else { return }
        let root = try ConfigurationReader(path: configuration).root
        let configured = root.section("lane").text("id", rule: .laneID)
        guard configured == lane else {
            throw Failure("\(configuration) is of lane \(configured), \(path) is of \(lane); use the file of that lane")
        }
        let site = root.section("site").text("id")
        guard site == file.site.hex else {
            throw Failure(
                "\(configuration) says site.id \(site), \(path) is of site \(file.site.hex); "
                    + "correct site.id, or use a file of that site")
        }
    }

    // MARK: Writing

    private func owner(_ name: String) throws -> Owner {
        guard let entry = getpwnam(name) else {
            throw Failure(
                "there is no user \(name) on this machine: systemd-sysusers makes it (docs/operations.md), or name "
                    + "another with --daemon-user and --uplink-user")
        }
        return Owner(user: entry.pointee.pw_uid, group: entry.pointee.pw_gid)
    }

    /// The owner is set before anybody can open the file under its name.
    private func write(_ path: String, _ contents: [UInt8], _ mode: UInt32, _ owner: Owner?) throws {
        try FileSystem.replace(path, mode: mode) { (file) throws(SystemFailure) in
            try file.writeAll(contents)
            if let owner, fchown(file.raw, owner.user, owner.group) != 0 {
                throw SystemFailure("give away", path, code: errno)
            }
        }
    }

    /// The name of the file that was in its place, if it said something else.
    private func writeUplinkFile() throws -> String? {
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        var text = """
            # Written by `lanectl enrol`. Config/lanekeeper-uplink.yaml shows what else may stand here.
            lane: { id: \(lane) }
            site: { id: \(file.site.hex) }

            """
        if places.state != nil || places.run != nil {
            let parts = [("state", places.state), ("run", places.run)].compactMap { name, path in
                path.map { "\(name): \(quoted($0))" }
            }
            text += "directories: { \(parts.joined(separator: ", ")) }\n"
        }
        text += "collector: { url: \(quoted(file.url)), identity: \(quoted(identity)) }\n"
        let former = try existing(uplinkFile)
        guard former != Array(text.utf8) else { return nil }
        let kept = "\(uplinkFile).before"
        if former != nil { try FileSystem.rename(uplinkFile, to: kept) }
        try write(uplinkFile, Array(text.utf8), 0o644, nil)
        return former == nil ? nil : kept
    }
}
