import Admission
import Cryptography
import Framing
import Glibc
import Posix
import Storage
import TestSupport
import Testing

@Suite struct ChangeLogTests {
    private let fixture: ImageFixture
    private let folder: TemporaryDirectory
    private let directory: LaneDirectory

    init() throws {
        fixture = try ImageFixture()
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("lane"))
        try directory.prepareForDaemon()
        try directory.prepareForUplink()
    }

    private func open() throws -> ChangeLog.Opened { try ChangeLog.open(directory, trusting: fixture.trust) }

    private func numbers(_ opened: ChangeLog.Opened) -> [ClosedRange<UInt64>] {
        opened.lists.map { $0.first...$0.last }
    }

    private func filled(_ lengths: [Int] = [1, 3, 2]) throws -> [ClosedRange<UInt64>] {
        let opened = try open()
        var first: UInt64 = 1
        for length in lengths {
            let list = try fixture.changes(first: first, chips: Array(0..<length))
            try opened.log.append(try fixture.signed(list))
            first = list.last + 1
        }
        return numbers(try open())
    }

    @Test("what was appended is there at the next opening, in its order")
    func appends() throws {
        #expect(try open().lists.isEmpty)
        #expect(try filled() == [1...1, 2...4, 5...6])
        #expect(try open().droppedBytes == 0)
    }

    @Test("a log cut at any byte keeps every whole list before, and goes on behind it")
    func cut() throws {
        _ = try filled()
        let bytes = try FileSystem.read(directory.changes, limit: ChangeLog.mostBytes)
        let ends = [0, 1, 2, 3].map { count in
            [1, 3, 2].prefix(count).reduce(0) { $0 + 8 + 80 + 64 + 8 + 64 + 32 * $1 }
        }
        #expect(ends.last == bytes.count)
        for length in 0..<bytes.count where length % 13 == 0 || ends.contains(length) || length + 1 == bytes.count {
            try FileSystem.replace(directory.changes, with: Array(bytes[..<length]), mode: 0o640)
            let opened = try open()
            let whole = ends.lastIndex { $0 <= length } ?? 0
            #expect(opened.lists.count == whole && opened.droppedBytes == Int64(length - ends[whole]), "\(length)")
            #expect(opened.refusal == nil)
            let next = (opened.lists.last?.last ?? 0) + 1
            try opened.log.append(try fixture.signed(try fixture.changes(first: next, chips: [7])))
            let again = try open()
            #expect(again.lists.count == whole + 1 && again.droppedBytes == 0, "\(length)")
        }
    }

    @Test("a log with any byte changed keeps the lists before it, and none behind")
    func damage() throws {
        _ = try filled()
        let bytes = try FileSystem.read(directory.changes, limit: ChangeLog.mostBytes)
        let firstEnd = 8 + 80 + 64 + 8 + 64 + 32
        for place in stride(from: 0, to: bytes.count, by: 3) {
            var damaged = bytes
            damaged[place] ^= 0x10
            try FileSystem.replace(directory.changes, with: damaged, mode: 0o640)
            let lists = numbers(try open())
            #expect(lists == (place < firstEnd ? [] : place < bytes.count - firstEnd - 32 ? [1...1] : [1...1, 2...4]))
        }
    }

    @Test("a list of another signer with a right checksum is refused where it stands")
    func foreign() throws {
        let stranger = try Ed25519.SigningKey.generate()
        let opened = try open()
        try opened.log.append(try fixture.signed(try fixture.changes(first: 1, chips: [1])))
        try opened.log.append(try fixture.signed(try fixture.changes(first: 2, chips: [1]), by: stranger))
        let again = try open()
        #expect(numbers(again) == [1...1] && again.refusal == .foreignSignature && again.droppedBytes > 0)
        #expect(try open().refusal == nil)
    }

    @Test("a gap in the log ends it there")
    func gap() throws {
        let opened = try open()
        try opened.log.append(try fixture.signed(try fixture.changes(first: 4, chips: [1])))
        try opened.log.append(try fixture.signed(try fixture.changes(first: 6, chips: [1])))
        let again = try open()
        #expect(numbers(again) == [4...4] && again.refusal == .gap(first: 6, inForce: 4))
    }

    @Test(
        "what an image has taken in is let go of, and newer changes stay", arguments: [0, 1, 2, 4, 5, 6, 9] as [UInt64])
    func keep(above: UInt64) throws {
        let all = try filled()
        let kept = try ChangeLog.keep(above: above, in: directory, trusting: fixture.trust)
        #expect(numbers(kept) == all.filter { $0.upperBound > above })
        try kept.log.append(try fixture.signed(try fixture.changes(first: 7, chips: [1])))
        #expect(numbers(try open()) == all.filter { $0.upperBound > above } + [7...7])
    }

    /// What is wrong with a list, and what is said.
    @Test("a list is refused for its site, its signer, its key or its bytes")
    func refusals() throws {
        let list = try fixture.changes(first: 1, chips: [1])
        var other = list
        other.site = SiteID(low: 9, high: 9)
        var key = list
        key.badgeKeyFingerprint = 9
        #expect(throws: ChangeRefusal.otherSite(other.site)) {
            try ChangeList.verified(try fixture.signed(other), trusting: fixture.trust)
        }
        #expect(throws: ChangeRefusal.otherBadgeKey) {
            try ChangeList.verified(try fixture.signed(key), trusting: fixture.trust)
        }
        let signed = try fixture.signed(list)
        for place in signed.indices {
            var damaged = signed
            damaged[place] ^= 1
            #expect(throws: ChangeRefusal.self, "byte \(place)") {
                try ChangeList.verified(damaged, trusting: fixture.trust)
            }
        }
    }

    @Test(
        "a log whose Nth call fails, is killed or loses power has every list that counted, and goes on behind it",
        arguments: ["fail", "full", "kill", "cut"], [0, 3] as [UInt64])
    func failTheNth(how: String, keepAbove: UInt64) throws {
        func lane() throws -> JournalFixture {
            let lane = try JournalFixture()
            try lane.directory.prepareForUplink()
            for number: UInt64 in 1...5 {
                let list = try fixture.signed(try fixture.changes(first: number, chips: [Int(number)]))
                try FileSystem.replace(
                    lane.directory.incomingChanges(first: number, last: number), with: list, mode: 0o640)
            }
            return lane
        }
        func drive(_ lane: JournalFixture, _ fate: CallFate) throws -> DriverRun {
            try DriverRun(
                [
                    "changes", lane.directory.path, fixture.site.hex, Hexadecimal.text(fixture.signing.publicKey),
                    "\(fixture.badgeKey.fingerprint)", "\(keepAbove)",
                ], under: lane.directory.path, fate: fate)
        }
        let whole = try drive(try lane(), .untouched)
        let calls = try #require(whole.calls)
        #expect(whole.status == 0 && whole.numbers("applied") == [1, 2, 3, 4, 5], "\(whole.lines)")
        for number in 1...calls {
            let lane = try lane()
            let fate: CallFate =
                switch how {
                case "fail": .fails(at: number, with: EIO)
                case "full": .fails(at: number, with: ENOSPC)
                case "kill": .killed(at: number)
                default: .powerCut(at: number, seed: UInt64(number))
                }
            let run = try drive(lane, fate)
            let opened = try ChangeLog.open(lane.directory, trusting: fixture.trust)
            let promised = run.numbers("applied").max() ?? 0
            let last = opened.lists.last?.last ?? 0
            // One more may be there: it was on disk before it could be said.
            #expect(last == promised || last == promised + 1, "\(fate): \(run.lines)")
            #expect(opened.refusal == nil, "\(fate)")
            let first = opened.lists.first?.first ?? 1
            #expect(first == 1 || (keepAbove > 0 && first == keepAbove + 1), "\(fate)")
            let second = try drive(lane, .untouched)
            #expect(second.status == 0, "\(fate): \(second.lines)")
            let after = try ChangeLog.open(lane.directory, trusting: fixture.trust).lists
            #expect(after.last?.last == 5 && after.first?.first == keepAbove + 1, "\(fate)")
        }
    }
}
