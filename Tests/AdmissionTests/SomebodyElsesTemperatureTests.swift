import Testing

@testable import Admission

@Suite("A temperature is of whoever stands there")
struct SomebodyElsesTemperatureTests {
    @Test("who steps up while the one before still stands there is not admitted on his temperature")
    func notAdmittedOnAnothersTemperature() throws {
        var lane = Lane()
        #expect(lane.present(1) == nil)
        #expect(lane.measure(3650, times: 3) == .admitted)
        lane.walk()
        #expect(lane.measure(3650, times: 5) == nil, "he lingers")
        #expect(lane.present(2) == nil, "the samples from before the badge are not his")
        #expect(lane.measure(3840, times: 6) == .refused)
    }

    @Test("who came after the thermometer saw nobody is judged on samples from before his badge")
    func earlySamplesOfANewPerson() throws {
        var lane = Lane()
        #expect(lane.present(1) == nil)
        #expect(lane.measure(3650, times: 3) == .admitted)
        lane.walk()
        #expect(lane.measure(2400, times: 1) == nil, "he has gone")
        #expect(lane.measure(3840, times: 3) == nil, "the next one stands there already")
        #expect(lane.present(2) == nil, "too warm: measured once more")
        #expect(lane.measure(3840, times: 3) == .refused)
    }

    @Test("who was there before, then nobody, then the badge: only what followed counts")
    func nobodyBetween() throws {
        var lane = Lane()
        #expect(lane.measure(3840, times: 3) == nil)
        #expect(lane.measure(2400, times: 1) == nil)
        #expect(lane.present(1) == nil)
        #expect(lane.measure(3650, times: 3) == .admitted)
    }
}

/// An entrance with everything in place, ten samples a second.
private struct Lane {
    private var machine: LaneMachine
    private var now = MonotonicTime(milliseconds: 1_000_000)
    private let wall = WallTime(seconds: 1_700_000_000)

    init() {
        let configuration = LaneConfiguration(
            kind: .entry, from: .outside, to: ShortName("ring")!, readerCount: 1, hasThermometer: true)
        let moment = Moment(monotonic: now, wall: wall, clock: .trusted)
        machine = LaneMachine(
            configuration: configuration, policy: AdmissionPolicy(), nextSequence: 2, hourTotals: LaneTotals(),
            at: moment)
        for device in [Device.reader(0), .thermometer, .gate] { handle(.deviceBack(device)) }
        _ = machine.adopt(
            CredentialsInForce(
                imageVersion: 1, changeNumber: 0, imageIssuedAt: wall, statementAsOf: wall, destinationZoneBit: 1),
            at: moment
        ) { _ in .unknown }
    }

    mutating func present(_ number: UInt32) -> Verdict? {
        let sampled = UInt32(clamping: wall.seconds - 3600)
        let credential = Credential(
            holder: HolderNumber(number), kind: .visitor, vaccine: .full, healthCode: .green,
            assessedAtSeconds: sampled, test: .negative, sampledAtSeconds: sampled, activation: .activated, zones: 1,
            validFromSeconds: nil, validUntilSeconds: nil)
        return handle(
            .presented(
                Presentation(
                    tag: BadgeTag(low: UInt64(number), high: 0), type: .chip, lookup: .found(credential), reader: 0)))
    }

    mutating func measure(_ centidegrees: Int32, times: Int) -> Verdict? {
        var verdict: Verdict?
        for _ in 0..<times {
            now = now.advanced(byMilliseconds: 100)
            let sample = TemperatureSample(objectCentidegrees: centidegrees, ambientCentidegrees: 2400)
            verdict = handle(.temperature(sample)) ?? verdict
        }
        return verdict
    }

    mutating func walk() {
        handle(.contact(.forward, closed: true))
        handle(.contact(.forward, closed: false))
        now = now.advanced(byMilliseconds: 200)
    }

    @discardableResult
    private mutating func handle(_ input: LaneInput) -> Verdict? {
        let effects = machine.handle(input, at: Moment(monotonic: now, wall: wall, clock: .trusted))
        for effect in effects.all {
            if case .record(.decided(let decision), _) = effect { return decision.verdict }
        }
        return nil
    }
}
