import Cryptography
import Framing
import Posix
import Synchronization

/// The SHA-256 of a body that is still being written, computed on a thread of its own behind the writer.
///
/// The writer says with `isReady(upTo:)` how far it has come, and ends with `finish` or `abandon`; what has not been said to
/// be ready is never read. Where no thread can be started, `finish` computes it all.
final class BodyDigest: Sendable {
    private enum Outcome: Sendable {
        case digest([UInt8])
        case failure(CryptographyFailure)
    }

    /// Stays mapped as long as the thread runs.
    private let file: MappedFile
    private let start: Int
    private var body: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[start...]) }
    private let ready = Atomic<Int>(0)
    private let isAbandoned = Atomic<Bool>(false)
    private let wake: WakeUp
    private let outcome = Mutex<Outcome?>(nil)

    /// The thread ends by itself soon after `finish` or `abandon`; whoever waits for it is `finish`.
    private let thread = Mutex<NamedThread?>(nil)

    /// Of all that `file` has from `start` on.
    init(of file: MappedFile, from start: Int) throws(SystemFailure) {
        self.file = file
        self.start = start
        wake = try WakeUp(name: "image digest")
        let started = try? NamedThread.start(name: "image digest") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// The first `count` bytes are as they will stay.
    func isReady(upTo count: Int) {
        ready.store(count, ordering: .releasing)
        wake.signal()
    }

    /// Stops. Called on every way out, before the memory goes.
    func abandon() {
        isAbandoned.store(true, ordering: .releasing)
        wake.signal()
        join()
    }

    /// All is ready: waits for the digest, 32 bytes.
    func finish() throws(CryptographyFailure) -> [UInt8] {
        isReady(upTo: body.count)
        join()
        switch outcome.withLock({ $0 }) {
        case .digest(let digest): return digest
        case .failure(let failure): throw failure
        case nil: return try SHA256.hash(body)
        }
    }

    private func join() {
        let taken = thread.withLock { thread in
            let taken = thread
            thread = nil
            return taken
        }
        taken?.join()
    }

    private func run() {
        do throws(CryptographyFailure) {
            var hash = try SHA256()
            var done = 0
            while done < body.count {
                if isAbandoned.load(ordering: .acquiring) { return }
                let end = ready.load(ordering: .acquiring)
                if end > done {
                    try hash.update(UnsafeRawBufferPointer(rebasing: body[done..<end]))
                    done = end
                } else {
                    // Woken by the writer; once a second it looks by itself.
                    _ = try? wake.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 1000))
                    wake.drain()
                }
            }
            let digest = try hash.finish()
            outcome.withLock { $0 = .digest(digest) }
        } catch {
            outcome.withLock { $0 = .failure(error) }
        }
    }
}
