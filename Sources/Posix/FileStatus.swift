import Glibc

/// What stat(2) says of a file.
public struct FileStatus: Equatable, Sendable {
    public enum Kind: Sendable {
        case regular, directory, symbolicLink, socket, pipe, characterDevice, blockDevice, other
    }

    public let kind: Kind
    /// Bytes.
    public let size: Int64
    /// Permission bits, 0o7777.
    public let mode: UInt32
    public let user: UInt32
    public let group: UInt32
    public let device: UInt64
    public let inode: UInt64
    /// Last change of the contents, ns since 1970-01-01 UTC.
    public let modifiedNanoseconds: Int64

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFSOCK: .socket
            case S_IFIFO: .pipe
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            default: .other
            }
        size = Int64(status.st_size)
        mode = UInt32(status.st_mode & 0o7777)
        user = status.st_uid
        group = status.st_gid
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }
}
