import Admission
import Cryptography
import Framing

/// Gives each holder of the site a number, once and for ever.
///
/// An import asks for every holder of the site, so all of them are in memory: 16 bytes each, in a table that is at most
/// two thirds full. A holder's id is known there by 96 bits of a hash whose key is drawn anew by each import; two of ten
/// million ids that agree in it are one chance in 10^15. New numbers are written in short transactions: whoever else
/// writes to the database waits for some thousand rows, not for a feed.
final class HolderRegister {
    private static let pendingLimit = 10_000

    private let database: Database
    private let insert: SQLStatement
    /// false: nothing is written, and what is given out counts for this import alone.
    private let isKept: Bool
    private let key: BadgeKey
    private var next: Int64
    private var pending: [(number: Int64, holder: String)] = []
    private var low: [UInt64]
    /// The hash's next 32 bits, then the number; 0 is an empty place.
    private var rest: [UInt64]
    private var used = 0

    init(_ database: Database, isKept: Bool = true) throws(CollectorFailure) {
        self.database = database
        self.isKept = isKept
        insert = try database.prepare("INSERT INTO holder(number, id) VALUES(?, ?)")
        let secret: [UInt8]
        do { secret = try RandomBytes.make(16) } catch {
            throw CollectorFailure("number the holders in", database.path, error.description)
        }
        guard let key = BadgeKey(bytes: secret) else {
            throw CollectorFailure("number the holders in", database.path, "no random key of 16 bytes")
        }
        self.key = key
        // A number that was given is never given again, whoever had it: the sequence remembers it.
        next =
            try database.integer(
                """
                SELECT max(coalesce((SELECT max(number) FROM holder), 0),
                    coalesce((SELECT seq FROM sqlite_sequence WHERE name='holder'), 0))
                """) + 1
        let known = Int(try database.integer("SELECT count(*) FROM holder"))
        let room = Self.room(for: known)
        low = [UInt64](repeating: 0, count: room)
        rest = low
        let select = try database.prepare("SELECT number, id FROM holder")
        while try select.step() {
            let number = try checked(select.integer(0))
            let hash = select.withBlob(1) { self.hash($0) }
            put(hash, number.number)
        }
    }

    func number(of holder: String) throws(CollectorFailure) -> HolderNumber {
        var holder = holder
        let hash = holder.withUTF8 { self.hash(UnsafeRawBufferPointer($0)) }
        if let known = find(hash) { return HolderNumber(known) }
        let number = try checked(next)
        next += 1
        if (used + 1) * 3 > low.count * 2 { grow() }
        put(hash, number.number)
        if isKept {
            pending.append((Int64(number.number), holder))
            if pending.count >= Self.pendingLimit { try flush() }
        }
        return number
    }

    /// Writes the numbers that were given and are not written yet. To be called before anything says them to others.
    func flush() throws(CollectorFailure) {
        guard !pending.isEmpty else { return }
        try database.transaction { () throws(CollectorFailure) in
            for (number, holder) in pending {
                insert.bind(1, number)
                insert.bind(2, holder)
                try insert.run()
            }
        }
        pending.removeAll(keepingCapacity: true)
    }

    /// Gives the memory back when nobody will be asked for any more; `flush` still works.
    func forgetHolders() {
        low = []
        rest = []
    }

    private func checked(_ number: Int64) throws(CollectorFailure) -> HolderNumber {
        guard let small = UInt32(exactly: number), small > 0 else {
            throw CollectorFailure("number a holder in", database.path, "the 4,294,967,295 numbers are used up")
        }
        return HolderNumber(small)
    }

    // MARK: The table

    private static func room(for holders: Int) -> Int {
        var room = 4096
        while room * 2 < holders * 3 { room *= 2 }
        return room
    }

    private func hash(_ bytes: UnsafeRawBufferPointer) -> (low: UInt64, high: UInt32) {
        var hash = SipHash(key: key)
        for byte in bytes { hash.append(byte) }
        let (low, high) = hash.finish()
        return (low, UInt32(truncatingIfNeeded: high))
    }

    private func find(_ hash: (low: UInt64, high: UInt32)) -> UInt32? {
        var place = Int(hash.low & UInt64(low.count - 1))
        while rest[place] != 0 {
            if low[place] == hash.low, UInt32(rest[place] >> 32) == hash.high {
                return UInt32(truncatingIfNeeded: rest[place])
            }
            place = (place + 1) & (low.count - 1)
        }
        return nil
    }

    private func put(_ hash: (low: UInt64, high: UInt32), _ number: UInt32) {
        var place = Int(hash.low & UInt64(low.count - 1))
        while rest[place] != 0 { place = (place + 1) & (low.count - 1) }
        low[place] = hash.low
        rest[place] = UInt64(hash.high) << 32 | UInt64(number)
        used += 1
    }

    private func grow() {
        let (formerLow, formerRest) = (low, rest)
        low = [UInt64](repeating: 0, count: formerLow.count * 2)
        rest = low
        used = 0
        for place in formerLow.indices where formerRest[place] != 0 {
            put(
                (formerLow[place], UInt32(formerRest[place] >> 32)), UInt32(truncatingIfNeeded: formerRest[place]))
        }
    }
}
