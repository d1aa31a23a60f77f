import Admission
import Framing

/// The serial lines of a lane's chip reader and thermometer, with garbage on them: what is said goes through the real
/// sessions as bytes, and only what they make of it reaches the lane.
struct NoisyLines {
    private var reader = RDM6300Session()
    private var thermometer = GYMCU90615Session()
    private var output = SessionOutput()
    private var bytes = InlineArray<64, UInt8>(repeating: 0)
    private var count = 0
    /// How many frames more are damaged.
    private var damaged = 0
    private(set) var garbled = 0

    init() {}

    mutating func garbage(_ random: inout Dice) { damaged = Int.random(in: 1...40, using: &random) }

    /// What the reader says of a chip with this number, if the line lets it.
    mutating func read(_ number: UInt64, at now: MonotonicTime, _ random: inout Dice) -> UInt64? {
        count = 0
        add(0x02)
        var check: UInt8 = 0
        for shift in stride(from: UInt64(32), through: 0, by: -8) {
            let byte = UInt8(truncatingIfNeeded: number >> shift)
            check ^= byte
            add(Self.digit(byte >> 4))
            add(Self.digit(byte & 15))
        }
        add(Self.digit(check >> 4))
        add(Self.digit(check & 15))
        add(0x03)
        var found: UInt64?
        damage(&random)
        for index in 0..<count {
            output.removeAll()
            reader.receive(bytes[index], at: now, into: &output)
            for event in 0..<output.eventCount {
                guard case .identifier(let identifier) = output.event(event) else { continue }
                found = (0..<identifier.count).reduce(0) { $0 << 8 | UInt64(identifier[$1]) }
            }
        }
        return found
    }

    /// What the thermometer says of this sample, if the line lets it.
    mutating func measure(_ sample: TemperatureSample, at now: MonotonicTime, _ random: inout Dice)
        -> TemperatureSample?
    {
        count = 0
        for byte in [0x5A, 0x5A, 0x45, 0x04] as [UInt8] { add(byte) }
        for value in [sample.objectCentidegrees, sample.ambientCentidegrees] {
            add(UInt8(truncatingIfNeeded: value >> 8))
            add(UInt8(truncatingIfNeeded: value))
        }
        var sum: UInt8 = 0
        for index in 0..<count { sum &+= bytes[index] }
        add(sum)
        var found: TemperatureSample?
        damage(&random)
        for index in 0..<count {
            output.removeAll()
            thermometer.receive(bytes[index], at: now, into: &output)
            for event in 0..<output.eventCount {
                if case .temperature(let sample) = output.event(event) { found = sample }
            }
        }
        return found
    }

    private mutating func add(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x41 + value - 10 }

    /// One byte is another, some of the end is missing, or something else stands before it.
    private mutating func damage(_ random: inout Dice) {
        guard damaged > 0 else { return }
        damaged -= 1
        garbled += 1
        switch Int.random(in: 0...2, using: &random) {
        case 0:
            let index = Int.random(in: 0..<count, using: &random)
            bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1: count = Int.random(in: 0..<count, using: &random)
        default:
            let more = Int.random(in: 1...40, using: &random)
            for index in (0..<count).reversed() { bytes[index + more] = bytes[index] }
            for index in 0..<more { bytes[index] = UInt8.random(in: 0...255, using: &random) }
            count += more
        }
    }
}
