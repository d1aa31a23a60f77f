import Admission
import Testing

@Suite("Presentation") struct LanePresentationTests {
    // MARK: Before and after

    @Test("a badge with all keys and a normal temperature opens: the record first, then the gate")
    func admitted() {
        let lane = VirtualLane()
        lane.present()
        #expect(lane.lamps == .working)
        #expect(lane.message == .holdStill)
        #expect(lane.decision == nil)
        lane.measure()
        #expect(lane.told == ["record admitted", "release 1", "lamps admitted", "message"])
        #expect(lane.decision?.reasons == [])
        #expect(lane.decision?.temperature.outcome == .measured)
        #expect(lane.decision?.temperature.sampleCount == 3)
        #expect(lane.decision?.temperature.medianCentidegrees == 3640)
        #expect(lane.decision?.temperature.ambientCentidegrees == 2400)
        #expect(lane.decision?.policyDigest == PolicyDigest(low: 7, high: 8))
    }

    @Test("samples from before the badge count inside the pairing window, and not from before it")
    func before() {
        let lane = VirtualLane()
        lane.measure()
        lane.present()
        #expect(lane.decision?.verdict == .admitted)

        let late = VirtualLane()
        late.measure()
        // The oldest of the three is 1501 ms old now.
        late.wait(1301)
        late.present()
        #expect(late.isMeasuring)
        late.measure([3640])
        #expect(late.decision?.verdict == .admitted)
    }

    @Test("two samples are too few: after the pairing window the badge is refused for want of a temperature")
    func tooFew() {
        let lane = VirtualLane()
        lane.present()
        lane.measure([3640, 3640])
        lane.wait(1299)
        #expect(lane.decision == nil)
        lane.wait(1)
        #expect(lane.decision?.reasons == .temperatureMissing)
        #expect(lane.decision?.temperature == TemperatureFinding(outcome: .missing, sampleCount: 2))
        #expect(lane.message == .refused(.temperatureMissing))
        #expect(!lane.releaseLine)
    }

