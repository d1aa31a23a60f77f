import Admission
import Framing
import Testing

@Suite("RDM6300 and ID-12LA")
struct RDM6300SessionTests {
    /// Frames of readers_sensors.json, section rdm6300; the sources stand behind them.
    static let golden: [(frame: String, chip: String)] = [
        ("02 30313030363345394145 3235 03", "010063e9ae"),  // forum.arduino.cc/t/251993
        ("02 33433030434537353443 4342 03", "3c00ce754c"),  // stackoverflow 11848921
        ("02 36463030374233393732 3546 03", "6f007b3972"),  // eevblog rdm6300; printed 0008075634 123,14706
    ]
    static let first = bytes(golden[0].frame)
    static let second = bytes(golden[1].frame)
    /// The first frame as an ID-12LA sends it.
    static let firstWithLineEnd = Array(first.dropLast()) + [0x0D, 0x0A, 0x03]

    @Test("a frame gives the five bytes of the chip", arguments: golden)
    func goldenFrame(frame: String, chip: String) {
        let feed = fed(RDM6300Session(), bytes(frame))
        #expect(feed.chips == [chip])
        #expect(feed.faults.isEmpty)
        #expect(feed.session.counters.frames == 1)
    }

    @Test("the frame that the hobbycomponents forum quotes with altered bytes is refused")
    func badCheck() {
        let altered = fed(RDM6300Session(), bytes("0231303030323646343434323603"))
        #expect(altered.chips.isEmpty)
        #expect(altered.faults == [.check])
    }

    @Test("the ID-12LA's line end before ETX is accepted, half of one is not")
    func lineEnd() {
        #expect(fed(RDM6300Session(), Self.firstWithLineEnd).chips == ["010063e9ae"])
        let half = Array(Self.first.dropLast()) + [0x0D, 0x03]
        #expect(fed(RDM6300Session(), half).faults == [.unexpectedByte])
        let reversed = Array(Self.first.dropLast()) + [0x0A, 0x0D, 0x03]
        #expect(fed(RDM6300Session(), reversed).chips.isEmpty)
    }

    @Test("hex digits of either case are the same chip")
    func lowercase() {
        let lower = Self.second.map { (0x41...0x46).contains($0) ? $0 | 0x20 : $0 }
        #expect(fed(RDM6300Session(), lower).chips == ["3c00ce754c"])
    }

    @Test("a frame that comes in two pieces is read, wherever it is cut", arguments: 0...14)
    func everySplit(cut: Int) {
        var feed = Feed(RDM6300Session())
        feed.receive(Self.first[..<cut])
        feed.wait(milliseconds: 100)
        feed.receive(Self.first[cut...])
        #expect(feed.chips == ["010063e9ae"])
    }

    @Test("noise between frames costs no frame", arguments: 1...20 as ClosedRange<UInt64>)
    func noise(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Feed(RDM6300Session())
        var noise: UInt64 = 0
        for _ in 0..<50 {
            let count = Int.random(in: 0...40, using: &random)
            // Anything but STX, which would be a frame of its own that the next one interrupts.
            feed.receive((0..<count).map { _ in UInt8.random(in: 3...255, using: &random) })
            noise += UInt64(count)
            feed.receive(Bool.random(using: &random) ? Self.first : Self.firstWithLineEnd)
        }
        #expect(feed.chips.count == 50)
        #expect(feed.faults.isEmpty)
        #expect(feed.session.counters.noiseBytes == noise)
    }

    @Test("a frame cut short by the next one does not take it along", arguments: 1...13)
    func truncatedThenGood(kept: Int) {
        let feed = fed(RDM6300Session(), Self.first[..<kept] + Self.second)
        #expect(feed.chips == ["3c00ce754c"])
        #expect(feed.faults == [.interrupted])
    }

    @Test("two cut frames are never joined when the second half comes late")
    func late() {
        var feed = Feed(RDM6300Session())
        feed.receive(Self.first[..<7])
        feed.wait(milliseconds: 600)
        feed.receive(Self.first[7...])
        #expect(feed.chips.isEmpty)
        #expect(feed.faults == [.late])
        feed.receive(Self.second)
        #expect(feed.chips == ["3c00ce754c"])
    }

    @Test("opening the line anew forgets half a frame")
    func restart() {
        var feed = Feed(RDM6300Session())
        feed.receive(Self.first[..<7])
        var output = SessionOutput()
        feed.session.start(at: feed.now, into: &output)
        feed.receive(Self.first[7...])
        #expect(feed.chips.isEmpty)
    }

    @Test("no single wrong byte, whatever and wherever, yields another chip", arguments: 0..<14)
    func corruption(place: Int) {
        var harmless = 0
        for value in UInt8.min...UInt8.max {
            var frame = Self.second
            frame[place] = value
            let feed = fed(RDM6300Session(), frame)
            // The same chip may come out when the change is none, or only of a hex digit's case.
            let same = frame.map { (0x61...0x66).contains($0) ? $0 & 0xDF : $0 } == Self.second
            #expect(feed.chips == (same ? ["3c00ce754c"] : []), "byte \(place) = \(value)")
            if same { harmless += 1 }
            // What follows on the line is read in any case, except when the frame was left open by the change.
            var after = feed
            after.receive(Self.first)
            #expect(after.chips.last == "010063e9ae")
        }
        #expect((1...2).contains(harmless))
    }

    @Test("every repeat of a chip in the field is reported")
    func repeats() {
        var feed = Feed(RDM6300Session())
        for _ in 0..<30 {
            feed.receive(Self.first)
            feed.wait(milliseconds: 51)
        }
        #expect(feed.chips.count == 30)
        #expect(feed.sent.isEmpty)
        #expect(feed.session.nextDeadline == .never)
    }

    @Test("random bytes never crash it and yield next to nothing", arguments: 1...4 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) {
        var random = SeededBytes(state: seed)
        var feed = Feed(RDM6300Session())
        feed.receive((0..<50_000).map { _ in UInt8.random(in: 0...255, using: &random) })
        #expect(feed.chips.isEmpty)
    }
}
