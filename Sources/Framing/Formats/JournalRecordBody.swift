import Admission

// The 111 bytes at offset 144 of a record; offsets here count from the body's start.
//
//   1 epoch started   0 16 previous epoch · 16 u64 its last recovered sequence (both 0: the lane's first)
//   2 decided         0 10 tag · 10 u8 identifier type · 11 u8 holder kind (0 none) · 12 u32 holder
//                    16 u8 reader · 17 u8 verdict · 18 u8 lookup: 0 unknown 1 found 2 conflict 3 no image
//                    19 u8 key states: vaccine, code, test, activation, two bits each from bit 0
//                    20 u8 temperature outcome · 21 u8 samples · 22 i16 median · 24 i16 ambient
//                    26 i16 offset · 28 i16 limit (hundredths of °C)
//                    30 u8 beside the badge: bit 0 escort, 1 second identifier, 2 guard's button
//                             3 the driver of this vehicle, 4 the vehicle of this driver
//                    31 u8 direction: 0 or 1 forward, 2 backward
//                    32 u64 reasons · 40 u32 sampled at, s · 44 u32 assessed at, s
//                    48 u64 image version · 56 u64 change number
//                    64 i64 image issued, ms · 72 i64 statement as of, ms (i64 min: none)
//                    80 16 policy digest
//                    96 u32 occupancy · 100 u32 its age, s · 104 u32 paired holder (each all ones: unknown, nobody)
//                   108 u8 anti-passback: 0 off 1 not passed 2 reported 3 refused
//                          across lanes: 4 not known 5 inside, reported 6 inside, refused ·
//                   110 u8 how old that knowledge was: 0 none, else 1 + age / 10 s, rounded up; 255: 2531 s and more
//                   109 u8 bit 0: the lane's zone is known to the image
//                          bits 4–6, the zone's limit: 0 not asked 1 below 2 reached, reported 3 reached, refused 4 not known
//   3 ended           0 10 tag · 10 u8 type · 11 u8 holder kind · 12 u32 holder · 16 u8 reader (255: released by hand)
//                    17 u8 end: 1 passed 2 annulled 3 interrupted · 18 u8 direction · 19 u8 1 = nothing saw it
//                    24 u64 decision's sequence · 32 16 decision's epoch (0: this record's own) · 48 u32 open for, ms
//   4 pulse          17 u8 1 tailgating 2 forced 3 wrong way 4 anonymous · 18 u8 direction · 24 u64 decision followed
//   5 seen in emergency   0–16, 18 and 31 as in 2
//   6 fire            0 u8 1 = alarm
//   7 device          0 u8 device · 1 u8 1 = lost
//   8 contact         0 u8 direction · 1 u8 1 = stuck
//   9 mode            0 u8 mode · 1 u8 cause
//  10 credentials    48 u64 image version · 56 u64 change · 64 i64 issued · 72 i64 statement · 109 u8 as in 2
//  11 clock           0 u8 trust · 8 i64 step, ms
//  12 hour            0 i64 start, s · 8 14 × u32 totals
//  13 hole            0 16 epoch · 16 u64 first sequence · 24 u64 count · 32 u8 cause · 36 14 × u32 totals
//  14 stopping        -
//  15 released by hand   0 u8 who: 1 guard's button · 18 u8 direction
//  16 tamper          0 u8 0–15 reader, 18 cabinet · 1 u8 1 = opened
//  17 policy         80 16 digest of what is in force from here on
//  18 passages forgotten  12 u32 holder (0: everybody)
//  19 technician      0 u8 1 ordered a mode 2 tested the gate 3 confirmed the clock
//                     1 u8 mode, or what was moved: 1 release 2 green 3 red 4 amber lamp 5 buzzer
//                     2 u8 bytes of the remark · 4 u32 user · 8 u32 minutes (0: until something else) · 16 60 remark
//  20 seen in maintenance   0–16 and 18 as in 2

private let noStatement = Int64.min
private let noPartner = UInt32.max
private let noCount = UInt32.max

