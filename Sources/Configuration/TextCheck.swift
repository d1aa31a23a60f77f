/// What has to be right before libyaml sees a file: UTF-8 without NUL.
enum TextCheck {
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The first place that is not UTF-8 or is NUL, and why; nil when there is none.
    static func firstFault(in bytes: ArraySlice<UInt8>) -> (position: Position, message: String)? {
        var (line, column) = (1, 1)
        var input = bytes.makeIterator()
        var parser = Unicode.UTF8.ForwardParser()
        while true {
            switch parser.parseScalar(from: &input) {
            case .emptyInput: return nil
            case .error:
                return (
                    Position(line: line, column: column), "the text is not UTF-8 here; save the file as UTF-8"
                )
            case .valid(let encoded):
                switch Unicode.UTF8.decode(encoded).value {
                case 0:
                    return (
                        Position(line: line, column: column),
                        "a NUL byte stands here; the file is damaged, or not a text"
                    )
                case 0x0A: (line, column) = (line + 1, 1)
                default: column += 1
                }
            }
        }
    }
}
