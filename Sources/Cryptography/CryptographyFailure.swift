import CCrypto

/// libcrypto refused, or was given something of the wrong size.
public struct CryptographyFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was attempted, as a verb with its object: `sign a message`.
    public let operation: String
    /// Why, and what to do when something can be done.
    public let reason: String

    public init(_ operation: String, reason: String) {
        self.operation = operation
        self.reason = reason
    }

    public var description: String { "cannot \(operation): \(reason)" }

    /// libcrypto's own reason for what just failed on this thread; empties its queue of errors.
    static func ofLibrary(_ operation: String) -> CryptographyFailure {
        var code: UInt = 0
        while true {
            let next = ERR_get_error()
            if next == 0 { break }
            code = next
        }
        guard code != 0 else { return CryptographyFailure(operation, reason: "libcrypto gives no reason") }
        let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            ERR_error_string_n(code, base, buffer.count)
            return String(cString: base)
        }
        return CryptographyFailure(operation, reason: reason)
    }
}
