import Admission
import Posix
import Storage
import Synchronization

/// Keeps what a technician ordered, on a thread of its own while there is something to keep: a disk that hangs holds up
/// neither `lanectl` nor the end of the program. When it answers again the newest order is what stands on it.
final class OrderKeeper: Sendable {
    private struct Errand: Sendable {
        var order: StandingOrder?
        var result: LateResult<String>
    }
    private struct Work: Sendable {
        /// Takes the place of one that was not begun.
        var waiting: Errand?
        var isUnderWay = false
    }

    static let patienceMilliseconds = 2000
    private let directory: LaneDirectory
    private let work = Mutex(Work())

    init(_ directory: LaneDirectory) { self.directory = directory }

    /// Why it does not stand on the disk; nil when it does. nil as an order removes what was ordered.
    func keep(_ order: StandingOrder?) -> String? {
        do {
            let errand = Errand(order: order, result: try LateResult(name: "order on the disk"))
            let isFirst = work.withLock { work in
                defer { work.isUnderWay = true }
                work.waiting = errand
                return !work.isUnderWay
            }
            if isFirst { try start() }
            guard let fault = errand.result.wait(milliseconds: Self.patienceMilliseconds) else {
                return "\(directory.path) does not answer"
            }
            return fault.isEmpty ? nil : fault
        } catch {
            return "\(error)"
        }
    }

    private func start() throws(SystemFailure) {
        do {
            _ = try NamedThread.start(name: "order") { [self] in
                while let errand = next() {
                    var fault = ""
                    do { try OrderFile.keep(errand.order, in: directory) } catch {
                        fault = "\(error)"
                        // Who ordered it may have his answer already.
                        Log.error("a restart of the daemon forgets what was ordered: \(fault)")
                    }
                    errand.result.end(fault)
                }
            }
        } catch {
            work.withLock { $0.isUnderWay = false }
            throw error
        }
    }

    private func next() -> Errand? {
        work.withLock { work in
            defer { work.waiting = nil }
            if work.waiting == nil { work.isUnderWay = false }
            return work.waiting
        }
    }
}
