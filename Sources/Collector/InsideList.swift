import Admission
import Framing
import Posix
import Synchronization

/// Holders who are on site now and whose keys no longer turn, with where they came in: looked for after every image
/// and change, and again as tests and assessments grow too old.
///
/// A thread of its own reads what lanes sent, on connections of its own. Where a holder is says the newest of his
/// passages by the lanes' clocks, in whatever order they come in; a clock that was not trusted is not asked. Nobody is
/// listed before the first look is done.
final class InsideList: Sendable {
    /// Of one holder.
    struct Person: Sendable, Hashable {
        var holder: UInt32
        /// As the feed names him.
        var id: String
        var kind: HolderKind
        /// Those that do not turn; all four when the image does not have him.
        var missing: KeySet
        var isInImage: Bool
        /// The lane of his last passage into the site, when, and the zone in which he is now.
        var lane: String
        var enteredMilliseconds: Int64
        var zone: String
    }

    /// Holders of one kind: in the image; those whose fourth key turns; those who passed at least once.
    struct Badges: Sendable, Hashable {
        var issued = 0
        var activated = 0
        var used = 0
    }

    struct Snapshot: Sendable {
        var imageVersion: UInt64
        var asOfMilliseconds: Int64
        /// Holders on site by their passages, whatever their keys.
        var onSite: Int
        /// How many there are whose key does not turn, by key: vaccine, green code, test, activated.
        var byKey = [0, 0, 0, 0]
        /// Since when there is somebody, as far as this collector has looked; nil: nobody.
        var sinceMilliseconds: Int64?
        /// In all; `people` holds the first ones.
        var count: Int
        /// Of the holders in the image, by kind.
        var badges: [HolderKind: Badges] = [:]
        var people: [Person]
    }

    static let mostListed = 10_000
    private static let rowsAtOnce: Int64 = 20_000
    /// Time alone makes keys stop turning.
    private static let lookAgainMilliseconds: Int64 = 60_000

    private struct State {
        var snapshot: Snapshot?
        var failure: String?
        var isStopping = false
    }

    private let state = Mutex(State())
    private let directory: SiteDirectory
    private let publisher: Publisher
    private let windows: KeyWindows
    private let presence: PresenceDesk
    /// Until when what lanes sent is all that happened at them, ms since 1970-01-01 UTC; nil: it is not known.
    private let knownThrough: @Sendable () -> Int64?
    private let bell: WakeUp
    private let thread = Mutex<NamedThread?>(nil)

    /// nil: it has not looked yet.
    var snapshot: Snapshot? { state.withLock { $0.snapshot } }

    init(
        _ directory: SiteDirectory, _ publisher: Publisher, _ windows: KeyWindows, telling presence: PresenceDesk,
        knownThrough: @escaping @Sendable () -> Int64?
    ) throws(CollectorFailure) {
        self.windows = windows
        self.presence = presence
        self.knownThrough = knownThrough
        self.directory = directory
        self.publisher = publisher
        bell = try collecting { () throws(SystemFailure) in try WakeUp(name: "inside") }
        let work = Work(
            intake: try Database(directory.intakeDatabase, .readOnly),
            site: try Database(directory.siteDatabase, .readOnly))
        let started = try collecting { () throws(SystemFailure) in
            try NamedThread.start(name: "inside") { self.run(work) }
        }
        thread.withLock { $0 = started }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        bell.signal()
        let running = thread.withLock { $0 }
        running?.join()
    }

    // MARK: The thread

    /// Where the newest passage of a holder led to, and where he came in last: 24 bytes of everybody who ever passed. The
    /// names are places in `Work.names`.
    private struct Passages {
        /// ms since 1970, by the lanes' clocks, or when it came in where that clock was not trusted; the least there is: never.
        var newest = Int64.min
        var entered = Int64.min
        /// A clock that nobody trusted told of the newest one.
        var isUncertain = false
        var zone: UInt32
        var lane: UInt32
    }

    private struct Work: @unchecked Sendable {
        // Unchecked: carried to the one thread that uses it.
        let intake: Database
        let site: Database
        /// Of the last block that was read.
        var row: Int64 = 0
        var passages: [UInt32: Passages] = [:]
        /// Whose newest passage the desk was not told.
        var untold: Set<UInt32> = []
        var isChanged = true
        var version: UInt64 = 0
        var changeNumber: UInt64 = 0
        var lookedMilliseconds: Int64 = 0
        var told: Int?
        var since: Int64?
        private(set) var names: [ShortName] = []
        private var places: [ShortName: UInt32] = [:]

        init(intake: Database, site: Database) {
            self.intake = intake
            self.site = site
        }