extension LaneEvent {
    /// Writes the body and returns the record's kind. The buffer is zeroed and 111 bytes long.
    func encodeBody(into body: UnsafeMutableRawBufferPointer) -> UInt8 {
        switch self {
        case .epochStarted(let previous, let lastSequence):
            body.put(previous.low, at: 0)
            body.put(previous.high, at: 8)
            body.put(lastSequence, at: 16)
            return 1
        case .decided(let decision):
            decision.encode(into: body)
            return 2
        case .ended(let outcome):
            outcome.encode(into: body)
            return 3
        case .pulse(let pulse, let direction, let decisionSequence):
            body.put(pulse.rawValue, at: 17)
            body.put(direction.rawValue, at: 18)
            body.put(decisionSequence, at: 24)
            return 4
        case .seenInEmergency(let presentation):
            presentation.encode(into: body)
            return 5
        case .fire(let alarm):
            body.put(alarm ? 1 : 0 as UInt8, at: 0)
            return 6
        case .device(let device, let lost):
            body.put(device.code, at: 0)
            body.put(lost ? 1 : 0 as UInt8, at: 1)
            return 7
        case .contact(let direction, let stuck):
            body.put(direction.rawValue, at: 0)
            body.put(stuck ? 1 : 0 as UInt8, at: 1)
            return 8
        case .mode(let mode, let cause):
            body.put(mode.rawValue, at: 0)
            body.put(cause.rawValue, at: 1)
            return 9
        case .credentials(let credentials):
            credentials.encode(into: body)
            return 10
        case .clock(let trust, let stepMilliseconds):
            body.put(trust.rawValue, at: 0)
            body.put(stepMilliseconds, at: 8)
            return 11
        case .hour(let startSeconds, let totals):
            body.put(startSeconds, at: 0)
            totals.encode(into: body, at: 8)
            return 12
        case .hole(let epoch, let firstSequence, let count, let cause, let totals):
            body.put(epoch.low, at: 0)
            body.put(epoch.high, at: 8)
            body.put(firstSequence, at: 16)
            body.put(count, at: 24)
            body.put(cause.rawValue, at: 32)
            totals.encode(into: body, at: 36)
            return 13
        case .stopping:
            return 14
        case .releasedByHand(let releaser, let direction):
            body.put(releaser.rawValue, at: 0)
            body.put(direction.rawValue, at: 18)
            return 15
        case .tamper(let contact, let opened):
            body.put(contact.code, at: 0)
            body.put(opened ? 1 : 0 as UInt8, at: 1)
            return 16
        case .policy(let digest):
            body.put(digest.low, at: 80)
            body.put(digest.high, at: 88)
            return 17
        case .passagesForgotten(let holder):
            body.put(holder.number, at: 12)
            return 18
        case .technician(let act):
            act.encode(into: body)
            return 19
        case .seenInMaintenance(let presentation):
            presentation.encode(into: body)
            return 20
        }
    }

    init(kind: UInt8, body: UnsafeRawBufferPointer) throws(FormatError) {
        switch kind {
        case 1:
            self = .epochStarted(
                previous: Epoch(low: body.get(at: 0), high: body.get(at: 8)), lastSequence: body.get(at: 16))
        case 2: self = .decided(try Decision(body))
        case 3: self = .ended(try Outcome(body))
        case 4:
            self = .pulse(
                try read(UnreleasedPulse.init(rawValue:), body, 17, "pulse"), try direction(body, 18),
                decisionSequence: body.get(at: 24))
        case 5: self = .seenInEmergency(try Presentation(body))
        case 6: self = .fire(alarm: body[0] != 0)
        case 7: self = .device(try read(Device.init(code:), body, 0, "device"), lost: body[1] != 0)
        case 8: self = .contact(try direction(body, 0), stuck: body[1] != 0)
        case 9:
            self = .mode(
                try read(LaneMode.init(rawValue:), body, 0, "mode"),
                try read(ModeCause.init(rawValue:), body, 1, "cause of a mode"))
        case 10: self = .credentials(CredentialsInForce(body))
        case 11:
            self = .clock(
                try read(ClockTrust.init(rawValue:), body, 0, "clock trust"), stepMilliseconds: body.get(at: 8))
        case 12: self = .hour(startSeconds: body.get(at: 0), LaneTotals(body, at: 8))
        case 13:
            self = .hole(
                epoch: Epoch(low: body.get(at: 0), high: body.get(at: 8)), firstSequence: body.get(at: 16),
                count: body.get(at: 24), try read(HoleCause.init(rawValue:), body, 32, "cause of a hole"),
                LaneTotals(body, at: 36))
        case 14: self = .stopping
        case 15:
            self = .releasedByHand(
                try read(Releaser.init(rawValue:), body, 0, "who released by hand"), try direction(body, 18))
        case 16:
            self = .tamper(try read(TamperContact.init(code:), body, 0, "tamper contact"), opened: body[1] != 0)
        case 17: self = .policy(PolicyDigest(low: body.get(at: 80), high: body.get(at: 88)))
        case 18: self = .passagesForgotten(HolderNumber(body.get(at: 12)))
        case 19: self = .technician(try TechnicianAct(body))
        case 20: self = .seenInMaintenance(try Presentation(body))
        default: throw FormatError("record", "kind \(kind) is not known; a newer program wrote it")
        }
    }
}

