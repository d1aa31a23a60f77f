import Admission
import Cryptography
import Framing
import Posix
import Storage

/// Urgent changes: takes them in whole or not at all, numbers them, and makes the lists that lanes fetch. One owner at a
/// time; several processes may have one each (`serve`, `changes`, whatever else publishes), SQLite keeps them in order.
///
/// For every identifier of a holder a change holds all that is to be known of it. That is taken from the image in force
/// and the changes on top of it.
public final class ChangeStore: @unchecked Sendable {
    // Unchecked: handed from the thread that opens it to the one that uses it, as its databases are.

    /// Identifiers that may differ from the image in force: a lane keeps some more beside it. Beyond that an image is due.
    public static let mostStanding = 40_000
    /// Changes older than the image in force that are kept for lanes that still decide by an older one.
    static let keptBehindImage: Int64 = 100_000

    private let directory: SiteDirectory
    private let site: SiteID
    private let badgeKeyFingerprint: UInt64
    let trust: SiteTrust
    let database: Database
    private let siteDatabase: Database
    private(set) var image: CredentialImage?
    /// The newest number that was given, as far as `published/` showed it at the beginning.
    private(set) var reached: UInt64 = 0
    /// The same of images.
    private(set) var reachedImage: UInt64 = 0

    public init(_ directory: SiteDirectory) throws(CollectorFailure) {
        self.directory = directory
        let publicKey = try directory.key(.sitePublic, directory.publicKeyFile)
        let badge = try directory.key(.badge, directory.badgeKeyFile)
        guard badge.site == publicKey.site, let badgeKey = BadgeKey(bytes: badge.key) else {
            throw CollectorFailure("use", directory.keys, "badge.key and site.pub are of different sites")
        }
        site = publicKey.site
        badgeKeyFingerprint = badgeKey.fingerprint
        do {
            trust = try SiteTrust(
                site: publicKey.site, publicKey: publicKey.key, badgeKeyFingerprint: badgeKey.fingerprint)
        } catch { throw CollectorFailure("use", directory.publicKeyFile, error.reason) }
        database = try Self.open(directory, site: publicKey.site)
        siteDatabase = try directory.openSite().database
        let count: Int
        let published = PublishedDirectory(directory)
        reachedImage = stated(in: published)?.imageVersion ?? 0
        (count, reached) = try takeBack(from: published)
        if count > 0 {
            Log.warning(
                "\(database.path) is older than what was published: \(count) changes are taken back from "
                    + directory.published)
        }
    }

    private static func open(_ directory: SiteDirectory, site: SiteID) throws(CollectorFailure) -> Database {
        let database = try Database(directory.changeDatabase, .create)
        try database.useWriteAheadLog()
        if try database.integer("PRAGMA user_version") == 0 {
            try database.transaction { () throws(CollectorFailure) in
                guard try database.integer("PRAGMA user_version") == 0 else { return }
                try database.execute(ChangeSchema.sql)
                let insert = try database.prepare("INSERT INTO site(id) VALUES(?)")
                insert.bind(1, site.bytes)
                try insert.run()
            }
        }
        try SiteDirectory.check(database, site: site, version: ChangeSchema.version)
        return database
    }

    // MARK: Publishing

    public struct Published: Sendable, Hashable {
        /// The number of the first change; meaningless when there is none.
        public var first: UInt64
        /// Identifiers that say something else now. 0: everything said so already.
        public var count: Int
        /// The same was asked for before, and this is what came of it then.
        public var isRepeated = false

        public var last: UInt64 { first + UInt64(max(count, 1)) - 1 }
        var words: String {
            count == 0
                ? "everything said so already" : "changes \(first) to \(last)" + (isRepeated ? ", as before" : "")
        }
    }

    /// Why nothing was changed.
    public enum Refusal: Error, Sendable {
        /// Which of the changes, from 0, and why.
        case problems([(index: Int, reason: String)])
        /// Another request had the same name.
        case otherRequest
        case noImage
        case full(identifiers: Int)
        /// Numbers were given that are not known here: `changes.sqlite` is from a backup.
        case behind(newest: UInt64, reached: UInt64)
        case failure(CollectorFailure)

