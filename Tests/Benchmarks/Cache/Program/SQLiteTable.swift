import Admission
import CSQLite
import Framing
import Posix
import Storage

/// The same credentials in SQLite: a table that is its own index, its rows in the key's order, one prepared statement. First
/// as SQLite comes; after `favour`, with the whole file mapped and one transaction around all selects.
final class SQLiteTable {
    private let handle: OpaquePointer
    private let select: OpaquePointer
    private let path: String
    let bytes: Int

    init(_ image: CredentialImage, at path: String) throws {
        try FileSystem.unlinkIfPresent(path)
        self.path = path
        var opened: OpaquePointer?
        guard sqlite3_open(path, &opened) == SQLITE_OK, let handle = opened else { throw Mistake("SQLite: \(path)") }
        self.handle = handle
        func execute(_ sql: String) throws {
            guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
                throw Mistake("SQLite: \(sql): \(String(cString: sqlite3_errmsg(handle)))")
            }
        }
        func prepare(_ sql: String) throws -> OpaquePointer {
            var prepared: OpaquePointer?
            guard sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil) == SQLITE_OK,
                let prepared
            else { throw Mistake("SQLite: \(sql): \(String(cString: sqlite3_errmsg(handle)))") }
            return prepared
        }
        try execute(
            """
            PRAGMA synchronous=OFF; CREATE TABLE credential(tag BLOB PRIMARY KEY, slot BLOB) WITHOUT ROWID; BEGIN;
            """)
        let insert = try prepare("INSERT INTO credential VALUES (?, ?)")
        var rows: [(BadgeTag, Credential)] = []
        rows.reserveCapacity(image.header.identifiers)
        image.forEachCredential(of: { _ in true }) { rows.append(($0, $1)) }
        // In the key's order the pages become full and lie in a row.
        rows.sort {
            ($0.0.low.bigEndian, $0.0.high.bigEndian) < ($1.0.low.bigEndian, $1.0.high.bigEndian)
        }
        for (tag, credential) in rows {
            let key = Self.key(tag)
            let payload = (
                credential.holder.number, credential.sampledAtSeconds, credential.assessedAtSeconds,
                UInt32(credential.healthCode.rawValue), credential.zones
            )
            withUnsafeBytes(of: key) { _ = csqlite_bind_blob(insert, 1, $0.baseAddress, 10) }
            withUnsafeBytes(of: payload) { _ = csqlite_bind_blob(insert, 2, $0.baseAddress, Int32($0.count)) }
            guard sqlite3_step(insert) == SQLITE_DONE, sqlite3_reset(insert) == SQLITE_OK else {
                throw Mistake("SQLite: a row is not taken")
            }
        }
        sqlite3_finalize(insert)
        try execute("COMMIT")
        bytes = Int(try FileSystem.status(path).size)
        select = try prepare("SELECT slot FROM credential WHERE tag = ?")
    }

    deinit {
        sqlite3_finalize(select)
        sqlite3_close_v2(handle)
        _ = try? FileSystem.unlinkIfPresent(path)
    }

    func favour() throws {
        let sql = "PRAGMA mmap_size=4294967296; PRAGMA cache_size=-65536; BEGIN"
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
            throw Mistake("SQLite: \(sql): \(String(cString: sqlite3_errmsg(handle)))")
        }
    }

    /// The holder's number.
    func find(_ tag: BadgeTag) throws -> UInt32? {
        try withUnsafeBytes(of: Self.key(tag)) { bytes in
            // SQLite need not copy the key: it stays where it is until the reset.
            sqlite3_bind_blob(select, 1, bytes.baseAddress, 10, nil)
            defer { sqlite3_reset(select) }
            switch sqlite3_step(select) {
            case SQLITE_ROW:
                guard let slot = sqlite3_column_blob(select, 0), sqlite3_column_bytes(select, 0) >= 4 else {
                    return nil
                }
                return slot.loadUnaligned(as: UInt32.self)
            case SQLITE_DONE: return nil
            default: throw Mistake("SQLite: \(String(cString: sqlite3_errmsg(handle)))")
            }
        }
    }

    /// Its first ten bytes are the tag's.
    private static func key(_ tag: BadgeTag) -> (UInt64, UInt16) { (tag.low.littleEndian, tag.high.littleEndian) }
}
