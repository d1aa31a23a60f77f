import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Uplink

private func word(_ second: Int64) throws -> LaneWord {
    LaneWord(asOf: WallTime(seconds: second), version: try #require(ShortName("1.0.0")))
}

private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

@Suite("Whether a lane's word is of now") struct WordWatchTests {
    @Test(
        "what lies there at the first look is passed on once it was seen to change, and for 30 s after its last change")
    func old() throws {
        var watch = WordWatch()
        let (first, second) = (try word(100), try word(105))
        #expect(watch.found(first, now: at(1000)) == nil)
        #expect(watch.found(first, now: at(60_000)) == nil)
        #expect(watch.found(second, now: at(61_000)) == second)
        #expect(watch.found(second, now: at(91_000)) == second)
        #expect(watch.found(second, now: at(91_001)) == nil, "a daemon that was killed left it there")
        // Its clock jumped back: that says nothing of when it was written.
        #expect(watch.found(first, now: at(92_000)) == first)
    }

    @Test("one that appears was written just now, and one that is gone is gone at once")
    func removed() throws {
        var watch = WordWatch()
        #expect(watch.found(nil, now: at(1000)) == nil)
        let first = try word(100)
        #expect(watch.found(first, now: at(2000)) == first)
        #expect(watch.found(nil, now: at(2200)) == nil)
        #expect(watch.found(first, now: at(2400)) == first)
    }
}

@Suite("The file with a lane's word") struct LaneWordSourceTests {
    @Test("a damaged, foreign or missing file says nothing, and the next one that reads does")
    func damaged() throws {
        let folder = try TemporaryDirectory()
        let directory = LaneDirectory(folder.path)
        let source = LaneWordSource(directory)
        #expect(source.look(now: at(1000)) == nil)
        #expect(source.complaint == nil, "a lane whose daemon does not run is no fault of its file")
        let first = try word(100)
        try WordFile.write(first, to: directory.word)
        #expect(source.look(now: at(2000)) == first)
        for bytes in [
            [], [1, 2, 3], Array(first.encoded.dropLast()), first.encoded + [0], first.encoded.map { $0 ^ 1 },
        ] {
            try FileSystem.replace(directory.word, with: bytes, mode: 0o640)
            #expect(source.look(now: at(3000)) == nil)
            #expect(source.complaint != nil)
        }
        try FileSystem.unlink(directory.word)
        try FileSystem.makeDirectories(directory.word, mode: 0o750)
        #expect(source.look(now: at(4000)) == nil)
        #expect(try #require(source.complaint).contains("only a regular file"))
        try FileSystem.rename(directory.word, to: folder.file("away"))
        let second = try word(101)
        try WordFile.write(second, to: directory.word)
        #expect(source.look(now: at(5000)) == second)
        #expect(source.complaint == nil)
        try WordFile.write(nil, to: directory.word)
        #expect(source.look(now: at(6000)) == nil)
    }
}