        mutating func place(of name: ShortName) -> UInt32 {
            if let known = places[name] { return known }
            let place = UInt32(names.count)
            names.append(name)
            places[name] = place
            return place
        }
    }

    private func run(_ start: Work) {
        var work = start
        let poll = PollSet(capacity: 1)
        while !state.withLock({ $0.isStopping }) {
            do throws(CollectorFailure) {
                // Asked before: what is stored by then is read now.
                let through = knownThrough()
                let isWhole = try read(&work)
                if isWhole, let through { tell(&work, asOf: through) }
                if isWhole { try look(&work, now: SystemClock.wallMilliseconds()) }
                state.withLock { $0.failure = nil }
                if !isWhole { continue }
            } catch {
                let text = error.description
                let isNews = state.withLock { state in
                    let isNews = state.failure != text
                    state.failure = text
                    return isNews
                }
                if isNews { Log.error("who is inside: \(error.description)") }
            }
            poll.removeAll()
            poll.add(bell.raw, .readable)
            _ = try? poll.wait(until: SystemClock.deadline(milliseconds: 1000))
            bell.drain()
        }
    }

    /// What came in since. false: there is more.
    private func read(_ work: inout Work) throws(CollectorFailure) -> Bool {
        let select = try work.intake.prepare(
            "SELECT id, count, received, bytes FROM block WHERE id > ? ORDER BY id")
        select.bind(1, work.row)
        let now = SystemClock.wallMilliseconds()
        var count: Int64 = 0
        while count < Self.rowsAtOnce {
            guard try select.step() else { return true }
            work.row = select.integer(0)
            count += select.integer(1)
            // One that came while this machine's clock was ahead came now at the latest: the next start puts it right.
            let received = min(select.integer(2), now)
            let records = select.withBlob(3) { RecordBlock.records(of: $0, ofKind: JournalRecord.endedKind) }
            for record in records { note(record, received: received, in: &work) }
        }
        return false
    }

    private func note(_ record: JournalRecord, received: Int64, in work: inout Work) {
        guard let holder = record.holder else { return }
        let isTrusted = record.moment.clock == .trusted
        let wall = isTrusted ? min(record.moment.wall.milliseconds, received) : received
        Crossing.forEach(in: record) { crossing in
            work.isChanged = true
            let number = holder.number
            let (zone, lane) = (work.place(of: crossing.to), work.place(of: record.lane))
            var passages = work.passages[number] ?? Passages(zone: zone, lane: lane)
            if crossing.entersSite, wall >= passages.entered {
                passages.entered = wall
                passages.lane = lane
            }
            if wall >= passages.newest {
                passages.newest = wall
                passages.zone = zone
                passages.isUncertain = !isTrusted
                work.untold.insert(number)
            }
            work.passages[number] = passages
        }
    }

    /// Where everybody is whose newest passage is news. Whoever came in by a clock that was not trusted may have left since:
    /// nobody is refused for that.
    private func tell(_ work: inout Work, asOf: Int64) {
        let passages = work.untold.compactMap { number in
            work.passages[number].map {
                PresenceDesk.Passage(
                    holder: number, atMilliseconds: $0.newest,
                    zone: $0.isUncertain ? .outside : work.names[Int($0.zone)])
            }
        }
        work.untold = []
        presence.note(passages, asOf: asOf)
    }

