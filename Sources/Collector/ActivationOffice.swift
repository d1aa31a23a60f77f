import Admission
import Framing
import Posix

/// The fourth key as the credential office turns it: for one holder, or for all whose other three stand. Each decision is
/// an entry of the audit trail, holds over the feeds that come, and is in force with a new image at once.
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
        /// The image with it, and the entry of the audit trail; nil when nothing was to be done.
        public var version: UInt64?
        public var entry: Int64?
        /// What else is to be said.
        public var notes: [String] = []

        public var text: String {
            let what = "\(turned) badges \(state == .activated ? "activated" : "deactivated")"
            var text = isDryRun ? "dry run, nothing was changed: it would be \(what)\n" : what
            if let version, let entry {
                text += ": image \(version) is in force, `serve` gives it to the lanes within a second\n"
                if state == .activated { text += "to undo it: lanekeeper-collector deactivate --entry \(entry)\n" }
            } else if !isDryRun {
                text += "; nothing was to be changed\n"
            }
            return text + notes.map { $0 + "\n" }.joined()
        }
    }

    private let directory: SiteDirectory
    private let database: Database

    public init(_ directory: SiteDirectory) throws(CollectorFailure) {
        self.directory = directory
        database = try directory.openSite().database
    }

    /// Everybody whose badge is inactive and whose vaccine, green code and test stand now, with the usual windows.
    public func activateReady(by who: String, isDryRun: Bool = false) throws(CollectorFailure) -> Outcome {
        try decide("activate --ready", .activated, who, isDryRun) { (image) throws(CollectorFailure) in
            let now = WallTime(milliseconds: SystemClock.wallMilliseconds())
            let others: KeySet = [.vaccine, .greenCode, .test]
            return try holders(of: image) { credential in
                credential.activation == .inactive && HolderKeys.turning(of: credential, at: now).isSuperset(of: others)
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
            missing = KeySet.all.subtracting(HolderKeys.turning(of: credential, at: now)).subtracting(.activated)
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
        let register = ImageRegister(database)
        guard let inForce = try register.inForce() else {
            throw CollectorFailure(
                "decide of", "fourth keys", "no image is in force", advice: "lanekeeper-collector import makes one")
        }
        let chosen = try choose(
            try PublishedImageFile("\(directory.images)/\(inForce.file)", digest: inForce.digest))
        var outcome = Outcome(turned: chosen.count, state: state, isDryRun: isDryRun)
        guard !chosen.isEmpty, !isDryRun else { return outcome }
        let now = SystemClock.wallMilliseconds()
        let revised = try ImageRevision(directory, of: inForce, as: try register.nextVersion()).write(publishedAt: now)
        {
            if chosen[$0.holder] != nil { $0.activation = state }
        }
        outcome.version = revised.version
        outcome.entry = try database.transaction { () throws(CollectorFailure) in
            let entry = try AuditTrail(database).add(
                who, what, "\(chosen.count) badges \(state.name), image \(revised.version)", at: now)
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
            try register.insert(revised)
            return entry
        }
        try change(chosen.keys.sorted(), to: state, at: now)
        return outcome
    }

    /// Where an urgent change spoke of the fourth key, a newer one says what the office decided: it lies on top of images.
    private func change(_ holders: [UInt32], to state: Activation, at now: Int64) throws(CollectorFailure) {
        let standing = try ChangeStore.standingKeys(directory)
        let changes = holders.filter { standing.standing(.activation, of: $0) != nil }.map {
            HolderChange(HolderNumber($0), activation: state)
        }
        guard !changes.isEmpty else { return }
        let store = try ChangeStore(directory)
        do throws(ChangeStore.Refusal) { _ = try store.publish(changes, now: now) } catch {
            throw CollectorFailure(
                "change the fourth key of", "\(changes.count) holders", error.reason, advice: error.advice)
        }
    }

    /// Those of whom `isMeant` holds, with the present state of their fourth key; and what is said of the last one seen.
    private func holders(
        of image: PublishedImageFile, only number: UInt32? = nil, _ isMeant: (Credential) -> Bool
    ) throws(CollectorFailure) -> (found: [UInt32: Activation], seen: Credential?) {
        let sets = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: image.header.zoneSets.count)
        defer { sets.deallocate() }
        _ = sets.initialize(from: image.header.zoneSets)
        let base = image.header.validityBaseSeconds
        // What urgent changes say is what holds: nobody is activated whom one suspended.
        let standing = try ChangeStore.standingKeys(directory)
        var found: [UInt32: Activation] = [:]
        var seen: Credential?
        try image.forEachSlot { slot in
            guard !slot.isConflict, number == nil || slot.holder == number,
                let credential = slot.credential(
                    zoneSets: UnsafeBufferPointer(sets), validityBaseSeconds: base)
            else { return }
            let merged = standing.merged(credential)
            seen = merged
            if isMeant(merged) { found[slot.holder] = credential.activation }
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

    /// By holder number.
    static func decided(_ database: Database) throws(CollectorFailure) -> [UInt32: Decision] {
        let select = try database.prepare("SELECT holder, state, feed FROM activation")
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