        public var reason: String {
            switch self {
            case .problems(let problems):
                problems.prefix(3).map { "change \($0.index + 1): \($0.reason)" }.joined(separator: "; ")
            case .otherRequest: "another request had this name"
            case .noImage: "there is no image that could be changed"
            case .full(let identifiers):
                "\(identifiers) identifiers would differ from the image; lanes keep \(ChangeStore.mostStanding)"
            case .behind(let newest, let reached):
                "published/ shows change \(reached), and the newest here is \(newest): changes.sqlite is from a backup"
            case .failure(let failure): failure.description
            }
        }

        public var advice: String {
            switch self {
            case .problems: "nothing was changed; put them right and send all again"
            case .otherRequest: "give each request a name of its own"
            case .noImage, .full: "publish an image, which takes changes in: `lanekeeper-collector import`"
            case .behind:
                "`serve` makes an image that goes on above, within a second or two; or import a feed. Then ask again"
            case .failure(let failure): failure.advice
            }
        }
    }

    /// Publishes changes, all or none: they are durable and numbered when this returns, and on their way to the lanes.
    /// Several changes of one holder take effect in their order.
    ///
    /// - Parameters:
    ///   - request: the asker's own name for this; asked again under it nothing happens again. nil: it has none.
    ///   - digest: of what was asked for, to tell a repetition from another request of that name.
    ///   - feedWords: what the feed says of the fourth key of these holders, where the image may say another thing.
    ///   - now: ms since 1970.
    public func publish(
        _ changes: [HolderChange], request: String? = nil, digest: [UInt8] = [],
        feedWords: [UInt32: Activation] = [:],
        now: Int64
    ) throws(Refusal) -> Published {
        do {
            // What was asked before is answered as before, whatever is in force now.
            return try transaction {
                if let request, let before = try repeated(request, digest) { return before }
                // Inside: an import that ends now waits to be laid under these, or they see it.
                try lookAtImage()
                return try write(changes, request, digest, feedWords, now)
            }
        } catch let refusal as Refusal { throw refusal } catch let failure as CollectorFailure {
            throw .failure(failure)
        } catch { throw .failure(CollectorFailure("publish changes in", database.path, "\(error)")) }
    }

    private func repeated(_ request: String, _ digest: [UInt8]) throws -> Published? {
        let select = try database.prepare("SELECT digest, first, count FROM request WHERE name = ?")
        select.bind(1, request)
        defer { select.reset() }
        guard try select.step() else { return nil }
        guard select.blob(0) == digest else { throw Refusal.otherRequest }
        return Published(first: UInt64(clamping: select.integer(1)), count: Int(select.integer(2)), isRepeated: true)
    }

    private func write(
        _ changes: [HolderChange], _ request: String?, _ digest: [UInt8],
        _ feedWords: [UInt32: Activation], _ now: Int64
    ) throws -> Published {
        guard let image else { throw Refusal.noImage }
        let said = badges(of: Set(changes.map(\.holder.number)), in: image)
        let problems = changes.enumerated().compactMap { index, change in
            said[change.holder.number] == nil
                ? (index: index, reason: "image \(image.version) has no badge of this holder") : nil
        }
        guard problems.isEmpty else { throw Refusal.problems(problems) }
        var before: [UInt32: [Badge]] = [:]
        for (holder, badges) in said { before[holder] = try newest(of: holder, badges, on: image) }
        var after = before
        for change in changes {
            let holder = change.holder.number
            for index in after[holder, default: []].indices {
                guard let credential = after[holder]?[index].credential else { continue }
                after[holder]?[index].credential = change.applied(to: credential)
            }
        }
        var rows: [Badge] = []
        for holder in after.keys.sorted() {
            for (old, new) in zip(before[holder] ?? [], after[holder] ?? []) where old != new { rows.append(new) }
        }
        let first = try append(rows, on: image, now)
        try keep(changes, said, feedWords, number: try newestNumber(on: image))
        if let request {
            let insert = try database.prepare("INSERT INTO request VALUES(?,?,?,?,?)")
            insert.bind(1, request)
            insert.bind(2, digest)
            insert.bind(3, Int64(clamping: first))
            insert.bind(4, rows.count)
            insert.bind(5, now)
            try insert.run()
        }
        return Published(first: first, count: rows.count)
    }

