import Admission
import Framing
import Testing

@Suite("GY-MCU90615")
struct GYMCU90615SessionTests {
    /// GY-MCU90615 manual V1.0 p. 3: 31.92 °C object, 33.53 °C ambient (readers_sensors.json, section gy_mcu90615).
    static let golden = bytes("5A5A45040C780D19A7")
    static let command = bytes("A545EA")

    /// A frame with these temperatures and a sum that fits.
    static func frame(object: Int16, ambient: Int16) -> [UInt8] {
        let head: [UInt8] = [0x5A, 0x5A, 0x45, 0x04]
        let data = [object, ambient].flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        return head + data + [(head + data).reduce(0, &+)]
    }

    @Test("the manual's frame is 31.92 °C in 33.53 °C")
    func manual() {
        let feed = fed(GYMCU90615Session(), Self.golden)
        #expect(feed.samples == [[3192, 3353]])
        #expect(feed.faults.isEmpty)
    }

    @Test(
        "temperatures are signed hundredths",
        arguments: [(3650, 2400), (-1, -1), (0, 0), (-4000, 12500), (.max, .min)] as [(Int16, Int16)])
    func signed(object: Int16, ambient: Int16) {
        let feed = fed(GYMCU90615Session(), Self.frame(object: object, ambient: ambient))
        #expect(feed.samples == [[Int32(object), Int32(ambient)]])
    }

    @Test("a frame that comes in two pieces is read, wherever it is cut", arguments: 0...9)
    func everySplit(cut: Int) {
        var feed = Feed(GYMCU90615Session())
        feed.receive(Self.golden[..<cut])
        feed.wait(milliseconds: 50)
        feed.receive(Self.golden[cut...])
        #expect(feed.samples == [[3192, 3353]])
    }

    @Test("a wrong sum is refused and the good frame right behind it is kept")
    func badSum() {
        var bad = Self.golden
        bad[8] ^= 0x01
        let feed = fed(GYMCU90615Session(), bad + Self.golden)
        #expect(feed.samples == [[3192, 3353]])
        #expect(feed.faults == [.check])
        #expect(feed.session.counters.noiseBytes == 9)
    }

    @Test("a frame that lost a byte does not take the next one along", arguments: 0..<9)
    func lostByte(place: Int) {
        var short = Self.golden
        short.remove(at: place)
        let next = Self.frame(object: 3660, ambient: 2500)
        let feed = fed(GYMCU90615Session(), short + next)
        #expect(feed.samples == [[3660, 2500]])
    }

    @Test("a frame cut short does not take the next one along", arguments: 1...8)
    func truncated(kept: Int) {
        let feed = fed(GYMCU90615Session(), Self.golden[..<kept] + Self.frame(object: 3660, ambient: 2500))
        #expect(feed.samples == [[3660, 2500]])
    }

    @Test("noise between frames costs no frame", arguments: 1...20 as ClosedRange<UInt64>)
    func noise(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Feed(GYMCU90615Session())
        for _ in 0..<50 {
            let count = Int.random(in: 0...30, using: &random)
            // 5A may stand in noise and must do no harm by itself; 45 is left out, so that no header arises.
            feed.receive(
                (0..<count).map { _ in
                    let byte = UInt8.random(in: 0...255, using: &random)
                    return byte == 0x45 ? 0x5A : byte
                })
            feed.receive(Self.golden)
        }
        #expect(feed.samples.count == 50)
    }

    @Test("no single wrong byte yields another temperature", arguments: 0..<9)
    func corruption(place: Int) {
        for value in UInt8.min...UInt8.max where value != Self.golden[place] {
            var frame = Self.golden
            frame[place] = value
            var feed = fed(GYMCU90615Session(), frame)
            #expect(feed.samples.isEmpty, "byte \(place) = \(value)")
            feed.receive(Self.golden)
            #expect(feed.samples == [[3192, 3353]], "behind byte \(place) = \(value)")
        }
    }

    @Test("half a frame is given up when the rest does not come")
    func late() {
        var feed = Feed(GYMCU90615Session())
        feed.receive(Self.golden[..<5])
        feed.wait(milliseconds: 300)
        feed.receive(Self.golden[5...])
        #expect(feed.samples.isEmpty)
        #expect(feed.faults == [.late])
    }

    @Test("it asks at the start, again after each second of silence, and not while samples come")
    func asking() {
        var feed = Feed(GYMCU90615Session())
        #expect(feed.sent == Self.command)
        for _ in 0..<30 {
            feed.wait(milliseconds: 100)
            feed.receive(Self.golden)
        }
        #expect(feed.sent == Self.command)
        for seconds in 1...5 {
            feed.wait(milliseconds: 1000)
            #expect(feed.sent.count == 3 + 3 * seconds)
        }
        #expect(feed.session.nextDeadline == feed.now.advanced(byMilliseconds: 1000))
    }

    @Test("told not to ask, it never writes")
    func silentHost() {
        var feed = Feed(GYMCU90615Session(asks: false))
        feed.wait(milliseconds: 60_000)
        feed.receive(Self.golden)
        feed.wait(milliseconds: 60_000)
        #expect(feed.sent.isEmpty)
        #expect(feed.session.nextDeadline == .never)
        #expect(feed.samples.count == 1)
    }
}