private func read<Value>(
    _ make: (UInt8) -> Value?, _ body: UnsafeRawBufferPointer, _ offset: Int, _ what: String
) throws(FormatError) -> Value {
    guard let value = make(body[offset]) else {
        throw FormatError("record", "\(what) \(body[offset]) is not known")
    }
    return value
}

private func direction(_ body: UnsafeRawBufferPointer, _ offset: Int) throws(FormatError) -> PassageDirection {
    try read(PassageDirection.init(rawValue:), body, offset, "direction")
}

private func tag(_ body: UnsafeRawBufferPointer) -> BadgeTag { BadgeTag(low: body.get(at: 0), high: body.get(at: 8)) }

private func holderKind(_ body: UnsafeRawBufferPointer) throws(FormatError) -> HolderKind? {
    body[11] == 0 ? nil : try read(HolderKind.init(rawValue:), body, 11, "kind of holder")
}

extension Presentation {
    fileprivate func encode(into body: UnsafeMutableRawBufferPointer) {
        body.put(tag.low, at: 0)
        body.put(tag.high, at: 8)
        body.put(type.rawValue, at: 10)
        body.put(reader, at: 16)
        body.put(direction.rawValue, at: 31)
        switch lookup {
        case .unknown: body.put(0 as UInt8, at: 18)
        case .conflict: body.put(2 as UInt8, at: 18)
        case .noImage: body.put(3 as UInt8, at: 18)
        case .found(let credential):
            body.put(1 as UInt8, at: 18)
            body.put(credential.kind.rawValue, at: 11)
            body.put(credential.holder.number, at: 12)
            body.put(
                credential.vaccine.rawValue | credential.healthCode.rawValue << 2 | credential.test.rawValue << 4
                    | credential.activation.rawValue << 6, at: 19)
            body.put(credential.sampledAtSeconds, at: 40)
            body.put(credential.assessedAtSeconds, at: 44)
        }
    }

    /// A credential read back from a record has no zones and no validity dates: these stand in the image it names.
    fileprivate init(_ body: UnsafeRawBufferPointer) throws(FormatError) {
        let lookup: BadgeLookup
        switch body[18] {
        case 0: lookup = .unknown
        case 2: lookup = .conflict
        case 3: lookup = .noImage
        case 1:
            let states = body[19]
            lookup = .found(
                Credential(
                    holder: HolderNumber(body.get(at: 12)),
                    kind: try read(HolderKind.init(rawValue:), body, 11, "kind of holder"),
                    vaccine: VaccineState(rawValue: states & 3) ?? .unknown,
                    healthCode: HealthCode(rawValue: states >> 2 & 3) ?? .unknown,
                    assessedAtSeconds: body.get(at: 44), test: TestResult(rawValue: states >> 4 & 3) ?? .unknown,
                    sampledAtSeconds: body.get(at: 40), activation: Activation(rawValue: states >> 6) ?? .inactive,
                    zones: 0, validFromSeconds: nil, validUntilSeconds: nil))
        default: throw FormatError("record", "lookup \(body[18]) is not known")
        }
        self.init(
            tag: Framing.tag(body), type: try read(IdentifierType.init(rawValue:), body, 10, "identifier type"),
            lookup: lookup, reader: body[16], direction: body[31] == 0 ? .forward : try Framing.direction(body, 31))
    }
}