    /// What changes said of keys, for the next image.
    private func keep(
        _ changes: [HolderChange], _ said: [UInt32: [Badge]], _ feedWords: [UInt32: Activation],
        number: UInt64
    ) throws(CollectorFailure) {
        // The feed's word stays the first one: what stands already was said of that.
        let insert = try database.prepare(
            """
            INSERT INTO standing(holder, key, state, instant, feed, number) VALUES(?,?,?,?,?,?)
            ON CONFLICT(holder, key) DO UPDATE SET
                state = excluded.state, instant = excluded.instant, number = excluded.number
            """)
        for change in changes {
            guard let feed = said[change.holder.number]?.compactMap(\.credential).first else { continue }
            let after = change.applied(to: feed)
            let given: [StandingKeys.Key: Bool] = [
                .code: change.code != nil, .test: change.test != nil, .vaccine: change.vaccine != nil,
                .activation: change.activation != nil,
            ]
            for key in StandingKeys.Key.allCases where given[key] == true {
                let (state, instant) = key.state(of: after)
                insert.bind(1, Int64(change.holder.number))
                insert.bind(2, key.rawValue)
                insert.bind(3, Int64(state))
                insert.bind(4, Int64(instant))
                let word = key == .activation ? feedWords[change.holder.number]?.rawValue : nil
                insert.bind(5, Int64(word ?? key.state(of: feed).state))
                insert.bind(6, Int64(clamping: number))
                try insert.run()
            }
        }
    }

    /// Runs `body` in one transaction of `changes.sqlite`.
    func transaction<Value>(_ body: () throws -> Value) throws -> Value {
        try database.execute("BEGIN IMMEDIATE")
        do {
            let value = try body()
            try database.execute("COMMIT")
            return value
        } catch {
            _ = try? database.execute("ROLLBACK")
            throw error
        }
    }

    /// The number of a feed's holder; nil when no feed has named him.
    func holder(_ id: String) throws(CollectorFailure) -> HolderNumber? {
        let select = try siteDatabase.prepare("SELECT number FROM holder WHERE id = ?")
        select.bind(1, id)
        guard try select.step() else { return nil }
        defer { select.reset() }
        return UInt32(exactly: select.integer(0)).map { HolderNumber($0) }
    }

    // MARK: What is said of a holder now

    /// An identifier and all that is said of it; nil: it is nobody's any more.
    private struct Badge: Equatable {
        var holder: UInt32
        var tag: BadgeTag
        var credential: Credential?
    }

    /// Takes over the image in force, if it is another than before.
    func lookAtImage() throws(CollectorFailure) {
        let inForce = try Publisher.newestImage(in: siteDatabase)
        guard let inForce else { return image = nil }
        guard image?.version != inForce.version else { return }
        let path = "\(directory.images)/\(inForce.file)"
        do {
            // The clock is not asked: this collector made it.
            image = try CredentialImage(
                path, trusting: trust,
                at: Moment(
                    monotonic: MonotonicTime(nanoseconds: 0), wall: WallTime(milliseconds: 0), clock: .behindFloor))
        } catch { throw CollectorFailure("read the image in force", path, "\(error)") }
    }

    /// The badges of holders in the image, but for those in conflict.
    private func badges(of holders: Set<UInt32>, in image: CredentialImage) -> [UInt32: [Badge]] {
        var found: [UInt32: [Badge]] = [:]
        image.forEachCredential(of: { holders.contains($0) }) { tag, credential in
            let holder = credential.holder.number
            found[holder, default: []].append(Badge(holder: holder, tag: tag, credential: credential))
        }
        return found
    }

