import Admission
import Framing
import Posix
import Storage

/// The file `order` in the lane's directory: what a technician ordered outlives a crash of the daemon.
enum OrderFile {
    /// nil removes what was ordered.
    static func keep(_ order: StandingOrder?, in directory: LaneDirectory) throws(SystemFailure) {
        if let order {
            try FileSystem.replace(directory.order, with: Array(order.fileText.utf8), mode: LaneDirectory.fileMode)
        } else {
            guard try FileSystem.unlinkIfPresent(directory.order) else { return }
            try FileSystem.syncDirectory(directory.path)
        }
    }

    /// nil when nothing was ordered, or when nobody can read it any more: that is said in the log.
    static func read(in directory: LaneDirectory) -> StandingOrder? {
        do {
            guard try FileSystem.statusIfPresent(directory.order) != nil else { return nil }
            let text = String(decoding: try FileSystem.read(directory.order, limit: 256), as: UTF8.self)
            return try StandingOrder(fileText: text)
        } catch {
            Log.error("\(directory.order): \(error); the lane takes no order from it. Give it again with lanectl mode")
            return nil
        }
    }
}
