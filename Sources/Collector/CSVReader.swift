/// Reads CSV (RFC 4180) as a stream: bytes in, rows out, with a bound on what one row may hold.
///
/// Lines end with CR LF or LF; the last may end with the file. A field in quotes may hold commas, line ends and doubled
/// quotes. A row that is not well-formed is a fault that names its line, and reading goes on behind it. A quote that is
/// not closed within the longest field, or at all, is one stray character: reading goes on with the line after the one
/// on which it was opened, so that it does not swallow the rest of the file.
///
///     reader.append(bytes)                    as often as there are any
///     while let outcome = reader.next() { … } rows and faults; nil: more bytes are needed
///     reader.finish()                         then `next` gives the rest, and nil is the end
struct CSVReader: Sendable {
    struct Limits: Sendable {
        var fieldBytes = 4096
        var rowBytes = 65_536
        var fields = 256
    }

    private let limits: Limits
    private var buffer: [UInt8] = []
    private var start = 0
    private var line = 1
    private var isFinished = false
    private var isAtStart = true
    /// A row that is not kept is being passed over up to its line end.
    private var isSkipping = false

    init(limits: Limits = Limits()) { self.limits = limits }

    mutating func append(_ bytes: some Collection<UInt8>) {
        // What was read already goes when it is more than what is left: each byte is moved once on average.
        if start > buffer.count / 2 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    mutating func finish() { isFinished = true }

    /// Fills `row` with the next row: true. nil when there is none yet (or, after `finish`, none any more).
    mutating func next(into row: inout CSVRow) -> Result<Void, CSVFault>? {
        if isAtStart && !passByteOrderMark() { return nil }
        if isSkipping && !skipLine() { return nil }
        guard start < buffer.count else { return nil }
        let scan = buffer.withUnsafeBytes { bytes in
            RowScan(UnsafeRawBufferPointer(rebasing: bytes[start...]), limits, isFinished, line).run(into: &row)
        }
        switch scan {
        case .needsMore: return nil
        case .row(let length, let lines):
            start += length
            line += lines
            return .success(())
        case .fault(let fault, let passed, let lines):
            start += passed
            line += lines
            isSkipping = true
            // Its rest may be here already; if not, the next call goes on with it.
            _ = skipLine()
            return .failure(fault)
        }
    }

    /// UTF-8's byte order mark. false while it cannot be told yet.
    private mutating func passByteOrderMark() -> Bool {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if buffer.count < 3, !isFinished, mark.starts(with: buffer) { return false }
        if buffer.starts(with: mark) { start = 3 }
        isAtStart = false
        return true
    }

    /// Passes over everything up to and including the next line end. false when it has not come yet.
    private mutating func skipLine() -> Bool {
        guard let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) else {
            start = buffer.count
            if isFinished { isSkipping = false }
            return isFinished
        }
        start = end + 1
        line += 1
        isSkipping = false
        return true
    }
}

/// Looks at the bytes of one row from its beginning.
private struct RowScan {
    enum Outcome {
        case needsMore
        /// The row's length with its line end, and the line ends in it.
        case row(length: Int, lines: Int)
        /// So many bytes, and line ends among them, are to be passed over; then all up to the next line end.
        case fault(CSVFault, passed: Int, lines: Int)
    }

    private static let quote = UInt8(ascii: "\"")
    private static let comma = UInt8(ascii: ",")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    private let bytes: UnsafeRawBufferPointer
    private let limits: CSVReader.Limits
    private let isWhole: Bool
    private let line: Int
    private var place = 0
    private var lines = 0

    init(_ bytes: UnsafeRawBufferPointer, _ limits: CSVReader.Limits, _ isWhole: Bool, _ line: Int) {
        self.bytes = bytes
        self.limits = limits
        self.isWhole = isWhole
        self.line = line
    }

