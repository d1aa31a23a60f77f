import Admission
import Framing
import Posix
import Synchronization

/// What a collector does with batches, in the simplest way that is right: a set of what is stored, and from the sender's
/// oldest record on the end of what follows without a gap. `mood` may answer something else instead.
final class PlayedCollector: Sendable {
    struct State: Sendable {
        var stored: Set<StoredThrough> = []
        /// Where an epoch continues: its first record names what was before.
        var next: [Epoch: (previous: StoredThrough, epoch: Epoch)] = [:]
        var lost: [RecordBatch.Stretch] = []
        var duplicates = 0
        var batches = 0
        var answers: [StoredThrough] = []
        var broken: [String] = []
        /// What the lane said of itself in each batch.
        var words: [LaneWord?] = []
    }

    let state = Mutex(State())
    private let mood: Mutex<(@Sendable (RawConnection, Int) -> Bool)?>

    /// `mood`: called with the number of the batch, from 1, before it is looked at; true when it has answered.
    init(mood: (@Sendable (RawConnection, Int) -> Bool)? = nil) { self.mood = Mutex(mood) }

    func setMood(_ mood: (@Sendable (RawConnection, Int) -> Bool)?) { self.mood.withLock { $0 = mood } }

    var stored: Set<StoredThrough> { state.withLock { $0.stored } }

    /// Answers one request to `/v1/records`.
    func serve(_ connection: RawConnection) {
        let number = state.withLock {
            $0.batches += 1
            return $0.batches
        }
        if let mood = mood.withLock({ $0 }), mood(connection, number) { return }
        let word = take(connection.body())
        connection.answer("200 OK", ["Content-Type: text/plain"], text: word.text)
    }

    /// Stores a batch and says what to answer.
    func take(_ body: [UInt8]) -> StoredThrough {
        state.withLock { state in
            let word = Self.store(body, &state)
            state.answers.append(word)
            return word
        }
    }

    private static func store(_ body: [UInt8], _ state: inout State) -> StoredThrough {
        body.withUnsafeBytes { bytes in
            do {
                let batch = try RecordBatch(bytes)
                state.words.append(batch.word)
                guard batch.site == testSite else { throw FormatError("batch", "of another site") }
                for index in 0..<batch.recordCount {
                    let record = try JournalRecord(RecordBatch.record(index, of: bytes))
                    let isNew = state.stored.insert(StoredThrough(epoch: record.epoch, sequence: record.sequence))
                        .inserted
                    if !isNew { state.duplicates += 1 }
                    if case .epochStarted(let previous, let last) = record.event, previous != .none {
                        state.next[previous] = (StoredThrough(epoch: previous, sequence: last), record.epoch)
                    }
                }
                if let lost = batch.lost { state.lost.append(lost) }
                return storedThrough(from: batch.oldestHeld, state)
            } catch {
                state.broken.append("\(error)")
                return StoredThrough(epoch: .none, sequence: 0)
            }
        }
    }

    private static func storedThrough(from oldest: StoredThrough?, _ state: State) -> StoredThrough {
        guard var place = oldest else { return StoredThrough(epoch: .none, sequence: 0) }
        place.sequence -= 1
        while true {
            let following = StoredThrough(epoch: place.epoch, sequence: place.sequence + 1)
            if state.stored.contains(following) {
                place = following
            } else if let lost = state.lost.first(where: { $0.epoch == place.epoch && $0.first == following.sequence })
            {
                place.sequence = lost.last
            } else if let next = state.next[place.epoch], next.previous.sequence <= place.sequence {
                place = StoredThrough(epoch: next.epoch, sequence: 0)
            } else {
                return place
            }
        }
    }
}
