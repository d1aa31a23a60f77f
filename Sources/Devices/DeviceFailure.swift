import Posix

/// A device that cannot be used, in the words of who has to act on it.
///
/// `description` reads `cannot open /dev/ttyUSB0: No such file or directory (2): check the path; …`.
public struct DeviceFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was attempted, as a verb: `open`, `lock`, `read`.
    public let operation: String
    /// The path, socket, chip or line it was attempted on.
    public let device: String
    /// What went wrong, with the errno where there is one.
    public let reason: String
    /// What a person can do about it; empty when there is nothing to say.
    public let advice: String

    public init(_ operation: String, _ device: String, reason: String, advice: String = "") {
        self.operation = operation
        self.device = device
        self.reason = reason
        self.advice = advice
    }

    public init(_ operation: String, _ device: String, code: Int32, advice: String? = nil) {
        self.init(SystemFailure(operation, device, code: code, advice: advice))
    }

    public init(_ failure: SystemFailure) {
        self.init(
            failure.operation, failure.subject, reason: "\(SystemFailure.text(of: failure.code)) (\(failure.code))",
            advice: failure.advice)
    }

    public var description: String {
        let what = "cannot \(operation) \(device): \(reason)"
        return advice.isEmpty ? what : "\(what): \(advice)"
    }
}
