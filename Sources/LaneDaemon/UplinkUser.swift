import Posix
import Storage
import Synchronization

/// Who owns the uplink's folder. He shares the lane's group and is not trusted: what badges hold is not his business. The
/// folder may come later, so it is looked at for each client, on a thread of its own: the disk may hang.
final class UplinkUser: Sendable {
    static let patienceMilliseconds = 500
    private let folder: String
    private let known = Mutex<[UInt32]?>(nil)
    private let isLooking = Atomic<Bool>(false)

    init(_ directory: LaneDirectory) { folder = directory.uplink }

    /// Empty when one user runs both, or there is no folder yet; while the disk hangs what was found last, or nil.
    func find() -> [UInt32]? {
        guard !isLooking.exchange(true, ordering: .acquiringAndReleasing) else { return known.withLock { $0 } }
        do {
            let result = try LateResult<[UInt32]>(name: "owner of the uplink's folder")
            _ = try NamedThread.start(name: "uplink's user") { [self] in
                let found = look()
                known.withLock { $0 = found }
                isLooking.store(false, ordering: .releasing)
                result.end(found)
            }
            return result.wait(milliseconds: Self.patienceMilliseconds) ?? known.withLock { $0 }
        } catch {
            isLooking.store(false, ordering: .releasing)
            return known.withLock { $0 }
        }
    }

    private func look() -> [UInt32] {
        guard let owner = (try? FileSystem.statusIfPresent(folder))??.user else { return [] }
        return owner == Invocation.effectiveUser ? [] : [owner]
    }
}
