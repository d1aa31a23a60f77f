import Admission
import Cryptography
import Framing
import Posix
import Storage

// An older `changes.sqlite` came back from a backup: changes are missing here that lanes have. Their numbers must not be
// given to others.
//
//     `published/` is newer     a list stands there before any lane has it, and is signed: what is missing is read back,
//                               and nothing is lost
//     a lane is ahead           what it has was made here once and is not known any more. A new image goes above its
//                               number, as this collector knows the site; whoever gave the lost changes gives them again

extension ChangeStore {
    /// Reads back changes that `published/` has and this database does not. How many.
    func takeBack(from directory: PublishedDirectory) throws(CollectorFailure) -> Int {
        let lists = try publishedLists(in: directory)
        guard !lists.isEmpty else { return 0 }
        do {
            return try transaction {
                try lookAtImage()
                var newest = UInt64(clamping: try database.integer("SELECT coalesce(max(number), 0) FROM change"))
                var count = 0
                for list in lists where list.last > newest {
                    let folded = image?.header.changeNumber ?? 0
                    // Behind a gap that the image does not fill nothing can be laid on top of what is here.
                    guard list.first <= max(newest, folded) + 1 else { break }
                    for (place, slot) in list.changes.enumerated() {
                        let number = list.first + UInt64(place)
                        guard number > newest else { continue }
                        try takeBack(slot, number, of: list)
                        newest = number
                        count += 1
                    }
                }
                // They are laid on the image again.
                if count > 0 { try database.execute("UPDATE mark SET image = 0") }
                return count
            }
        } catch let failure as CollectorFailure { throw failure } catch {
            throw CollectorFailure("take changes back into", database.path, "\(error)")
        }
    }

    /// The lists with changes that are missing here, in their order, as far as they are whole and the site's.
    private func publishedLists(in directory: PublishedDirectory) throws(CollectorFailure) -> [ChangeList] {
        // Whoever cannot read them cannot have given them to lanes either.
        let names = (try? FileSystem.list("\(directory.path)/v1/\(PublishedDirectory.Kind.lists.rawValue)")) ?? []
        let known = UInt64(clamping: try database.integer("SELECT coalesce(max(number), 0) FROM change"))
        let candidates = names.filter { $0.utf8.count == 64 }.map { directory.file(.lists, $0) }.filter { path in
            Self.lastChange(of: path).map { $0 > known } ?? false
        }
        guard !candidates.isEmpty else { return [] }
        let newest = try newest()
        var lists: [ChangeList] = []
        for path in candidates {
            do {
                let list = try ChangeList.verified(FileSystem.read(path, limit: ChangeList.longest), trusting: trust)
                if list.last > newest { lists.append(list) }
            } catch { Log.error("\(path): \(error); nothing is taken back from it") }
        }
        return lists.sorted { ($0.first, $1.last) < ($1.first, $0.last) }
    }

    /// By the beginning of a list's file, not verified yet.
    private static func lastChange(of path: String) -> UInt64? {
        guard let file = try? Descriptor.open(path, [.read, .noFollow]) else { return nil }
        var head = [UInt8](repeating: 0, count: ChangeList.headSize)
        let count = try? head.withUnsafeMutableBytes { (room) throws(SystemFailure) in
            try file.readFully(into: room, at: 0)
        }
        return count == head.count ? ChangeList.lastChange(inHead: head) : nil
    }

    private func takeBack(_ change: ImageSlot, _ number: UInt64, of list: ChangeList) throws(CollectorFailure) {
        var slot = change
        var zones: [String] = []
        if !change.isRemoved, !change.isConflict, list.zoneSets.indices.contains(change.zoneSet) {
            let set = list.zoneSets[change.zoneSet]
            zones = list.zones.enumerated().filter { set >> UInt64($0.offset) & 1 == 1 }.map(\.element.text)
        }
        slot.validityAndZones &= 1 << 54 - 1
        try keepStanding(change, number, of: list)
        var bytes = [UInt8](repeating: 0, count: ImageSlot.size)
        bytes.withUnsafeMutableBytes { slot.encode(into: $0) }
        let insert = try database.prepare("INSERT INTO change VALUES(?,?,?,?,?,?,?)")
        insert.bind(1, Int64(clamping: number))
        insert.bind(2, Int64(slot.holder))
        insert.bind(3, Array(bytes.prefix(10)))
        insert.bind(4, bytes)
        insert.bind(5, zones.joined(separator: "|"))
        insert.bind(6, list.validityBaseSeconds)
        insert.bind(7, list.issuedAt.milliseconds)
        try insert.run()
    }

