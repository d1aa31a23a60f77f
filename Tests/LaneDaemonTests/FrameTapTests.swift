import Admission
import Control
import Framing
import Testing

@testable import Devices
@testable import LaneDaemon

@Suite("Frames for who taps")
struct FrameTapTests {
    private func tap(frames count: Int) throws -> FrameTap {
        let tap = FrameTap()
        let type = try #require(DeviceType.reader(named: "rdm6300"))
        let device = AttachedDevice(name: "chip", type: type, path: "/nowhere", at: MonotonicTime(milliseconds: 0))
        for number in 0..<count {
            tap.heard(
                TappedFrame(
                    direction: .fromDevice, bytes: [UInt8(number & 0xFF)], events: [],
                    at: MonotonicTime(milliseconds: UInt64(number))), on: device)
        }
        return tap
    }

    /// Everything behind `after`, reply by reply.
    private func all(_ tap: FrameTap, after: UInt64) -> (hex: [String], dropped: UInt64) {
        var (hex, dropped, last): ([String], UInt64, UInt64) = ([], 0, after)
        while true {
            let reply = tap.frames(after: last)
            dropped += reply.dropped
            last = reply.last
            if reply.frames.isEmpty { return (hex, dropped) }
            hex += reply.frames.map(\.hex)
        }
    }

    @Test("nobody is listened for until somebody asks")
    func lease() throws {
        let tap = try tap(frames: 0)
        #expect(!tap.isWanted)
        tap.want()
        #expect(tap.isWanted)
    }

    @Test("who begins gets what comes from then on, in order and once", arguments: [0, 1, 99, 100, 101, 450])
    func inOrder(count: Int) throws {
        let tap = try tap(frames: count)
        let begin = tap.frames(after: nil)
        #expect(begin.frames.isEmpty && begin.last == UInt64(count))
        let (hex, dropped) = all(tap, after: 0)
        #expect(dropped == 0 && hex.count == count)
        #expect(hex == (0..<count).map { Hexadecimal.text([UInt8($0 & 0xFF)]) })
        #expect(all(tap, after: UInt64(count)).hex.isEmpty)
    }

    @Test("who asks too late is told how many he has missed, and gets the newest", arguments: [1, 952, 2048, 5000])
    func dropped(beyond: Int) throws {
        let count = FrameTap.capacity + beyond
        let tap = try tap(frames: count)
        let (hex, dropped) = all(tap, after: 0)
        #expect(dropped == UInt64(beyond) && hex.count == FrameTap.capacity)
        #expect(hex.first == Hexadecimal.text([UInt8(beyond & 0xFF)]))
        #expect(hex.last == Hexadecimal.text([UInt8((count - 1) & 0xFF)]))
    }

    @Test("a full reply fits the socket's longest line")
    func fits() throws {
        let tap = FrameTap()
        let type = try #require(DeviceType.reader(named: "scanner"))
        let device = AttachedDevice(
            name: String(repeating: "读", count: 40), type: type, path: "/nowhere", at: MonotonicTime(milliseconds: 0))
        let code = try #require(Identifier(.code, bytes: [UInt8](repeating: 0x1D, count: 64)))
        for _ in 0..<FrameTap.mostInReply {
            tap.heard(
                TappedFrame(
                    direction: .fromDevice, bytes: [UInt8](repeating: 7, count: TappedFrame.longest),
                    events: [DeviceEvent](repeating: .identifier(code), count: 4),
                    at: MonotonicTime(milliseconds: 5)), on: device)
        }
        let line = try ControlReply.tap(tap.frames(after: 0)).json()
        #expect(line.utf8.count < ControlProtocol.longestReply - 100)
    }
}
