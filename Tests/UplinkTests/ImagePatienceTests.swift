import Admission
import Testing

@testable import Uplink

@Suite("An image that waits for the daemon") struct ImagePatienceTests {
    private func name(_ version: UInt64, _ digest: String = "77") -> ImageName {
        ImageName(version: version, headerDigestHex: digest)
    }

    private func at(_ seconds: Int64) -> MonotonicTime {
        MonotonicTime(milliseconds: UInt64(1_000_000 + seconds * 1000))
    }

    @Test("it is looked at once more after 5 min, then after twice as long each time, up to 160 min")
    func doubles() {
        var patience = ImagePatience()
        var now: Int64 = 0
        for minutes: Int64 in [5, 10, 20, 40, 80, 160, 160, 160] {
            for look in [now, now + minutes * 60 - 1] {
                let isOver = patience.isOver(for: name(7), now: at(look))
                #expect(!isOver, "\(minutes) min")
            }
            now += minutes * 60
            let isOver = patience.isOver(for: name(7), now: at(now))
            #expect(isOver, "\(minutes) min")
        }
    }

    @Test("another image, be it of the same number, has its own 5 min")
    func other() {
        var patience = ImagePatience()
        let looks: [(Int64, ImageName, Bool)] = [
            (0, name(7), false), (300, name(7), true), (400, name(7), false), (500, name(8), false),
            (799, name(8), false), (800, name(8), true), (801, name(8, "78"), false), (1101, name(8, "78"), true),
        ]
        for (seconds, image, expected) in looks {
            let isOver = patience.isOver(for: image, now: at(seconds))
            #expect(isOver == expected, "\(seconds) s")
        }
    }
}
