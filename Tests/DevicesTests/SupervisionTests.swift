import Admission
import Devices
import Testing

@Suite("Supervision")
struct SupervisionTests {
    static let start = MonotonicTime(milliseconds: 10_000)
    static func at(_ milliseconds: Int64) -> MonotonicTime { start.advanced(byMilliseconds: milliseconds) }

    @Test("a line that cannot be opened is lost once, and tried at 0.1, 0.2, 0.4 … 2 s")
    func backoff() {
        var supervision = Supervision(longestSilenceMilliseconds: nil, at: Self.start)
        var now = Self.start
        var waits: [Int64] = []
        var losses = 0
        for _ in 0..<8 {
            #expect(supervision.wantsOpening(at: now))
            if supervision.lineFailed(at: now) { losses += 1 }
            #expect(!supervision.wantsOpening(at: now))
            waits.append(supervision.nextDeadline.milliseconds(since: now))
            now = supervision.nextDeadline
        }
        #expect(waits == [100, 200, 400, 800, 1600, 2000, 2000, 2000])
        #expect(losses == 1)
    }

    @Test("a device that need not speak is back when its line has held, or at its first frame")
    func settles() {
        var supervision = Supervision(longestSilenceMilliseconds: nil, at: Self.start)
        supervision.opened(at: Self.at(0))
        #expect(supervision.look(at: Self.at(99), lastFrame: nil) == nil)
        #expect(supervision.nextDeadline == Self.at(100))
        #expect(supervision.look(at: Self.at(100), lastFrame: nil) == .back)
        #expect(supervision.nextDeadline == .never)

        var speaking = Supervision(longestSilenceMilliseconds: nil, at: Self.start)
        speaking.opened(at: Self.at(0))
        #expect(speaking.look(at: Self.at(5), lastFrame: Self.at(5)) == .back)
        #expect(speaking.look(at: Self.at(200), lastFrame: Self.at(5)) == nil)
    }

    @Test("a device that must speak is lost when silent, back at its next frame, and its line is opened anew")
    func silence() {
        var supervision = Supervision(longestSilenceMilliseconds: 1500, at: Self.start)
        supervision.opened(at: Self.at(0))
        #expect(supervision.look(at: Self.at(100), lastFrame: Self.at(100)) == .back)
        #expect(supervision.nextDeadline == Self.at(1600))
        #expect(supervision.look(at: Self.at(1599), lastFrame: Self.at(100)) == nil)
        #expect(supervision.look(at: Self.at(1600), lastFrame: Self.at(100)) == .silent(milliseconds: 1500))
        #expect(supervision.look(at: Self.at(1700), lastFrame: Self.at(100)) == nil)
        #expect(supervision.look(at: Self.at(1800), lastFrame: Self.at(1800)) == .back)
        #expect(supervision.look(at: Self.at(3300), lastFrame: Self.at(1800)) == .silent(milliseconds: 1500))
        #expect(supervision.nextDeadline == Self.at(8300))
        #expect(!supervision.wantsReopening(at: Self.at(8299)))
        #expect(supervision.wantsReopening(at: Self.at(8300)))
        supervision.closedForReopening(at: Self.at(8300))
        #expect(supervision.wantsOpening(at: Self.at(8300)))
        supervision.opened(at: Self.at(8300))
        #expect(supervision.look(at: Self.at(8301), lastFrame: nil) == nil)
        #expect(supervision.look(at: Self.at(8400), lastFrame: Self.at(8400)) == .back)
    }

    @Test("a device that was never heard is lost after its time")
    func neverHeard() {
        var supervision = Supervision(longestSilenceMilliseconds: 1500, at: Self.start)
        supervision.opened(at: Self.at(0))
        #expect(supervision.nextDeadline == Self.at(1500))
        #expect(supervision.look(at: Self.at(1500), lastFrame: nil) == .silent(milliseconds: 1500))
    }

    @Test("a line that opens and fails at once waits ever longer; one that spoke or held starts over")
    func flapping() {
        var supervision = Supervision(longestSilenceMilliseconds: nil, at: Self.start)
        var now = Self.start
        var waits: [Int64] = []
        for _ in 0..<6 {
            supervision.opened(at: now)
            _ = supervision.look(at: now.advanced(byMilliseconds: 150), lastFrame: nil)
            now = now.advanced(byMilliseconds: 200)
            _ = supervision.lineFailed(at: now)
            waits.append(supervision.nextDeadline.milliseconds(since: now))
            now = supervision.nextDeadline
        }
        #expect(waits == [100, 200, 400, 800, 1600, 2000])

        supervision.opened(at: now)
        _ = supervision.look(at: now.advanced(byMilliseconds: 1), lastFrame: now)
        _ = supervision.lineFailed(at: now)
        #expect(supervision.nextDeadline.milliseconds(since: now) == 100)

        supervision.opened(at: now)
        now = now.advanced(byMilliseconds: Supervision.provenMilliseconds)
        _ = supervision.lineFailed(at: now)
        #expect(supervision.nextDeadline.milliseconds(since: now) == 100)
    }
}
