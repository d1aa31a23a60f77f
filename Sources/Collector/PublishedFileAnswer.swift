import Framing
import Posix

/// The answer to a request for a file under its SHA-256: `/v1/images/<64 digits>`, `/v1/lists/<64 digits>`. What has such a
/// name never changes, so that whoever stands between may keep it.
struct PublishedFileAnswer {
    /// `/v1/images` of `/v1/images/<64 digits>`; any other path as it is.
    static func family(ofPath path: String) -> String {
        for kind in PublishedDirectory.Kind.allCases where name(kind, in: path) != nil {
            return "/v1/\(kind.rawValue)"
        }
        return path
    }

    /// nil: there is no such path.
    static func response(_ head: HTTPHead, _ directory: PublishedDirectory) -> HTTPResponse? {
        for kind in PublishedDirectory.Kind.allCases {
            guard let digest = name(kind, in: head.path) else { continue }
            let path = directory.file(kind, digest)
            let status: FileStatus?
            do { status = try FileSystem.statusIfPresent(path) } catch {
                Log.error(error.description)
                return .error(500, error.description, advice: error.advice)
            }
            guard let status, status.kind == .regular else {
                return .error(
                    404, "there is nothing under this name any more",
                    advice: "the statement names what is current")
            }
            return ImageAnswer(
                head, path: path, bytes: status.size, tag: "\"\(digest)\"",
                headers: [("Cache-Control", "public, max-age=31536000, immutable")]
            ).response
        }
        return nil
    }

    private static func name(_ kind: PublishedDirectory.Kind, in path: String) -> String? {
        let folder = "/v1/\(kind.rawValue)/"
        guard path.hasPrefix(folder), path.utf8.count == folder.utf8.count + 64 else { return nil }
        let name = path.dropFirst(folder.count)
        guard name.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
            return nil
        }
        return String(name)
    }
}
