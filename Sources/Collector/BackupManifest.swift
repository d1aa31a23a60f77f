import Cryptography
import Framing
import Posix

/// `manifest` of a backup: what is in it. A text of lines, written last, so that a folder without it is none.
///
///     lanekeeper backup 1
///     site 00112233445566778899aabbccddeeff
///     made 2026-11-21T02:00:00.000Z
///     keys none                                    or: secret
///     <SHA-256, 64 digits> <bytes> intake.sqlite
///     <SHA-256, 64 digits> <bytes> images/00000000000000000001.img
struct BackupManifest: Equatable {
    static let name = "manifest"
    static let mostBytes = 1 << 20
    static let databases = ["intake.sqlite", "changes.sqlite", "site.sqlite", "enrolment.sqlite"]
    /// What is in it when it was there, and readable.
    static let optionalDatabases = ["alerts.sqlite"]
    static let publicKeys = ["keys/site.pub", "keys/ca.pem"]
    static let secretKeys = ["keys/ca.key", "keys/badge.key", "keys/site.key"]
    private static let first = "lanekeeper backup 1"

    struct File: Equatable {
        var name: String
        var bytes: Int64
        var digestHex: String
    }

    var site: SiteID
    var madeMilliseconds: Int64
    var hasSecretKeys: Bool
    var files: [File] = []

    var text: String {
        var lines = [
            Self.first, "site \(site.hex)", "made \(Timestamp.format(madeMilliseconds))",
            "keys \(hasSecretKeys ? "secret" : "none")",
        ]
        lines += files.map { "\($0.digestHex) \($0.bytes) \($0.name)" }
        return lines.map { $0 + "\n" }.joined()
    }

    /// The databases that this backup has.
    var presentDatabases: [String] {
        Self.databases + Self.optionalDatabases.filter { name in files.contains { $0.name == name } }
    }

    /// nil: it is none, or something is missing in it.
    init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count > 5, lines.last == "", lines[0] == Self.first,
            let site = SiteID(hex: Self.value(lines[1], "site ")),
            let made = try? Timestamp.parse(Self.value(lines[2], "made ")),
            ["none", "secret"].contains(Self.value(lines[3], "keys "))
        else { return nil }
        self.init(site: site, madeMilliseconds: made, hasSecretKeys: lines[3] == "keys secret")
        for line in lines[4..<lines.count - 1] {
            let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3, parts[0].utf8.count == 64, let bytes = Int64(parts[1]), bytes >= 0,
                Self.isName(parts[2]), !files.contains(where: { $0.name == parts[2] })
            else { return nil }
            files.append(File(name: parts[2], bytes: bytes, digestHex: parts[0]))
        }
        let names = Set(files.map(\.name))
        let needed = Self.databases + Self.publicKeys + (hasSecretKeys ? Self.secretKeys : [])
        guard names.isSuperset(of: needed) else { return nil }
    }

    init(site: SiteID, madeMilliseconds: Int64, hasSecretKeys: Bool) {
        self.site = site
        self.madeMilliseconds = madeMilliseconds
        self.hasSecretKeys = hasSecretKeys
    }

    private static func value(_ line: String, _ key: String) -> String {
        line.hasPrefix(key) ? String(line.dropFirst(key.count)) : ""
    }

    /// Only what a backup has: no name leads out of the folder.
    private static func isName(_ name: String) -> Bool {
        if (databases + optionalDatabases + publicKeys + secretKeys).contains(name) { return true }
        guard name.hasPrefix("images/"), name.hasSuffix(".img"), name.utf8.count == 31 else { return false }
        return name.utf8.dropFirst(7).dropLast(4).allSatisfy { (0x30...0x39).contains($0) }
    }

    /// Copies a file, 0600 and durable; its line of the manifest.
    static func copy(_ source: String, to target: String, as name: String) throws(CollectorFailure) -> File {
        let from = try collecting { () throws(SystemFailure) in try Descriptor.open(source, [.read, .noFollow]) }
        return try copy(from, to: target, as: name)
    }

    static func copy(_ from: Descriptor, to target: String, as name: String) throws(CollectorFailure) -> File {
        let to = try collecting { () throws(SystemFailure) in
            try Descriptor.open(target, [.write, .create, .exclusive, .noFollow], mode: 0o600)
        }
        let file = try read(from, as: name) { (bytes) throws(SystemFailure) in try to.writeAll(bytes) }
        try collecting { () throws(SystemFailure) in try to.sync() }
        return file
    }

    /// The line of a file that is there, made durable.
    static func seal(_ path: String, as name: String) throws(CollectorFailure) -> File {
        let file = try collecting { () throws(SystemFailure) in try Descriptor.open(path, [.readWrite, .noFollow]) }
        try collecting { () throws(SystemFailure) in try file.sync() }
        return try read(file, as: name) { _ in }
    }

    private static func read(
        _ file: Descriptor, as name: String, _ take: (UnsafeRawBufferPointer) throws(SystemFailure) -> Void
    ) throws(CollectorFailure) -> File {
        do {
            var hash = try SHA256()
            var total: Int64 = 0
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
            defer { buffer.deallocate() }
            while true {
                let count = try file.readFully(into: buffer, at: total)
                let part = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                try take(part)
                try hash.update(part)
                total += Int64(count)
                guard count == buffer.count else { break }
            }
            return File(name: name, bytes: total, digestHex: Hexadecimal.text(try hash.finish()))
        } catch let failure as SystemFailure { throw CollectorFailure(failure) } catch {
            throw CollectorFailure("hash", name, "\(error)")
        }
    }
}
