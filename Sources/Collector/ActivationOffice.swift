import Admission
import Framing
import Posix

/// The fourth key as the credential office turns it: for one holder, or for all whose other three stand. Each decision is
/// an entry of the audit trail, holds over the feeds that come, and is published as urgent changes; those that concern more
/// than lanes keep beside an image, as a new image, which takes all changes in.
///
/// A decision is recorded first, with the word that it is not published yet, in one transaction of `site.sqlite`. Whoever is
/// killed after that leaves it to the next one who makes an image or decides, or to `serve`, within a second.
public struct ActivationOffice {
    /// What the office decided of a holder.
    struct Decision: Hashable, Sendable {
        var state: Activation
        /// What the feed said of him then.
        var feed: Activation

        /// What holds now that the feed says this. The decision stands while the feed repeats itself, or agrees. What it
        /// says anew is newer than the decision: a badge that is suspended or revoked there stays so.
        func settled(feed now: Activation) -> Activation { now == feed || now == state ? state : now }
    }

    /// What came of it.
    public struct Outcome: Sendable, Hashable {
        /// Holders whose key was turned.
        public var turned: Int
        public var state: Activation
        public var isDryRun: Bool
        /// The entry of the audit trail, and how it was published; nil when nothing was to be done.
        public var entry: Int64?
        public var publication: Publication?
        /// What else is to be said.
        public var notes: [String] = []

        public var text: String {
            let what = "\(turned) badges \(state == .activated ? "activated" : "deactivated")"
            var text = isDryRun ? "dry run, nothing was changed: it would be \(what)\n" : what
            if let publication, let entry {
                text += ": \(publication.words)\n"
                if state == .activated {
                    text += "to undo it: lanekeeper-collector deactivate --entry \(entry)\n"
                }
            } else if !isDryRun {
                text += "; nothing was to be changed\n"
            }
            return text + notes.map { $0 + "\n" }.joined()
        }
    }

    /// How lanes hear of a decision.
    public enum Publication: Sendable, Hashable {
        case changes(first: UInt64, last: UInt64)
        /// A new image: it concerns more identifiers than lanes keep beside one.
        case image(UInt64)
        /// The lanes knew it already.
        case nothing

        var words: String {
            switch self {
            case .changes(let first, let last):
                "changes \(first) to \(last), `serve` gives them to the lanes at once"
            case .image(let version):
                "that is more than lanes keep beside an image, so image \(version) is in force, which takes all changes in; "
                    + "`serve` gives it to the lanes within a second"
            case .nothing: "lanes know it already"
            }
        }

        fileprivate var detail: String {
            switch self {
            case .changes(let first, let last): ", changes \(first) to \(last)"
            case .image(let version): ", image \(version)"
            case .nothing: ""
            }
        }
    }

    private let directory: SiteDirectory
    private let database: Database
    /// More than so many holders are an image at once, without asking whether their identifiers fit.
    private let mostChanged: Int

    private let windows: KeyWindows

    public init(_ directory: SiteDirectory, windows: KeyWindows = KeyWindows()) throws(CollectorFailure) {
        try self.init(directory, windows: windows, mostChanged: ChangeStore.mostStanding)
    }

    init(_ directory: SiteDirectory, windows: KeyWindows = KeyWindows(), mostChanged: Int) throws(CollectorFailure) {
        self.directory = directory
        self.windows = windows
        self.mostChanged = mostChanged
        database = try directory.openSite().database
    }

    /// Everybody whose badge is inactive and whose vaccine, green code and test stand now, within the windows.
    public func activateReady(by who: String, isDryRun: Bool = false) throws(CollectorFailure) -> Outcome {
        try decide("activate --ready", .activated, who, isDryRun) { (image) throws(CollectorFailure) in
            let now = WallTime(milliseconds: SystemClock.wallMilliseconds())
            let others: KeySet = [.vaccine, .greenCode, .test]
            return try holders(of: image) { credential in
                credential.activation == .inactive
                    && HolderKeys.turning(of: credential, at: now, windows).isSuperset(of: others)
            }.found
        }
    }

