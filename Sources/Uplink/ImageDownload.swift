import Framing
import Posix

/// Takes an image from the collector into its `.part` file, from the beginning or, with a former part, from where that
/// ended. Nothing of it is believed: see `ImageInspection`, and the daemon.
final class ImageDownload: BodyReceiver {
    private static let unsyncedBytes: Int64 = 8 << 20

    private let images: IncomingImages
    private let appliedVersion: UInt64
    private let largest: Int64
    private let reserve: Int64
    private let resumed: IncomingImages.Found?
    private let named: ImageName?
    private var file: Descriptor?
    private var offset: Int64 = 0
    private var limit: Int64 = 0
    private var unsynced: Int64 = 0

    /// Where it goes; nil until the collector named the version.
    private(set) var path: String?
    /// What the collector names it, by its ETag.
    private(set) var promisedDigestHex: String?
    private(set) var version: UInt64?
    /// In this exchange.
    private(set) var received: Int64 = 0

    /// - Parameters:
    ///   - named: it is asked for under this name, and what comes says nothing more of itself.
    ///   - largest: bytes; more are refused before they are written.
    ///   - reserve: bytes that stay free on the disk.
    init(
        into images: IncomingImages, appliedVersion: UInt64, resuming: IncomingImages.Found?,
        named: ImageName? = nil, largest: Int64, reserve: Int64
    ) {
        self.images = images
        self.appliedVersion = appliedVersion
        self.largest = largest
        self.reserve = reserve
        resumed = resuming
        self.named = named
    }

    /// The part this goes on with.
    var resumedPath: String? { resumed?.path }

    /// What the request needs so that a former part is gone on with: only when it is still the same image.
    var resumeHeaders: [String] {
        guard let resumed else { return [] }
        // Under its own name it is never another.
        if named != nil { return ["Range: bytes=\(resumed.size)-"] }
        return ["Range: bytes=\(resumed.size)-", "If-Range: \"\(resumed.name.headerDigestHex)\""]
    }

    func begin(_ head: AnswerHead) throws(TransferFailure) {
        if head.status == 206 { try goOn(head) } else { try startAnew(head) }
        let missing = limit - offset
        let free = try onDisk { () throws(SystemFailure) in try FileSystem.freeBytes(images.directory.incoming) }
        // Without a length announced, `take` finds out.
        guard head["content-length"] == nil || missing <= free - reserve else {
            throw TransferFailure(
                .local,
                "an image needs \(missing) bytes more and \(free) are free, of which \(reserve) are left to the journal: "
                    + "free space on this file system")
        }
    }

    private func startAnew(_ head: AnswerHead) throws(TransferFailure) {
        let said = named?.version ?? head["lanekeeper-image-version"].flatMap { UInt64($0) }
        guard let version = said, version > 0 else {
            throw TransferFailure(.nonsense, "an answer for the image without a Lanekeeper-Image-Version")
        }
        guard version > appliedVersion else {
            throw TransferFailure(
                .nonsense, "image \(version) is offered, and \(appliedVersion) is in force here: the newer one stays")
        }
        limit = largest
        if let length = head["content-length"].flatMap({ Int64($0) }) {
            guard length <= largest else { throw tooLarge(length) }
            limit = length
        }
        let path = images.partPath(version: version)
        file = try onDisk { () throws(SystemFailure) in
            try Descriptor.open(path, [.write, .create, .truncate, .noFollow])
        }
        note(path, version, head)
    }

    /// `Content-Range: bytes FIRST-LAST/TOTAL`
    private func goOn(_ head: AnswerHead) throws(TransferFailure) {
        guard let resumed else { throw TransferFailure(.nonsense, "a part of the image, and none was asked for") }
        let expected = "bytes \(resumed.size)-\(resumed.expectedSize - 1)/\(resumed.expectedSize)"
        guard head["content-range"] == expected else {
            path = resumed.path
            throw TransferFailure(
                .nonsense, "a part of the image with Content-Range '\(head["content-range"] ?? "")', not '\(expected)'")
        }
        guard resumed.expectedSize <= largest else { throw tooLarge(resumed.expectedSize) }
        file = try onDisk { () throws(SystemFailure) in try Descriptor.open(resumed.path, [.write, .noFollow]) }
        offset = resumed.size
        limit = resumed.expectedSize
        note(resumed.path, resumed.name.version, head)
    }

    private func note(_ path: String, _ version: UInt64, _ head: AnswerHead) {
        self.path = path
        self.version = version
        if let named {
            promisedDigestHex = named.headerDigestHex
            return
        }
        let digest = (head["etag"] ?? "").filter { $0 != "\"" }.lowercased()
        promisedDigestHex = Hexadecimal.bytes(digest)?.count == 32 ? digest : nil
    }

    private func tooLarge(_ bytes: Int64) -> TransferFailure {
        TransferFailure(.tooLarge, "an image of \(bytes) bytes; largest_image_megabytes allows \(largest >> 20) MB")
    }

    func take(_ bytes: UnsafeRawBufferPointer) throws(TransferFailure) {
        guard let file else { throw TransferFailure(.local, "bytes of an image before its headers") }
        guard offset + Int64(bytes.count) <= limit else { throw tooLarge(offset + Int64(bytes.count)) }
        let place = offset
        try onDisk { () throws(SystemFailure) in try file.writeAll(bytes, at: place) }
        offset += Int64(bytes.count)
        received += Int64(bytes.count)
        unsynced += Int64(bytes.count)
        if unsynced >= Self.unsyncedBytes { try sync() }
    }

    /// Piece by piece, so that the last one is short, too. Looks at the free space again: others write as well.
    private func sync() throws(TransferFailure) {
        guard let file else { return }
        try onDisk { () throws(SystemFailure) in try file.syncData() }
        unsynced = 0
        let free = try onDisk { () throws(SystemFailure) in try FileSystem.freeBytes(images.directory.incoming) }
        guard free >= reserve else {
            throw TransferFailure(
                .local,
                "only \(free) bytes are free and \(reserve) are left to the journal: free space on this file system")
        }
    }

    /// All came. It is durable when this returns; its path, to be inspected.
    func finish() throws(TransferFailure) -> String {
        guard let file, let path else { throw TransferFailure(.nonsense, "an answer for the image without an image") }
        try onDisk { () throws(SystemFailure) in try file.sync() }
        self.file = nil
        return path
    }
}
