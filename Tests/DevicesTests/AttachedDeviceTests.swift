import Admission
import Devices
import Framing
import Glibc
import Posix
import Testing

@Suite("Devices on pseudo-terminals")
struct AttachedDeviceTests {
    /// forum.arduino.cc/t/251993 (readers_sensors.json).
    static let badge: [UInt8] = [0x02] + Array("010063E9AE25".utf8) + [0x03]
    static let badgeBytes: [UInt8] = [0x01, 0x00, 0x63, 0xE9, 0xAE]
    /// GY-MCU90615 manual V1.0 p. 3.
    static let temperature: [UInt8] = [0x5A, 0x5A, 0x45, 0x04, 0x0C, 0x78, 0x0D, 0x19, 0xA7]

    @Test("a badge and a temperature come through, and the thermometer is asked")
    func speaks() throws {
        let reader = try Bench("rdm6300", DeviceType.readers)
        try reader.run { reader.isWell }
        try reader.master.write([0x55] + Self.badge)
        try reader.run { !reader.events.isEmpty }
        #expect(reader.events == [.identifier(try #require(Identifier(.chip, bytes: Self.badgeBytes)))])

        let thermometer = try Bench("gy-mcu90615", DeviceType.thermometers)
        try thermometer.run { thermometer.sent.count >= 3 }
        #expect(thermometer.sent == [0xA5, 0x45, 0xEA])
        #expect(!thermometer.isWell)
        try thermometer.master.write(Self.temperature)
        try thermometer.run { thermometer.isWell }
        let sample = TemperatureSample(objectCentidegrees: 3192, ambientCentidegrees: 3353)
        #expect(thermometer.events == [.temperature(sample)])
    }

    @Test("what a device says first comes after the word that it is there")
    func backBeforeItsFirstWord() throws {
        // Its frames alone say that a thermometer is there, so its first one is what brings it back.
        let thermometer = try Bench("gy-mcu90615", DeviceType.thermometers)
        try thermometer.run { thermometer.sent.count >= 3 }
        try thermometer.master.write(Self.temperature)
        try thermometer.run { !thermometer.events.isEmpty }
        #expect(thermometer.wasWellAtFirstEvent == true)

        // A badge shown before the line has held its 100 ms.
        let reader = try Bench("rdm6300", DeviceType.readers)
        try reader.run { reader.wakeUps == 1 }
        try reader.master.write(Self.badge)
        try reader.run { !reader.events.isEmpty }
        #expect(reader.wasWellAtFirstEvent == true)
    }

    @Test("every byte comes through raw: no line discipline, no flow control, no echo")
    func raw() throws {
        let master = try TerminalMaster()
        let line = try SerialLine.open(master.path, baud: 9600)
        let all = (0...255).map { UInt8($0) }
        try master.write(all)
        var got: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        // The kernel hands the bytes over a moment later.
        let limit = SystemClock.deadline(milliseconds: 60_000)
        while got.count < 256, SystemClock.monotonicNanoseconds() < limit {
            if case .bytes(let count) = buffer.withUnsafeMutableBytes({ line.read(into: $0, hungUp: false) }) {
                got += buffer[..<count]
            }
        }
        #expect(got == all)
        #expect(buffer.withUnsafeMutableBytes { line.read(into: $0, hungUp: false) } == .nothing)
        #expect(all.withUnsafeBytes { line.write($0) } == .taken(256))
        var echoed: [UInt8] = []
        while echoed.count < 256, SystemClock.monotonicNanoseconds() < limit { echoed += try master.read() }
        #expect(echoed == all)
    }

    @Test("a badge that was shown while the line was closed opens nothing")
    func stale() throws {
        let bench = try Bench("rdm6300", DeviceType.readers)
        try bench.run { bench.isWell }
        bench.device.close(at: Bench.now)
        try bench.master.write(Self.badge)
        try bench.run(milliseconds: 300)
        #expect(bench.events.isEmpty)
        try bench.master.write(Self.badge)
        try bench.run { bench.events.count == 1 }
    }

    @Test("a pulled plug is noticed at once, does not spin, and the device is found again under another name")
    func unplugAndReplug() throws {
        let bench = try Bench("rdm6300", DeviceType.readers)
        try bench.run { bench.isWell }
        bench.wakeUps = 0
        try bench.unplug()
        try bench.run { !bench.isWell }
        // By the hang-up itself, not by a silence that was noticed later.
        #expect(bench.wakeUps <= 2)
        #expect(bench.losses.count == 1)
        #expect(bench.device.failure?.device.hasPrefix("/dev/pts/") == true)

        // Unplugged for 3 s: attempts at 0.1, 0.2, 0.4, 0.8, 1.6 s after each other, no wake-up between.
        bench.wakeUps = 0
        let before = Self.processorNanoseconds()
        try bench.run(milliseconds: 3000)
        #expect(bench.wakeUps <= 7, "poll returned \(bench.wakeUps) times in 3 s")
        #expect(Self.processorNanoseconds() - before < 100_000_000)
        #expect(bench.losses.count == 1)

        try bench.plugIn()
        // The next attempt is due soon enough that the line has held its 100 ms within 3 s.
        #expect(bench.device.nextDeadline <= Bench.now.advanced(byMilliseconds: 2900))
        try bench.run { bench.isWell }
        try bench.master.write(Self.badge)
        try bench.run { !bench.events.isEmpty }
        #expect(bench.device.failure == nil)
    }