    consuming func run(into row: inout CSVRow) -> Outcome {
        row.clear(line: line)
        while true {
            let field =
                place < bytes.count && bytes[place] == Self.quote ? quoted(into: &row) : plain(into: &row)
            switch field {
            case .needsMore: return isWhole ? end(&row) : .needsMore
            case .fault: return field
            case .row: break
            }
            row.endField()
            if let fault = tooManyFields(row) { return fault }
            guard place < bytes.count else {
                return isWhole ? .row(length: place, lines: lines) : .needsMore
            }
            switch bytes[place] {
            case Self.comma:
                place += 1
                if let fault = tooLong(row) { return fault }
            case Self.lineFeed: return .row(length: place + 1, lines: lines + 1)
            default:
                // A carriage return: a line feed must follow.
                guard place + 1 < bytes.count else {
                    return isWhole
                        ? .row(length: place + 1, lines: lines) : .needsMore
                }
                guard bytes[place + 1] == Self.lineFeed else {
                    return fault(
                        row, "a carriage return that no line feed follows", passed: place, lines: lines,
                        field: row.count - 1)
                }
                return .row(length: place + 2, lines: lines + 1)
            }
        }
    }

    /// The file ends inside a field that is not in quotes.
    private func end(_ row: inout CSVRow) -> Outcome {
        row.endField()
        return tooManyFields(row) ?? .row(length: place, lines: lines)
    }

    private func tooManyFields(_ row: CSVRow) -> Outcome? {
        guard row.count > limits.fields else { return nil }
        return fault(
            row, "more than \(limits.fields) fields", passed: place, lines: lines, field: row.count - 1)
    }

    /// Looked at wherever `place` moves on: a row is refused at the same byte in whatever pieces it comes.
    private func tooLong(_ row: CSVRow) -> Outcome? {
        guard place > limits.rowBytes else { return nil }
        return fault(row, "a row of more than \(limits.rowBytes) bytes", passed: place, lines: lines)
    }

    /// `.row`: the field is whole, `place` is behind it. `.needsMore`: the bytes end in it.
    private mutating func plain(into row: inout CSVRow) -> Outcome {
        let start = place
        while place < bytes.count {
            switch bytes[place] {
            case Self.comma, Self.lineFeed, Self.carriageReturn:
                row.append(bytes[start..<place])
                return .row(length: 0, lines: 0)
            case Self.quote:
                return fault(
                    row, "a quote inside a field that does not begin with one", passed: place, lines: lines)
            case 0: return fault(row, "a NUL byte", passed: place, lines: lines)
            default: place += 1
            }
            if place - start > limits.fieldBytes {
                return fault(row, "a field of more than \(limits.fieldBytes) bytes", passed: place, lines: lines)
            }
            if let fault = tooLong(row) { return fault }
        }
        row.append(bytes[start..<place])
        return .needsMore
    }

    private mutating func quoted(into row: inout CSVRow) -> Outcome {
        let opening = place
        let linesBefore = lines
        place += 1
        var part = place
        while place < bytes.count {
            switch bytes[place] {
            case Self.quote:
                row.append(bytes[part..<place])
                place += 1
                if let fault = tooLong(row) { return fault }
                if place == bytes.count { return isWhole ? .row(length: 0, lines: 0) : .needsMore }
                switch bytes[place] {
                case Self.quote:
                    row.append(Self.quote)
                    place += 1
                    part = place
                case Self.comma, Self.lineFeed, Self.carriageReturn: return .row(length: 0, lines: 0)
                default: return fault(row, "text behind a closing quote", passed: place, lines: lines)
                }
            case 0: return fault(row, "a NUL byte", passed: place, lines: lines)
            case Self.lineFeed:
                lines += 1
                place += 1
            default: place += 1
            }
            if place - opening > limits.fieldBytes {
                return fault(
                    row, "a quote that is not closed within \(limits.fieldBytes) bytes", passed: opening,
                    lines: linesBefore)
            }
            if let fault = tooLong(row) { return fault }
        }
        guard isWhole else { return .needsMore }
        return fault(row, "a quote that is never closed", passed: opening, lines: linesBefore)
    }

    /// `field`: nil for the one that is being read.
    private func fault(
        _ row: CSVRow, _ reason: String, passed: Int, lines: Int, field: Int? = nil
    ) -> Outcome {
        .fault(CSVFault(line: line, field: field ?? row.count, reason: reason), passed: passed, lines: lines)
    }
}
