import Admission
import Framing
import Glibc
import Posix
import Storage
import Synchronization
import TestSupport
import Testing

@testable import LaneDaemon

/// An uplink that somebody else took over: truncates, rewrites, swaps and links what lies in `incoming`, as fast as it
/// can. It has whole files of the site, too, to mix in and to put under other names.
private final class Vandal: Sendable {
    private let folder: String
    /// Whole files of the site, by name, oldest first.
    private let whole: [(name: String, bytes: [UInt8])]
    private let seed: UInt64
    private let isEnding = Atomic<Bool>(false)
    let deeds = Atomic<Int>(0)
    /// So many of the files it has already.
    let known = Atomic<Int>(1)

    init(_ directory: LaneDirectory, _ whole: [(name: String, bytes: [UInt8])], seed: UInt64) {
        folder = directory.incoming
        self.whole = whole
        self.seed = seed
    }

    func start() throws -> NamedThread {
        try NamedThread.start(name: "vandal") { [self] in
            var random = SeededGenerator(seed: seed)
            while !isEnding.load(ordering: .acquiring) {
                doHarm(&random)
                deeds.wrappingAdd(1, ordering: .relaxed)
            }
        }
    }

    func end() { isEnding.store(true, ordering: .releasing) }

    private func doHarm(_ random: inout SeededGenerator) {
        let files = whole.prefix(known.load(ordering: .relaxed))
        guard let (name, bytes) = files.randomElement(using: &random) else { return }
        let path = "\(folder)/\(name)"
        let other = "\(folder)/\(files.randomElement(using: &random)?.name ?? name)"
        switch random.next() % 11 {
        case 0: _ = truncate(path, off_t(random.next() % UInt64(bytes.count + 5000)))
        case 1: write(Array(bytes.prefix(Int(random.next() % UInt64(bytes.count)))), to: path, 0)
        case 2:
            // In place, under the reader's eyes.
            let noise = (0..<64).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            write(noise, to: path, off_t(random.next() % UInt64(bytes.count)))
        case 3: _ = rename(path, other)
        case 4: _ = link(path, other)
        case 5: clear(path); _ = symlink(other, path)
        case 6: clear(path); _ = symlink("/dev/zero", path)
        case 7: clear(path); _ = mkfifo(path, 0o666)
        case 8: clear(path); _ = mkdir(path, 0o777)
        case 9: write(bytes, to: other, 0)
        default:
            clear(path)
            write(bytes, to: path, 0)
        }
    }

    private func clear(_ path: String) { if unlink(path) != 0 { _ = rmdir(path) } }

    private func write(_ bytes: [UInt8], to path: String, _ offset: off_t) {
        let file = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o666)
        guard file >= 0 else { return }
        _ = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, offset) }
        _ = close(file)
    }
}

@Suite struct UntrustedUplinkTests {
    /// Image `version` has chips 1 to 9 and many more pages; a chip's holder in it is 1000 × version + chip.
    private static let newest: UInt64 = 12
    private static let changes: UInt64 = 9

    @Test("whatever an uplink does to its files at any moment, every decision is by an image and changes of the site")
    func vandalism() throws {
        var random = SeededGenerator()
        print("seed \(random.seed)")
        let site = try CredentialSite()
        var whole: [(number: UInt64, name: String, bytes: [UInt8])] = []
        for version in 1...Self.newest + 1 {
            let path = try site.image(version, holderBase: UInt32(version) * 1000, padding: 4000)
            let name = LaneDirectory.incomingImageName(version: version)
            // The last one is not the vandal's.
            if version <= Self.newest { whole.append((version, name, try FileSystem.read(path, limit: 1 << 24))) }
            try FileSystem.unlink(path)
        }
        for number in 1...Self.changes {
            let path = try site.bring(try site.list(number, [UInt8(number)]), number, number)
            whole.append(
                (number, String(path.split(separator: "/").last ?? ""), try FileSystem.read(path, limit: 1 << 20)))
            try FileSystem.unlink(path)
        }
        // An image, a change, an image: as they are published.
        whole.sort { ($0.number, $0.name) < ($1.number, $1.name) }
        let lane = try CredentialLane(site)
        try lane.start()
        defer { lane.stop() }
        let vandal = Vandal(site.directory, whole.map { ($0.name, $0.bytes) }, seed: random.next())
        let thread = try vandal.start()
        var decisions = 0
        for count in 1...whole.count {
            vandal.known.store(count, ordering: .relaxed)
            let begun = vandal.deeds.load(ordering: .relaxed)
            while vandal.deeds.load(ordering: .relaxed) < begun + 300 {
                let newest = whole[count - 1]
                // The vandal may have put a folder there.
                try? FileSystem.replace("\(site.directory.incoming)/\(newest.name)", with: newest.bytes, mode: 0o640)
                try lane.ring()
                _ = try lane.news.wakeUp.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: 5))
                lane.takeWhatIsThere()
                if let table = lane.tables.last { decisions += try Self.judge(table, site) }
            }
        }
        vandal.end()
        thread.join()
        for table in lane.tables { decisions += try Self.judge(table, site) }
        let versions = lane.tables.map(\.image.version)
        #expect(versions == versions.sorted(), "an older image came after a newer one")
        let deeds = vandal.deeds.load(ordering: .relaxed)
        print("\(deeds) deeds, \(decisions) decisions, \(lane.tables.count) tables, images \(Set(versions).sorted())")
        #expect(deeds > 100)

        // What is whole comes into force afterwards, whatever is left lying about.
        try site.image(Self.newest + 1, holderBase: UInt32(Self.newest + 1) * 1000, padding: 4000)
        try lane.ring()
        try lane.awaitVersion(Self.newest + 1)
        let number = try #require(lane.tables.last?.changeNumber)
        let path = site.directory.incomingChanges(first: number + 1, last: number + 1)
        if unlink(path) != 0 { _ = rmdir(path) }
        try site.bring(try site.list(number + 1, [9]), number + 1, number + 1)
        try lane.ring()
        try lane.awaitChange(atLeast: number + 1)
    }

    /// Compares what a table says of every chip with what the site put into that image and those changes.
    private static func judge(_ table: BadgeTable, _ site: CredentialSite) throws -> Int {
        let version = table.image.version
        #expect((1...newest + 1).contains(version) && table.changeNumber <= changes + 1)
        for chip: UInt8 in 1...9 {
            guard case .found(let credential) = table.lookup(try site.tag(chip)) else {
                Issue.record("image \(version): chip \(chip) is nobody's")
                continue
            }
            let isRed = UInt64(chip) <= table.changeNumber
            #expect(credential.healthCode == (isRed ? .red : .green))
            #expect(credential.holder.number == (isRed ? UInt32(chip) : UInt32(version) * 1000 + UInt32(chip)))
        }
        return 9
    }
}