    @Test("a thermometer that falls silent is lost within 2 s, asked again, and back at its first sample")
    func silence() throws {
        let bench = try Bench("gy-mcu90615", DeviceType.thermometers)
        try bench.run { bench.sent.count >= 3 }
        try bench.master.write(Self.temperature)
        try bench.run { bench.isWell }
        #expect((bench.device.type.longestSilenceMilliseconds ?? .max) <= 2000)
        try bench.run { !bench.isWell }
        #expect(bench.sent.count >= 6)
        #expect(bench.losses.first?.reason.hasPrefix("no valid frame for ") == true)
        try bench.master.write(Self.temperature)
        try bench.run { bench.isWell }
    }

    @Test("a second opener is refused and told who holds the line")
    func secondOpener() throws {
        let master = try TerminalMaster()
        let first = try SerialLine.open(master.path, baud: 9600)
        let refused = #expect(throws: DeviceFailure.self) { try SerialLine.open(master.path, baud: 9600) }
        #expect(refused?.operation == "lock")
        #expect(refused?.advice.contains("process \(getpid()) (") == true, "\(String(describing: refused))")
        withExtendedLifetime(first) {}
    }

    @Test("closing the line gives it free")
    func closes() throws {
        let bench = try Bench("rdm6300", DeviceType.readers)
        try bench.run { bench.isWell }
        #expect(throws: DeviceFailure.self) { try SerialLine.open(bench.master.path, baud: 9600) }
        bench.device.close(at: Bench.now)
        _ = try SerialLine.open(bench.master.path, baud: 9600)
    }

    @Test(
        "a path that is no line is refused with what to do",
        arguments: ["/dev/null", "/etc/hostname", "/tmp", "/nowhere/ttyUSB0"])
    func noLine(path: String) {
        let failure = #expect(throws: DeviceFailure.self) { try SerialLine.open(path, baud: 9600) }
        #expect(failure?.device == path)
        #expect(failure?.advice.isEmpty == false)
    }

    @Test("a device that is not there at the start is lost at once, by name, and found when it comes")
    func absent() throws {
        let bench = try Bench("rdm6300", DeviceType.readers, plugged: false)
        try bench.run { !bench.losses.isEmpty }
        #expect(bench.losses.first?.device == bench.device.path)
        try bench.plugIn()
        try bench.run { bench.isWell }
    }

    private static func processorNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// A device behind a link as udev makes it, with a loop of its own.
private final class Bench {
    let device: AttachedDevice
    private(set) var master: TerminalMaster
    private let directory: TemporaryDirectory
    private let set = PollSet(capacity: 4)
    private(set) var events: [DeviceEvent] = []
    private(set) var losses: [DeviceFailure] = []
    private(set) var isWell = false
    private(set) var wasWellAtFirstEvent: Bool?
    private(set) var sent: [UInt8] = []
    var wakeUps = 0

    init(_ name: String, _ types: [DeviceType], plugged: Bool = true) throws {
        directory = try TemporaryDirectory()
        master = try TerminalMaster()
        let type = try #require(types.first { $0.name == name })
        device = AttachedDevice(name: name, type: type, path: directory["by-id"], at: Bench.now)
        if plugged { try directory.link("by-id", to: master.path) }
    }

    static var now: MonotonicTime { MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()) }

    /// The name goes first: another test may be given the same terminal number at once.
    func unplug() throws {
        try FileSystem.unlink(device.path)
        master.close()
    }

    func plugIn() throws {
        master = try TerminalMaster()
        try directory.link("by-id", to: master.path)
    }

    /// Runs the loop until `done`; fails after 60 s.
    func run(until done: () -> Bool) throws {
        let limit = SystemClock.deadline(milliseconds: 60_000)
        while !done() {
            try #require(SystemClock.monotonicNanoseconds() < limit, "what was awaited did not happen in 60 s")
            try turn(limit)
        }
    }

    func run(milliseconds: Int) throws {
        let limit = SystemClock.deadline(milliseconds: milliseconds)
        while SystemClock.monotonicNanoseconds() < limit { try turn(limit) }
    }

    private func turn(_ limit: UInt64) throws {
        set.removeAll()
        device.add(to: set)
        try set.wait(until: min(limit, device.nextDeadline.nanoseconds))
        wakeUps += 1
        device.service(set, at: Bench.now) { report in
            switch report {
            case .event(let event):
                wasWellAtFirstEvent = wasWellAtFirstEvent ?? isWell
                events.append(event)
            case .back: isWell = true
            case .lost(let failure):
                isWell = false
                losses.append(failure)
            }
        }
        sent += (try? master.read()) ?? []
    }
}
