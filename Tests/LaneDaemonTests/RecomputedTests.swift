import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import LaneDaemon

private let hour: Int64 = 3_600_000
/// An instant for the tests; its value means nothing.
private let noon = WallTime(milliseconds: 1_800_000_000_000)
private let strict = "test_window_hours: 48\ntemperature: { limit_celsius: 37.3, offset_celsius: 0.5 }\n"
private let lenient = """
    test_window_hours: 72
    temperature: { limit_celsius: 37.8 }
    requires: { staff: [ activated ] }
    occupancy: { limit: 1002 }

    """

/// A lane that decides under changing rules and images, and keeps what it must: records, policies, images.
private struct Archive {
    let folder: TemporaryDirectory
    let directory: LaneDirectory
    let policies: PolicyArchive
    let trust: SiteTrust
    let badgeKey: BadgeKey
    var records: [[UInt8]] = []
    private let key: Ed25519.SigningKey
    private var images: [UInt64: CredentialImage] = [:]

    init() throws {
        folder = try TemporaryDirectory()
        directory = LaneDirectory(folder.file("state"))
        try directory.prepareForDaemon()
        policies = PolicyArchive(directory)
        key = try Ed25519.SigningKey.generate()
        badgeKey = try #require(BadgeKey(bytes: [UInt8](repeating: 7, count: 16)))
        trust = try SiteTrust(
            site: SiteID(low: 1, high: 2), publicKey: key.publicKey, badgeKeyFingerprint: badgeKey.fingerprint)
    }

    func settings(_ rules: [UInt8]) throws -> LaneSettings {
        let text = """
            site: { id: 00112233445566778899aabbccddeeff, public_key_file: site.pub, badge_key_file: badge.key }
            lane: { id: north-07, name: 北登录厅-07, kind: entry, from: outside, to: north-ring }
            readers: [ { name: chip, type: rdm6300, port: /dev/ttyS1 } ]
            thermometer: { type: gy-mcu90615, port: /dev/ttyS2 }
            gate: { simulated: { socket: gate.sock } }
            policy: rules.yaml

            """
        try FileSystem.replace(folder.file("lane.yaml"), with: Array(text.utf8), mode: 0o600)
        try FileSystem.replace(folder.file("rules.yaml"), with: rules, mode: 0o600)
        return try LaneSettings(path: folder.file("lane.yaml"))
    }

