import Framing
import Posix

/// Versions of images that lanes have and `site.sqlite`, which came from a backup, does not know. A lane takes newer versions
/// alone: under a number that was given before it would refuse every image until numbers have passed its own.
///
///     images/<version, 20 digits>.seen   empty: somebody showed an image of this version. Whoever makes the next one goes
///                                        above
///
/// No image is made for that: what this collector knows of the site is older than what the lanes have. The next feed is due.
struct ForgottenImages {
    private static let ending = ".seen"

    let directory: SiteDirectory
    /// `site.sqlite`
    let database: Database

    /// Notes that somebody has this version. In a sentence, what was noted; nil: it is known. `shown`: by whom, in words.
    func note(_ version: UInt64, _ shown: String, by who: String, now: Int64) throws(CollectorFailure) -> String? {
        let newest = UInt64(clamping: try database.integer("SELECT coalesce(max(version), 0) FROM image"))
        guard version > newest, version - newest <= NumberLeap.farthest, version > (try highest()) else {
            return nil
        }
        let name = SiteDirectory.imageName(version: version).dropLast(4) + Self.ending
        try collecting { () throws(SystemFailure) in
            try FileSystem.replace("\(directory.images)/\(name)", with: [], mode: 0o640)
            for other in try FileSystem.list(directory.images) where other.hasSuffix(Self.ending) && other != name {
                try FileSystem.unlinkIfPresent("\(directory.images)/\(other)")
            }
        }
        let what =
            "\(shown), the newest here is image \(newest): site.sqlite is older than what was published; the next image goes "
            + "above, and lanes take none before it"
        try AuditTrail(database).add(who, "images were lost", what, at: now)
        return what + ". Import the newest feed at once, then give the urgent changes since the backup again"
    }

    /// The highest that was noted; 0: none.
    func highest() throws(CollectorFailure) -> UInt64 {
        let names = try collecting { () throws(SystemFailure) in try FileSystem.list(directory.images) }
        return names.lazy.filter { $0.hasSuffix(Self.ending) && $0.utf8.count == 20 + Self.ending.utf8.count }
            .compactMap { UInt64($0.prefix(20)) }.max() ?? 0
    }
}
