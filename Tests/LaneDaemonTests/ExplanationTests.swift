import Admission
import Control
import LaneDaemon
import Testing

private let hour: Int64 = 3_600_000
/// An instant for the tests; its value means nothing.
private let now = WallTime(milliseconds: 1_800_000_000_000)
private let zones = [ShortName("north-ring"), ShortName("hall-4")].compactMap { $0 }

private func seconds(before milliseconds: Int64) -> UInt32 {
    UInt32(truncatingIfNeeded: WallTime(milliseconds: now.milliseconds - milliseconds).seconds)
}

private func makeCredential(
    kind: HolderKind = .visitor, vaccine: VaccineState = .full, code: HealthCode = .green, sampled: Int64 = hour,
    activation: Activation = .activated, zones: UInt64 = 3, until: Int64? = nil
) -> Credential {
    Credential(
        holder: HolderNumber(7), kind: kind, vaccine: vaccine, healthCode: code,
        assessedAtSeconds: seconds(before: hour), test: .negative, sampledAtSeconds: seconds(before: sampled),
        activation: activation, zones: zones, validFromSeconds: nil,
        validUntilSeconds: until.map { now.seconds + $0 / 1000 })
}

private func makeExplanation(
    kind: LaneKind = .entry, to: String = "north-ring", hasThermometer: Bool = true, offset: Int32 = 0,
    mode: LaneMode = .normal, thermometerIsLost: Bool = false, statementAge: Int64 = 30_000
) -> Explanation {
    var policy = AdmissionPolicy()
    policy.temperatureOffsetCentidegrees = offset
    let place = ShortName(to) ?? .outside
    return Explanation(
        lane: ExplainedLane(
            id: "north-07", name: "北登录厅-07", servicePoint: "N2",
            configuration: LaneConfiguration(
                kind: kind, from: .outside, to: place, readerCount: 1, hasThermometer: hasThermometer)),
        policy: policy,
        credentials: CredentialsInForce(
            imageVersion: 12, changeNumber: 3,
            imageIssuedAt: WallTime(milliseconds: now.milliseconds - max(hour, statementAge)),
            statementAsOf: WallTime(milliseconds: now.milliseconds - statementAge),
            destinationZoneBit: zones.firstIndex(of: place).map { 1 << UInt64($0) } ?? 0),
        zones: zones, mode: mode, thermometerIsLost: thermometerIsLost)
}

private func explain(
    _ explanation: Explanation = makeExplanation(), _ lookup: BadgeLookup = .found(makeCredential()),
    temperature: Int32? = nil, at: Int64? = nil, clock: ClockTrust = .trusted
) -> ExplainReply {
    explanation.reply(
        Presentation(tag: .none, type: .chip, lookup: lookup, reader: 0),
        ExplainRequest(type: "chip", identifierHex: "00", temperatureCentidegrees: temperature, atMilliseconds: at),
        now: Moment(monotonic: MonotonicTime(nanoseconds: 0), wall: now, clock: clock))
}

extension ExplainReply {
    fileprivate func row(_ subject: String) -> Row? { rows.first { $0.subject == subject } }
}

