import CSQLite
import Posix

/// One SQLite connection. Whoever opened it owns it: one thread at a time, no locks inside (SQLITE_OPEN_NOMUTEX).
final class Database: @unchecked Sendable {
    // Unchecked: handed from the thread that opens it to the one that uses it, never shared.
    fileprivate let handle: OpaquePointer
    let path: String
    private var during: (() -> Void)?

    enum Access {
        /// Makes the file when it is not there, mode 0600: holder ids stand in it.
        case create
        case readWrite
        case readOnly
    }

    /// Other connections' short transactions are waited for, 10 s at most.
    init(_ path: String, _ access: Access) throws(CollectorFailure) {
        self.path = path
        if access == .create {
            try collecting { () throws(SystemFailure) in
                // Closing any descriptor of a database takes this process's locks on it away (fcntl(2)), also those of
                // another connection: a second process then believes to be the last one, and removes its log.
                guard try FileSystem.statusIfPresent(path) == nil else { return }
                _ = try Descriptor.open(path, [.readWrite, .create, .noFollow], mode: 0o600)
            }
        }
        let flags: Int32
        switch access {
        case .create, .readWrite: flags = SQLITE_OPEN_READWRITE
        case .readOnly: flags = SQLITE_OPEN_READONLY
        }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK, let opened else {
            let reason = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw CollectorFailure("open", path, reason, advice: Database.advice(code))
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 10_000)
    }

    deinit { sqlite3_close_v2(handle) }

    /// Other connections' transactions are waited for so long.
    func waitForOthers(milliseconds: Int32) { sqlite3_busy_timeout(handle, milliseconds) }

