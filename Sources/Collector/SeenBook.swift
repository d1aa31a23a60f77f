import Admission

/// Which holders passed: by lane and by the site, in all and by site day. Each is counted as a different holder once in
/// each of the four.
///
/// The sets are in memory, as far as they are used, and stand in the table `seen` not with every commit but bit by bit:
/// the database says up to which row all of them stand there (`mark`), and at the start the records behind it are read
/// again. A record is in its set then, whatever was killed when, and the counts, which are written with the records, are
/// not touched. So a passage costs no write of its own. Records behind the mark must not be removed.
struct SeenBook {
    /// How the writing is spread over transactions.
    struct Limits: Hashable, Sendable {
        /// So many records lie behind the mark, and what comes while a round of writing lasts, before it is moved on.
        var recordsBetweenRounds: Int64 = 250_000
        /// What one transaction takes of a round's bytes.
        var bytesAtOnce = 512 << 10
    }

    /// With more than this at the end of a round, only what was changed since is kept in memory. That is no bound: what is
    /// in use grows with lanes and holders, by 63 KiB for each lane and day at which all 502,000 pass.
    static let crowdedBytes = 128 << 20

    private struct Entry {
        var holders: HolderSet
        /// Parts that do not stand in the database as they are.
        var changed: Set<UInt16> = []
        /// The round in which it was asked for last.
        var round: UInt32

        mutating func insert(_ holder: UInt32, _ round: UInt32) -> Bool {
            self.round = round
            guard holders.insert(holder) else { return false }
            changed.insert(HolderSet.part(of: holder))
            return true
        }
    }

    /// What a transaction writes of the sets. It takes effect by `written`, after the commit.
    struct Plan {
        struct Part {
            var key: TallyKey
            var number: UInt16
            var bytes: [UInt8]
        }
        var parts: [Part] = []
        /// The new mark, when the round ends.
        var mark: Int64?
        fileprivate var waiting: [TallyKey] = []
        fileprivate var roundRow: Int64?
    }

    private var entries: [TallyKey: Entry] = [:]
    /// Of the present transaction, in their order.
    private var news: [(key: TallyKey, holder: UInt32)] = []
    private(set) var mark: Int64
    /// The last row whose holders are in what the present round writes; nil: no round.
    private var roundRow: Int64?
    /// What it has still to write.
    private var waiting: [TallyKey] = []
    private var round: UInt32 = 0

    private let limits: Limits

    init(mark: Int64, limits: Limits = Limits()) {
        self.mark = mark
        self.limits = limits
    }

    /// About what the sets take in memory.
    var byteCount: Int {
        entries.values.reduce(0) { $0 + $1.holders.parts.values.reduce(256) { $0 + $1.byteCount + 96 } }
    }
    /// The sets that are in memory.
    var keys: Set<TallyKey> { Set(entries.keys) }
    /// Whether a round of writing has begun and has not ended: some parts stand in the database, others do not.
    var isInRound: Bool { roundRow != nil }

    /// Whether the holder is new in this set. `load` gives the set as it stands in the database.
    mutating func insert(
        _ holder: HolderNumber, in key: TallyKey, load: (TallyKey) throws(CollectorFailure) -> HolderSet
    ) throws(CollectorFailure) -> Bool {
        // Nearly always it is here: one look.
        var isNew = entries[key]?.insert(holder.number, round)
        if isNew == nil {
            var entry = Entry(holders: try load(key), round: round)
            isNew = entry.insert(holder.number, round)
            entries[key] = entry
        }
        guard isNew == true else { return false }
        news.append((key, holder.number))
        return true
    }

    // MARK: Transactions

    mutating func begin() { news.removeAll(keepingCapacity: true) }

    /// The transaction failed: what it inserted is not seen.
    mutating func rollBack() {
        for (key, holder) in news { entries[key]?.holders.remove(holder) }
        news.removeAll()
    }

    /// What to write in this transaction, whose last record has the row `last`.
    func plan(last: Int64) -> Plan {
        var plan = Plan()
        plan.roundRow = roundRow
        plan.waiting = waiting
        if roundRow == nil {
            guard last - mark >= limits.recordsBetweenRounds else { return plan }
            plan.roundRow = last
            plan.waiting = entries.filter { !$0.value.changed.isEmpty }.map(\.key)
        }
        var bytes = 0
        while bytes < limits.bytesAtOnce, let key = plan.waiting.popLast() {
            guard let entry = entries[key] else { continue }
            for number in entry.changed {
                guard let part = entry.holders.parts[number] else { continue }
                plan.parts.append(Plan.Part(key: key, number: number, bytes: part.encoded))
                bytes += part.byteCount + 64
            }
        }
        if plan.waiting.isEmpty { plan.mark = plan.roundRow }
        return plan
    }

    /// The transaction of this plan is committed.
    mutating func written(_ plan: Plan) {
        for part in plan.parts { entries[part.key]?.changed.remove(part.number) }
        roundRow = plan.roundRow
        waiting = plan.waiting
        guard let mark = plan.mark else { return }
        self.mark = mark
        roundRow = nil
        let isCrowded = byteCount > Self.crowdedBytes
        // Read again when it is asked for: days long past, lanes that were taken away.
        entries = entries.filter { !$0.value.changed.isEmpty || ($0.value.round == round && !isCrowded) }
        round &+= 1
    }
}