@Suite("Explaining a badge")
struct ExplanationTests {
    @Test("a badge with everything passes, each row saying why")
    func passes() {
        let reply = explain(temperature: 3650)
        #expect(reply.verdict == "admitted")
        #expect(reply.reasons.isEmpty)
        #expect(
            reply.rows.map(\.subject) == [
                "vaccine", "green_code", "test", "activated", "validity", "kind", "zone", "temperature", "statement",
                "image", "clock", "lane",
            ])
        for row in reply.rows {
            #expect(row.turns == true, "\(row.subject)")
            #expect(row.isRequired, "\(row.subject)")
            #expect(!row.state.isEmpty && !row.needs.isEmpty && !row.name.isEmpty, "\(row.subject)")
        }
        #expect(reply.display == "请通行 / Please walk through")
        #expect(reply.kind == "visitor")
        #expect(reply.row("test")?.figure == "sampled 1 h ago")
        #expect(reply.row("test")?.needs == "negative, sampled at most 48 h ago")
        #expect(reply.row("zone")?.state == "north-ring, hall-4")
    }

    @Test("every missing key is its own row and reason, in the order of telling")
    func missing() {
        let credential = makeCredential(
            vaccine: .partial, code: .red, sampled: 51 * hour + 720_000, activation: .inactive)
        let reply = explain(makeExplanation(), .found(credential), temperature: 3760)
        #expect(reply.verdict == "refused")
        #expect(
            reply.reasons.map(\.name) == [
                "test-expired", "not-activated", "vaccine-incomplete", "temperature-high", "code-red",
            ])
        #expect(reply.reasons[0].text == "test sampled 51 h 12 min ago, limit 48 h")
        for subject in ["vaccine", "green_code", "test", "activated", "temperature"] {
            #expect(reply.row(subject)?.turns == false, "\(subject)")
        }
        #expect(reply.row("validity")?.turns == true)
        #expect(reply.row("temperature")?.needs == "below 37.3 °C")
    }

    @Test("what would be at another instant is judged for that instant")
    func otherInstant() {
        let in47 = explain(at: now.milliseconds + 47 * hour)
        #expect(in47.row("test")?.turns == true)
        let reply = explain(at: now.milliseconds + 48 * hour)
        #expect(reply.row("test")?.turns == false)
        #expect(reply.row("green_code")?.turns == false)
        #expect(reply.atMilliseconds == now.milliseconds + 48 * hour)
    }

    @Test("the 48 h are judged to the second", arguments: [(0, true), (1000, false)] as [(Int64, Bool)])
    func window(beyond: Int64, turns: Bool) {
        let reply = explain(makeExplanation(), .found(makeCredential(sampled: 48 * hour + beyond)))
        #expect(reply.row("test")?.turns == turns)
        #expect(reply.row("test")?.figure == (turns ? "sampled 48 h ago" : "sampled 48 h 0 min 1 s ago"))
    }

    @Test(
        "a temperature is judged with the lane's offset", arguments: [(3679, true), (3680, false)] as [(Int32, Bool)])
    func offset(reading: Int32, turns: Bool) {
        let reply = explain(makeExplanation(offset: 50), temperature: reading)
        #expect(reply.row("temperature")?.turns == turns)
        #expect(reply.verdict == (turns ? "admitted" : "refused"))
        #expect(reply.row("temperature")?.figure.contains("offset +0.5 °C") == true)
    }

    @Test("what is asked beside the badge is a row of its own that nobody can judge beforehand")
    func beside() {
        var explanation = makeExplanation()
        var rule = KindRule()
        rule.escort = EscortRule(kinds: KindSet([.staff]), windowMilliseconds: 20_000)
        rule.identity = IdentityRule(accepts: .guardsButton, windowMilliseconds: 15_000)
        explanation.policy.kindRules[Int(HolderKind.visitor.rawValue)] = rule
        explanation.antiPassback = AntiPassbackNote(.refused)
        let reply = explain(explanation, temperature: 3650)
        #expect(reply.row("escort")?.needs == "a badge of staff within 20 s")
        #expect(reply.row("escort")?.turns == nil)
        #expect(reply.row("identity")?.needs == "the guard's button within 15 s")
        #expect(reply.row("anti_passback")?.turns == false)
        #expect(reply.reasons.map(\.name) == ["passed-already"])
        #expect(reply.policy == String(repeating: "0", count: 32))
    }

    @Test("outside the opening hours a badge is refused for that")
    func hours() {
        var explanation = makeExplanation()
        let closed = OpeningHours.Daily(
            fromMilliseconds: (now.milliseconds + hour) % (24 * hour), lengthMilliseconds: hour, toldOffsetMinutes: 480)
        explanation.policy.hours = OpeningHours(daily: [closed])
        #expect(explain(explanation, temperature: 3650).reasons.map(\.name) == ["outside-hours"])
        #expect(explain(explanation, temperature: 3650).row("hours")?.state == "closed")
        #expect(explain(explanation, temperature: 3650, at: now.milliseconds + hour).verdict == "admitted")
    }

    @Test("a key that is not asked of a kind is shown and does not count")
    func notRequired() {
        var explanation = makeExplanation()
        explanation.policy.requiredKeys[Int(HolderKind.staff.rawValue)] = [.activated]
        let reply = explain(explanation, .found(makeCredential(kind: .staff, vaccine: .none)))
        #expect(reply.verdict == "admitted")
        #expect(reply.row("vaccine")?.isRequired == false)
        #expect(reply.row("vaccine")?.turns == false)
    }

    @Test(
        "a badge that is not found says so and nothing is guessed",
        arguments: [
            (.unknown, "unknown", "unknown-badge"), (.conflict, "conflict", "conflict"),
            (.noImage, "no-image", "no-image"),
        ] as [(BadgeLookup, String, String)])
    func notFound(lookup: BadgeLookup, name: String, reason: String) {
        let reply = explain(makeExplanation(), lookup, temperature: 3650)
        #expect(reply.lookup == name)
        #expect(reply.kind == nil)
        #expect(reply.verdict == "refused")
        #expect(reply.reasons.map(\.name) == [reason])
        #expect(reply.row("badge")?.turns == false)
        #expect(reply.row("vaccine") == nil)
    }

    @Test("an exit lets everybody out and asks for nothing")
    func exit() {
        let reply = explain(makeExplanation(kind: .exit, to: "outside"), .unknown)
        #expect(reply.verdict == "admitted")
        #expect(reply.rows.allSatisfy { !$0.isRequired })
    }

    @Test("a lane out of service refuses, one in emergency is open to all")
    func modes() {
        #expect(explain(makeExplanation(mode: .outOfService)).reasons.map(\.name) == ["out-of-service"])
        let open = explain(makeExplanation(mode: .emergency), .unknown)
        #expect(open.verdict == "admitted")
        #expect(open.display.contains("紧急"))
    }

    @Test("the mode of another instant is told as that, or as what it is now")
    func modeThen() {
        var explanation = makeExplanation(mode: .locked)
        explanation.cause = .schedule
        explanation.modeNow = .normal
        let reply = explain(explanation, temperature: 3650, at: now.milliseconds + hour)
        #expect(reply.reasons.map(\.name) == ["lane-locked"])
        #expect(reply.row("lane")?.figure == "by the schedule; at that instant; now normal")
        explanation.modeNow = .locked
        #expect(explain(explanation, at: now.milliseconds).row("lane")?.figure == "by the schedule; as now")
        #expect(explain().row("lane")?.figure == "")
    }

    @Test("without trust in the clock nothing that depends on it is claimed")
    func distrusted() {
        let reply = explain(makeExplanation(), .found(makeCredential(sampled: 60 * hour)), clock: .stepped)
        #expect(reply.row("test")?.turns == nil)
        #expect(reply.row("test")?.figure.contains("not judged") == true)
        #expect(reply.row("clock")?.turns == false)
        #expect(reply.reasons.map(\.name) == ["clock-not-trusted"])
    }

    @Test("old credentials refuse and the row says how old")
    func stale() {
        let reply = explain(makeExplanation(statementAge: 7 * hour))
        #expect(reply.row("statement")?.turns == false)
        #expect(reply.row("statement")?.figure == "7 h old")
        #expect(reply.reasons.map(\.text) == ["statement 7 h old, limit 6 h"])
    }

    @Test("a zone that is not granted, or that nobody knows")
    func zone() {
        let other = explain(makeExplanation(), .found(makeCredential(zones: 2)))
        #expect(other.row("zone")?.turns == false)
        #expect(other.row("zone")?.state == "hall-4")
        let unknown = explain(makeExplanation(to: "south"))
        #expect(unknown.row("zone")?.figure == "the image knows no zone south")
        #expect(unknown.reasons.map(\.name) == ["zone-not-granted"])
    }

    @Test("a zone at its limit refuses, and what is too old to refuse for is told with its age")
    func occupancy() {
        var explanation = makeExplanation()
        #expect(explain(explanation).row("occupancy") == nil)
        explanation.policy.occupancy.action = .refuse
        explanation.policy.occupancy.people = 5000
        explanation.occupancy = OccupancyNote(count: 5001, ageSeconds: 12, finding: .refused)
        let full = explain(explanation)
        #expect(full.row("occupancy")?.state == "5001 people in north-ring")
        #expect(full.row("occupancy")?.turns == false)
        #expect(full.reasons.map(\.name) == ["zone-full"])
        #expect(
            full.reasons.map(\.text)
                == ["zone north-ring is full: 5001 people inside, as of 12 s before, limit 5000"])
        #expect(full.display.contains("场内人数已满") && full.display.contains("Full now"), "\(full.display)")
        explanation.occupancy = OccupancyNote(count: 5001, ageSeconds: 300, finding: .notKnown)
        let old = explain(explanation)
        #expect(old.verdict == "admitted" && old.row("occupancy")?.turns == nil)
        #expect(old.row("occupancy")?.figure == "as of 5 min ago; nobody is refused for it")
        // Of another instant nobody knows.
        explanation.modeNow = .normal
        #expect(explain(explanation).row("occupancy")?.figure.contains("of another instant nobody knows") == true)
    }

    @Test("without a thermometer, lost or never there, the policy says what happens")
    func thermometerLost() {
        var explanation = makeExplanation(thermometerIsLost: true)
        #expect(explain(explanation).reasons.map(\.name) == ["thermometer-lost"])
        explanation.policy.withoutThermometer = .admitMarked
        #expect(explain(explanation).verdict == "admitted")
        var without = makeExplanation(hasThermometer: false)
        #expect(explain(without).reasons.map(\.name) == ["thermometer-lost"])
        #expect(explain(without).row("temperature")?.state == "no thermometer at this lane")
        without.policy.withoutThermometer = .admitMarked
        #expect(explain(without).verdict == "admitted")
    }

    @Test("extreme figures from a peer do no harm", arguments: [Int32.min, .max], [Int64.min, .max])
    func extremes(temperature: Int32, at: Int64) {
        let credential = makeCredential(until: 3 * hour)
        let reply = explain(makeExplanation(offset: 200), .found(credential), temperature: temperature, at: at)
        #expect(reply.verdict == "refused")
    }
}
