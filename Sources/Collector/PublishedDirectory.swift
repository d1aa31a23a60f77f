import Cryptography
import Framing
import Posix

/// `DIR/published`: what any HTTP server may give out in the collector's place, under the collector's own paths.
///
///     v1/statement              the newest statement; the only file that is ever replaced
///     v1/images/<64 digits>     an image under the SHA-256 of its header: another name of the file in `images/`
///     v1/lists/<64 digits>      a change list under its SHA-256
///
/// A file stands here before a statement names it, and stays for some time after none does. Written by `serve` alone.
struct PublishedDirectory: Sendable {
    /// Images that keep their names here: the one in force, and the one before for whoever is fetching it.
    static let mostImages = 2
    /// A list that no statement names any more goes after this.
    static let listPatienceMilliseconds: Int64 = 600_000

    let path: String

    init(_ site: SiteDirectory) { path = site.published }

    enum Kind: String, Sendable, CaseIterable { case images, lists }

    var statement: String { "\(path)/v1/statement" }
    func file(_ kind: Kind, _ digestHex: String) -> String {
        "\(path)/v1/\(kind.rawValue)/\(digestHex)"
    }

    func prepare() throws(SystemFailure) {
        for kind in Kind.allCases {
            try FileSystem.makeDirectories("\(path)/v1/\(kind.rawValue)", mode: 0o750)
        }
    }

    /// Gives an image its name; the oldest names go.
    func show(_ image: Publisher.Image, former: Set<String>) throws(SystemFailure) {
        let name = Hexadecimal.text(image.digest)
        let target = file(.images, name)
        if try FileSystem.statusIfPresent(target) == nil {
            try FileSystem.link(image.path, as: target)
            try FileSystem.syncDirectory(FileSystem.parent(of: target))
        }
        for other in try FileSystem.list("\(path)/v1/images")
        where other != name && !former.contains(other) {
            try FileSystem.unlinkIfPresent(file(.images, other))
        }
    }

    /// Its name, the SHA-256. A list stands here before any lane has it, so that its numbers are not given twice even when
    /// `changes.sqlite` comes back from a backup; a disk that does not take it is logged, and does not keep it from lanes.
    func put(list bytes: [UInt8]) throws(CollectorFailure) -> [UInt8] {
        let digest = try name(of: bytes)
        do throws(SystemFailure) { try write(list: bytes, digest) } catch { Log.error("published files: \(error)") }
        return digest
    }

    /// As `put(list:)`; throws when it does not stand there.
    func putSurely(list bytes: [UInt8]) throws(CollectorFailure) -> [UInt8] {
        let digest = try name(of: bytes)
        try collecting { () throws(SystemFailure) in try write(list: bytes, digest) }
        return digest
    }

    private func name(of list: [UInt8]) throws(CollectorFailure) -> [UInt8] {
        do throws(CryptographyFailure) { return try SHA256.hash(list) } catch {
            throw CollectorFailure("name", "a change list", error.reason)
        }
    }

    private func write(list bytes: [UInt8], _ digest: [UInt8]) throws(SystemFailure) {
        let target = file(.lists, Hexadecimal.text(digest))
        guard try FileSystem.statusIfPresent(target) == nil else { return }
        try prepare()
        try FileSystem.replace(target, with: bytes, mode: 0o640)
    }

    func put(statement bytes: [UInt8]) throws(SystemFailure) {
        try FileSystem.replace(statement, with: bytes, mode: 0o640)
    }

    /// Removes lists that no statement has named for some time.
    func tidy(keeping lists: Set<String>, now: Int64) throws(SystemFailure) {
        for name in try FileSystem.list("\(path)/v1/lists") where !lists.contains(name) {
            guard let status = try FileSystem.statusIfPresent(file(.lists, name)) else { continue }
            // A file from the future of a clock that was set back would stay for ever.
            guard abs(now - status.modifiedNanoseconds / 1_000_000) > Self.listPatienceMilliseconds else {
                continue
            }
            try FileSystem.unlinkIfPresent(file(.lists, name))
        }
    }
}
