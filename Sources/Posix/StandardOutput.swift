import Glibc

public enum StandardOutput {
    /// Writes the text to stdout, all of it. A reader that has gone (`lanectl events | head`) is no failure: false
    /// then, and the caller stops.
    @discardableResult
    public static func write(_ text: String) throws(SystemFailure) -> Bool {
        try write(text, to: 1, "standard output")
    }

    /// The same to stderr, for messages of a program that a person started; services use `Log`.
    @discardableResult
    public static func writeError(_ text: String) throws(SystemFailure) -> Bool {
        try write(text, to: 2, "standard error")
    }

    private static func write(_ text: String, to raw: Int32, _ name: String) throws(SystemFailure) -> Bool {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let result = repeating {
                bytes.withUnsafeBytes { Glibc.write(raw, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            }
            switch result {
            case .success(let count): done += count
            case .failure(let failure) where failure.code == EPIPE: return false
            case .failure(let failure): throw SystemFailure("write to", name, code: failure.code)
            }
        }
        return true
    }

    /// Columns and rows of the terminal at stdout; nil when there is none or it does not say.
    public static var terminalSize: (columns: Int, rows: Int)? {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Whether a person's terminal is at stderr.
    public static var isErrorTerminal: Bool { isatty(2) == 1 }

    /// Whether a person's terminal is at stdout.
    public static var isTerminal: Bool { isatty(1) == 1 }
}