    /// One holder: as the feed names him, or `#` and his number at this site. `state`: activated or inactive.
    public func turn(
        _ state: Activation, _ holder: String, by who: String, isDryRun: Bool = false
    ) throws(CollectorFailure) -> Outcome {
        let number = try number(of: holder)
        let verb = state == .activated ? "activate" : "deactivate"
        var missing = KeySet()
        var outcome = try decide("\(verb) \(holder)", state, who, isDryRun) { (image) throws(CollectorFailure) in
            let (found, seen) = try holders(of: image, only: number) { $0.activation != state }
            guard let credential = seen else {
                throw CollectorFailure(
                    verb, holder, "image \(image.header.version) has no badge of this holder",
                    advice: "import a feed that has him, or see whether his identifiers are in conflict")
            }
            if credential.activation == .suspended || credential.activation == .revoked {
                throw CollectorFailure(
                    verb, holder, "the badge is \(credential.activation.name)",
                    advice: "only a feed or an urgent change can end that")
            }
            let now = WallTime(milliseconds: SystemClock.wallMilliseconds())
            missing = KeySet.all.subtracting(HolderKeys.turning(of: credential, at: now, windows)).subtracting(
                .activated)
            return found
        }
        if state == .activated, !missing.isEmpty {
            let names = (0..<4).filter { missing.rawValue & 1 << $0 != 0 }.map { HolderKeys.names[$0] }
            outcome.notes.append("lanes that ask for it still refuse: \(names.joined(separator: ", ")) does not stand")
        }
        return outcome
    }

    /// Turns back what one entry of the audit trail activated and nobody has decided otherwise since.
    public func reverse(_ entry: Int64, by who: String, isDryRun: Bool = false) throws(CollectorFailure) -> Outcome {
        let select = try database.prepare("SELECT holder FROM activation WHERE audit = ? AND state = ?")
        select.bind(1, entry)
        select.bind(2, Int(Activation.activated.rawValue))
        var decided: Set<UInt32> = []
        while try select.step() { decided.insert(UInt32(clamping: select.integer(0))) }
        guard !decided.isEmpty else {
            throw CollectorFailure(
                "reverse", "entry \(entry)", "nothing that it activated still stands", advice: "see `audit`")
        }
        return try decide("deactivate --entry \(entry)", .inactive, who, isDryRun) { (image) throws(CollectorFailure) in
            try holders(of: image) { $0.activation == .activated && decided.contains($0.holder.number) }.found
        }
    }

    // MARK: Deciding

    /// `choose`: whose key is to be turned, and what it is now.
    private func decide(
        _ what: String, _ state: Activation, _ who: String, _ isDryRun: Bool,
        choose: (PublishedImageFile) throws(CollectorFailure) -> [UInt32: Activation]
    ) throws(CollectorFailure) -> Outcome {
        let lock = try directory.lock(directory.importLock)
        defer { withExtendedLifetime(lock) {} }
        if !isDryRun { try publishRecorded() }
        guard let inForce = try ImageRegister(database).inForce() else {
            throw CollectorFailure(
                "decide of", "fourth keys", "no image is in force", advice: "lanekeeper-collector import makes one")
        }
        let chosen = try choose(
            try PublishedImageFile("\(directory.images)/\(inForce.file)", digest: inForce.digest))
        var outcome = Outcome(turned: chosen.count, state: state, isDryRun: isDryRun)
        guard !chosen.isEmpty, !isDryRun else { return outcome }
        let now = SystemClock.wallMilliseconds()
        let entry = try database.transaction { () throws(CollectorFailure) in
            let entry = try AuditTrail(database).add(
                who, what, "\(chosen.count) badges \(state.name)", at: now)
            // The feed's word stays the first one: what was decided before was decided of that.
            let insert = try database.prepare(
                """
                INSERT INTO activation(holder, state, feed, audit) VALUES(?, ?, ?, ?)
                ON CONFLICT(holder) DO UPDATE SET state = excluded.state, audit = excluded.audit
                """)
            for (holder, feed) in chosen {
                insert.bind(1, Int64(holder))
                insert.bind(2, Int(state.rawValue))
                insert.bind(3, Int(feed.rawValue))
                insert.bind(4, entry)
                try insert.run()
            }
            let mark = try database.prepare("INSERT INTO unpublished(audit) VALUES(?)")
            mark.bind(1, entry)
            try mark.run()
            return entry
        }
        outcome.entry = entry
        do throws(CollectorFailure) { outcome.publication = try publishRecorded()[entry] } catch {
            throw CollectorFailure(
                "publish", "entry \(entry) of audit, \(chosen.count) badges \(state.name)",
                error.description,
                advice: "it is recorded; the next decision, import, or `serve` within a second publishes it"
            )
        }
        return outcome
    }

