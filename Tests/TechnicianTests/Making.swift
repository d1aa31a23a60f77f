import Admission
import Framing

let lane = ShortName("north-07") ?? .outside
let ring = ShortName("north-ring") ?? .outside
let hour: Int64 = 3_600_000
/// An instant for the tests; its value means nothing.
let someWall = WallTime(milliseconds: 1_800_000_000_123)

func makeRecord(
    _ event: LaneEvent, sequence: UInt64 = 123, epoch: Epoch = Epoch(low: 1, high: 2), clock: ClockTrust = .trusted
) -> JournalRecord {
    JournalRecord(
        event: event, moment: Moment(monotonic: MonotonicTime(nanoseconds: 5), wall: someWall, clock: clock),
        epoch: epoch, sequence: sequence, lane: lane, from: .outside, to: ring, unsyncedBefore: 0)
}

func makePresentation(lookup: BadgeLookup? = nil, sampled: Int64 = hour) -> Presentation {
    let credential = Credential(
        holder: HolderNumber(4711), kind: .visitor, vaccine: .full, healthCode: .green,
        assessedAtSeconds: UInt32(truncatingIfNeeded: someWall.seconds - 3600), test: .negative,
        sampledAtSeconds: UInt32(truncatingIfNeeded: someWall.seconds - sampled / 1000), activation: .activated,
        zones: 0, validFromSeconds: nil, validUntilSeconds: nil)
    return Presentation(
        tag: BadgeTag(low: 0x0102_0304_0506_0708, high: 0x090A), type: .chip, lookup: lookup ?? .found(credential),
        reader: 0)
}

func makeDecision(
    _ presentation: Presentation = makePresentation(), reasons: Reasons = [],
    temperature: TemperatureFinding = TemperatureFinding(
        outcome: .measured, sampleCount: 5, medianCentidegrees: 3650, ambientCentidegrees: 2500)
) -> Decision {
    Decision(
        presentation: presentation, verdict: reasons.isEmpty ? .admitted : .refused, reasons: reasons,
        temperature: temperature, temperatureOffsetCentidegrees: 0, temperatureLimitCentidegrees: 3730,
        credentials: CredentialsInForce(
            imageVersion: 12, changeNumber: 3, imageIssuedAt: someWall, statementAsOf: someWall,
            destinationZoneBit: 1), policyDigest: PolicyDigest(low: 1, high: 2))
}

func makeOutcome(_ end: ReleaseEnd = .passed) -> Outcome {
    Outcome(
        end: end, direction: .forward, decisionSequence: 122, decisionEpoch: nil, tag: BadgeTag(low: 1, high: 2),
        type: .chip, holder: HolderNumber(4711), kind: .visitor, reader: 0, openMilliseconds: 1830)
}

func makeTotals() -> LaneTotals {
    var totals = LaneTotals()
    totals.presented = 40
    totals.admitted = 36
    totals.refused = 4
    totals.wrongWay = 1
    return totals
}