    /// The keys of which it says another thing than the image: they stand until a feed has news.
    private func keepStanding(_ change: ImageSlot, _ number: UInt64, of list: ChangeList) throws(CollectorFailure) {
        guard let image, case .found(let feed) = image.lookup(change.tag),
            let after = list.zoneSets.withUnsafeBufferPointer({
                change.credential(zoneSets: $0, validityBaseSeconds: list.validityBaseSeconds)
            })
        else { return }
        let insert = try database.prepare(
            """
            INSERT INTO standing(holder, key, state, instant, feed, number) VALUES(?, ?, ?, ?, ?, ?)
            ON CONFLICT(holder, key) DO UPDATE SET
                state = excluded.state, instant = excluded.instant, number = excluded.number
            """)
        // What stands and returned to the image's word stands with that.
        let update = try database.prepare(
            "UPDATE standing SET state = ?, instant = ?, number = ? WHERE holder = ? AND key = ?")
        for key in StandingKeys.Key.allCases {
            let (state, instant) = key.state(of: after)
            guard key.state(of: after) != key.state(of: feed) else {
                update.bind(1, Int64(state))
                update.bind(2, Int64(instant))
                update.bind(3, Int64(clamping: number))
                update.bind(4, Int64(change.holder))
                update.bind(5, key.rawValue)
                try update.run()
                continue
            }
            insert.bind(1, Int64(change.holder))
            insert.bind(2, key.rawValue)
            insert.bind(3, Int64(state))
            insert.bind(4, Int64(instant))
            insert.bind(5, Int64(key.state(of: feed).state))
            insert.bind(6, Int64(clamping: number))
            try insert.run()
        }
    }
}

/// Goes above a number that a lane has and this collector never gave, as far as it knows.
struct NumberLeap {
    /// Beyond what the lane said: others may have been a little further.
    static let margin: UInt64 = 1000
    /// A lane that says more is not believed: numbers must not run out.
    static let farthest: UInt64 = 1 << 32
    /// A lane that lies makes an image at most so often.
    static let periodMilliseconds: Int64 = 600_000

    let directory: SiteDirectory
    let database: Database

    /// What was done, in a sentence; nil: nothing was to be done, or another process works on images just now.
    func leap(over ahead: ChangeDesk.Ahead, now: Int64) throws(CollectorFailure) -> String? {
        guard let lock = try directory.lockIfFree(directory.importLock) else { return nil }
        defer { withExtendedLifetime(lock) {} }
        let store = try ChangeStore(directory)
        let newest = try store.newest()
        let register = ImageRegister(database)
        guard ahead.number > newest, let inForce = try register.inForce() else { return nil }
        let lane = ahead.lane.map { "lane \($0)" } ?? "a lane"
        guard ahead.number - newest <= Self.farthest else {
            throw CollectorFailure(
                "believe", lane, "it has change \(ahead.number), and the newest here is \(newest)",
                advice: "look at that lane: it is damaged, or lies")
        }
        let number = ahead.number + Self.margin
        let version = try register.nextVersion()
        for _ in 0..<Self.mostTries {
            let (image, folded) = try ImageRevision(directory, of: inForce, as: version)
                .writeFolded(publishedAt: now, changeNumber: number)
            if let what = try insert(image, folded, ahead, lane, number, newest, store, now) {
                return what + ". Urgent changes since the backup are lost: give them again"
            }
        }
        throw CollectorFailure(
            "go above", "change \(ahead.number)", "others publish changes all the time",
            advice: "it is tried again; let a second pass without any")
    }
    private static let mostTries = 5

    /// nil: a change came while the image was written, which has a number below its own and is not in it.
    private func insert(
        _ image: ImageRegister.Image, _ folded: UInt64, _ ahead: ChangeDesk.Ahead, _ lane: String, _ number: UInt64,
        _ newest: UInt64, _ store: ChangeStore, _ now: Int64
    ) throws(CollectorFailure) -> String? {
        let what =
            "\(lane) has change \(ahead.number), the newest here was \(newest): changes.sqlite is older than what was "
            + "published; image \(image.version) goes on above, at \(number)"
        do {
            // Nobody publishes between the look and the entry.
            return try store.transaction {
                guard try store.newest() == folded else { return nil }
                try database.transaction { () throws(CollectorFailure) in
                    try AuditTrail(database).add("serve", "changes were lost", what, at: now)
                    try ImageRegister(database).insert(image)
                }
                return what
            }
        } catch let failure as CollectorFailure { throw failure } catch {
            throw CollectorFailure("put into force", image.file, "\(error)")
        }
    }
}