    // MARK: Publishing

    /// What `serve` does about decisions whose program was killed. Not while another process decides or imports.
    static func publishLeft(_ directory: SiteDirectory, _ database: Database) throws(CollectorFailure) {
        guard try database.integer("SELECT count(*) FROM unpublished") > 0,
            let lock = try directory.lockIfFree(directory.importLock)
        else { return }
        defer { withExtendedLifetime(lock) {} }
        for (entry, publication) in try ActivationOffice(directory).publishRecorded() {
            Log.warning(
                "entry \(entry) of audit was recorded and not published: it is now\(publication.detail)")
        }
    }

    /// Publishes what is recorded and not published yet, the oldest first. Only under the import's lock; each step can be
    /// repeated without harm.
    @discardableResult
    func publishRecorded() throws(CollectorFailure) -> [Int64: Publication] {
        let select = try database.prepare("SELECT audit, image FROM unpublished ORDER BY audit")
        var left: [(entry: Int64, image: UInt64?)] = []
        while try select.step() {
            left.append((select.integer(0), select.isNull(1) ? nil : UInt64(clamping: select.integer(1))))
        }
        var done: [Int64: Publication] = [:]
        guard !left.isEmpty else { return done }
        try NumberLeap(directory: directory, database: database)
            .heal(by: AuditTrail.operatorName, now: SystemClock.wallMilliseconds())
        for (entry, image) in left {
            let publication = try publish(entry, image)
            try database.transaction { () throws(CollectorFailure) in
                let delete = try database.prepare("DELETE FROM unpublished WHERE audit = ?")
                delete.bind(1, entry)
                try delete.run()
                try AuditTrail(database).complete(entry, publication.detail)
            }
            done[entry] = publication
        }
        return done
    }

    /// `image`: was made for it before somebody was killed.
    private func publish(_ entry: Int64, _ image: UInt64?) throws(CollectorFailure) -> Publication {
        // What came between a killed program and this: nobody is activated whom an urgent change suspended.
        let standing = try ChangeStore.standingKeys(directory)
        let decided = try Self.decided(database, entry: entry).filter { holder, _ in
            standing.standing(.activation, of: holder).map { !Self.isBarred($0.state) } ?? true
        }
        if image == nil, decided.count <= mostChanged, let published = try change(decided, entry) {
            return published.count > 0 ? .changes(first: published.first, last: published.last) : .nothing
        }
        let version: UInt64
        if let image { version = image } else { version = try makeImage(with: decided, for: entry) }
        // What changes said of these keys before must not come back with the next image.
        let spoken = decided.filter { standing.standing(.activation, of: $0.key) != nil }
        guard try change(spoken, entry) != nil else {
            throw CollectorFailure("publish", "entry \(entry)", "changes do not fit on image \(version)")
        }
        return .image(version)
    }

    /// nil: they are more than lanes keep beside the image. Asked again for an entry it says the same as before.
    private func change(_ decided: [UInt32: Decision], _ entry: Int64) throws(CollectorFailure)
        -> ChangeStore.Published?
    {
        let store = try ChangeStore(directory)
        // Numbers of entries come again when only `site.sqlite` is restored from a backup: the name tells them apart.
        let digest = try AuditTrail(database).digest(of: entry)
        var changes = decided.keys.sorted().compactMap { holder in
            decided[holder].map { HolderChange(HolderNumber(holder), activation: $0.state) }
        }
        while !changes.isEmpty {
            do throws(ChangeStore.Refusal) {
                // A space: no request of others has such a name.
                return try store.publish(
                    changes, request: "activation \(entry) \(Hexadecimal.text(digest))", digest: digest,
                    feedWords: decided.mapValues(\.feed),
                    now: SystemClock.wallMilliseconds())
            } catch {
                switch error {
                case .full: return nil
                case .problems(let problems) where !problems.isEmpty:
                    // Holders whom an image since then does not have.
                    for problem in problems.sorted(by: { $0.index > $1.index }) {
                        changes.remove(at: problem.index)
                    }
                default:
                    throw CollectorFailure("publish", "entry \(entry)", error.reason, advice: error.advice)
                }
            }
        }
        return ChangeStore.Published(first: 1, count: 0)
    }