    private func look(_ work: inout Work, now: Int64) throws(CollectorFailure) {
        guard let image = publisher.image else { return }
        guard
            work.isChanged || image.version != work.version || publisher.changeNumber != work.changeNumber
                || !(0..<Self.lookAgainMilliseconds).contains(now - work.lookedMilliseconds)
        else { return }
        // Asked before: a change that comes meanwhile is looked at once more.
        let changeNumber = publisher.changeNumber
        let file = try PublishedImageFile(image.path, digest: image.digest)
        // As lanes decide: the image, and the changes on top of it.
        let keys = try HolderKeys(
            of: file, at: WallTime(milliseconds: now),
            changed: ChangeStore.slots(directory, behind: file.header.changeNumber), windows: windows)
        let name = try work.site.prepare("SELECT id FROM holder WHERE number = ?")
        var found: [Person] = []
        var (onSite, count) = (0, 0)
        var byKey = [0, 0, 0, 0]
        let outside = work.place(of: .outside)
        // In the order of their numbers: the list does not jump from one look to the next.
        for number in work.passages.keys.sorted() {
            guard let passages = work.passages[number], passages.zone != outside else { continue }
            onSite += 1
            let known = keys[Int(number)]
            let asked: KeySet = known?.kind == .vehicle ? .activated : .all
            let missing = known.map { asked.subtracting($0.keys) } ?? .all
            guard !missing.isEmpty else { continue }
            count += 1
            for key in 0..<4 where missing.rawValue & 1 << key != 0 { byKey[key] += 1 }
            guard found.count < Self.mostListed else { continue }
            name.bind(1, Int64(number))
            let id = try name.step() ? name.text(0) : "#\(number)"
            name.reset()
            let isEntered = passages.entered != .min
            found.append(
                Person(
                    holder: number, id: id, kind: known?.kind ?? .visitor, missing: missing, isInImage: known != nil,
                    lane: isEntered ? work.names[Int(passages.lane)].text : "",
                    enteredMilliseconds: isEntered ? passages.entered : passages.newest,
                    zone: work.names[Int(passages.zone)].text))
        }
        work.isChanged = false
        work.version = image.version
        work.changeNumber = changeNumber
        work.lookedMilliseconds = now
        work.since = count > 0 ? work.since ?? now : nil
        let snapshot = Snapshot(
            imageVersion: image.version, asOfMilliseconds: now, onSite: onSite, byKey: byKey,
            sinceMilliseconds: work.since, count: count, badges: badges(keys, work), people: found)
        state.withLock { $0.snapshot = snapshot }
        let told = work.told ?? 0
        if count != told {
            let what = told == 0 ? "alert begins: " : count == 0 ? "alert ends: " : ""
            Log.write(
                count == 0 ? .notice : .warning,
                "\(what)\(count) of \(onSite) holders on site have keys that do not turn (image \(image.version))")
        }
        work.told = count
    }

    private func badges(_ keys: HolderKeys, _ work: Work) -> [HolderKind: Badges] {
        var counts = [Badges](repeating: Badges(), count: 16)
        for number in 0..<keys.end {
            guard let known = keys[number] else { continue }
            counts[Int(known.kind.rawValue)].issued += 1
            if known.keys.contains(.activated) { counts[Int(known.kind.rawValue)].activated += 1 }
        }
        for number in work.passages.keys {
            if let known = keys[Int(number)] { counts[Int(known.kind.rawValue)].used += 1 }
        }
        var badges: [HolderKind: Badges] = [:]
        for kind in HolderKind.allCases { badges[kind] = counts[Int(kind.rawValue)] }
        return badges
    }
}

extension InsideList.Snapshot {
    /// Beyond that it says nothing of now: a look is made every minute. A look from the future was made before the clock
    /// was set back.
    static let longestMilliseconds: Int64 = 180_000
    static let aheadMilliseconds: Int64 = 60_000

    func isKnown(at now: Int64) -> Bool {
        (-Self.aheadMilliseconds...Self.longestMilliseconds).contains(now - asOfMilliseconds)
    }

    /// `isNamed`: who they are, too.
    func json(isNamed: Bool) -> JSONText {
        .object(
            [
                ("image_version", .number(imageVersion)), ("as_of", .text(Timestamp.format(asOfMilliseconds))),
                ("on_site", .number(onSite)), ("count", .number(count)), ("by_key", byKeyJSON),
            ] + (isNamed ? [("holders", .array(people.map(\.json)))] : []))
    }

    fileprivate var byKeyJSON: JSONText {
        .object((0..<4).map { (HolderKeys.names[$0].replacing(" ", with: "-"), .number(byKey[$0])) })
    }

    /// RFC 4180, as the feed.
    var csv: [UInt8] {
        var text = "holder,number,kind,keys,entered_at,lane,zone\r\n"
        for person in people {
            let cells = [
                person.id, "\(person.holder)", person.kindName, person.keyNames.joined(separator: "|"),
                Timestamp.format(person.enteredMilliseconds), person.lane, person.zone,
            ]
            text += cells.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: ",") + "\r\n"
        }
        return Array(text.utf8)
    }
}

extension InsideList.Person {
    fileprivate var kindName: String { isInImage ? "\(kind.name)" : "" }
    fileprivate var keyNames: [String] {
        (0..<4).filter { missing.rawValue & 1 << $0 != 0 }.map { HolderKeys.names[$0].replacing(" ", with: "-") }
    }

    fileprivate var json: JSONText {
        .object([
            ("holder", .text(id)), ("number", .number(Int64(holder))),
            ("kind", isInImage ? .text(kindName) : .null), ("in_image", .truth(isInImage)),
            ("keys", .array(keyNames.map { .text($0) })),
            ("entered_at", .text(Timestamp.format(enteredMilliseconds))),
            ("lane", lane.isEmpty ? .null : .text(lane)), ("zone", .text(zone)),
        ])
    }
}
