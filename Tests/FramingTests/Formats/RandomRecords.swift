import Admission
import Framing

/// Values of every kind, from a seed. What a record does not hold (a credential's zones and validity, which bit the
/// zone has) is left at what reading back gives, so that a round trip can be compared whole.
struct RandomRecords {
    private var generator: SeededBytes
    let seed: UInt64

    init(seed: UInt64? = nil, for test: String = #function) {
        self.seed = seed ?? UInt64.random(in: 1...UInt64(UInt32.max))
        generator = SeededBytes(state: self.seed)
        print("\(test): seed \(self.seed)")
    }

    mutating func word() -> UInt64 { generator.next() }
    mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: generator.next()) }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }
    mutating func below(_ bound: Int) -> Int { Int(generator.next() % UInt64(bound)) }
    mutating func one<T>(of values: [T]) -> T { values[below(values.count)] }

    mutating func name() -> ShortName {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789-".utf8)
        return ShortName(bytes: (0..<(1 + below(31))).map { _ in letters[below(letters.count)] }) ?? .outside
    }

    mutating func epoch() -> Epoch { Epoch(low: word() | 1, high: word()) }
    mutating func tag() -> BadgeTag { BadgeTag(low: word(), high: UInt16(truncatingIfNeeded: word())) }
    mutating func wall() -> WallTime { WallTime(milliseconds: Int64(bitPattern: word()) >> 8) }

    mutating func laneWord() -> LaneWord {
        var said = LaneWord(asOf: wall(), version: name())
        said.mode = one(of: LaneMode.allCases)
        said.cause = one(of: ModeCause.allCases)
        said.clock = one(of: ClockTrust.allCases)
        said.journal = one(of: [.roomy, .filling, .nearlyFull, .reserveOnly, .full])
        said.freshness = one(of: LaneWord.Freshness.allCases)
        said.flags = LaneWord.Flags(rawValue: UInt16(truncatingIfNeeded: word()))
        (said.imageVersion, said.changeNumber) = (word(), word())
        said.statementAsOf = below(3) == 0 ? nil : WallTime(milliseconds: Int64(1 + below(1 << 40)))
        said.imageIssuedAt = below(3) == 0 ? nil : WallTime(milliseconds: Int64(1 + below(1 << 40)))
        said.startedAt = wall()
        (said.recordsHeld, said.recordsRoom) = (UInt32(below(1 << 20)), UInt32(below(1 << 20)))
        (said.devices, said.lostDevices) = (
            UInt32(truncatingIfNeeded: word()), UInt32(truncatingIfNeeded: word())
        )
        said.openCovers = UInt32(truncatingIfNeeded: word())
        said.policyDigest = PolicyDigest(low: word(), high: word())
        return said
    }

    mutating func credential() -> Credential {
        Credential(
            holder: HolderNumber(UInt32(truncatingIfNeeded: word())), kind: one(of: HolderKind.allCases),
            vaccine: one(of: VaccineState.allCases), healthCode: one(of: HealthCode.allCases),
            assessedAtSeconds: UInt32(truncatingIfNeeded: word()), test: one(of: TestResult.allCases),
            sampledAtSeconds: UInt32(truncatingIfNeeded: word()), activation: one(of: Activation.allCases), zones: 0,
            validFromSeconds: nil, validUntilSeconds: nil)
    }

    mutating func presentation() -> Presentation {
        let lookup: BadgeLookup =
            switch below(4) {
            case 0: .unknown
            case 1: .conflict
            case 2: .noImage
            default: .found(credential())
            }
        return Presentation(tag: tag(), type: one(of: IdentifierType.allCases), lookup: lookup, reader: byte())
    }

    mutating func credentials() -> CredentialsInForce {
        CredentialsInForce(
            imageVersion: word(), changeNumber: word(), imageIssuedAt: wall(),
            statementAsOf: below(3) == 0 ? nil : wall(), destinationZoneBit: UInt64(below(2)))
    }

    mutating func centidegrees() -> Int32 { Int32(Int16(truncatingIfNeeded: word())) }

    mutating func decision() -> Decision {
        var decision = Decision(
            presentation: presentation(), verdict: below(2) == 0 ? .admitted : .refused,
            reasons: Reasons(rawValue: word()),
            temperature: TemperatureFinding(
                outcome: one(of: TemperatureOutcome.allCases), sampleCount: byte(), medianCentidegrees: centidegrees(),
                ambientCentidegrees: centidegrees()),
            temperatureOffsetCentidegrees: centidegrees(), temperatureLimitCentidegrees: centidegrees(),
            credentials: credentials(), policyDigest: PolicyDigest(low: word(), high: word()))
        decision.antiPassback = AntiPassbackNote(
            one(of: AntiPassbackFinding.allCases), ageSeconds: below(2) == 0 ? nil : UInt32(below(255)) * 10)
        decision.occupancy = OccupancyNote(
            count: below(2) == 0 ? nil : UInt32(truncatingIfNeeded: word() >> 33),
            ageSeconds: below(2) == 0 ? nil : UInt32(truncatingIfNeeded: word() >> 33),
            finding: one(of: OccupancyFinding.allCases))
        decision.company = Company(rawValue: UInt8(below(8)))
        decision.partner = HolderNumber(below(2) == 0 ? 0 : UInt32(below(1_000_000)))
        return decision
    }

    mutating func direction() -> PassageDirection { below(2) == 0 ? .forward : .backward }

    mutating func outcome() -> Outcome {
        Outcome(
            end: one(of: ReleaseEnd.allCases), direction: direction(), decisionSequence: word(),
            decisionEpoch: below(2) == 0 ? nil : epoch(), tag: tag(), type: one(of: IdentifierType.allCases),
            holder: HolderNumber(UInt32(truncatingIfNeeded: word())),
            kind: below(3) == 0 ? nil : one(of: HolderKind.allCases), reader: byte(),
            openMilliseconds: UInt32(truncatingIfNeeded: word()), isAssumed: below(2) == 0)
    }

    mutating func totals() -> LaneTotals {
        var totals = LaneTotals()
        totals.presented = UInt32(truncatingIfNeeded: word())
        totals.admitted = UInt32(truncatingIfNeeded: word())
        totals.refused = UInt32(truncatingIfNeeded: word())
        totals.passed = UInt32(truncatingIfNeeded: word())
        totals.annulled = UInt32(truncatingIfNeeded: word())
        totals.interrupted = UInt32(truncatingIfNeeded: word())
        totals.tailgating = UInt32(truncatingIfNeeded: word())
        totals.forced = UInt32(truncatingIfNeeded: word())
        totals.wrongWay = UInt32(truncatingIfNeeded: word())
        totals.anonymousForward = UInt32(truncatingIfNeeded: word())
        totals.anonymousBackward = UInt32(truncatingIfNeeded: word())
        totals.byHand = UInt32(truncatingIfNeeded: word())
        totals.passedBackward = UInt32(truncatingIfNeeded: word())
        totals.tailgatingBackward = UInt32(truncatingIfNeeded: word())
        return totals
    }

    static let eventKinds = 20

    /// An event of kind 1–20.
    mutating func event(kind: Int) -> LaneEvent {
        switch kind {
        case 1: .epochStarted(previous: epoch(), lastSequence: word())
        case 2: .decided(decision())
        case 3: .ended(outcome())
        case 4: .pulse(one(of: UnreleasedPulse.allCases), direction(), decisionSequence: word())
        case 5: .seenInEmergency(presentation())
        case 6: .fire(alarm: below(2) == 0)
        case 7: .device(one(of: [.reader(UInt8(below(16))), .thermometer, .gate]), lost: below(2) == 0)
        case 8: .contact(direction(), stuck: below(2) == 0)
        case 9: .mode(one(of: LaneMode.allCases), one(of: ModeCause.allCases))
        case 10: .credentials(credentials())
        case 11: .clock(one(of: ClockTrust.allCases), stepMilliseconds: Int64(bitPattern: word()))
        case 12: .hour(startSeconds: Int64(bitPattern: word()), totals())
        case 13:
            .hole(
                epoch: epoch(), firstSequence: word(), count: word(), one(of: HoleCause.allCases), totals())
        case 15: .releasedByHand(one(of: Releaser.allCases), direction())
        case 16: .tamper(one(of: [.reader(UInt8(below(16))), .cabinet]), opened: below(2) == 0)
        case 17: .policy(PolicyDigest(low: word(), high: word()))
        case 18: .passagesForgotten(HolderNumber(UInt32(below(1000))))
        case 19: .technician(technicianAct())
        case 20: .seenInMaintenance(presentation())
        default: .stopping
        }
    }

    mutating func technicianAct() -> TechnicianAct {
        let what: TechnicianAct.What =
            switch below(3) {
            case 0: .ordered(one(of: OrderedMode.allCases), minutes: UInt32(truncatingIfNeeded: word()))
            case 1: .tested(one(of: GateTest.allCases))
            default: .confirmedClock
            }
        let remarks = ["", "broken bar", "闸机维修中", String(repeating: "x", count: 60)]
        return TechnicianAct(what, user: UInt32(truncatingIfNeeded: word()), remark: Remark(one(of: remarks)))
    }

    mutating func record(kind: Int) -> JournalRecord {
        JournalRecord(
            event: event(kind: kind),
            moment: Moment(
                monotonic: MonotonicTime(nanoseconds: word()), wall: wall(), clock: one(of: ClockTrust.allCases)),
            epoch: epoch(), sequence: word() | 1, lane: name(), from: name(), to: name(), unsyncedBefore: byte(),
            traffic: one(of: Traffic.allCases))
    }

    mutating func record() -> JournalRecord { record(kind: 1 + below(Self.eventKinds)) }

    mutating func imageHeader() -> ImageHeader {
        let slots = 1 + below(100_000)
        let identifiers = below(slots + 1)
        return ImageHeader(
            site: SiteID(low: word(), high: word()), version: word() | 1, changeNumber: word(), issuedAt: wall(),
            slots: slots, identifiers: identifiers, holders: below(identifiers + 1),
            validityBaseSeconds: Int64(below(2_000_000_000)), badgeKeyFingerprint: word(), bodyDigest: bytes(32),
            zones: (0..<below(65)).map { _ in name() }, zoneSets: (0..<below(1025)).map { _ in word() },
            regionChecksums: (0..<ImageHeader.regions(bodyLength: slots * ImageSlot.size)).map { _ in
                UInt32(truncatingIfNeeded: word())
            })
    }
}

extension Array where Element == UInt8 {
    /// These bytes with one bit turned over.
    func flipping(bit: Int) -> [UInt8] {
        var bytes = self
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return bytes
    }
}
