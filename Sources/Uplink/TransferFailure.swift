import Cryptography
import Framing
import Posix

/// Why no answer came, or not a whole one.
public struct TransferFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// No connection: nobody listens, no such name, no route.
        case unreachable
        /// It took longer than allowed, or stalled.
        case tooSlow
        /// The connection broke, or what came is not HTTP.
        case broken
        /// More bytes than are taken.
        case tooLarge
        /// TLS could not be agreed on, or the certificate is not one to believe.
        case notTrusted
        /// The collector answered that it cannot or will not: another status than hoped for.
        case refused
        /// The answer is well-formed and makes no sense.
        case nonsense
        /// A disk, a file or libcurl on this machine.
        case local
    }

    public let kind: Kind
    public let description: String
    /// The HTTP status, when an answer came and is not the one that was hoped for.
    public var status: Int?
    /// What the collector asks to be waited for (Retry-After), ms; 0: nothing.
    public var retryAfterMilliseconds: Int64 = 0

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// Runs calls of other rooms under this room's error.
func onDisk<T: ~Copyable>(_ body: () throws(SystemFailure) -> T) throws(TransferFailure) -> T {
    do throws(SystemFailure) { return try body() } catch { throw TransferFailure(.local, error.description) }
}

func hashing<T: ~Copyable>(_ body: () throws(CryptographyFailure) -> T) throws(TransferFailure) -> T {
    do throws(CryptographyFailure) { return try body() } catch { throw TransferFailure(.local, error.description) }
}

func decoding<T: ~Copyable>(_ body: () throws(FormatError) -> T) throws(TransferFailure) -> T {
    do throws(FormatError) { return try body() } catch { throw TransferFailure(.nonsense, error.description) }
}
