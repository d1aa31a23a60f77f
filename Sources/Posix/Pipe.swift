import CLinux
import Glibc

public struct Pipe: Sendable {
    public let reader: Descriptor
    public let writer: Descriptor

    public init(nonblocking: Bool = true) throws(SystemFailure) {
        var ends: (Int32, Int32) = (-1, -1)
        try attempt("make", "a pipe") {
            withUnsafeMutableBytes(of: &ends) {
                pipe2($0.assumingMemoryBound(to: Int32.self).baseAddress, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0))
            }
        }
        reader = Descriptor(adopting: ends.0, name: "pipe")
        writer = Descriptor(adopting: ends.1, name: "pipe")
    }
}
