import Admission
import Framing

@testable import Collector

let site = SiteID(low: 0x0123_4567_89AB_CDEF, high: 0xFEDC_BA98_7654_3210)
/// 2026-07-10 08:00 in Shanghai.
let morning: Int64 = 1_783_641_600_000

func epoch(_ number: UInt64) -> Epoch { Epoch(low: number, high: 0xE0) }

func position(_ epochNumber: UInt64, _ sequence: UInt64) -> StoredThrough {
    StoredThrough(epoch: epoch(epochNumber), sequence: sequence)
}

func name(_ text: String) -> ShortName { ShortName(text) ?? .outside }

func makeRecord(
    _ event: LaneEvent = .stopping, epoch epochNumber: UInt64 = 1, sequence: UInt64 = 1, lane: String = "north-07",
    from: String = "outside", to: String = "north-ring", at wall: Int64 = morning, clock: ClockTrust = .trusted,
    traffic: Traffic = .people
) -> JournalRecord {
    JournalRecord(
        event: event,
        moment: Moment(
            monotonic: MonotonicTime(nanoseconds: sequence), wall: WallTime(milliseconds: wall), clock: clock),
        epoch: epoch(epochNumber), sequence: sequence, lane: name(lane), from: name(from), to: name(to),
        unsyncedBefore: 0, traffic: traffic)
}

func makeCredential(holder: UInt32 = 7, kind: HolderKind = .visitor) -> Credential {
    Credential(
        holder: HolderNumber(holder), kind: kind, vaccine: .full, healthCode: .green, assessedAtSeconds: 1_783_600_000,
        test: .negative, sampledAtSeconds: 1_783_600_000, activation: .activated, zones: 0, validFromSeconds: nil,
        validUntilSeconds: nil)
}

func decided(_ verdict: Verdict = .admitted, reasons: Reasons = [], holder: UInt32 = 7) -> LaneEvent {
    .decided(
        Decision(
            presentation: Presentation(
                tag: BadgeTag(low: UInt64(holder), high: 9), type: .chip,
                lookup: .found(makeCredential(holder: holder)), reader: 0),
            verdict: verdict, reasons: reasons,
            temperature: TemperatureFinding(
                outcome: .measured, sampleCount: 5, medianCentidegrees: 3655, ambientCentidegrees: 2100),
            temperatureOffsetCentidegrees: 0, temperatureLimitCentidegrees: 3730, credentials: .none,
            policyDigest: .none))
}

func ended(
    _ end: ReleaseEnd = .passed, holder: UInt32 = 7, kind: HolderKind? = .visitor,
    direction: PassageDirection = .forward, of decisionSequence: UInt64 = 1, isAssumed: Bool = false
) -> LaneEvent {
    .ended(
        Outcome(
            end: end, direction: direction, decisionSequence: decisionSequence, decisionEpoch: nil,
            tag: BadgeTag(low: UInt64(holder), high: 9), type: .chip, holder: HolderNumber(holder), kind: kind,
            reader: 0, openMilliseconds: 900, isAssumed: isAssumed))
}

/// What a lane with two readers, a thermometer and a gate says of itself while all is well.
func makeWord(at wall: Int64 = morning) -> LaneWord {
    var word = LaneWord(asOf: WallTime(milliseconds: wall), version: name("1.0.0"))
    word.freshness = .fresh
    word.imageVersion = 7
    word.changeNumber = 3
    word.statementAsOf = WallTime(milliseconds: wall - 4000)
    word.imageIssuedAt = WallTime(milliseconds: wall - 3_600_000)
    word.startedAt = WallTime(milliseconds: wall - 60_000)
    (word.recordsHeld, word.recordsRoom) = (20, 1000)
    word.devices = 0b11_0000_0000_0000_0011
    word.policyDigest = PolicyDigest(low: 0x11, high: 0x22)
    return word
}

func makeBody(
    _ records: [JournalRecord], site: SiteID = site, lane: String = "north-07", oldestHeld: StoredThrough? = nil,
    lost: RecordBatch.Stretch? = nil, word: LaneWord? = nil
) -> [UInt8] {
    let oldest = oldestHeld ?? records.first.map { StoredThrough(epoch: $0.epoch, sequence: $0.sequence) }
    let head = RecordBatch(
        site: site, lane: name(lane), recordCount: records.count, oldestHeld: oldest, lost: lost, word: word)
    return head.encodedHead + records.flatMap(\.encoded)
}
