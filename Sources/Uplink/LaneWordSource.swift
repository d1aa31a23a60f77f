import Admission
import Framing
import Posix
import Storage

/// The file `word` that the daemon writes, as far as it is of now.
final class LaneWordSource {
    private let path: String
    private var watch = WordWatch()
    private var status: FileStatus?
    private var read: LaneWord?
    private var report: FailureReport
    private var absentSince: MonotonicTime?
    private var isAbsenceTold = false
    /// A daemon that is only started anew is not told of.
    private static let patienceMilliseconds: Int64 = 10_000

    init(_ directory: LaneDirectory) {
        path = directory.word
        report = FailureReport("what the lane says of itself")
    }

    /// What is wrong with the file; nil while nothing is.
    var complaint: String? { report.current }

    /// What the lane says of itself now; nil: nobody says anything, or nothing that reads.
    func look(now: MonotonicTime) -> LaneWord? {
        do {
            let found = try FileSystem.statusIfPresent(path)
            if found == nil || found != status {
                read = try WordFile.read(path)
                status = found
            }
            if let line = report.succeeded() { Log.notice(line) }
        } catch {
            status = nil
            if let line = report.failed(key: "read", "\(error)", now: now) { Log.warning(line) }
            return nil
        }
        let word = watch.found(read, now: now)
        tell(isThere: word != nil, now)
        return word
    }

    private func tell(isThere: Bool, _ now: MonotonicTime) {
        guard !isThere else {
            if isAbsenceTold { Log.notice("\(path): lanekeeperd writes it again") }
            (absentSince, isAbsenceTold) = (nil, false)
            return
        }
        let since = absentSince ?? now
        absentSince = since
        guard !isAbsenceTold, now.milliseconds(since: since) >= Self.patienceMilliseconds else { return }
        isAbsenceTold = true
        Log.warning("nobody writes \(path): lanekeeperd does not run, or its disk takes nothing")
    }
}

/// Whether a word is of now, by what its reader saw itself: its instants are of a clock that may jump, and a daemon that was
/// killed leaves its last word there. Pure.
struct WordWatch {
    /// A daemon that runs writes six times as often.
    static let longestMilliseconds: Int64 = 30_000

    /// What was there when it was looked at last.
    private var last: LaneWord??
    private var changed: MonotonicTime?

    /// Returns the word as long as it was seen to change lately.
    mutating func found(_ word: LaneWord?, now: MonotonicTime) -> LaneWord? {
        // What is there at the first look may be of any time.
        if let last, last != word { changed = now }
        last = .some(word)
        guard let changed, now.milliseconds(since: changed) <= Self.longestMilliseconds else { return nil }
        return word
    }
}
