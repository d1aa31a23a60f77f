import Posix

/// How long the lists in `published/` stay: those that a statement names, and for some time those that one named or a lane
/// got, for whoever still goes by that. The time runs from when they are first seen unnamed, and anew after a restart.
struct ListShelf {
    static let patienceMilliseconds: Int64 = 600_000
    /// Beyond so many the longest unnamed go at once.
    static let mostUnnamed = 20_000

    private let directory: PublishedDirectory
    private var unnamedSince: [String: Int64] = [:]

    init(_ directory: PublishedDirectory) { self.directory = directory }

    /// To be called from time to time with the names that the newest statement has. `now`: ms since 1970-01-01 UTC.
    mutating func tidy(keeping named: Set<String>, now: Int64, most: Int = Self.mostUnnamed)
        throws(CollectorFailure)
    {
        var unnamed: [(name: String, since: Int64)] = []
        for name in try directory.listNames() where !named.contains(name) {
            // A clock that was set back makes nobody wait until it is there again.
            unnamed.append((name, min(unnamedSince[name] ?? now, now)))
        }
        unnamed.sort { ($1.since, $0.name) < ($0.since, $1.name) }
        unnamedSince = [:]
        for (place, list) in unnamed.enumerated() {
            if place < most, now - list.since <= Self.patienceMilliseconds {
                unnamedSince[list.name] = list.since
            } else {
                try collecting { () throws(SystemFailure) in try directory.remove(list: list.name) }
            }
        }
    }
}
