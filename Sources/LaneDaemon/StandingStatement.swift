import Admission
import Framing
import Posix
import Storage

/// The newest statement that was verified here, kept in the file `statement` for the next start. Lives on the credential
/// thread.
///
/// Newest is by its own date, so that one that is replayed says nothing. A collector whose clock was ahead must not make
/// all that it says afterwards an old statement: see `ClockKeeper.isSure`.
struct StandingStatement {
    private let directory: LaneDirectory
    private let trust: SiteTrust
    private let refused: RefusedFiles
    private(set) var newest: Statement?
    /// The first that named an image not in force, so that further changes do not make it wait for longer.
    private(set) var announcement: Statement?
    private var settled = SettledFiles()
    private var isNotKept = false
    /// Every one of a collector whose clock is ahead is refused, and it is said once.
    private var isSaidToBeAhead = false

    init(_ directory: LaneDirectory, trusting trust: SiteTrust, refused: RefusedFiles) {
        self.directory = directory
        self.trust = trust
        self.refused = refused
    }

    private var kept: String { "\(directory.path)/statement" }

    /// Reads what was kept, and what the uplink brought while this program did not run.
    mutating func start(at clock: ClockReading, hand: (Statement) -> Bool) {
        read(kept, at: clock, hand)
        read(directory.statement, at: clock, hand)
    }

    /// - Parameter hand: gives it to the lane; false when the lane's box is full: then it is read again.
    mutating func takeIncoming(at clock: ClockReading, hand: (Statement) -> Bool) {
        read(directory.statement, at: clock, hand)
    }

    private mutating func read(_ path: String, at clock: ClockReading, _ hand: (Statement) -> Bool) {
        do {
            guard let status = try FileSystem.statusIfPresent(path), !settled.has(path, status, at: clock) else {
                return
            }
            do {
                let bytes = try bytes(path)
                let statement = try StatementFile.verify(bytes, trusting: trust)
                if let ahead = clock.contradiction(of: statement.asOf) {
                    throw StatementRefusal.issuedInFuture(byMilliseconds: ahead)
                }
                refused.forget(path)
                settled.forget(path)
                if let newest, statement.asOf <= newest.asOf { return }
                if announcement?.imageVersion != statement.imageVersion { announcement = statement }
                guard hand(statement) else { return }
                newest = statement
                isSaidToBeAhead = false
                if path != kept { keep(bytes) }
            } catch { refuse(path, status, error, at: clock) }
        } catch { Log.error("statement: \(error)") }
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        let file = try Descriptor.open(path, [.read, .nonblocking, .noFollow])
        guard try file.status().kind == .regular else {
            throw SystemFailure("read", path, code: 22, advice: "a statement is a regular file")
        }
        return try file.readAll(limit: Statement.longest)
    }

    private mutating func refuse(_ path: String, _ status: FileStatus, _ error: any Error, at clock: ClockReading) {
        let refusal = error as? StatementRefusal
        let reason = refusal?.reason ?? "\(error)"
        if path != kept { refused.add(path, reason) }
        var again = SettledFiles.Again.whenItChanges
        var isSaid = false
        if case .issuedInFuture(let ahead)? = refusal {
            again = .byTheClock(milliseconds: ahead - ClockKeeper.aheadMilliseconds)
            isSaid = isSaidToBeAhead
            isSaidToBeAhead = true
        }
        guard settled.settle(path, status, reason, again, at: clock), !isSaid else { return }
        let told = refusal.map { StorageError.statement(path: path, $0).description }
        Log.error("statement refused: \(told ?? reason)")
    }

    /// For the next start. A disk that does not take it makes no statement old.
    private mutating func keep(_ statement: [UInt8]) {
        do { try FileSystem.replace(kept, with: statement, mode: LaneDirectory.fileMode) } catch {
            if !isNotKept { Log.error("statement: not kept for the next start: \(error)") }
            isNotKept = true
            return
        }
        isNotKept = false
    }

    /// Lets go of a statement that was believed while the clock was not sure, and contradicts it now that it is. True when
    /// there was one.
    mutating func forgetWhatIsAhead(of clock: ClockReading) -> Bool {
        guard let ahead = newest.flatMap({ clock.contradiction(of: $0.asOf) }) else { return false }
        Log.warning(
            "the statement is forgotten: it is as of \(ahead / 1000) s in the future of a clock that is sure; "
                + "look at the collector's clock")
        newest = nil
        announcement = nil
        do { _ = try FileSystem.unlinkIfPresent(kept) } catch { Log.error("statement: \(error)") }
        return true
    }
}
