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
//     a list is damaged         what comes behind it cannot be laid on what is here. Nothing gets a number up to the newest
//                               that lists and the statement show, until an image goes above it (`NumberLeap`)
//     a lane is ahead           what it has was made here once and is not known any more: an image goes above that
//     the image is ahead        it has changes that are missing here: lanes know them, the next feed would not

extension ChangeStore {
    /// Reads back changes that `published/` has and this database does not. How many; and the newest that was given, as far
    /// as `published/` shows it.
    func takeBack(from directory: PublishedDirectory) throws(CollectorFailure) -> (count: Int, reached: UInt64) {
        let (lists, reached) = try shown(in: directory)
        guard !lists.isEmpty else { return (0, reached) }
        do {
            return try transaction {
                try lookAtImage()
                var newest = try lastNumber()
                var count = 0
                for list in lists where list.last > newest {
                    let folded = image?.header.changeNumber ?? 0
                    // Behind a gap that the image does not fill nothing can be laid on top of what is here.
                    guard list.first <= max(newest, folded) + 1 else { break }
                    // What the image alone has: from here on the newest number hides that it is missing.
                    if list.first > newest + 1 { try noteHole(newest + 1...list.first - 1, below: list) }
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
                return (count, reached)
            }
        } catch let failure as CollectorFailure { throw failure } catch {
            throw CollectorFailure("take changes back into", database.path, "\(error)")
        }
    }

    /// The lists with changes that are missing here, in their order, as far as they are whole and the site's; and the newest
    /// change of which those or the statement speak.
    private func shown(in directory: PublishedDirectory) throws(CollectorFailure) -> (
        lists: [ChangeList], reached: UInt64
    ) {
        // Both before the database: what stands there stood in the database first.
        let names = try directory.listNames()
        var reached = stated(in: directory)?.changeNumber ?? 0
        let known = try lastNumber()
        let candidates = names.map { directory.file(.lists, $0) }.filter { path in
            Self.lastChange(of: path).map { $0 > known } ?? false
        }
        guard !candidates.isEmpty else { return ([], reached) }
        let newest = try newest()
        var lists: [ChangeList] = []
        for path in candidates {
            do {
                let list = try ChangeList.verified(FileSystem.read(path, limit: ChangeList.longest), trusting: trust)
                reached = max(reached, list.last)
                if list.last > newest { lists.append(list) }
            } catch { Log.error("\(path): \(error); nothing is taken back from it") }
        }
        return (lists.sorted { ($0.first, $1.last) < ($1.first, $0.last) }, reached)
    }

    /// The statement there; nil when there is none, or it is not the site's.
    func stated(in directory: PublishedDirectory) -> Statement? {
        guard let bytes = try? FileSystem.read(directory.statement, limit: Statement.longest),
            let parsed = try? Statement.parse(bytes), parsed.statement.site == trust.site,
            (try? trust.key.verify(parsed.signature, of: parsed.signedPart)) == true
        else { return nil }
        return parsed.statement
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

    // MARK: What the image has and this database has not

    /// The first and last change that stand in the image in force, which has them up to `folded`, and not here; nil: none, or
    /// that was noted before. Only an older database has fewer than the image.
    func missing(folded: UInt64) throws(CollectorFailure) -> ClosedRange<UInt64>? {
        let last = try lastNumber()
        guard folded > last else { return nil }
        return try isLossNoted(through: folded) ? nil : last + 1...folded
    }

    /// The same below lists that were taken back. Remembered until `noteLoss`: whoever takes back need not be who says it.
    func holes() throws(CollectorFailure) -> [ClosedRange<UInt64>] {
        let select = try database.prepare(
            "SELECT first, count FROM request WHERE name LIKE '\(Note.hole.rawValue)%' ORDER BY first")
        var holes: [ClosedRange<UInt64>] = []
        while try select.step() {
            let first = UInt64(clamping: select.integer(0))
            holes.append(first...first + UInt64(max(1, select.integer(1))) - 1)
        }
        return holes
    }

    private func noteHole(_ numbers: ClosedRange<UInt64>, below list: ChangeList) throws(CollectorFailure) {
        guard try !isLossNoted(through: numbers.upperBound) else { return }
        try note(.hole, numbers, at: list.issuedAt.milliseconds)
    }

    private func isLossNoted(through number: UInt64) throws(CollectorFailure) -> Bool {
        let select = try database.prepare("SELECT 1 FROM request WHERE name = ?")
        select.bind(1, Note.lost.name(through: number))
        defer { select.reset() }
        return try select.step()
    }

    /// Notes that these are lost, so that it is said once. In a transaction of this database.
    func noteLoss(_ numbers: ClosedRange<UInt64>, now: Int64) throws(CollectorFailure) {
        let delete = try database.prepare("DELETE FROM request WHERE name = ?")
        delete.bind(1, Note.hole.name(through: numbers.upperBound))
        try delete.run()
        try note(.lost, numbers, at: now)
    }

    private func note(_ what: Note, _ numbers: ClosedRange<UInt64>, at made: Int64) throws(CollectorFailure) {
        let insert = try database.prepare("INSERT OR REPLACE INTO request VALUES(?,?,?,?,?)")
        insert.bind(1, what.name(through: numbers.upperBound))
        insert.bind(2, [] as [UInt8])
        insert.bind(3, Int64(clamping: numbers.lowerBound))
        insert.bind(4, Int64(clamping: numbers.upperBound - numbers.lowerBound) + 1)
        insert.bind(5, made)
        try insert.run()
    }

    /// A row of `request` that nobody asked for; it stays for ever. A space: no request of others has such a name.
    enum Note: String, CaseIterable {
        case lost = "lost through "
        case hole = "hole through "

        func name(through number: UInt64) -> String { rawValue + "\(number)" }
    }
}
