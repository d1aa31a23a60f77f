import Admission
import Devices
import Framing
import Posix
import Testing

private final class Notebook: LineTap {
    private(set) var frames: [TappedFrame] = []

    func heard(_ frame: TappedFrame, on device: AttachedDevice) { frames.append(frame) }

    var received: [TappedFrame] { frames.filter { $0.direction == .fromDevice } }
    var sent: [[UInt8]] { frames.filter { $0.direction == .toDevice }.map(\.bytes) }
}

/// A device on a terminal, and a loop.
private final class TapBench {
    let master: TerminalMaster
    let device: AttachedDevice
    let notebook = Notebook()
    private let set = PollSet(capacity: 2)
    private(set) var events = 0

    init(_ name: String, _ types: [DeviceType], _ change: (inout DeviceOptions) -> Void = { _ in }) throws {
        master = try TerminalMaster()
        var options = DeviceOptions()
        change(&options)
        device = AttachedDevice(
            name: name, type: try #require(types.first { $0.name == name }), path: master.path, options: options,
            at: Self.now)
    }

    static var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    func run(until done: () -> Bool) throws {
        let limit = SystemClock.deadline(milliseconds: 60_000)
        while !done() {
            try #require(SystemClock.monotonicNanoseconds() < limit, "what was awaited did not happen in 60 s")
            set.removeAll()
            device.add(to: set)
            try set.wait(until: min(SystemClock.deadline(milliseconds: 20), device.nextDeadline.nanoseconds))
            device.service(set, at: Self.now) { if case .event = $0 { events += 1 } }
        }
    }
}

@Suite("A tapped line")
struct LineTapTests {
    @Test("each frame is told with its bytes, what stood before it, and what it means")
    func frames() throws {
        let bench = try TapBench("rdm6300", DeviceType.readers)
        try bench.run { bench.device.supervision.presence == .well }
        // One that came before somebody listened.
        try bench.master.write(AttachedDeviceTests.badge)
        try bench.run { bench.events == 1 }
        bench.device.tap = bench.notebook
        let bad = Array("02".utf8)
        try bench.master.write([0x55] + AttachedDeviceTests.badge)
        try bench.run { bench.notebook.received.count == 1 }
        try bench.master.write([0x02] + bad + [0x02] + AttachedDeviceTests.badge.dropFirst())
        try bench.run { bench.notebook.received.count == 3 }
        let told = bench.notebook.received
        let chip = DeviceEvent.identifier(try #require(Identifier(.chip, bytes: AttachedDeviceTests.badgeBytes)))
        #expect(told[0].bytes == [0x55] + AttachedDeviceTests.badge && told[0].events == [chip])
        #expect(told[1].events == [.rejected(.interrupted)])
        #expect(told[2].events == [chip])
        #expect(told[1].bytes + told[2].bytes == [0x02] + bad + AttachedDeviceTests.badge)
        #expect(bench.events == 4)
    }

    @Test("what is sent is told too")
    func sent() throws {
        let bench = try TapBench("gy-mcu90615", DeviceType.thermometers)
        bench.device.tap = bench.notebook
        try bench.run { !bench.notebook.sent.isEmpty }
        #expect(bench.notebook.sent[0] == [0xA5, 0x45, 0xEA])
        try bench.master.write(AttachedDeviceTests.temperature)
        try bench.run { bench.notebook.received.count == 1 }
        #expect(bench.notebook.received[0].bytes == AttachedDeviceTests.temperature)
    }

    @Test("a code that ends in silence is told with its bytes")
    func silence() throws {
        let bench = try TapBench("scanner", DeviceType.readers) { $0.scanner.ending = .none }
        try bench.run { bench.device.supervision.presence == .well }
        bench.device.tap = bench.notebook
        try bench.master.write(Array("EXPO-1".utf8))
        try bench.run { !bench.notebook.received.isEmpty }
        #expect(bench.notebook.received[0].bytes == Array("EXPO-1".utf8))
        #expect(bench.notebook.received[0].events.count == 1)
    }

    @Test("noise is told in pieces of a bounded length, and nothing is told when nobody listens")
    func noise() throws {
        let bench = try TapBench("rdm6300", DeviceType.readers)
        try bench.run { bench.device.supervision.presence == .well }
        bench.device.tap = bench.notebook
        let noise = (0..<700).map { UInt8(0x60 + $0 % 16) }
        try bench.master.write(noise)
        try bench.run { bench.notebook.received.count == 2 }
        #expect(bench.notebook.received.allSatisfy { $0.bytes.count == TappedFrame.longest })
        bench.device.tap = nil
        try bench.master.write(AttachedDeviceTests.badge)
        try bench.run { bench.events == 1 }
        #expect(bench.notebook.received.count == 2)
    }
}
