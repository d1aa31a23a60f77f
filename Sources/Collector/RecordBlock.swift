import Framing

/// The records of one row of `block`: 256 bytes each, one behind the other.
enum RecordBlock {
    /// Those of one kind; one that is damaged is left out.
    static func records(of block: UnsafeRawBufferPointer, ofKind kind: UInt8) -> [JournalRecord] {
        stride(from: 0, through: block.count - JournalRecord.size, by: JournalRecord.size).compactMap { start in
            guard block[start + JournalRecord.kindOffset] == kind else { return nil }
            return try? JournalRecord(bytes(at: start, of: block))
        }
    }

    /// The record at `index`; nil when it is damaged.
    static func record(_ index: Int, of block: UnsafeRawBufferPointer) -> JournalRecord? {
        let start = index * JournalRecord.size
        guard start + JournalRecord.size <= block.count else { return nil }
        return try? JournalRecord(bytes(at: start, of: block))
    }

    private static func bytes(at start: Int, of block: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: block[start..<start + JournalRecord.size])
    }
}