    /// The same badges as the newest changes on top of the image say.
    private func newest(of holder: UInt32, _ badges: [Badge], on image: CredentialImage) throws(CollectorFailure)
        -> [Badge]
    {
        var newest = badges
        let select = try database.prepare(
            "SELECT tag, slot, zones, base FROM change WHERE holder = ? AND number > ? ORDER BY number")
        select.bind(1, Int64(holder))
        select.bind(2, Int64(clamping: image.header.changeNumber))
        while try select.step() {
            guard let row = Row(select), let index = newest.firstIndex(where: { $0.tag == row.slot.tag }) else {
                continue
            }
            newest[index].credential = row.credential(zones: image.header.zones)
        }
        return newest
    }

    /// A stored change.
    struct Row {
        var slot: ImageSlot
        var zones: [String]
        var base: Int64

        /// Columns from `first` on: slot, zones, base.
        init?(_ row: SQLStatement, first: Int32 = 1) {
            let slot = row.withBlob(first) { $0.count == ImageSlot.size ? ImageSlot.at(0, in: $0) : nil }
            guard let slot else { return nil }
            self.slot = slot
            zones = row.text(first + 1).split(separator: "|").map(String.init)
            base = row.integer(first + 2)
        }

        /// With its zones by the bits of `names`; nil when it is removed.
        func credential(zones names: [ShortName]) -> Credential? {
            let set = zones.reduce(0 as UInt64) { set, name in
                names.firstIndex { $0.text == name }.map { set | 1 << UInt64($0) } ?? set
            }
            return withUnsafePointer(to: set) {
                slot.credential(
                    zoneSets: UnsafeBufferPointer(start: $0, count: 1), validityBaseSeconds: base)
            }
        }
    }

    // MARK: Numbers and rows

    private func newestNumber(on image: CredentialImage) throws(CollectorFailure) -> UInt64 {
        max(try lastNumber(), image.header.changeNumber)
    }

    /// The newest change in this database; 0: none.
    func lastNumber() throws(CollectorFailure) -> UInt64 {
        UInt64(clamping: try database.integer("SELECT coalesce(max(number), 0) FROM change"))
    }

    /// Gives the badges the next numbers. Returns the first of them.
    private func append(
        _ badges: [Badge], on image: CredentialImage, _ now: Int64, isBounded: Bool = true
    ) throws -> UInt64 {
        let folded = Int64(clamping: image.header.changeNumber)
        let standing = Int(try database.integer("SELECT count(DISTINCT tag) FROM change WHERE number > \(folded)"))
        guard !isBounded || standing + badges.count <= Self.mostStanding else {
            throw Refusal.full(identifiers: standing + badges.count)
        }
        let newest = try newestNumber(on: image)
        guard badges.isEmpty || newest >= reached else { throw Refusal.behind(newest: newest, reached: reached) }
        let first = newest + 1
        let insert = try database.prepare("INSERT INTO change VALUES(?,?,?,?,?,?,?)")
        for (place, badge) in badges.enumerated() {
            var slot = ImageSlot(removed: badge.tag)
            var zones: [String] = []
            if let credential = badge.credential {
                guard
                    let made = ImageSlot(
                        tag: badge.tag, credential: credential, zoneSet: 0,
                        validityBaseSeconds: image.header.validityBaseSeconds)
                else { throw CollectorFailure("change", "a badge", "its validity does not fit the image") }
                slot = made
                zones = image.header.zones.enumerated().filter { credential.zones >> UInt64($0.offset) & 1 == 1 }
                    .map(\.element.text)
            }
            var bytes = [UInt8](repeating: 0, count: ImageSlot.size)
            bytes.withUnsafeMutableBytes { slot.encode(into: $0) }
            insert.bind(1, Int64(clamping: first) + Int64(place))
            insert.bind(2, Int64(badge.holder))
            insert.bind(3, Array(bytes.prefix(10)))
            insert.bind(4, bytes)
            insert.bind(5, zones.joined(separator: "|"))
            insert.bind(6, image.header.validityBaseSeconds)
            insert.bind(7, now)
            try insert.run()
        }
        return first
    }

    // MARK: A newer image

