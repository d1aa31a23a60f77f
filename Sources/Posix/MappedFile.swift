import Glibc

/// A file's contents mapped read-only, unmapped when the last reference goes.
///
/// Reading the mapping after someone shortened the file raises SIGBUS: map only files that no other user can write.
public final class MappedFile: @unchecked Sendable {
    // Unchecked: the memory is never written through this mapping, and the pointer never changes.

    /// Valid as long as this object lives. Empty for an empty file.
    public let bytes: UnsafeRawBufferPointer
    public let name: String

    public var count: Int { bytes.count }

    /// Maps all of an open file; the descriptor may be closed afterwards. `prefault` reads the pages in at once
    /// (MAP_POPULATE) instead of one page fault each.
    public init(_ file: Descriptor, prefault: Bool = false) throws(SystemFailure) {
        name = file.name
        let size = try file.status().size
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let count = Int(size)
        let flags = MAP_PRIVATE | (prefault ? Int32(MAP_POPULATE) : 0)
        guard let base = mmap(nil, count, PROT_READ, flags, file.raw, 0), base != MAP_FAILED else {
            throw SystemFailure("map", file.name, code: errno)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: count)
    }

    public convenience init(_ path: String, prefault: Bool = false) throws(SystemFailure) {
        try self.init(try Descriptor.open(path, [.read, .noFollow]), prefault: prefault)
    }

    deinit {
        if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
    }

    /// Reads every page in and keeps it in memory (mlock(2)), until unmapped. `part`: only the pages of these bytes.
    public func lockInMemory(_ part: Range<Int>? = nil) throws(SystemFailure) {
        let part = part ?? 0..<bytes.count
        precondition(part.lowerBound >= 0 && part.upperBound <= bytes.count)
        guard let base = bytes.baseAddress else { return }
        guard mlock(base + part.lowerBound, part.count) == 0 else {
            throw SystemFailure(
                "keep in memory", name, code: errno,
                advice: "raise LimitMEMLOCK to at least \(bytes.count) bytes")
        }
    }

    /// As `lockInMemory`; why not, where it cannot be done.
    public func keptInMemory(_ part: Range<Int>? = nil) -> SystemFailure? {
        do { try lockInMemory(part) } catch { return error }
        return nil
    }
}
