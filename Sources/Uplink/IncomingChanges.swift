import Admission
import Framing
import Posix
import Storage

/// The change lists in `uplink/incoming` that wait for the daemon, each named by its first and last change.
struct IncomingChanges: Sendable {
    /// So many may wait: a daemon that takes none does not make them more and more.
    static let mostWaiting = 64
    /// A list that waits for longer was refused, or the daemon is away: it goes, and is fetched anew.
    static let patienceMilliseconds: Int64 = 60_000

    let directory: LaneDirectory

    enum Next: Equatable {
        /// What comes behind this change is to be fetched.
        case behind(UInt64)
        case enoughWait
    }

    /// Removes what the daemon has taken over, what waits too long and what does not go on where the rest ends; says what
    /// is missing behind. `applied`: the change in force at the lane.
    func tidied(applied: UInt64, wallMilliseconds: Int64) throws(TransferFailure) -> Next {
        let names = try onDisk { () throws(SystemFailure) in try FileSystem.list(directory.incoming) }
        var through = applied
        var waiting = 0
        for name in names {
            guard let numbers = LaneDirectory.incomingChanges(name: name) else { continue }
            let path = "\(directory.incoming)/\(name)"
            let isNext = numbers.last > through && numbers.first <= through + 1
            if isNext, try !isTooOld(path, wallMilliseconds) {
                through = numbers.last
                waiting += 1
            } else {
                try onDisk { () throws(SystemFailure) in _ = try FileSystem.unlinkIfPresent(path) }
            }
        }
        return waiting >= Self.mostWaiting ? .enoughWait : .behind(through)
    }

    private func isTooOld(_ path: String, _ now: Int64) throws(TransferFailure) -> Bool {
        let status = try onDisk { () throws(SystemFailure) in try FileSystem.statusIfPresent(path) }
        guard let status else { return true }
        // A file from the future of a clock that was set back would stay for ever.
        return abs(now - status.modifiedNanoseconds / 1_000_000) > Self.patienceMilliseconds
    }

    /// Puts a list where the daemon finds it, whole.
    func put(_ bytes: [UInt8], _ list: ChangeList) throws(TransferFailure) {
        let path = directory.incomingChanges(first: list.first, last: list.last)
        try onDisk { () throws(SystemFailure) in
            try FileSystem.replace(path, with: bytes, mode: LaneDirectory.fileMode)
        }
    }
}