    /// To be called when an image came into force: what it does not say yet because it was being made meanwhile is
    /// changed again, on top of what it says; what a feed has news of stands no longer. Does nothing the second time.
    func layOnImage(now: Int64) throws(CollectorFailure) {
        do {
            try transaction {
                try lookAtImage()
                guard let image, try database.integer("SELECT image FROM mark") < Int64(clamping: image.version) else {
                    return
                }
                let folded = Int64(clamping: image.header.changeNumber)
                try forget(image)
                try changeAgain(on: image, folded, now)
                try database.execute("UPDATE mark SET image = \(Int64(clamping: image.version))")
                // The newest stays: numbers go on from it.
                try database.execute(
                    """
                    DELETE FROM change WHERE number <= \(folded - Self.keptBehindImage)
                        AND number < (SELECT max(number) FROM change);
                    DELETE FROM request WHERE made < \(now - 30 * 86_400_000)
                        \(Note.allCases.map { "AND name NOT LIKE '\($0.rawValue)%'" }.joined(separator: " "))
                    """)
            }
        } catch let failure as CollectorFailure { throw failure } catch let refusal as Refusal {
            throw CollectorFailure(
                "lay changes on an image in", database.path, refusal.reason, advice: refusal.advice)
        } catch {
            throw CollectorFailure("lay changes on an image in", database.path, "\(error)")
        }
    }

    /// Standing keys that the image was merged with, and about which it says another thing: the feed had news. What the
    /// office decided stands in its own table and needs no second word here once it is in an image.
    private func forget(_ image: CredentialImage) throws(CollectorFailure) {
        let keys = try Self.keys(in: database)
        guard !keys.isEmpty else { return }
        let holders = Set(keys.all.map(\.holder))
        var said: [UInt32: Credential] = [:]
        image.forEachCredential(of: { holders.contains($0) }) { _, credential in
            said[credential.holder.number] = credential
        }
        let decided = try ActivationOffice.decided(siteDatabase)
        let delete = try database.prepare(
            "DELETE FROM standing WHERE holder = ? AND key = ? AND number <= ?")
        for (holder, key, standing) in keys.all {
            if let credential = said[holder], key.state(of: credential).state == standing.state {
                guard key == .activation, decided[holder]?.state.rawValue == standing.state else {
                    continue
                }
            }
            delete.bind(1, Int64(holder))
            delete.bind(2, key.rawValue)
            delete.bind(3, Int64(clamping: image.header.changeNumber))
            try delete.run()
        }
    }

    /// Changes that came after those in the image were made on top of the one before it.
    private func changeAgain(on image: CredentialImage, _ folded: Int64, _ now: Int64) throws {
        let select = try database.prepare("SELECT DISTINCT holder FROM change WHERE number > ?")
        select.bind(1, folded)
        var holders: Set<UInt32> = []
        while try select.step() { holders.insert(UInt32(clamping: select.integer(0))) }
        guard !holders.isEmpty else { return }
        let keys = try Self.keys(in: database)
        let decided = try ActivationOffice.decided(siteDatabase)
        var rows: [Badge] = []
        let said = badges(of: holders, in: image)
        let changed = try database.prepare(
            "SELECT tag, slot, zones, base FROM change WHERE holder = ? AND number > ? ORDER BY number")
        let before = try database.prepare(
            "SELECT tag, slot, zones, base FROM change WHERE holder = ? AND number <= ? ORDER BY number DESC LIMIT 1")
        for holder in holders.sorted() {
            var inForce: [BadgeTag: Badge] = [:]
            // What the image says of him may be what a change said before: that is no news of the feed.
            before.bind(1, Int64(holder))
            before.bind(2, folded)
            let spoken = try before.step() ? Row(before)?.credential(zones: image.header.zones) : nil
            before.reset()
            changed.bind(1, Int64(holder))
            changed.bind(2, folded)
            while try changed.step() {
                guard let row = Row(changed) else { continue }
                inForce[row.slot.tag] = Badge(
                    holder: holder, tag: row.slot.tag, credential: row.credential(zones: image.header.zones))
            }
            for badge in said[holder] ?? [] {
                let wanted = Badge(
                    holder: holder, tag: badge.tag,
                    credential: badge.credential.map {
                        keys.merged($0, decided: decided[holder]?.state, spoken: spoken)
                    })
                if inForce.removeValue(forKey: badge.tag) ?? badge != wanted { rows.append(wanted) }
            }
            // Identifiers that the image gives to somebody else, or to nobody.
            for tag in inForce.keys.sorted(by: { ($0.low, $0.high) < ($1.low, $1.high) }) {
                var wanted = Badge(holder: holder, tag: tag, credential: nil)
                if case .found(let other) = image.lookup(tag) {
                    wanted = Badge(
                        holder: other.holder.number, tag: tag,
                        credential: keys.merged(other, decided: decided[other.holder.number]?.state))
                }
                if inForce[tag] != wanted { rows.append(wanted) }
            }
        }
        _ = try append(rows, on: image, now, isBounded: false)
    }