extension TechnicianAct {
    fileprivate func encode(into body: UnsafeMutableRawBufferPointer) {
        switch what {
        case .ordered(let mode, let minutes):
            body.put(1 as UInt8, at: 0)
            body.put(mode.rawValue, at: 1)
            body.put(minutes, at: 8)
        case .tested(let what):
            body.put(2 as UInt8, at: 0)
            body.put(what.rawValue, at: 1)
        case .confirmedClock: body.put(3 as UInt8, at: 0)
        }
        body.put(UInt8(remark.count), at: 2)
        body.put(user, at: 4)
        for index in 0..<remark.count { body.put(remark[index], at: 16 + index) }
    }

    fileprivate init(_ body: UnsafeRawBufferPointer) throws(FormatError) {
        let what: What
        switch body[0] {
        case 1:
            what = .ordered(try read(OrderedMode.init(rawValue:), body, 1, "ordered mode"), minutes: body.get(at: 8))
        case 2: what = .tested(try read(GateTest.init(rawValue:), body, 1, "test of the gate"))
        case 3: what = .confirmedClock
        default: throw FormatError("record", "act \(body[0]) of a technician is not known")
        }
        guard body[2] <= Remark.longest else { throw FormatError("record", "a remark of \(body[2]) bytes") }
        let text = String(decoding: body[16..<16 + Int(body[2])], as: UTF8.self)
        self.init(what, user: body.get(at: 4), remark: Remark(text))
    }
}

extension CredentialsInForce {
    fileprivate func encode(into body: UnsafeMutableRawBufferPointer) {
        body.put(imageVersion, at: 48)
        body.put(changeNumber, at: 56)
        body.put(imageIssuedAt.milliseconds, at: 64)
        body.put(statementAsOf?.milliseconds ?? noStatement, at: 72)
        body.put(destinationZoneBit == 0 ? 0 : 1 as UInt8, at: 109)
    }

    fileprivate init(_ body: UnsafeRawBufferPointer) {
        let asOf: Int64 = body.get(at: 72)
        self.init(
            imageVersion: body.get(at: 48), changeNumber: body.get(at: 56),
            imageIssuedAt: WallTime(milliseconds: body.get(at: 64)),
            statementAsOf: asOf == noStatement ? nil : WallTime(milliseconds: asOf),
            destinationZoneBit: UInt64(body[109] & 1))
    }
}

extension Decision {
    fileprivate func encode(into body: UnsafeMutableRawBufferPointer) {
        presentation.encode(into: body)
        credentials.encode(into: body)
        body.put(verdict.rawValue, at: 17)
        body.put(temperature.outcome.rawValue, at: 20)
        body.put(temperature.sampleCount, at: 21)
        body.put(Int16(clamping: temperature.medianCentidegrees), at: 22)
        body.put(Int16(clamping: temperature.ambientCentidegrees), at: 24)
        body.put(Int16(clamping: temperatureOffsetCentidegrees), at: 26)
        body.put(Int16(clamping: temperatureLimitCentidegrees), at: 28)
        body.put(reasons.rawValue, at: 32)
        body.put(policyDigest.low, at: 80)
        body.put(policyDigest.high, at: 88)
        body.put(occupancy.count ?? noCount, at: 96)
        body.put(occupancy.ageSeconds ?? noCount, at: 100)
        body.put((credentials.destinationZoneBit == 0 ? 0 : 1) | occupancy.finding.rawValue << 4, at: 109)
        body.put(partner == .nobody ? noPartner : partner.number, at: 104)
        body.put(company.rawValue, at: 30)
        body.put(antiPassback.finding.rawValue, at: 108)
        body.put(antiPassback.ageInRecord, at: 110)
    }

