import Admission
import Framing

/// The statements that change `intake.sqlite`, prepared once.
final class IntakeWriter {
    private let database: Database
    private let insertRecord: SQLStatement
    private let selectRecord: SQLStatement
    private let insertLane: SQLStatement
    private let updateLane: SQLStatement
    private let insertEpoch: SQLStatement
    private let updateEpoch: SQLStatement
    private let insertStretch: SQLStatement
    private let deleteStretch: SQLStatement
    private let insertHole: SQLStatement
    private let insertNeighbour: SQLStatement
    private let addTally: SQLStatement
    private let insertSeen: SQLStatement
    private let setBalance: SQLStatement

    init(_ database: Database) throws(CollectorFailure) {
        self.database = database
        insertRecord = try database.prepare(
            """
            INSERT INTO record(epoch, sequence, received, wall, clock, kind, holder, bytes) VALUES(?,?,?,?,?,?,?,?)
            ON CONFLICT DO NOTHING
            """)
        selectRecord = try database.prepare("SELECT bytes FROM record WHERE epoch=? AND sequence=?")
        insertLane = try database.prepare("INSERT INTO lane(name, last_seen) VALUES(?,?)")
        updateLane = try database.prepare(
            """
            UPDATE lane SET last_seen=?, last_record=?, mode=?, tip=?, oldest_epoch=?, oldest_sequence=?, tampered=?
            WHERE id=?
            """)
        insertEpoch = try database.prepare("INSERT INTO epoch(lane, bytes, stated_end) VALUES(?,?,0)")
        updateEpoch = try database.prepare("UPDATE epoch SET previous=?, previous_last=?, stated_end=? WHERE id=?")
        insertStretch = try database.prepare("INSERT INTO stretch(epoch, first, last) VALUES(?,?,?)")
        deleteStretch = try database.prepare("DELETE FROM stretch WHERE epoch=? AND first=?")
        insertHole = try database.prepare(
            "INSERT INTO hole(epoch, first, last, cause, noticed) VALUES(?,?,?,?,?) ON CONFLICT DO NOTHING")
        insertNeighbour = try database.prepare(
            "INSERT INTO neighbour(epoch, before, last) VALUES(?,?,?) ON CONFLICT DO NOTHING")
        addTally = try database.prepare(
            """
            INSERT INTO tally(lane, span, start, counter, count) VALUES(?,?,?,?,?)
            ON CONFLICT DO UPDATE SET count = count + excluded.count
            """)
        insertSeen = try database.prepare("INSERT INTO seen(scope, holder) VALUES(?,?) ON CONFLICT DO NOTHING")
        setBalance = try database.prepare("INSERT OR REPLACE INTO balance(zone, people, vehicles) VALUES(?,?,?)")
    }

    enum Insertion { case new, duplicate, conflicting }

    func insert(
        _ record: JournalRecord, _ bytes: UnsafeRawBufferPointer, epoch: Int64, received: Int64
    ) throws(CollectorFailure) -> Insertion {
        insertRecord.bind(1, epoch)
        insertRecord.bind(2, Int64(record.sequence))
        insertRecord.bind(3, received)
        insertRecord.bind(4, record.moment.wall.milliseconds)
        insertRecord.bind(5, Int(record.moment.clock.rawValue))
        // The kind is the record's byte 5 (JournalRecord.swift).
        insertRecord.bind(6, Int(bytes[5]))
        insertRecord.bind(7, record.holder.map { Int64($0.number) })
        insertRecord.bind(8, bytes)
        try insertRecord.run()
        if database.changes > 0 { return .new }
        selectRecord.bind(1, epoch)
        selectRecord.bind(2, Int64(record.sequence))
        defer { selectRecord.reset() }
        guard try selectRecord.step() else { return .duplicate }
        return selectRecord.withBlob(0) { $0.elementsEqual(bytes) } ? .duplicate : .conflicting
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
        updateLane.bind(8, lane.row)
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
        for range in old[start..<old.count - end] {
            deleteStretch.bind(1, epoch)
            deleteStretch.bind(2, Int64(range.lowerBound))
            try deleteStretch.run()
        }
        for range in ranges[start..<ranges.count - end] {
            insertStretch.bind(1, epoch)
            insertStretch.bind(2, Int64(range.lowerBound))
            insertStretch.bind(3, Int64(range.upperBound))
            try insertStretch.run()
        }
    }

    // MARK: Counts

    func add(
        _ count: Int64, lane: Int64, span: TallySpan, start: Int64, counter: Int
    ) throws(CollectorFailure) {
        addTally.bind(1, lane)
        addTally.bind(2, span.rawValue)
        addTally.bind(3, start)
        addTally.bind(4, counter)
        addTally.bind(5, count)
        try addTally.run()
    }

    /// Whether the holder was not seen in this scope before; from now on it was.
    func isNew(_ holder: HolderNumber, in scope: Int64) throws(CollectorFailure) -> Bool {
        insertSeen.bind(1, scope)
        insertSeen.bind(2, Int64(holder.number))
        try insertSeen.run()
        return database.changes > 0
    }

    func set(_ balance: Balance, of zone: ShortName) throws(CollectorFailure) {
        setBalance.bind(1, zone.text)
        setBalance.bind(2, balance.people)
        setBalance.bind(3, balance.vehicles)
        try setBalance.run()
    }
}

extension JournalRecord {
    /// Whom the record is about, nil when nobody knows.
    var holder: HolderNumber? {
        switch event {
        case .decided(let decision): decision.presentation.credential?.holder
        case .ended(let outcome): outcome.holder == .nobody ? nil : outcome.holder
        case .seenInEmergency(let presentation): presentation.credential?.holder
        default: nil
        }
    }
}

extension Epoch {
    /// The 16 bytes as records hold them.
    var bytes: [UInt8] { Hexadecimal.bytes(hex) ?? [] }
}
