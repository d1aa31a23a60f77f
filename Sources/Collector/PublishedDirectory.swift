import Cryptography
import Framing
import Glibc
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
    private static let mostNames = 1_000_000

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

    /// Its name, the SHA-256. A list stands here before any lane has what is in it, so that its numbers are not given twice
    /// even when `changes.sqlite` comes back from a backup.
    func put(list bytes: [UInt8]) throws(CollectorFailure) -> [UInt8] {
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

    /// The names of all lists that are here.
    func listNames() throws(CollectorFailure) -> [String] {
        let path = "\(path)/v1/\(Kind.lists.rawValue)"
        do throws(SystemFailure) {
            return try FileSystem.list(path, limit: Self.mostNames).filter { $0.utf8.count == 64 }
        } catch {
            switch error.code {
            // Whoever may not read them cannot have given them to lanes either.
            case ENOENT, ENOTDIR, EACCES: return []
            default:
                throw CollectorFailure(
                    "list", path, SystemFailure.text(of: error.code),
                    advice: "numbers of changes stand there that must not be given again; mend it, or move it away and "
                        + "let a lane connect before anything is changed")
            }
        }
    }

    func remove(list name: String) throws(SystemFailure) { try FileSystem.unlinkIfPresent(file(.lists, name)) }
}