    private static func isBarred(_ state: UInt8) -> Bool {
        state == Activation.suspended.rawValue || state == Activation.revoked.rawValue
    }

    private func makeImage(with decided: [UInt32: Decision], for entry: Int64)
        throws(CollectorFailure) -> UInt64
    {
        let register = ImageRegister(database)
        guard let inForce = try register.inForce() else {
            throw CollectorFailure("publish", "entry \(entry)", "no image is in force")
        }
        let now = SystemClock.wallMilliseconds()
        let (revised, _) = try ImageRevision(directory, of: inForce, as: try register.nextVersion(directory))
            .writeFolded(publishedAt: now) { slot in
                if let decision = decided[slot.holder], !Self.isBarred(slot.activation.rawValue) {
                    slot.activation = decision.state
                }
            }
        try database.transaction { () throws(CollectorFailure) in
            try register.insert(revised)
            let note = try database.prepare("UPDATE unpublished SET image = ? WHERE audit = ?")
            note.bind(1, Int64(clamping: revised.version))
            note.bind(2, entry)
            try note.run()
        }
        return revised.version
    }

    // MARK: Choosing

    /// Those of whom `isMeant` holds, with the present state of their fourth key; and what is said of the last one seen.
    private func holders(
        of image: PublishedImageFile, only number: UInt32? = nil, _ isMeant: (Credential) -> Bool
    ) throws(CollectorFailure) -> (found: [UInt32: Activation], seen: Credential?) {
        let sets = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: image.header.zoneSets.count)
        defer { sets.deallocate() }
        _ = sets.initialize(from: image.header.zoneSets)
        let base = image.header.validityBaseSeconds
        // What lanes decide by is what holds: nobody is activated whom an urgent change suspended.
        let changed = try ChangeStore.slots(directory, behind: image.header.changeNumber)
        var found: [UInt32: Activation] = [:]
        var seen: Credential?
        try image.forEachSlot { slot in
            guard !slot.isConflict, number == nil || slot.holder == number else { return }
            var now = slot
            now.take(changed[slot.tag])
            guard !now.isConflict,
                let credential = now.credential(zoneSets: UnsafeBufferPointer(sets), validityBaseSeconds: base)
            else { return }
            seen = credential
            // With the word of the image: what is decided is decided of that.
            if isMeant(credential) { found[slot.holder] = slot.activation }
        }
        return (found, seen)
    }

    private func number(of holder: String) throws(CollectorFailure) -> UInt32 {
        if holder.hasPrefix("#") {
            guard let number = UInt32(holder.dropFirst()), number > 0 else {
                throw CollectorFailure("find", holder, "it is no number of a holder")
            }
            return number
        }
        let select = try database.prepare("SELECT number FROM holder WHERE id = ?")
        select.bind(1, holder)
        guard try select.step() else {
            throw CollectorFailure(
                "find", "the holder '\(holder)'", "no feed has named him", advice: "write him as the feed does")
        }
        defer { select.reset() }
        return UInt32(clamping: select.integer(0))
    }

    // MARK: What an import needs

    /// By holder number; `entry`: of one entry of the audit trail only.
    static func decided(_ database: Database, entry: Int64? = nil) throws(CollectorFailure)
        -> [UInt32: Decision]
    {
        let select = try database.prepare(
            "SELECT holder, state, feed FROM activation" + (entry == nil ? "" : " WHERE audit = ?"))
        if let entry { select.bind(1, entry) }
        var decided: [UInt32: Decision] = [:]
        while try select.step() {
            guard let holder = UInt32(exactly: select.integer(0)),
                let state = UInt8(exactly: select.integer(1)).flatMap(Activation.init),
                let feed = UInt8(exactly: select.integer(2)).flatMap(Activation.init)
            else { continue }
            decided[holder] = Decision(state: state, feed: feed)
        }
        return decided
    }

    /// The feed has news of these holders.
    static func forget(_ holders: [UInt32], _ database: Database) throws(CollectorFailure) {
        let delete = try database.prepare("DELETE FROM activation WHERE holder = ?")
        for holder in holders {
            delete.bind(1, Int64(holder))
            try delete.run()
        }
    }
}
