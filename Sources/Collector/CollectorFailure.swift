import Framing
import Posix

/// What the collector could not do, in the words of who has to act on it.
public struct CollectorFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// As a verb: `open`, `store`, `publish`.
    public let operation: String
    /// The path, address or thing it was attempted on.
    public let subject: String
    public let reason: String
    /// What a person can do about it; empty when there is nothing to say.
    public let advice: String

    public init(_ operation: String, _ subject: String, _ reason: String, advice: String = "") {
        self.operation = operation
        self.subject = subject
        self.reason = reason
        self.advice = advice
    }

    init(_ failure: SystemFailure) {
        self.init(failure.operation, failure.subject, SystemFailure.text(of: failure.code), advice: failure.advice)
    }

    public var description: String {
        "cannot \(operation) \(subject): \(reason)" + (advice.isEmpty ? "" : ": \(advice)")
    }
}

/// The failures of other rooms as this room's one kind.
@discardableResult
func collecting<Value>(_ body: () throws(SystemFailure) -> Value) throws(CollectorFailure) -> Value {
    do { return try body() } catch { throw CollectorFailure(error) }
}