/// One record of every kind, and how it reads.
let everyEvent: [(LaneEvent, String)] = [
    (.epochStarted(previous: .none, lastSequence: 0), "begins, the lane's first"),
    (.epochStarted(previous: Epoch(low: 9, high: 9), lastSequence: 77), "after record 77 of 0900000000000000"),
    (.decided(makeDecision()), "admitted     visitor 4711 at reader 0, 36.5 °C"),
    (
        .decided(
            makeDecision(makePresentation(sampled: 51 * hour + 720_000), reasons: [.testExpired, .zoneNotGranted])),
        "refused      visitor 4711 at reader 0, 36.5 °C: test sampled 51 h 12 min ago; "
            + "zone north-ring not granted to this badge"
    ),
    (
        .decided(
            makeDecision(
                makePresentation(lookup: .unknown), reasons: .unknownBadge,
                temperature: TemperatureFinding(outcome: .notTaken))),
        "unknown chip 08070605040302010a09 at reader 0: badge unknown"
    ),
    (.decided(makeDecision(makePresentation(lookup: .conflict), reasons: .conflict)), "badge claimed by two holders"),
    (.decided(makeDecision(makePresentation(lookup: .noImage), reasons: .noImage)), "no credential image"),
    (.decided(makeDecision(temperature: TemperatureFinding(outcome: .admittedWithout))), "WITHOUT TEMPERATURE"),
    (.ended(makeOutcome()), "passed       visitor 4711 forward, record 122, open for 1830 ms"),
    (.ended(makeOutcome(.annulled)), "annulled"),
    (.ended(makeOutcome(.interrupted)), "interrupted"),
    (.pulse(.tailgating, .forward, decisionSequence: 122), "tailgating   forward, behind the passage of record 122"),
    (.pulse(.forced, .forward, decisionSequence: 0), "forced       forward"),
    (.pulse(.wrongWay, .backward, decisionSequence: 0), "wrong way    backward"),
    (.pulse(.anonymous, .forward, decisionSequence: 0), "anonymous    forward"),
    (.seenInEmergency(makePresentation()), "seen         in an emergency: visitor 4711 at reader 0"),
    (.fire(alarm: true), "fire         ALARM"),
    (.fire(alarm: false), "fire         alarm is over"),
    (.device(.reader(0), lost: true), "device       reader-0 LOST"),
    (.device(.thermometer, lost: false), "device       thermometer back"),
    (.contact(.forward, stuck: true), "STUCK for 30 s"),
    (.mode(.outOfService, .readersLost), "mode         out of service: readers lost"),
    (.credentials(makeDecision().credentials), "credentials  image 12, change 3, issued 2027-01-15T08:00:00.123Z"),
    (.clock(.stepped, stepMilliseconds: 7200), "not trusted: it jumped, by 7200 ms"),
    (
        .hour(startSeconds: someWall.seconds, makeTotals()),
        "hour         from 2027-01-15T08:00:00.000Z: 40 presented, 36 admitted, 4 refused, 1 wrong way"
    ),
    (
        .hole(epoch: Epoch(low: 1, high: 2), firstSequence: 5, count: 3, .damaged, LaneTotals()),
        "HOLE         3 records from 5 of this epoch found damaged"
    ),
    (
        .hole(epoch: Epoch(low: 9, high: 9), firstSequence: 5, count: 3, .noRoom, makeTotals()),
        "not written, no room: 40 presented"
    ),
    (.stopping, "stopping"),
    (.releasedByHand(.guardButton, .forward), "by hand      released by the guard button, forward"),
    (.tamper(.cabinet, opened: true), "tamper       cabinet OPENED"),
    (.tamper(.reader(1), opened: false), "tamper       reader-1 closed again"),
    (
        .policy(PolicyDigest(low: 0x0102, high: 0)), "policy       02010000000000000000000000000000 is in force"
    ),
    (.passagesForgotten(HolderNumber(7)), "forgotten    the passages of holder 7"),
    (.passagesForgotten(.nobody), "forgotten    all passages"),
    (.mode(.locked, .schedule), "mode         locked: by the schedule"),
    (
        .technician(TechnicianAct(.ordered(.heldOpen, minutes: 30), user: 1000, remark: Remark("人多"))),
        "technician   user 1000 ordered held open for 30 min: 人多"
    ),
    (.technician(TechnicianAct(.ordered(.normal, minutes: 0), user: 0)), "technician   user 0 ended an order"),
    (.technician(TechnicianAct(.tested(.lampRed), user: 7)), "technician   user 7 moved the gate: red"),
    (.technician(TechnicianAct(.confirmedClock, user: 7)), "technician   user 7 confirmed the wall clock"),
    (.seenInMaintenance(makePresentation()), "seen         in maintenance: visitor 4711 at reader 0"),
    (.pulse(.maintenance, .backward, decisionSequence: 0), "maintenance  backward"),
]
