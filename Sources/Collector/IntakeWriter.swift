import Admission
import Framing

/// The statements that change `intake.sqlite`, prepared once.
final class IntakeWriter {
    private let database: Database
    private let insertBlock: SQLStatement
    private let selectBlock: SQLStatement
    private let insertLane: SQLStatement
    private let updateLane: SQLStatement
    private let insertEpoch: SQLStatement
    private let updateEpoch: SQLStatement
    private let insertStretch: SQLStatement
    private let deleteStretch: SQLStatement
    private let insertHole: SQLStatement
    private let insertNeighbour: SQLStatement
    private let selectTally: SQLStatement
    private let setTally: SQLStatement
    private let selectSeen: SQLStatement
    private let setSeen: SQLStatement
    private let setMark: SQLStatement
    private let setBalance: SQLStatement
    private let insertPath: SQLStatement
    private let addFlow: SQLStatement
    /// The block that was read last: a batch that is sent again is mostly one.
    private var lastRead: Block?

    private struct Block {
        var epoch: Int64
        var first: UInt64
        var bytes: [UInt8]
    }

    /// What one row of `block` holds at most: what has to be read for one record of it.
    static let mostInBlock = 1000

    init(_ database: Database) throws(CollectorFailure) {
        self.database = database
        insertBlock = try database.prepare(
            "INSERT INTO block(id, epoch, first, count, received, bytes) VALUES(?,?,?,?,?,?)")
        selectBlock = try database.prepare(
            "SELECT first, bytes FROM block WHERE epoch=? AND first<=? ORDER BY first DESC LIMIT 1")
        insertLane = try database.prepare("INSERT INTO lane(name, last_seen) VALUES(?,?)")
        updateLane = try database.prepare(
            """
            UPDATE lane SET last_seen=?, last_record=?, mode=?, tip=?, oldest_epoch=?, oldest_sequence=?, tampered=?,
                word=?, word_received=?, wordless_since=?
            WHERE id=?
            """)
        insertEpoch = try database.prepare("INSERT INTO epoch(lane, bytes, stated_end) VALUES(?,?,0)")
        updateEpoch = try database.prepare("UPDATE epoch SET previous=?, previous_last=?, stated_end=? WHERE id=?")
        insertStretch = try database.prepare("INSERT OR REPLACE INTO stretch(epoch, first, last) VALUES(?,?,?)")
        deleteStretch = try database.prepare("DELETE FROM stretch WHERE epoch=? AND first=?")
        insertHole = try database.prepare(
            "INSERT INTO hole(epoch, first, last, cause, noticed) VALUES(?,?,?,?,?) ON CONFLICT DO NOTHING")
        insertNeighbour = try database.prepare(
            "INSERT INTO neighbour(epoch, before, last) VALUES(?,?,?) ON CONFLICT DO NOTHING")
        selectTally = try database.prepare("SELECT counts FROM tally WHERE span=? AND start=? AND lane=?")
        setTally = try database.prepare("INSERT OR REPLACE INTO tally(span, start, lane, counts) VALUES(?,?,?,?)")
        selectSeen = try database.prepare("SELECT part, holders FROM seen WHERE lane=? AND span=? AND start=?")
        setSeen = try database.prepare(
            "INSERT OR REPLACE INTO seen(lane, span, start, part, holders) VALUES(?,?,?,?,?)")
        setMark = try database.prepare("UPDATE mark SET row=?")
        setBalance = try database.prepare("INSERT OR REPLACE INTO balance(zone, people, vehicles) VALUES(?,?,?)")
        insertPath = try database.prepare("INSERT INTO path(lane, came_from, went_to) VALUES(?,?,?)")
        addFlow = try database.prepare(
            """
            INSERT INTO zone_flow(span, start, path, people, vehicles) VALUES(?,?,?,?,?)
            ON CONFLICT(span, start, path) DO UPDATE SET
                people = min(people + excluded.people, \(Tally.greatest)),
                vehicles = min(vehicles + excluded.vehicles, \(Tally.greatest))
            """)
    }

    // MARK: Records

    /// What was read before may have been rolled back.
    func begin() { lastRead = nil }