    // MARK: For lanes and for imports

    public enum Answer: Sendable {
        case list(ChangeList)
        case nothingNewer
        /// The changes behind that number are not here any more, or were never made: an image is needed.
        case missing(newest: UInt64)
    }

    /// The newest change there is, be it in the image in force only.
    func newest() throws(CollectorFailure) -> UInt64 {
        try lookAtImage()
        return max(try lastNumber(), image?.header.changeNumber ?? 0)
    }

    /// Whether numbers were given that are not known here, and nobody has gone above them yet.
    func isBehind() throws(CollectorFailure) -> Bool { try reached > newest() }

    /// What comes behind change `after`, as much of it as one list holds.
    func list(after number: UInt64, now: Int64) throws(CollectorFailure) -> Answer {
        let newest = try newest()
        if number == newest { return .nothingNewer }
        guard number < newest, var list = try cut(after: number) else {
            return .missing(newest: newest)
        }
        list.issuedAt = WallTime(milliseconds: now)
        return .list(list)
    }

    /// The changes behind `number`, as many as one list holds and `most` allows, issued when the newest of them was made;
    /// nil when the first of them is not here.
    func cut(after number: UInt64, most: Int = ChangeList.mostChanges) throws(CollectorFailure)
        -> ChangeList?
    {
        let select = try database.prepare(
            "SELECT number, slot, zones, base, made FROM change WHERE number > ? ORDER BY number LIMIT ?")
        select.bind(1, Int64(clamping: number))
        select.bind(2, min(most, ChangeList.mostChanges))
        defer { select.reset() }
        var list = ChangeList(
            site: site, first: number + 1, issuedAt: WallTime(milliseconds: 0), validityBaseSeconds: 0,
            badgeKeyFingerprint: badgeKeyFingerprint, zones: [], zoneSets: [], changes: [])
        var sets: [[String]: Int] = [:]
        while try select.step() {
            let place = UInt64(list.changes.count)
            guard UInt64(clamping: select.integer(0)) == list.first + place, let row = Row(select) else {
                break
            }
            // One base a list: changes that were made on another image come in the next.
            if place == 0 { list.validityBaseSeconds = row.base }
            guard row.base == list.validityBaseSeconds else { break }
            var change = row.slot
            if !change.isRemoved {
                guard let set = sets[row.zones] ?? Self.add(row.zones, to: &list) else { break }
                sets[row.zones] = set
                change.validityAndZones = change.validityAndZones & (1 << 54 - 1) | UInt64(set) << 54
            }
            list.changes.append(change)
            list.issuedAt = WallTime(milliseconds: select.integer(4))
        }
        return list.changes.isEmpty ? nil : list
    }

    /// The place of a set of zones in a list; nil when there is no room for it.
    private static func add(_ names: [String], to list: inout ChangeList) -> Int? {
        var set: UInt64 = 0
        for name in names.compactMap({ ShortName($0) }) {
            if list.zones.firstIndex(of: name) == nil {
                guard list.zones.count < ImageHeader.mostZones else { return nil }
                list.zones.append(name)
            }
            if let bit = list.zones.firstIndex(of: name) { set |= 1 << UInt64(bit) }
        }
        guard list.zoneSets.count < ImageSlot.mostZoneSets else { return nil }
        list.zoneSets.append(set)
        return list.zoneSets.count - 1
    }

