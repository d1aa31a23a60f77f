import Admission
import Framing
import Posix
import Storage

/// Who is where, as the collector knows it: taken over from `incoming/presence`, verified here, and kept in memory alone.
/// Lives on the credential thread. Only where the rules ask for it; `presence` in the lane's directory says to the uplink
/// whether they do, and what to go on from.
struct StandingPresence {
    private let directory: LaneDirectory
    private let trust: SiteTrust
    private(set) var table: PresenceTable?
    /// The one before stays until another comes, so that the lane's thread is not the last to let go of a table.
    private var earlier: PresenceTable?
    /// A list did not go on where the table ends: a whole one is asked for, and the table is used meanwhile.
    private var needsWholeList = false
    /// What the file was when it was taken over or refused.
    private var settled: FileStatus?
    private var said: FileStatus?
    private var marked: PresenceMark??
    private let refused: RefusedFiles

    init(_ directory: LaneDirectory, trusting trust: SiteTrust, refused: RefusedFiles = RefusedFiles()) {
        self.refused = refused
        self.directory = directory
        self.trust = trust
    }

    /// Another table to be handed to the lane; nil: nothing new.
    mutating func takeIncoming(isWanted: Bool, at moment: Moment) -> PresenceTable? {
        guard isWanted else {
            (table, earlier, settled, needsWholeList) = (nil, nil, nil, false)
            mark(nil)
            return nil
        }
        defer {
            let isUsable = table != nil && !needsWholeList
            mark(isUsable ? table.map { PresenceMark(numbering: $0.numbering, number: $0.number) } : PresenceMark.none)
        }
        guard let status = try? FileSystem.statusIfPresent(directory.incomingPresence), status != settled else {
            return nil
        }
        settled = status
        do throws(PresenceRefusal) {
            let list = try PresenceList.verified(try bytes(), trusting: trust)
            let ahead = list.asOf.milliseconds(since: moment.wall)
            if moment.clock == .trusted && ahead > CredentialImage.farthestFutureMilliseconds {
                throw .issuedInFuture(byMilliseconds: ahead)
            }
            let next = try PresenceTable(list, over: table)
            if list.isWhole { Log.notice("presence: \(next.count) holders inside, number \(next.number)") }
            needsWholeList = false
            earlier = table
            table = next
            refused.forget(directory.incomingPresence)
            return next
        } catch {
            switch error {
            // With another clock it may be right.
            case .issuedInFuture: settled = nil
            case .gap, .otherNumbering, .otherZones, .tooMany: needsWholeList = true
            default: break
            }
            // The other ones lie there until the uplink brings the next.
            if Self.level(of: error) == .error { refused.add(directory.incomingPresence, error.reason) }
            if said != status {
                said = status
                Log.write(
                    Self.level(of: error),
                    "presence list refused, what is known stays: \(directory.incomingPresence): \(error.reason); "
                        + error.advice)
            }
            return nil
        }
    }

    /// Lets go of a table that was believed while the clock was not sure, and contradicts it now that it is: every rightly
    /// dated list would be an older one. True when there was one; a whole list is asked for.
    mutating func forgetWhatIsAhead(of clock: ClockReading) -> Bool {
        guard let ahead = table.flatMap({ clock.contradiction(of: $0.asOf) }) else { return false }
        Log.warning(
            "what is known of who is inside is forgotten: it is as of \(ahead / 1000) s in the future of a clock that is "
                + "sure; look at the collector's clock")
        (table, earlier, settled, needsWholeList) = (nil, nil, nil, false)
        mark(PresenceMark.none)
        return true
    }

    private func bytes() throws(PresenceRefusal) -> [UInt8] {
        do {
            let file = try Descriptor.open(directory.incomingPresence, [.read, .nonblocking, .noFollow])
            guard try file.status().kind == .regular else {
                throw SystemFailure("read", directory.incomingPresence, code: 22, advice: "a list is a regular file")
            }
            return try file.readAll(limit: PresenceList.longest)
        } catch { throw .notAList(FormatError("presence list", "\(error)")) }
    }

    private static func level(of refusal: PresenceRefusal) -> Log.Level {
        switch refusal {
        case .nothingNew, .otherNumbering: .notice
        default: .error
        }
    }

    /// Only where it says something else: it is looked at with every list.
    private mutating func mark(_ mark: PresenceMark?) {
        if let marked, marked == mark { return }
        do {
            try PresenceFile.write(mark, to: directory.presence)
            marked = .some(mark)
        } catch { Log.error("\(error)") }
    }
}