    @Test(
        "implausible samples are ignored",
        arguments: [(2999, 2400), (4501, 2400), (3640, 3541), (0, 0), (.max, .min), (.min, .max), (3640, .max)]
            as [(Int32, Int32)])
    func implausible(object: Int32, ambient: Int32) {
        let lane = VirtualLane()
        lane.present()
        lane.measure([object, object, object], ambient: ambient)
        #expect(lane.isMeasuring)
        lane.measure()
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.temperature.sampleCount == 3)
    }

    @Test("30.00 and 45.00 °C, and 1 °C above the surroundings, are plausible", arguments: [3000, 4500] as [Int32])
    func plausible(object: Int32) {
        #expect(makeSample(object, ambient: object - 100).isPlausible)
        #expect(!makeSample(object, ambient: object - 99).isPlausible)
    }

    @Test("the median decides, of an even number the mean of the middle two")
    func median() {
        let lane = VirtualLane(policy: makePolicy { $0.pairingWindowMilliseconds = 400 })
        for sample: Int32 in [3600, 3680, 3630, 3660] { lane.handle(.temperature(makeSample(sample))) }
        lane.present()
        #expect(lane.decision?.temperature.medianCentidegrees == 3645)
        #expect(lane.decision?.temperature.sampleCount == 4)
    }

    @Test("more samples than the window holds: the newest 32 count")
    func manySamples() {
        let lane = VirtualLane()
        for _ in 0..<40 { lane.handle(.temperature(makeSample(3900))) }
        for _ in 0..<32 { lane.handle(.temperature(makeSample(3650))) }
        lane.present()
        #expect(lane.decision?.temperature.sampleCount == 32)
        #expect(lane.decision?.verdict == .admitted)
    }

    // MARK: Fever and ambiguity

    @Test("37.29 °C passes, 37.30 °C is measured again", arguments: [3729, 3730] as [Int32])
    func limit(temperature: Int32) {
        let lane = VirtualLane()
        lane.present()
        lane.measure([temperature, temperature, temperature])
        #expect(lane.isReleased == (temperature == 3729))
        #expect(lane.isMeasuring == (temperature == 3730))
        if temperature == 3730 { #expect(lane.message == .measureAgain) }
    }

    @Test("the offset of a wrist counts, in both directions", arguments: [-50, 0, 50, .max, .min] as [Int32])
    func offset(offset: Int32) {
        let lane = VirtualLane(policy: makePolicy { $0.temperatureOffsetCentidegrees = offset })
        lane.present()
        lane.measure([3690, 3690, 3690])
        #expect(lane.isReleased == (offset < 40))
        lane.measure([3690, 3690, 3690])
        #expect(lane.decision?.verdict == (offset < 40 ? .admitted : .refused))
        #expect(lane.decision?.temperatureOffsetCentidegrees == offset)
    }

    @Test("a fever that a second measurement does not find is admitted on the second")
    func feverOnce() {
        let lane = VirtualLane()
        lane.present()
        lane.measure([3800, 3800, 3800])
        #expect(lane.decision == nil)
        lane.measure([3650, 3650, 3650])
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.temperature.medianCentidegrees == 3650)
        #expect(lane.decision?.temperature.sampleCount == 3)
    }

    @Test("a fever measured twice is refused")
    func feverTwice() {
        let lane = VirtualLane()
        lane.present()
        lane.measure([3800, 3800, 3800])
        lane.measure([3810, 3810, 3810])
        #expect(lane.decision?.reasons == .temperatureHigh)
        #expect(lane.decision?.temperature.medianCentidegrees == 3810)
        #expect(lane.lamps == .refused)
        #expect(lane.buzzes == [400])
    }

    @Test("a fever that could not be measured again stands")
    func feverThenNothing() {
        let lane = VirtualLane()
        lane.present()
        lane.measure([3800, 3800, 3800])
        lane.measure([3650, 3650])
        lane.wait(1299)
        #expect(lane.decision == nil)
        lane.wait(1)
        #expect(lane.decision?.reasons == .temperatureHigh)
        #expect(lane.decision?.temperature.medianCentidegrees == 3800)
    }

    @Test(
        "samples 0.80 °C apart agree, 0.81 °C apart are ambiguous and measured again", arguments: [80, 81] as [Int32])
    func spread(difference: Int32) {
        let lane = VirtualLane()
        lane.present()
        lane.measure([3600, 3600 + difference, 3640])
        #expect(lane.isReleased == (difference == 80))
        lane.measure([3600, 3600 + difference, 3640])
        #expect(lane.isReleased == (difference == 80))
        if difference == 81 {
            #expect(lane.decision?.reasons == .temperatureAmbiguous)
            #expect(lane.decision?.temperature.outcome == .ambiguous)
        }
    }

    @Test("nobody is measured a second time whose keys fail anyway; all reasons are told")
    func feverAndKeys() {
        let lane = VirtualLane()
        lane.present(makePresentation(credential: makeCredential(vaccine: .partial, zones: 0b10)))
        lane.measure([3800, 3800, 3800])
        #expect(lane.decision?.reasons == [.temperatureHigh, .vaccineIncomplete, .zoneNotGranted])
    }

    // MARK: Whose temperature it is

    @Test("samples that decided never serve the next badge, not even those of the same instant")
    func usedSamples() {
        let lane = VirtualLane()
        lane.present(1)
        for _ in 0..<3 { lane.handle(.temperature(makeSample())) }
        #expect(lane.isReleased)
        lane.pulse(milliseconds: 0)
        lane.wait(100)
        lane.present(2)
        #expect(lane.isMeasuring)
        lane.wait(1500)
        #expect(lane.decision?.reasons == .temperatureMissing)
        #expect(lane.decision?.temperature.sampleCount == 0)
    }

    @Test("whoever lingers does not lend his temperature to the next badge")
    func lingering() {
        let lane = VirtualLane()
        lane.present(1)
        lane.measure()
        lane.measure([3640, 3640, 3640, 3640])
        lane.pulse()
        lane.wait(100)
        lane.present(2)
        #expect(lane.isMeasuring)
        lane.measure([3900, 3900, 3900])
        lane.measure([3900, 3900, 3900])
        #expect(lane.decision?.reasons == .temperatureHigh)
    }

    @Test("when the thermometer saw nobody in between, samples from before the badge are the next person's")
    func nobodyBetween() {
        let lane = VirtualLane()
        lane.present(1)
        lane.measure()
        lane.measure([2500])
        lane.pulse()
        lane.measure()
        lane.present(2)
        #expect(lane.decisions.count == 2)
        #expect(lane.decision?.verdict == .admitted)
    }

    @Test("who is refused and stays with the chip in the field does not lend his temperature either")
    func refusedAndStays() {
        let lane = VirtualLane()
        lane.present(makePresentation(1, lookup: .unknown))
        #expect(lane.decision?.verdict == .refused)
        lane.measure([2500])
        for _ in 0..<6 {
            lane.measure()
            lane.present(makePresentation(1, lookup: .unknown))
        }
        lane.present(2)
        #expect(lane.isMeasuring)
    }

    @Test("a reading at the very instant of the badge, of whoever lingers, is not the next person's")
    func sameInstant() {
        let lane = VirtualLane()
        lane.admit(1)
        lane.pulse()
        lane.wait(1000)
        for _ in 0..<3 { lane.handle(.temperature(makeSample())) }
        lane.present(2)
        #expect(lane.isMeasuring)
    }

    @Test("two holders in one window are both refused, and nobody is admitted", arguments: [true, false])
    func twoHolders(isSecondMeasurement: Bool) {
        let lane = VirtualLane()
        lane.present(1)
        if isSecondMeasurement { lane.measure([3800, 3800, 3800]) }
        lane.measure([3640])
        lane.present(2)
        #expect(lane.decisions.map(\.reasons) == [.twoHolders, .twoHolders])
        #expect(lane.decisions.map(\.presentation.tag) == [makeTag(1), makeTag(2)])
        #expect(lane.told == ["lamps refused", "message", "buzzer 400", "record refused", "record refused"])
        lane.measure([3640, 3640])
        #expect(lane.decisions.count == 2)
        #expect(lane.releases == 0)
    }

    @Test("of two holders each is also told what else is missing")
    func twoHoldersWithReasons() {
        let lane = VirtualLane()
        lane.present(makePresentation(1, credential: makeCredential(test: .positive)))
        lane.present(makePresentation(2, lookup: .unknown))
        #expect(lane.decisions.map(\.reasons) == [[.testPositive, .twoHolders], [.unknownBadge, .twoHolders]])
    }

    @Test("a second identifier of the same holder is the same presentation", arguments: IdentifierType.allCases)
    func secondIdentifier(type: IdentifierType) {
        let lane = VirtualLane()
        lane.present(1)
        lane.measure([3640])
        var second = makePresentation(7, type: type, credential: makeCredential(holder: 1))
        second.reader = 1
        lane.present(second)
        #expect(lane.isMeasuring)
        lane.measure([3640, 3640])
        #expect(lane.decisions.map(\.verdict) == [.admitted])
        second.tag = makeTag(8)
        lane.present(second)
        lane.pulse()
        lane.wait(5000)
        #expect(lane.decisions.count == 1, "nor is it one while the gate is open")
    }

    @Test("the same text on another kind of identifier is another badge")
    func sameTagOtherType() {
        let lane = VirtualLane()
        lane.present(makePresentation(1))
        lane.present(makePresentation(1, type: .code, credential: makeCredential(holder: 2)))
        #expect(lane.decisions.count == 2)
    }

    // MARK: One chip, one presentation

    @Test("a chip held in the field is one presentation, however long")
    func heldChip() {
        let lane = VirtualLane()
        for _ in 0..<200 {
            lane.present(makePresentation(1, lookup: .unknown))
            lane.wait(60)
        }
        #expect(lane.decisions.count == 1)
    }

    @Test("a chip that was away for 600 ms is presented anew, 599 ms is the same", arguments: [599, 600] as [Int64])
    func chipAway(milliseconds: Int64) {
        let lane = VirtualLane()
        lane.present(makePresentation(1, lookup: .unknown))
        lane.wait(milliseconds)
        lane.present(makePresentation(1, lookup: .unknown))
        #expect(lane.decisions.count == (milliseconds == 600 ? 2 : 1))
    }

    @Test("eight chips in the field at once are eight presentations, each once")
    func manyChips() {
        let lane = VirtualLane()
        for _ in 0..<20 {
            for chip in 1...8 { lane.present(makePresentation(UInt32(chip), lookup: .unknown)) }
            lane.wait(50)
        }
        #expect(lane.decisions.count == 8)
    }

    @Test("a chip in two readers' fields is one presentation")
    func twoReaders() {
        let lane = VirtualLane(makeConfiguration(readers: 2))
        lane.present(makePresentation(1, lookup: .unknown, reader: 0))
        lane.present(makePresentation(1, lookup: .unknown, reader: 1))
        #expect(lane.decisions.count == 1)
    }

    // MARK: A second badge

    @Test("a second badge waits, is judged when the first release has ended, and the line falls in between")
    func secondWaits() {
        let lane = VirtualLane(
            makeConfiguration(hasThermometer: false), policy: makePolicy { $0.measuredKinds = KindSet([]) })
        lane.present(1)
        lane.present(2)
        #expect(lane.decisions.count == 1)
        #expect(lane.told == [])
        lane.pulse(milliseconds: 0)
        #expect(!lane.releaseLine)
        lane.wait(99)
        #expect(lane.decisions.count == 1)
        lane.wait(1)
        #expect(lane.decisions.count == 2)
        #expect(lane.releaseLine)
        #expect(lane.releases == 2)
    }

    @Test("a second badge gets a temperature of its own: what was measured while it waited was somebody else's")
    func secondMeasured() {
        let lane = VirtualLane()
        lane.admit(1)
        lane.present(2)
        lane.measure([2500, 3640, 3640, 3640])
        lane.pulse(milliseconds: 0)
        lane.wait(100)
        #expect(lane.isMeasuring)
        lane.measure()
        #expect(lane.decisions.count == 2)
    }

    @Test("a third badge is refused as busy, and so is a second when the lane is set to refuse")
    func busy() {
        let lane = VirtualLane()
        lane.admit(1)
        lane.present(2)
        lane.present(makePresentation(3, credential: makeCredential(holder: 3, healthCode: .red)))
        #expect(lane.decision?.reasons == [.laneBusy, .codeRed])
        #expect(lane.releaseLine, "who is released stays so")
        #expect(lane.lamps == .admitted)

        let strict = VirtualLane(makeConfiguration { $0.secondBadge = .refuse })
        strict.admit(1)
        strict.present(2)
        #expect(strict.decision?.reasons == .laneBusy)
        strict.pulse()
        strict.wait(1000)
        #expect(strict.decisions.count == 2)
    }

    @Test("who waits already and presents again, or another identifier, goes on waiting")
    func waitsAgain() {
        let lane = VirtualLane()
        lane.admit(1)
        lane.present(2)
        lane.wait(700)
        lane.present(2)
        lane.present(makePresentation(9, type: .code, credential: makeCredential(holder: 2)))
        #expect(lane.decisions.count == 1)
        lane.pulse()
        lane.wait(100)
        lane.measure()
        #expect(lane.decisions.map(\.verdict) == [.admitted, .admitted])
    }

    @Test("in the gap between two releases nobody is let in, nor jumps the queue", arguments: SecondBadge.allCases)
    func gap(secondBadge: SecondBadge) {
        let policy = makePolicy { $0.measuredKinds = KindSet([]) }
        let lane = VirtualLane(makeConfiguration { $0.secondBadge = secondBadge }, policy: policy)
        lane.present(1)
        lane.handle(.contact(.forward, closed: true))
        lane.wait(50)
        lane.present(2)
        lane.present(3)
        #expect(!lane.releaseLine)
        #expect(lane.decision?.reasons == .laneBusy)
        lane.wait(49)
        #expect(!lane.releaseLine)
        lane.wait(1)
        #expect(lane.releaseLine)
        #expect(lane.decision?.presentation.tag == makeTag(2))
    }

    @Test("who waits goes before who comes at the moment the gap is over")
    func queueFirst() {
        let policy = makePolicy { $0.measuredKinds = KindSet([]) }
        let lane = VirtualLane(policy: policy)
        lane.present(1)
        lane.present(2)
        lane.handle(.contact(.forward, closed: true))
        lane.elapsed += 100
        lane.present(3)
        #expect(lane.decision?.presentation.tag == makeTag(2))
        lane.pulse()
        lane.handle(.contact(.forward, closed: true))
        lane.wait(200)
        #expect(lane.decision?.presentation.tag == makeTag(3))
    }

    @Test("even without a gap the line falls between two releases")
    func noGap() {
        let policy = makePolicy { $0.measuredKinds = KindSet([]) }
        let lane = VirtualLane(makeConfiguration { $0.releaseGapMilliseconds = 0 }, policy: policy)
        lane.present(1)
        lane.present(2)
        lane.handle(.contact(.forward, closed: true))
        #expect(!lane.releaseLine)
        lane.wait(1)
        #expect(lane.releaseLine)
        #expect(lane.releases == 2)
    }

    // MARK: Decided at once

    @Test(
        "what needs no temperature is refused at once",
        arguments: [(.unknown, .unknownBadge), (.conflict, .conflict), (.noImage, .noImage)]
            as [(BadgeLookup, Reasons)])
    func atOnce(lookup: BadgeLookup, expected: Reasons) {
        let lane = VirtualLane()
        lane.present(makePresentation(lookup: lookup))
        #expect(lane.decision?.reasons == expected)
        #expect(lane.decision?.temperature.outcome == .notTaken)
        #expect(lane.lamps == .refused)
        lane.wait(2999)
        #expect(lane.lamps == .refused)
        lane.wait(1)
        #expect(lane.lamps == .ready)
        #expect(lane.message == .presentBadge)
    }

    @Test("a kind whose temperature is not measured is decided at once")
    func notMeasured() {
        let lane = VirtualLane(policy: makePolicy { $0.measuredKinds = KindSet([.visitor]) })
        lane.present(makePresentation(credential: makeCredential(kind: .staff)))
        #expect(lane.decision?.verdict == .admitted)
        #expect(lane.decision?.temperature.outcome == .notRequired)
    }

    @Test("a new badge clears the refusal of the one before")
    func refusalCleared() {
        let lane = VirtualLane()
        lane.present(makePresentation(1, lookup: .unknown))
        lane.present(2)
        #expect(lane.lamps == .working)
        lane.measure()
        lane.pulse()
        lane.wait(10)
        #expect(lane.lamps == .ready)
    }

    // MARK: What it is judged by

    @Test(
        "a zone's bit is that of the image which says who is let into it, also when another comes meanwhile",
        arguments: [(0b01 as UInt64, 0b10 as UInt64, Reasons()), (0b10, 0b01, .zoneNotGranted)])
    func credentialsChange(before: UInt64, after: UInt64, reasons: Reasons) {
        let lane = VirtualLane()
        lane.present(makePresentation(credential: makeCredential(zones: before)))
        // In the new image zone 0 is another, and this lane's is zone 1.
        lane.adopt(makeCredentials(version: 6, zoneBit: 0b10)) { _ in .found(makeCredential(zones: after)) }
        lane.measure()
        #expect(lane.decision?.reasons == reasons)
        #expect(lane.decision?.credentials.imageVersion == 6)
    }

    @Test("keys are judged at the instant of the decision, not of the badge")
    func judgedAtDecision() {
        let lane = VirtualLane()
        lane.present(makePresentation(credential: makeCredential(sampledSecondsAgo: 48 * 3600)))
        lane.measure()
        #expect(lane.decision?.reasons == .testExpired)
    }
}

extension SecondBadge: CaseIterable {
    public static var allCases: [SecondBadge] { [.wait, .refuse] }
}