    /// Stores whole records of one epoch that follow each other, from sequence `first` on, as the rows from `row` on.
    func insert(
        row: Int64, epoch: Int64, first: Int64, _ bytes: UnsafeRawBufferPointer, received: Int64
    ) throws(CollectorFailure) {
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Self.mostInBlock * JournalRecord.size)
            let skipped = start / JournalRecord.size
            insertBlock.bind(1, row &+ Int64(skipped))
            insertBlock.bind(2, epoch)
            insertBlock.bind(3, first &+ Int64(skipped))
            insertBlock.bind(4, (end - start) / JournalRecord.size)
            insertBlock.bind(5, received)
            insertBlock.bind(6, UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            try insertBlock.run()
            start = end
        }
    }

    /// Whether the record that is stored under this sequence has these bytes; nil when none is there any more.
    func holds(_ bytes: UnsafeRawBufferPointer, epoch: Int64, sequence: UInt64) throws(CollectorFailure) -> Bool? {
        func look() -> Bool? {
            guard let block = lastRead, block.epoch == epoch, block.first <= sequence else { return nil }
            let (place, overflow) = Int(sequence - block.first).multipliedReportingOverflow(by: JournalRecord.size)
            guard !overflow, place <= block.bytes.count - JournalRecord.size else { return nil }
            return block.bytes[place..<place + JournalRecord.size].elementsEqual(bytes)
        }
        if let isSame = look() { return isSame }
        selectBlock.bind(1, epoch)
        selectBlock.bind(2, Int64(sequence))
        defer { selectBlock.reset() }
        guard try selectBlock.step(), let first = UInt64(exactly: selectBlock.integer(0)) else { return nil }
        lastRead = Block(epoch: epoch, first: first, bytes: selectBlock.blob(1))
        return look()
    }

    // MARK: Lanes and epochs

    func addLane(_ name: ShortName, now: Int64) throws(CollectorFailure) -> Int64 {
        insertLane.bind(1, name.text)
        insertLane.bind(2, now)
        try insertLane.run()
        return database.lastInsertedRow
    }

    func update(_ lane: LaneBook) throws(CollectorFailure) {
        updateLane.bind(1, lane.lastSeenMilliseconds)
        updateLane.bind(2, lane.lastRecordMilliseconds)
        updateLane.bind(3, lane.mode.map { Int64($0.rawValue) })
        updateLane.bind(4, lane.ledger.tip?.bytes)
        updateLane.bind(5, lane.ledger.oldestHeld?.epoch.bytes)
        updateLane.bind(6, lane.ledger.oldestHeld.map { Int64($0.sequence) })
        updateLane.bind(7, lane.tampered.rawValue)
        updateLane.bind(8, lane.word?.said.encoded)
        updateLane.bind(9, lane.word?.receivedMilliseconds)
        updateLane.bind(10, lane.wordlessSinceMilliseconds)
        updateLane.bind(11, lane.row)
        try updateLane.run()
    }

    /// The row of an epoch, made when it is new.
    func row(of epoch: Epoch, in lane: inout LaneBook) throws(CollectorFailure) -> Int64 {
        if let row = lane.epochRows[epoch] { return row }
        insertEpoch.bind(1, lane.row)
        insertEpoch.bind(2, epoch.bytes)
        try insertEpoch.run()
        let row = database.lastInsertedRow
        lane.epochRows[epoch] = row
        return row
    }

    /// Writes what a batch changed in a lane's ledger.
    func write(
        _ ledger: StoredThroughLedger, instead old: StoredThroughLedger, of lane: inout LaneBook,
        holes: [StoredThroughLedger.Hole], now: Int64
    ) throws(CollectorFailure) {
        for (epoch, state) in ledger.epochs where old.epochs[epoch] != state {
            let before = old.epochs[epoch] ?? StoredThroughLedger.EpochState()
            let row = try row(of: epoch, in: &lane)
            try write(state.stored.ranges, instead: before.stored.ranges, epoch: row)
            if state.previous != before.previous || state.statedEnd != before.statedEnd {
                updateEpoch.bind(1, state.previous?.epoch.bytes)
                updateEpoch.bind(2, state.previous.map { Int64(clamping: $0.sequence) })
                updateEpoch.bind(3, Int64(clamping: state.statedEnd))
                updateEpoch.bind(4, row)
                try updateEpoch.run()
            }
            for neighbour in state.neighbours where !before.neighbours.contains(neighbour) {
                insertNeighbour.bind(1, row)
                insertNeighbour.bind(2, neighbour.epoch.bytes)
                insertNeighbour.bind(3, Int64(clamping: neighbour.sequence))
                try insertNeighbour.run()
            }
        }
        for hole in holes {
            insertHole.bind(1, try row(of: hole.epoch, in: &lane))
            insertHole.bind(2, Int64(clamping: hole.first))
            insertHole.bind(3, Int64(clamping: hole.last))
            insertHole.bind(4, hole.cause.rawValue)
            insertHole.bind(5, now)
            try insertHole.run()
        }
    }

    /// Only the ranges that differ: nearly always the last one, which became longer.
    private func write(
        _ ranges: [ClosedRange<UInt64>], instead old: [ClosedRange<UInt64>], epoch: Int64
    ) throws(CollectorFailure) {
        var start = 0
        while start < min(ranges.count, old.count), ranges[start] == old[start] { start += 1 }
        var end = 0
        while end < min(ranges.count, old.count) - start,
            ranges[ranges.count - 1 - end] == old[old.count - 1 - end]
        {
            end += 1
        }
        let new = ranges[start..<ranges.count - end]
        for range in old[start..<old.count - end] where range.lowerBound != new.first?.lowerBound {
            deleteStretch.bind(1, epoch)
            deleteStretch.bind(2, Int64(range.lowerBound))
            try deleteStretch.run()
        }
        for range in new {
            insertStretch.bind(1, epoch)
            insertStretch.bind(2, Int64(range.lowerBound))
            insertStretch.bind(3, Int64(range.upperBound))
            try insertStretch.run()
        }
    }

    // MARK: Counts

    /// Adds counts to what is there.
    func add(_ counts: Tally, to key: TallyKey) throws(CollectorFailure) {
        selectTally.bind(1, key.span.rawValue)
        selectTally.bind(2, key.start)
        selectTally.bind(3, key.lane)
        var sum = counts
        if try selectTally.step() {
            let before = selectTally.withBlob(0) { Tally(encoded: $0) }
            selectTally.reset()
            guard let before else { throw damaged("counts that are none") }
            sum += before
        }
        setTally.bind(1, key.span.rawValue)
        setTally.bind(2, key.start)
        setTally.bind(3, key.lane)
        setTally.bind(4, sum.encoded)
        try setTally.run()
    }

    // MARK: Who was seen

    /// A set as it stands here.
    func seen(_ key: TallyKey) throws(CollectorFailure) -> HolderSet {
        selectSeen.bind(1, key.lane)
        selectSeen.bind(2, key.span.rawValue)
        selectSeen.bind(3, key.start)
        defer { selectSeen.reset() }
        var holders = HolderSet()
        while try selectSeen.step() {
            guard let part = selectSeen.withBlob(1, { HolderPart(encoded: $0) }) else {
                throw damaged("a set of holders that is none")
            }
            holders.set(UInt16(truncatingIfNeeded: selectSeen.integer(0)), to: part)
        }
        return holders
    }

    func write(_ plan: SeenBook.Plan) throws(CollectorFailure) {
        for part in plan.parts {
            setSeen.bind(1, part.key.lane)
            setSeen.bind(2, part.key.span.rawValue)
            setSeen.bind(3, part.key.start)
            setSeen.bind(4, Int(part.number))
            setSeen.bind(5, part.bytes)
            try setSeen.run()
        }
        guard let mark = plan.mark else { return }
        setMark.bind(1, mark)
        try setMark.run()
    }

    // MARK: Zones

    /// The row of a path, made when it is new.
    func row(of path: ZonePath, in lane: inout LaneBook) throws(CollectorFailure) -> Int64 {
        if let row = lane.pathRows[path] { return row }
        insertPath.bind(1, lane.row)
        insertPath.bind(2, path.from.text)
        insertPath.bind(3, path.to.text)
        try insertPath.run()
        let row = database.lastInsertedRow
        lane.pathRows[path] = row
        return row
    }

    /// Adds to what is there.
    func add(_ flow: ZoneFlow, to key: ZoneFlowKey) throws(CollectorFailure) {
        addFlow.bind(1, key.span.rawValue)
        addFlow.bind(2, key.start)
        addFlow.bind(3, key.path)
        addFlow.bind(4, flow.people)
        addFlow.bind(5, flow.vehicles)
        try addFlow.run()
    }

    private func damaged(_ what: String) -> CollectorFailure {
        CollectorFailure(
            "read", database.path, "it holds \(what)", advice: "the file is damaged; put a backup in its place")
    }

    func set(_ balance: Balance, of zone: ShortName) throws(CollectorFailure) {
        setBalance.bind(1, zone.text)
        setBalance.bind(2, balance.people)
        setBalance.bind(3, balance.vehicles)
        try setBalance.run()
    }
}

extension Epoch {
    /// The 16 bytes as records hold them.
    var bytes: [UInt8] { Hexadecimal.bytes(hex) ?? [] }
}
