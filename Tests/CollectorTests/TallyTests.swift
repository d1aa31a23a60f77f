import Admission
import Framing
import Testing

@testable import Collector

/// What each event counts, as (counter, count) beside `stored`.
private func counts(_ event: LaneEvent, from: String = "outside", to: String = "north-ring") -> [Int: Int64] {
    var tally = Tally()
    tally.count(makeRecord(event, from: from, to: to))
    var counts = Dictionary(uniqueKeysWithValues: tally.nonzero.map { ($0.code, $0.count) })
    #expect(counts.removeValue(forKey: Counter.stored.rawValue) == 1)
    return counts
}

@Suite("Tallies")
struct TallyTests {
    @Test("a decision is presented, and admitted or refused with every one of its reasons")
    func decisions() {
        #expect(
            counts(decided()) == [Counter.presented.rawValue: 1, Counter.admitted.rawValue: 1])
        #expect(
            counts(decided(.refused, reasons: [.codeRed, .testExpired])) == [
                Counter.presented.rawValue: 1, Counter.refused.rawValue: 1, 64 + 5: 1, 64 + 13: 1,
            ])
    }

    @Test("a passage counts by its kind and crosses the boundary", arguments: HolderKind.allCases)
    func passages(_ kind: HolderKind) {
        let inside: Counter = kind == .vehicle ? .vehiclesIn : .peopleIn
        #expect(
            counts(ended(kind: kind)) == [
                Counter.passed.rawValue: 1, Counter.passages(of: kind): 1, inside.rawValue: 1,
            ])
    }

    @Test("an annulled or interrupted release is no passage")
    func noPassage() {
        #expect(counts(ended(.annulled)) == [Counter.annulled.rawValue: 1])
        #expect(counts(ended(.interrupted)) == [Counter.interrupted.rawValue: 1])
    }

    @Test("a tailgater is a person on site; forced and wrong-way pulses are counted but cross nothing")
    func pulses() {
        func pulse(_ pulse: UnreleasedPulse, _ direction: PassageDirection = .forward) -> [Int: Int64] {
            counts(.pulse(pulse, direction, decisionSequence: 0))
        }
        #expect(pulse(.tailgating) == [Counter.tailgating.rawValue: 1, Counter.peopleIn.rawValue: 1])
        #expect(pulse(.forced) == [Counter.forced.rawValue: 1])
        #expect(pulse(.wrongWay, .backward) == [Counter.wrongWay.rawValue: 1])
        #expect(pulse(.anonymous) == [Counter.anonymousForward.rawValue: 1, Counter.peopleIn.rawValue: 1])
        #expect(
            pulse(.anonymous, .backward) == [Counter.anonymousBackward.rawValue: 1, Counter.peopleOut.rawValue: 1])
    }

    @Test("records that nobody passed with count as stored only")
    func others() {
        let events: [LaneEvent] = [
            .epochStarted(previous: epoch(9), lastSequence: 7), .fire(alarm: true), .device(.gate, lost: true),
            .contact(.forward, stuck: true), .mode(.emergency, .fire), .credentials(.none),
            .clock(.stepped, stepMilliseconds: 9), .hour(startSeconds: morning / 1000 - 3600, LaneTotals()),
            .hole(epoch: epoch(1), firstSequence: 1, count: 2, .damaged, LaneTotals()), .stopping,
            .seenInEmergency(Presentation(tag: .none, type: .chip, lookup: .unknown, reader: 0)),
            .tamper(.cabinet, opened: true), .policy(PolicyDigest(low: 1, high: 2)),
            .passagesForgotten(HolderNumber(3)),
        ]
        for event in events { #expect(counts(event) == [:]) }
    }

    @Test("the collector's own counting agrees with the lane's totals on any sequence of events")
    func againstLane() {
        let events: [LaneEvent] = [
            decided(), decided(.refused, reasons: .codeRed), ended(), ended(.annulled), ended(.interrupted),
            .pulse(.tailgating, .forward, decisionSequence: 2), .pulse(.forced, .forward, decisionSequence: 0),
            .pulse(.wrongWay, .backward, decisionSequence: 0), .pulse(.anonymous, .forward, decisionSequence: 0),
            .pulse(.anonymous, .backward, decisionSequence: 0), .stopping, .releasedByHand(.guardButton, .forward),
        ]
        var lane = LaneTotals()
        var tally = Tally()
        for (index, event) in (0..<5).flatMap({ _ in events }).enumerated() where index % 7 != 3 {
            lane.count(event)
            tally.count(makeRecord(event))
        }
        #expect(tally[.presented] == Int64(lane.presented))
        #expect(tally[.admitted] == Int64(lane.admitted))
        #expect(tally[.refused] == Int64(lane.refused))
        #expect(tally[.passed] == Int64(lane.passed))
        #expect(tally[.annulled] == Int64(lane.annulled))
        #expect(tally[.interrupted] == Int64(lane.interrupted))
        #expect(tally[.tailgating] == Int64(lane.tailgating))
        #expect(tally[.forced] == Int64(lane.forced))
        #expect(tally[.wrongWay] == Int64(lane.wrongWay))
        #expect(tally[.anonymousForward] == Int64(lane.anonymousForward))
        #expect(tally[.anonymousBackward] == Int64(lane.anonymousBackward))
        #expect(tally[.byHand] == Int64(lane.byHand))
        #expect(lane.presented + lane.byHand == lane.admitted + lane.refused)
    }

    @Test(
        "a crossing goes from the lane's one zone to its other, and back when it is backward",
        arguments: [
            ("outside", "ring", PassageDirection.forward, true, false), ("outside", "ring", .backward, false, true),
            ("ring", "outside", .forward, false, true), ("ring", "outside", .backward, true, false),
            ("ring", "hall", .forward, false, false), ("hall", "ring", .forward, false, false),
        ])
    func directions(_ from: String, _ to: String, _ direction: PassageDirection, _ enters: Bool, _ leaves: Bool) {
        var crossings: [Crossing] = []
        Crossing.forEach(in: makeRecord(ended(direction: direction), from: from, to: to)) { crossings.append($0) }
        #expect(crossings.count == 1)
        #expect(crossings.first?.entersSite == enters)
        #expect(crossings.first?.leavesSite == leaves)
        #expect(crossings.first?.from == name(direction == .forward ? from : to))
        #expect(crossings.first?.to == name(direction == .forward ? to : from))
    }

    @Test("at a lane for vehicles whoever has no known badge is a vehicle, and a known one is what his badge says")
    func vehicles() {
        func crossings(_ event: LaneEvent, _ traffic: Traffic) -> [Bool] {
            var found: [Bool] = []
            Crossing.forEach(in: makeRecord(event, traffic: traffic)) { found.append($0.isVehicle) }
            return found
        }
        var totals = LaneTotals()
        totals.passed = 2
        totals.anonymousBackward = 1
        let hole = LaneEvent.hole(epoch: epoch(1), firstSequence: 8, count: 3, .noRoom, totals)
        for traffic in Traffic.allCases {
            let isVehicle = traffic == .vehicles
            #expect(crossings(ended(kind: .vehicle), traffic) == [true])
            #expect(crossings(ended(kind: .staff), traffic) == [false])
            #expect(crossings(ended(kind: nil), traffic) == [isVehicle])
            #expect(crossings(.pulse(.anonymous, .forward, decisionSequence: 0), traffic) == [isVehicle])
            #expect(crossings(.pulse(.tailgating, .forward, decisionSequence: 0), traffic) == [isVehicle])
            #expect(crossings(hole, traffic) == [isVehicle, isVehicle])
        }
    }

    @Test("a passage that nothing saw is a passage, and is told apart")
    func assumed() {
        let seen = counts(ended())
        let assumed = counts(ended(isAssumed: true))
        #expect(assumed[Counter.passed.rawValue] == 1 && assumed[Counter.assumed.rawValue] == 1)
        #expect(seen[Counter.assumed.rawValue] == nil)
        #expect(assumed[Counter.peopleIn.rawValue] == seen[Counter.peopleIn.rawValue])
    }

    @Test("a pulse in maintenance counts nothing")
    func maintenance() {
        for event in [
            LaneEvent.pulse(.maintenance, .forward, decisionSequence: 0),
            .seenInMaintenance(Presentation(tag: .none, type: .chip, lookup: .unknown, reader: 0)),
            .technician(TechnicianAct(.ordered(.locked, minutes: 0), user: 0)),
        ] {
            #expect(counts(event).filter { $0.key != Counter.stored.rawValue } == [:])
        }
    }

    @Test("a lane inside one zone crosses nothing")
    func oneZone() {
        #expect(counts(ended(), from: "ring", to: "ring")[Counter.peopleIn.rawValue] == nil)
    }

    @Test("what a lane had no room to record is counted from its totals, people on site included")
    func noRoom() {
        var totals = LaneTotals()
        totals.presented = 9
        totals.admitted = 7
        totals.refused = 2
        totals.passed = 5
        totals.annulled = 2
        totals.tailgating = 1
        totals.anonymousForward = 3
        totals.anonymousBackward = 4
        totals.byHand = 6
        let event = LaneEvent.hole(epoch: epoch(1), firstSequence: 8, count: 22, .noRoom, totals)
        #expect(
            counts(event, from: "ring", to: "outside") == [
                Counter.presented.rawValue: 9, Counter.admitted.rawValue: 7, Counter.refused.rawValue: 2,
                Counter.passed.rawValue: 5, Counter.annulled.rawValue: 2, Counter.tailgating.rawValue: 1,
                Counter.anonymousForward.rawValue: 3, Counter.anonymousBackward.rawValue: 4,
                Counter.byHand.rawValue: 6, Counter.unrecorded.rawValue: 22, Counter.peopleOut.rawValue: 9,
                Counter.peopleIn.rawValue: 4,
            ])
    }

    @Test("an hour in which a lane began to count anew is marked, and so is one that it closed late")
    func partHours() {
        let hour = morning / 1000
        func marks(_ event: LaneEvent, at wall: Int64) -> [Int64] {
            let record = makeRecord(event, at: wall)
            var tally = Tally()
            tally.count(record)
            return [tally[.partHours], record.statedTotals?.1[.partHours] ?? 0]
        }
        #expect(marks(.epochStarted(previous: .none, lastSequence: 0), at: morning) == [1, 0])
        #expect(marks(.epochStarted(previous: epoch(9), lastSequence: 4), at: morning) == [0, 0])
        let totals = LaneTotals()
        #expect(marks(.hour(startSeconds: hour - 3600, totals), at: morning) == [0, 0])
        #expect(marks(.hour(startSeconds: hour - 3600, totals), at: morning + 1000) == [0, 0])
        #expect(marks(.hour(startSeconds: hour - 3600, totals), at: morning + 1001) == [1, 1])
        #expect(marks(.hour(startSeconds: hour - 7200, totals), at: morning) == [1, 1])
        #expect(marks(.hour(startSeconds: 0, totals), at: morning + 1_800_000) == [1, 1])
        for start in [Int64.min, .max, hour] {
            #expect(marks(.hour(startSeconds: start, totals), at: .min) == [1, 1])
            #expect(marks(.hour(startSeconds: start, totals), at: .max) == [1, 1])
        }
    }

    @Test("sums end at what no site comes to, and never beyond 64 bits")
    func greatest() throws {
        var (most, least) = (Tally(), Tally())
        most[.passed] = Tally.greatest
        least[.passed] = -Tally.greatest
        var sum = most
        for _ in 0..<3 { sum += most }
        #expect(sum == most)
        sum += least
        #expect(sum.isZero)
        sum += least
        sum += least
        #expect(sum == least)
        for tally in [most, least, Tally()] {
            #expect(tally.encoded.withUnsafeBytes { Tally(encoded: $0) } == tally)
        }
        var balance = Balance(people: Tally.greatest, vehicles: -Tally.greatest)
        balance.add(Tally.greatest, isVehicle: false)
        balance.add(-Tally.greatest, isVehicle: true)
        #expect(balance == Balance(people: Tally.greatest, vehicles: -Tally.greatest))
    }

    @Test(
        "bytes that are no counts are refused",
        arguments: [
            [4], [4, 0x80], [4, 0x82, 0x80], [144, 2], [255, 2], [4, 2, 5],
            // Eleven bytes; 2^63 - 1; 2^48 + 1.
            [4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            [4, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            [4, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        ] as [[UInt8]])
    func damagedCounts(bytes: [UInt8]) {
        #expect(bytes.withUnsafeBytes { Tally(encoded: $0) } == nil)
    }

    @Test("counters have codes of their own")
    func codes() {
        let codes = Counter.allCases.map(\.rawValue)
        #expect(Set(codes).count == codes.count)
        #expect(codes.allSatisfy { (1..<64).contains($0) })
        #expect(HolderKind.allCases.allSatisfy { (129..<144).contains(Counter.passages(of: $0)) })
    }
}
