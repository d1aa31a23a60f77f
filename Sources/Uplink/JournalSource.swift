import Admission
import Framing
import Storage

/// The journal as the upload needs it: batches one after the other as numbered places, and where a word of the
/// collector stands. Read-only; the daemon writes it meanwhile.
final class JournalSource {
    /// One batch's worth, kept until the collector took it or another place is read from.
    struct Reading {
        var batch: JournalBatch
        var span: UploadLoop<Int>.Span
    }

    private let directory: LaneDirectory
    private let mostRecords: Int
    private let reader: JournalReader
    private var sent: SentRecords
    private var kept: Reading?
    /// A place outside of what was read, and how the journal is entered there.
    private var entrance: (place: Int, start: JournalReader.Start, word: StoredThrough?)?

    /// Begins behind `word`, or at the beginning of the journal without one or when the journal does not know it.
    init(_ directory: LaneDirectory, behind word: StoredThrough?, mostRecords: Int) {
        self.directory = directory
        self.mostRecords = mostRecords
        reader = JournalReader(directory, from: word.map { .after($0) } ?? .beginning)
        sent = SentRecords(behind: word)
    }

    var firstPlace: Int { sent.base }

    func oldestHeld() throws(StorageError) -> StoredThrough? { try reader.oldestHeld() }

    /// What stands behind `place`: the same as before when that was read already and not taken. `word`: what the
    /// collector said last; a place within what was sent is the one behind it.
    func read(from place: Int, behind word: StoredThrough?) throws(StorageError) -> Reading {
        if let kept, kept.span.from == place { return kept }
        if let entrance, entrance.place == place {
            reader.move(to: entrance.start)
            sent = SentRecords(base: place, behind: entrance.word)
        } else if place != sent.end {
            reader.move(to: word.map { .after($0) } ?? .beginning)
            sent = SentRecords(base: place, behind: word)
        }
        entrance = nil
        kept = nil
        let batch = try reader.read(atMost: mostRecords)
        if let lost = batch.lost { sent.append(lost: lost) }
        batch.forEachRecord { sent.append($0.epoch, $0.sequence) }
        let span = UploadLoop<Int>.Span(
            from: place, through: sent.end, recordCount: batch.count,
            moreFollows: batch.count >= mostRecords || batch.lost != nil)
        let reading = Reading(batch: batch, span: span)
        if !batch.isEmpty { kept = reading }
        return reading
    }

    /// The collector has everything before `place`.
    func forget(before place: Int, _ word: StoredThrough) {
        if let kept, kept.span.from < place { self.kept = nil }
        sent.forget(before: place, word)
    }

    // MARK: Where a word stands

    func whereabouts(of word: StoredThrough) throws(StorageError) -> UploadLoop<Int>.Whereabouts {
        if let place = sent.place(behind: word) {
            return .known(place, gapFollows: sent.gapFollows(word, at: place))
        }
        if word.epoch == .none { return enter(.beginning, word, gapFollows: false) }
        let following = try first(.after(word))
        if try isHeld(word, following) { return enter(.after(word), word, gapFollows: following.lost != nil) }
        if let next = following.record, next.epoch == word.epoch, next.sequence > word.sequence {
            return enter(.after(word), word, gapFollows: true)
        }
        if try first(.after(StoredThrough(epoch: word.epoch, sequence: 0))).record?.epoch == word.epoch {
            // Past the end of its epoch as it stands here: a power cut took what was not on disk yet.
            guard following.record != nil else {
                return .unknown(
                    "it says that it has record \(word.sequence) of epoch \(word.epoch.hex), and the journal ends before",
                    readAgainFrom: kept?.span.from ?? sent.end)
            }
            return enter(.after(word), word, gapFollows: following.lost != nil)
        }
        // The epoch before the first that is held, which its first record names.
        if case .epochStarted(word.epoch, let last)? = following.event {
            return enter(.beginning, word, gapFollows: word.sequence < last)
        }
        let start = outside(word)
        entrance = (start, .beginning, nil)
        return .unknown(
            "it says that it has epoch \(word.epoch.hex), which this journal does not know", readAgainFrom: start)
    }

    /// Whether the journal holds the very record that the word names, or, for number 0, its epoch's first.
    private func isHeld(_ word: StoredThrough, _ following: First) throws(StorageError) -> Bool {
        guard word.sequence > 0 else {
            return following.record.map { $0.epoch == word.epoch && $0.sequence == 1 } ?? false
        }
        let before = StoredThrough(epoch: word.epoch, sequence: word.sequence - 1)
        return try first(.after(before)).record == word
    }

    private func enter(
        _ start: JournalReader.Start, _ word: StoredThrough, gapFollows: Bool
    ) -> UploadLoop<Int>.Whereabouts {
        let place = outside(word)
        entrance = (place, start, word)
        return .known(place, gapFollows: gapFollows)
    }

    /// A place of its own, ahead of what was read when that is certain.
    private func outside(_ word: StoredThrough) -> Int {
        if let last = sent.last, last.epoch == word.epoch, last.sequence < word.sequence { return sent.end + 1 }
        return sent.base - 1
    }

    private struct First {
        var record: StoredThrough?
        var event: LaneEvent?
        var lost: RecordBatch.Stretch?
    }

    /// The first record from there on. With a reader of its own: the other one stays where it is.
    private func first(_ start: JournalReader.Start) throws(StorageError) -> First {
        let batch = try JournalReader(directory, from: start).read(atMost: 1)
        var first = First(record: batch.through, lost: batch.lost)
        guard batch.count > 0 else { return first }
        batch.records.span.bytes.withUnsafeBytes { bytes in
            first.event = (try? JournalRecord(UnsafeRawBufferPointer(rebasing: bytes[..<JournalRecord.size])))?.event
        }
        return first
    }
}

extension JournalBatch {
    fileprivate func forEachRecord(_ body: (JournalRecord.Place) -> Void) {
        records.span.bytes.withUnsafeBytes { bytes in
            for index in 0..<count {
                let start = index * JournalRecord.size
                let record = UnsafeRawBufferPointer(rebasing: bytes[start..<start + JournalRecord.size])
                if let place = JournalRecord.place(of: record) { body(place) }
            }
        }
    }
}