    /// Commits reach the disk before they return, readers never wait, and a checkpoint is made every 16 MiB of log. Where a
    /// reader that took long let the log grow beyond 64 MiB, its file becomes smaller again.
    func useWriteAheadLog() throws(CollectorFailure) {
        try execute(
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=4096;
            PRAGMA journal_size_limit=67108864;
            """)
    }

    func execute(_ sql: String) throws(CollectorFailure) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure("run a statement in", code) }
    }

    func prepare(_ sql: String) throws(CollectorFailure) -> SQLStatement { try SQLStatement(self, sql) }

    /// All or nothing. `body`'s error is rethrown after the rollback.
    func transaction<Value>(_ body: () throws(CollectorFailure) -> Value) throws(CollectorFailure) -> Value {
        try execute("BEGIN IMMEDIATE")
        do throws(CollectorFailure) {
            let value = try body()
            try execute("COMMIT")
            return value
        } catch {
            // SQLite has rolled back by itself after some errors; then this one says so and changes nothing.
            _ = try? execute("ROLLBACK")
            throw error
        }
    }

    // MARK: Copies

    /// From here on this connection reads the database as of now. Others go on writing.
    func holdInstant() throws(CollectorFailure) {
        try execute("BEGIN")
        _ = try integer("SELECT count(*) FROM sqlite_schema")
    }

    /// All of it as of the instant that it holds, to a file of its own, 0600, some pages at a time; then it is held no longer.
    func copyHeldInstant(to target: String) throws(CollectorFailure) {
        let copy = try Database(target, .create)
        guard let work = sqlite3_backup_init(copy.handle, "main", handle, "main") else {
            throw copy.failure("copy to", sqlite3_errcode(copy.handle))
        }
        var code = SQLITE_OK
        while code == SQLITE_OK { code = sqlite3_backup_step(work, 1024) }
        sqlite3_backup_finish(work)
        guard code == SQLITE_DONE else { throw copy.failure("copy to", code) }
        // One file: a log beside it would be part of it.
        try copy.execute("PRAGMA journal_mode=DELETE")
        try execute("ROLLBACK")
    }

    /// All of it as of one instant and without what is free in it, to a file of its own, 0600. Others read and write meanwhile.
    func copy(to target: String) throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in
            // SQLite takes an empty file as it is, with its mode.
            _ = try Descriptor.open(target, [.write, .create, .exclusive, .noFollow], mode: 0o600)
        }
        let copy = try prepare("VACUUM INTO ?")
        copy.bind(1, target)
        try copy.run()
    }

    /// Calls `body` again and again while a statement of this connection runs.
    func whileRunning(_ body: (() -> Void)?) {
        during = body
        sqlite3_progress_handler(
            handle, body == nil ? 0 : 100,
            { context in
                guard let context else { return 0 }
                Unmanaged<Database>.fromOpaque(context).takeUnretainedValue().during?()
                return 0
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Rows that the last INSERT, UPDATE or DELETE touched.
    var changes: Int { Int(sqlite3_changes64(handle)) }
    var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(handle) }

    func integer(_ sql: String) throws(CollectorFailure) -> Int64 {
        let statement = try prepare(sql)
        guard try statement.step() else { return 0 }
        return statement.integer(0)
    }

    fileprivate func failure(_ operation: String, _ code: Int32) -> CollectorFailure {
        CollectorFailure(
            operation, path, "\(String(cString: sqlite3_errmsg(handle))) (\(code))", advice: Database.advice(code))
    }

    private static func advice(_ code: Int32) -> String {
        switch code & 0xFF {
        case SQLITE_CANTOPEN: "check the path and its owner; `lanekeeper-collector init` makes a new data directory"
        case SQLITE_FULL: "free space on this file system"
        case SQLITE_READONLY, SQLITE_PERM: "run as the user that owns it"
        case SQLITE_BUSY, SQLITE_LOCKED: "another program holds it; stop that one, or try again"
        case SQLITE_CORRUPT, SQLITE_NOTADB: "the file is damaged; put a backup in its place"
        case SQLITE_IOERR: "the disk failed; see the kernel's log"
        default: ""
        }
    }
}

/// A prepared statement of a connection, used again and again by the connection's owner.
final class SQLStatement: @unchecked Sendable {
    // Unchecked: as Database, whose owner is this one's owner.
    private let statement: OpaquePointer
    private let database: Database

    fileprivate init(_ database: Database, _ sql: String) throws(CollectorFailure) {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw database.failure("prepare a statement for", code) }
        statement = prepared
        self.database = database
    }

    deinit { sqlite3_finalize(statement) }

    // Places count from 1. Binding fails only for a place that the statement does not have.

    func bind(_ place: Int32, _ value: Int64) { sqlite3_bind_int64(statement, place, value) }
    func bind(_ place: Int32, _ value: Int) { sqlite3_bind_int64(statement, place, Int64(value)) }
    func bind(_ place: Int32, _ value: Int64?) {
        if let value { bind(place, value) } else { sqlite3_bind_null(statement, place) }
    }

    func bind(_ place: Int32, _ text: String) {
        var text = text
        text.withUTF8 { bytes in
            _ = bytes.withMemoryRebound(to: CChar.self) {
                csqlite_bind_text(statement, place, $0.baseAddress, Int32($0.count))
            }
        }
    }

    func bind(_ place: Int32, _ bytes: [UInt8]) { bytes.withUnsafeBytes { bind(place, $0) } }
    func bind(_ place: Int32, _ bytes: UnsafeRawBufferPointer) {
        csqlite_bind_blob(statement, place, bytes.baseAddress, Int32(bytes.count))
    }
    func bind(_ place: Int32, _ bytes: [UInt8]?) {
        if let bytes { bind(place, bytes) } else { sqlite3_bind_null(statement, place) }
    }

    /// Whether there is a row to read. After false or an error the statement is ready to be bound and run again.
    func step() throws(CollectorFailure) -> Bool {
        let code = sqlite3_step(statement)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            sqlite3_reset(statement)
            return false
        default:
            let failure = database.failure("use", code)
            sqlite3_reset(statement)
            throw failure
        }
    }

    /// Runs a statement that gives no rows, or whose rows are of no interest.
    func run() throws(CollectorFailure) {
        while try step() {}
    }

    /// Ends a query before its last row.
    func reset() { sqlite3_reset(statement) }

    // Columns count from 0.

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    func text(_ column: Int32) -> String {
        guard let text = sqlite3_column_text(statement, column) else { return "" }
        let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, column)))
        return String(decoding: bytes, as: UTF8.self)
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let base = sqlite3_column_blob(statement, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(statement, column))))
    }

    func withBlob<Value>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        let base = sqlite3_column_blob(statement, column)
        let count = base == nil ? 0 : Int(sqlite3_column_bytes(statement, column))
        return body(UnsafeRawBufferPointer(start: base, count: count))
    }
}
