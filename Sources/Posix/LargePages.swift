import Glibc

/// Memory in pages of 2 MiB, where the kernel gives them (madvise(2), MADV_HUGEPAGE): a table that is written at once then
/// costs one page fault instead of 512.
public enum LargePages {
    public static let bytes = 2 << 20

    /// What a table of `byteCount` bytes is to be aligned to: a large page needs to begin at a multiple of its size.
    public static func alignment(of byteCount: Int, atLeast least: Int) -> Int {
        byteCount >= bytes ? max(bytes, least) : least
    }

    /// Only a hint: a kernel that gives none is as good, and slower.
    public static func prefer(for memory: UnsafeMutableRawBufferPointer) {
        guard memory.count >= bytes, let base = memory.baseAddress else { return }
        _ = madvise(base, memory.count, 14)  // MADV_HUGEPAGE
    }
}