    /// What the changes on top of the image in force say of its identifiers, and the newest of them: what an image takes
    /// in that is made of this one. nil: none is in force.
    func onImage() throws(CollectorFailure) -> (number: UInt64, slots: [BadgeTag: ImageSlot])? {
        do {
            return try transaction {
                try lookAtImage()
                guard let image else { return nil }
                let slots = try Self.slots(in: database, behind: image.header.changeNumber)
                return (try newestNumber(on: image), slots)
            }
        } catch let failure as CollectorFailure { throw failure } catch {
            throw CollectorFailure("read changes in", database.path, "\(error)")
        }
    }

    /// What the changes behind `number` say of identifiers, of each the newest. Empty when there never was a change.
    static func slots(
        _ directory: SiteDirectory, behind number: UInt64
    ) throws(CollectorFailure) -> [BadgeTag: ImageSlot] {
        guard let database = try openIfThere(directory) else { return [:] }
        return try slots(in: database, behind: number)
    }

    private static func slots(
        in database: Database, behind number: UInt64
    ) throws(CollectorFailure) -> [BadgeTag: ImageSlot] {
        var slots: [BadgeTag: ImageSlot] = [:]
        let select = try database.prepare("SELECT slot FROM change WHERE number > ? ORDER BY number")
        select.bind(1, Int64(clamping: number))
        while try select.step() {
            let slot = select.withBlob(0) { $0.count == ImageSlot.size ? ImageSlot.at(0, in: $0) : nil }
            if let slot { slots[slot.tag] = slot }
        }
        return slots
    }

    /// Whether every change behind `number` is here: an image that has those before may then come into force. `folded`:
    /// up to which the one in force has them.
    static func hasAll(
        behind number: UInt64, _ directory: SiteDirectory, folded: UInt64
    ) throws(CollectorFailure) -> Bool {
        guard let database = try openIfThere(directory) else { return folded <= number }
        let select = try database.prepare("SELECT count(*), coalesce(max(number), 0) FROM change WHERE number > ?")
        select.bind(1, Int64(clamping: number))
        defer { select.reset() }
        guard try select.step() else { return false }
        let newest = max(folded, UInt64(clamping: select.integer(1)))
        return newest <= number || UInt64(clamping: select.integer(0)) == newest - number
    }

    /// Changes whenever another process has published.
    func dataVersion() throws(CollectorFailure) -> Int64 { try database.integer("PRAGMA data_version") }

    /// What stands of urgent changes when an image is made: its rows go through `merged`, and its header says
    /// `changeNumber`. Empty when there never was a change.
    public static func standingKeys(_ directory: SiteDirectory) throws(CollectorFailure) -> StandingKeys {
        guard let database = try openIfThere(directory) else { return StandingKeys() }
        // One look: no change that is counted may be missing among the keys.
        return try database.transaction { () throws(CollectorFailure) in try keys(in: database) }
    }

    /// nil: there never was a change.
    private static func openIfThere(_ directory: SiteDirectory) throws(CollectorFailure) -> Database? {
        let isThere = try collecting { () throws(SystemFailure) in
            try FileSystem.statusIfPresent(directory.changeDatabase) != nil
        }
        guard isThere else { return nil }
        let database = try Database(directory.changeDatabase, .readWrite)
        try database.useWriteAheadLog()
        return try database.integer("PRAGMA user_version") == ChangeSchema.version ? database : nil
    }

    private static func keys(in database: Database) throws(CollectorFailure) -> StandingKeys {
        var keys = StandingKeys()
        keys.changeNumber = UInt64(clamping: try database.integer("SELECT coalesce(max(number), 0) FROM change"))
        let select = try database.prepare("SELECT holder, key, state, instant, feed, number FROM standing")
        while try select.step() {
            guard let key = StandingKeys.Key(rawValue: select.integer(1)) else { continue }
            keys.put(
                StandingKeys.Standing(
                    state: UInt8(clamping: select.integer(2)), instant: UInt32(clamping: select.integer(3)),
                    feed: UInt8(clamping: select.integer(4)), number: UInt64(clamping: select.integer(5))),
                key, of: UInt32(clamping: select.integer(0)))
        }
        return keys
    }
}