    func tag(_ person: Int) throws -> BadgeTag {
        badgeKey.tag(of: try #require(Identifier(.chip, bytes: [0, 0, 0, 0, UInt8(person)])))
    }

    func imagePath(_ version: UInt64) -> String { folder.file("\(version).img") }

    /// Person 0 has everything, 1 an old test, 2 a code of this colour, 3 is of the staff and has nothing.
    func publish(_ version: UInt64, code: HealthCode) throws {
        let zones = [ShortName("north-ring"), ShortName("hall-4")].compactMap { $0 }
        var builder = try ImageBuilder(
            identifiers: 4, validityBaseSeconds: noon.seconds - 1000, zones: version == 1 ? zones : zones.reversed())
        for person in 0..<4 {
            let sampled = noon.milliseconds - (person == 1 ? 60 : 3) * hour
            try builder.add(
                try tag(person),
                Credential(
                    holder: HolderNumber(UInt32(person + 1)), kind: person == 3 ? .staff : .visitor,
                    vaccine: person == 3 ? .none : .full, healthCode: person == 2 ? code : .green,
                    assessedAtSeconds: UInt32(noon.seconds - 3600), test: .negative,
                    sampledAtSeconds: UInt32(sampled / 1000), activation: .activated, zones: version == 1 ? 1 : 2,
                    validFromSeconds: nil, validUntilSeconds: nil))
        }
        _ = try builder.write(
            to: imagePath(version),
            title: ImageBuilder.Title(
                site: trust.site, version: version, changeNumber: 0,
                issuedAt: WallTime(milliseconds: noon.milliseconds - hour), holders: 4,
                badgeKeyFingerprint: badgeKey.fingerprint), signingWith: key)
    }

    func image(_ version: UInt64) throws -> CredentialImage {
        try CredentialImage(imagePath(version), trusting: trust, newerThan: 0, at: moment(0))
    }

    func moment(_ milliseconds: Int64) -> Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: UInt64(5_000_000 + milliseconds)),
            wall: noon.advanced(byMilliseconds: milliseconds), clock: .trusted)
    }

    /// Everybody comes once under these rules and this image, with this temperature.
    mutating func decide(_ rules: String, image version: UInt64, centidegrees: Int32, inside: UInt32 = 5) throws {
        let settings = try settings(Array(rules.utf8))
        try policies.keep(Array(rules.utf8), settings.policy.digest)
        let image = try image(version)
        var time: Int64 = 0
        var machine = LaneMachine(
            configuration: settings.lane, policy: settings.policy, nextSequence: UInt64(records.count + 1),
            hourTotals: LaneTotals(), at: moment(time))
        var kept: [[UInt8]] = []
        func keep(_ effects: LaneEffects, _ at: Moment) {
            for index in 0..<effects.count {
                guard case .record(let event, let sequence) = effects[index], case .decided = event else { continue }
                kept.append(
                    JournalRecord(
                        event: event, moment: at, epoch: Epoch(low: 1, high: 1), sequence: sequence,
                        lane: settings.id, from: settings.lane.from, to: settings.lane.to, unsyncedBefore: 0
                    ).encoded)
            }
        }
        func handle(_ input: LaneInput) { keep(machine.handle(input, at: moment(time)), moment(time)) }
        keep(machine.start(unfinished: nil, at: moment(time)), moment(time))
        keep(
            machine.adopt(
                CredentialsInForce(
                    imageVersion: version, changeNumber: 0, imageIssuedAt: image.header.issuedAt,
                    statementAsOf: noon, destinationZoneBit: image.zoneBit(settings.lane.to)),
                at: moment(time), lookUp: image.lookup), moment(time))
        machine.learn(ZoneCount(people: inside, vehicles: 0, asOf: noon))
        for device in [Device.gate, .reader(0), .thermometer] { handle(.deviceBack(device)) }
        for person in 0..<5 {
            time += 10_000
            handle(.timePassed)
            let tag = try tag(person)
            handle(.presented(Presentation(tag: tag, type: .chip, lookup: image.lookup(tag), reader: 0)))
            // Twice three samples: who is too warm is measured once more.
            for _ in 0..<6 {
                time += 100
                handle(.temperature(TemperatureSample(objectCentidegrees: centidegrees, ambientCentidegrees: 2200)))
            }
        }
        records += kept
    }

    /// What the decision in this record should have been, by the record itself and the kept files that it names.
    func recomputed(_ record: JournalRecord, _ decision: Decision) throws -> (Verdict, Reasons) {
        let rules = try FileSystem.read(policies.path(decision.policyDigest), limit: 1 << 20)
        let policy = try settings(rules).policy
        #expect(policy.digest == decision.policyDigest)
        let image = try image(decision.credentials.imageVersion)
        var credentials = decision.credentials
        credentials.destinationZoneBit = image.zoneBit(record.to)
        var reasons = LaneMachine.keyReasons(
            image.lookup(decision.presentation.tag), policy: policy, credentials: credentials,
            leadsOutside: record.to == .outside, wall: record.moment.wall, clock: record.moment.clock)
        if decision.temperature.outcome == .measured {
            let shown = decision.temperature.medianCentidegrees + policy.temperatureOffsetCentidegrees
            if shown >= policy.temperatureLimit(for: decision.presentation.credential?.kind) {
                reasons.insert(.temperatureHigh)
            }
        }
        // What nobody keeps, how many were inside, stands in the record itself, with its age.
        let kind = decision.presentation.credential?.kind
        if let kind, let limit = policy.occupancy(for: kind).people, let count = decision.occupancy.count,
            let age = decision.occupancy.ageSeconds, policy.occupancy(for: kind).action == .refuse,
            Int64(age) * 1000 <= policy.occupancy(for: kind).knowledgeLimitMilliseconds, count >= limit
        {
            reasons.insert(.zoneFull)
        }
        return (reasons.isEmpty ? .admitted : .refused, reasons)
    }
}

@Suite("An old decision") struct RecomputedTests {
    @Test("an old decision is recomputed from its record, the policy kept under its digest, and the image it names")
    func recomputed() throws {
        var archive = try Archive()
        try archive.publish(1, code: .red)
        try archive.publish(2, code: .green)
        try archive.decide(strict, image: 1, centidegrees: 3690)
        try archive.decide(lenient, image: 1, centidegrees: 3690)
        try archive.decide(strict, image: 2, centidegrees: 3650)
        try archive.decide(lenient, image: 2, centidegrees: 3800)
        try archive.decide(lenient, image: 2, centidegrees: 3650, inside: 1002)

        var verdicts: [Bool] = []
        var told: Reasons = []
        for bytes in archive.records {
            let record = try bytes.withUnsafeBytes { try JournalRecord($0) }
            guard case .decided(let decision) = record.event else { continue }
            let (verdict, reasons) = try archive.recomputed(record, decision)
            #expect(verdict == decision.verdict)
            #expect(reasons == decision.reasons, "\(record.sequence): \(reasons.names), \(decision.reasons.names)")
            verdicts.append(verdict == .admitted)
            told.formUnion(reasons)
        }
        // 0 to 3 under each of the rules and images, and 4, whom nobody knows.
        #expect(
            verdicts
                == [
                    [false, false, false, false, false], [true, true, false, true, false],
                    [true, false, true, false, false], [false, false, false, false, false],
                    [false, false, false, false, false],
                ].flatMap { $0 })
        #expect(
            told == [
                .temperatureHigh, .testExpired, .codeRed, .vaccineNotRecorded, .unknownBadge, .zoneFull,
            ])
    }
}

extension Reasons {
    fileprivate var names: String {
        Reasons.ordered.filter { contains($0) }.map { "\($0.name)" }.joined(separator: " ")
    }
}
