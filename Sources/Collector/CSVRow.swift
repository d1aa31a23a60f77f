/// One row of a CSV file: its fields without quotes, in one buffer that is used again for the next row.
struct CSVRow: Sendable {
    /// The line of the file on which the row begins, from 1.
    var line = 1
    private(set) var bytes: [UInt8] = []
    private(set) var ends: [Int] = []

    var count: Int { ends.count }

    subscript(field: Int) -> ArraySlice<UInt8> { bytes[(field == 0 ? 0 : ends[field - 1])..<ends[field]] }

    func text(_ field: Int) -> String { String(decoding: self[field], as: UTF8.self) }

    var isBlank: Bool { ends.count == 1 && bytes.isEmpty }

    mutating func clear(line: Int) {
        self.line = line
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    mutating func append(_ part: UnsafeRawBufferPointer.SubSequence) { bytes.append(contentsOf: part) }
    mutating func append(_ byte: UInt8) { bytes.append(byte) }
    mutating func endField() { ends.append(bytes.count) }
    var fieldLength: Int { bytes.count - (ends.last ?? 0) }
}

/// What keeps a row from being one.
struct CSVFault: Error, Hashable, Sendable {
    /// The line of the file on which the row begins.
    var line: Int
    /// The field in which it was noticed, from 0.
    var field: Int
    var reason: String
}