    fileprivate init(_ body: UnsafeRawBufferPointer) throws(FormatError) {
        self.init(
            presentation: try Presentation(body),
            verdict: try read(Verdict.init(rawValue:), body, 17, "verdict"),
            reasons: Reasons(rawValue: body.get(at: 32)),
            temperature: TemperatureFinding(
                outcome: try read(TemperatureOutcome.init(rawValue:), body, 20, "temperature outcome"),
                sampleCount: body[21], medianCentidegrees: Int32(body.get(Int16.self, at: 22)),
                ambientCentidegrees: Int32(body.get(Int16.self, at: 24))),
            temperatureOffsetCentidegrees: Int32(body.get(Int16.self, at: 26)),
            temperatureLimitCentidegrees: Int32(body.get(Int16.self, at: 28)),
            credentials: CredentialsInForce(body),
            policyDigest: PolicyDigest(low: body.get(at: 80), high: body.get(at: 88)))
        company = Company(rawValue: body[30])
        let holder: UInt32 = body.get(at: 104)
        partner = holder == noPartner ? .nobody : HolderNumber(holder)
        antiPassback = AntiPassbackNote(
            try read(AntiPassbackFinding.init(rawValue:), body, 108, "anti-passback state"), ageInRecord: body[110])
        guard let finding = OccupancyFinding(rawValue: body[109] >> 4) else {
            throw FormatError("record", "finding \(body[109] >> 4) on the zone's limit is not known")
        }
        let (count, age): (UInt32, UInt32) = (body.get(at: 96), body.get(at: 100))
        occupancy = OccupancyNote(
            count: count == noCount ? nil : count, ageSeconds: age == noCount ? nil : age, finding: finding)
    }
}

extension AntiPassbackNote {
    fileprivate var ageInRecord: UInt8 {
        ageSeconds.map { UInt8(clamping: 1 + UInt64($0) / 10 + ($0 % 10 > 0 ? 1 : 0)) } ?? 0
    }

    fileprivate init(_ finding: AntiPassbackFinding, ageInRecord: UInt8) {
        self.init(finding, ageSeconds: ageInRecord == 0 ? nil : UInt32(ageInRecord - 1) * 10)
    }
}

extension Outcome {
    fileprivate func encode(into body: UnsafeMutableRawBufferPointer) {
        body.put(tag.low, at: 0)
        body.put(tag.high, at: 8)
        body.put(type.rawValue, at: 10)
        body.put(kind?.rawValue ?? 0, at: 11)
        body.put(holder.number, at: 12)
        body.put(reader, at: 16)
        body.put(end.rawValue, at: 17)
        body.put(direction.rawValue, at: 18)
        body.put(isAssumed ? 1 : 0 as UInt8, at: 19)
        body.put(decisionSequence, at: 24)
        body.put(decisionEpoch?.low ?? 0, at: 32)
        body.put(decisionEpoch?.high ?? 0, at: 40)
        body.put(openMilliseconds, at: 48)
    }

    fileprivate init(_ body: UnsafeRawBufferPointer) throws(FormatError) {
        let epoch = Epoch(low: body.get(at: 32), high: body.get(at: 40))
        self.init(
            end: try read(ReleaseEnd.init(rawValue:), body, 17, "end of a release"),
            direction: try Framing.direction(body, 18), decisionSequence: body.get(at: 24),
            decisionEpoch: epoch == .none ? nil : epoch, tag: Framing.tag(body),
            type: try read(IdentifierType.init(rawValue:), body, 10, "identifier type"),
            holder: HolderNumber(body.get(at: 12)), kind: try holderKind(body), reader: body[16],
            openMilliseconds: body.get(at: 48), isAssumed: body[19] != 0)
    }
}

extension LaneTotals {
    private static let fields: [WritableKeyPath<LaneTotals, UInt32> & Sendable] = [
        \.presented, \.admitted, \.refused, \.passed, \.annulled, \.interrupted, \.tailgating, \.forced, \.wrongWay,
        \.anonymousForward, \.anonymousBackward, \.byHand,
        \.passedBackward, \.tailgatingBackward,
    ]

    fileprivate func encode(into body: UnsafeMutableRawBufferPointer, at offset: Int) {
        for (index, field) in Self.fields.enumerated() { body.put(self[keyPath: field], at: offset + 4 * index) }
    }

    fileprivate init(_ body: UnsafeRawBufferPointer, at offset: Int) {
        self.init()
        for (index, field) in Self.fields.enumerated() { self[keyPath: field] = body.get(at: offset + 4 * index) }
    }
}
