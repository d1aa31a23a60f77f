import Glibc

/// A system call that failed, in the words of who has to act on it.
///
/// `description` reads `cannot open /x: Permission denied (13): run as …`.
public struct SystemFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was attempted, as a verb: `open`, `lock`, `rename`.
    public let operation: String
    /// The path, socket or device it was attempted on.
    public let subject: String
    /// The errno value (errno(3)).
    public let code: Int32
    /// What a person can do about it; empty when there is nothing to say.
    public let advice: String

    /// Without `advice`, the usual advice for the errno is given.
    public init(_ operation: String, _ subject: String, code: Int32, advice: String? = nil) {
        self.operation = operation
        self.subject = subject
        self.code = code
        self.advice = advice ?? SystemFailure.usualAdvice(for: code)
    }

    public var description: String {
        let what = "cannot \(operation) \(subject): \(SystemFailure.text(of: code)) (\(code))"
        return advice.isEmpty ? what : "\(what): \(advice)"
    }

    /// The C library's text for an errno.
    public static func text(of code: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            // Swift sees the XSI strerror_r(3): it fills the buffer and ends it with NUL also when it does not know.
            guard let base = buffer.baseAddress, strerror_r(code, base, buffer.count) == 0 else { return "error" }
            return String(cString: base)
        }
    }

    static func usualAdvice(for code: Int32) -> String {
        switch code {
        case EACCES, EPERM: "run as the user that owns it, or give this user the right"
        case ENOENT: "check the path; it, or a directory on the way to it, does not exist"
        case ENOTDIR: "check the path; a part of it is not a directory"
        case EISDIR: "name a file, not a directory"
        case EEXIST: "remove it, or choose another path"
        case ENOSPC, EDQUOT: "free space on this file system"
        case EROFS: "the file system is mounted read-only; see the kernel's log for why"
        case EIO: "the device or disk failed; see the kernel's log"
        case EMFILE, ENFILE: "too many descriptors are open; raise LimitNOFILE"
        case ENOMEM: "not enough memory, or LimitMEMLOCK is too low"
        case ECONNREFUSED: "nothing listens there; start the program that should"
        case EADDRINUSE: "another process uses it; stop that one, or choose another"
        case ENAMETOOLONG: "choose a shorter path"
        case ELOOP: "the path goes through a symbolic link where none is accepted, or in a circle"
        case ENODEV, ENXIO: "the device is not there; check its cable and its driver"
        case EBUSY: "another process uses it"
        case ETIMEDOUT: "the other side did not answer in time"
        default: ""
        }
    }
}
