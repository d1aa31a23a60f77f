import Admission
import Cryptography
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

/// A day of one lane after the other, each decision made by the lane machine itself, by an image that the site keeps.
struct DecidedDay {
    static let hour: Int64 = 3_600_000
    static let noon = morning + 4 * hour
    static let rules = """
        anti_passback: { action: refuse }
        occupancy: { limit: 1000 }
        kinds:
          media: { hours: [2020-01-01T00:00:00Z/2020-01-02T00:00:00Z] }
          exhibitor: { anti_passback: { action: refuse, scope: across-lanes } }
          special-guest: { escort: { kinds: [staff] } }
          security: { identity: { any_of: [guards-button] } }
          vehicle: { driver: { window_seconds: 20 } }
        lanes:
          yard-1: { admits: [vehicle, staff] }

        """

    enum Person: UInt8, CaseIterable {
        case whole, exhibitor, guest, guardsman, driver, lorry, reporter, redDriver
        case noVaccine, halfVaccine, yellow, red, noCode, oldCode, futureCode, positive, oldTest, noTest, futureTest
        case inactive, suspended, revoked, early, late, elsewhere, lorryOnFoot

        var tag: BadgeTag { BadgeTag(low: UInt64(rawValue) << 8 | 1, high: 7) }

        var credential: Credential {
            let now = UInt32(DecidedDay.noon / 1000)
            var credential = makeCredential(holder: UInt32(rawValue) + 1)
            (credential.zones, credential.assessedAtSeconds, credential.sampledAtSeconds) = (1, now - 3600, now - 3600)
            switch self {
            case .whole: break
            case .exhibitor: credential.kind = .exhibitor
            case .guest: credential.kind = .specialGuest
            case .guardsman: credential.kind = .security
            case .driver: credential.kind = .staff
            case .lorry, .lorryOnFoot: credential.kind = .vehicle
            case .reporter: credential.kind = .media
            case .redDriver: (credential.kind, credential.healthCode) = (.staff, .red)
            case .noVaccine: credential.vaccine = .none
            case .halfVaccine: credential.vaccine = .partial
            case .yellow: credential.healthCode = .yellow
            case .red: credential.healthCode = .red
            case .noCode: credential.healthCode = .unknown
            case .oldCode: credential.assessedAtSeconds = now - 30 * 3600
            case .futureCode: credential.assessedAtSeconds = now + 3 * 3600
            case .positive: credential.test = .positive
            case .oldTest: credential.sampledAtSeconds = now - 60 * 3600
            case .noTest: (credential.test, credential.sampledAtSeconds) = (.none, 0)
            case .futureTest: credential.sampledAtSeconds = now + 3 * 3600
            case .inactive: credential.activation = .inactive
            case .suspended: credential.activation = .suspended
            case .revoked: credential.activation = .revoked
            case .early: credential.validFromSeconds = Int64(now) + 86_400
            case .late: credential.validUntilSeconds = Int64(now) - 86_400
            case .elsewhere: credential.zones = 2
            }
            return credential
        }
    }

    let bench: StoreBench
    let rulesFile: String
    let image: CredentialImage
    private(set) var records: [JournalRecord] = []

    init() throws {
        bench = try StoreBench()
        rulesFile = bench.directory.file("rules.yaml")
        try FileSystem.replace(rulesFile, with: Array(Self.rules.utf8), mode: 0o600)
        let data = bench.data
        let badgeKey = try #require(BadgeKey(bytes: try data.key(.badge, data.badgeKeyFile).key))
        let zones = [ShortName("north-ring"), ShortName("hall-4")].compactMap { $0 }
        var builder = try ImageBuilder(
            identifiers: Person.allCases.count, validityBaseSeconds: Self.noon / 1000 - 10 * 86_400, zones: zones)
        for person in Person.allCases { try builder.add(person.tag, person.credential) }
        _ = try builder.write(
            to: data.imageFile(version: 1),
            title: ImageBuilder.Title(
                site: bench.site, version: 1, changeNumber: 0,
                issuedAt: WallTime(milliseconds: Self.noon - Self.hour), holders: Person.allCases.count,
                badgeKeyFingerprint: badgeKey.fingerprint),
            signingWith: try Ed25519.SigningKey(seed: try data.key(.siteSecret, data.secretKeyFile).key))
        let trust = try SiteTrust(
            site: bench.site, publicKey: try data.key(.sitePublic, data.publicKeyFile).key,
            badgeKeyFingerprint: badgeKey.fingerprint)
        image = try CredentialImage(
            data.imageFile(version: 1), trusting: trust,
            at: Moment(
                monotonic: MonotonicTime(nanoseconds: 0), wall: WallTime(milliseconds: Self.noon), clock: .trusted))
        try makeEverything()
    }

    var settings: CollectorSettings {
        get throws {
            var settings = try ServiceBench.settings(bench.data)
            settings.calendar = bench.calendar
            return settings
        }
    }

    /// One lane that is begun anew for each decision.
    final class Lane {
        let image: CredentialImage
        let lane: String
        let traffic: Traffic
        let clock: ClockTrust
        var machine: LaneMachine
        var time: Int64 = 0
        var made: [(LaneEvent, Moment)] = []

        init(
            _ image: CredentialImage, _ policy: AdmissionPolicy, lane: String, traffic: Traffic, clock: ClockTrust,
            image isKnown: Bool, statementAge: Int64, _ configure: (inout LaneConfiguration) -> Void
        ) {
            (self.image, self.lane, self.traffic, self.clock) = (image, lane, traffic, clock)
            var configuration = LaneConfiguration(
                kind: .entry, from: .outside, to: name("north-ring"), readerCount: 1, hasThermometer: true)
            configuration.traffic = traffic
            configure(&configuration)
            let moment = Self.moment(0, clock)
            machine = LaneMachine(
                configuration: configuration, policy: policy, nextSequence: 1, hourTotals: LaneTotals(), at: moment)
            take(machine.start(unfinished: nil, at: moment))
            for device in [Device.gate, .reader(0), .thermometer] { handle(.deviceBack(device)) }
            guard isKnown else { return }
            take(
                machine.adopt(
                    CredentialsInForce(
                        imageVersion: 1, changeNumber: 0,
                        imageIssuedAt: WallTime(milliseconds: DecidedDay.noon - statementAge),
                        statementAsOf: WallTime(milliseconds: DecidedDay.noon - statementAge),
                        destinationZoneBit: image.zoneBit(configuration.to)),
                    at: moment, lookUp: image.lookup))
        }

        static func moment(_ time: Int64, _ clock: ClockTrust) -> Moment {
            Moment(
                monotonic: MonotonicTime(milliseconds: UInt64(5_000_000 + time)),
                wall: WallTime(milliseconds: DecidedDay.noon + time), clock: clock)
        }

        private func take(_ effects: LaneEffects) {
            for index in 0..<effects.count {
                guard case .record(let event, _) = effects[index], case .decided = event else { continue }
                made.append((event, Self.moment(time, clock)))
            }
        }

        func handle(_ input: LaneInput) { take(machine.handle(input, at: Self.moment(time, clock))) }

        func wait(_ milliseconds: Int64) {
            time += milliseconds
            handle(.timePassed)
        }

        func present(_ person: Person, lookup: BadgeLookup? = nil, presence: HolderPresence? = nil) {
            var presentation = Presentation(
                tag: person.tag, type: .chip, lookup: lookup ?? image.lookup(person.tag), reader: 0)
            presentation.presence = presence
            handle(.presented(presentation))
        }

        func measure(_ centidegrees: [Int32] = [3650, 3650, 3650]) {
            for sample in centidegrees {
                time += 100
                handle(.temperature(TemperatureSample(objectCentidegrees: sample, ambientCentidegrees: 2200)))
            }
        }

        func walk() {
            handle(.contact(.forward, closed: true))
            time += 200
            handle(.contact(.forward, closed: false))
            wait(2000)
        }
    }

    private mutating func happen(
        _ lane: String = "north-07", traffic: Traffic = .people, clock: ClockTrust = .trusted,
        image isKnown: Bool = true,
        statementAge: Int64 = Self.hour, configure: (inout LaneConfiguration) -> Void = { _ in },
        _ body: (Lane) -> Void
    ) throws {
        var file = try PolicyFile(rulesFile)
        let policy = try file.policy(
            at: makeRecord(lane: lane, from: "outside", to: "north-ring", traffic: traffic))
        let lane = Lane(
            image, policy, lane: lane, traffic: traffic, clock: clock, image: isKnown, statementAge: statementAge,
            configure)
        body(lane)
        for (event, moment) in lane.made {
            var record = makeRecord(
                event, sequence: UInt64(records.count + 1), lane: "north-07", from: "outside", to: "north-ring",
                traffic: traffic)
            record.lane = name(lane.lane)
            record.moment = moment
            records.append(record)
        }
    }

    private mutating func makeEverything() throws {
        for person in Person.allCases where ![.guest, .guardsman, .redDriver, .lorry].contains(person) {
            try happen {
                $0.present(person)
                $0.measure()
            }
        }
        for lookup in [BadgeLookup.unknown, .conflict] { try happen { $0.present(.whole, lookup: lookup) } }
        try happen(image: false) { $0.present(.whole, lookup: .noImage) }
        try happen(statementAge: 30 * Self.hour) {
            $0.present(.whole)
            $0.measure()
        }
        try happen(clock: .behindFloor) {
            $0.present(.oldTest)
            $0.measure()
        }
        try happen { lane in
            lane.present(.whole)
            lane.measure([3850, 3850, 3850, 3850, 3850, 3850])
        }
        try happen { lane in
            lane.present(.whole)
            lane.measure([3500, 3700, 3800, 3500, 3700, 3800])
        }
        try happen { lane in
            lane.present(.whole)
            lane.wait(2000)
        }
        try happen { lane in
            lane.handle(.deviceLost(.thermometer))
            lane.present(.whole)
        }
        try happen { lane in
            lane.present(.whole)
            lane.present(.oldTest)
        }
        try happen(configure: { $0.secondBadge = .refuse }) { lane in
            lane.present(.whole)
            lane.measure()
            lane.present(.oldTest)
        }
        try happen(configure: { $0.schedule = [ScheduledMode(.locked, .always)] }) { $0.present(.whole) }
        try happen { lane in
            lane.handle(.deviceLost(.gate))
            lane.present(.whole)
        }
        try happen { lane in
            for _ in 0..<2 {
                lane.present(.whole)
                lane.measure()
                lane.walk()
            }
        }
        let now = WallTime(milliseconds: Self.noon)
        try happen { lane in
            lane.present(
                .exhibitor,
                presence: HolderPresence(
                    asOf: now, whereabouts: .destination(since: now.advanced(byMilliseconds: -60_000)))
            )
            lane.measure()
        }
        try happen { lane in
            lane.machine.learn(ZoneCount(people: 1000, vehicles: 0, asOf: now))
            lane.present(.whole)
            lane.measure()
        }
        for person in [Person.guest, .guardsman] {
            try happen { lane in
                lane.present(person)
                lane.measure()
                lane.wait(30_000)
            }
        }
        for pair in [[Person.lorry], [.driver], [.lorry, .driver], [.lorry, .redDriver]] {
            try happen("yard-1", traffic: .vehicles) { lane in
                for person in pair { lane.present(person) }
                lane.measure()
                lane.wait(30_000)
            }
        }
        try happen(configure: { $0.kind = .exit }) { $0.present(.red) }
    }

    /// Another decision than the lane made.
    mutating func change(_ index: Int, _ body: (inout Decision) -> Void) {
        guard case .decided(var decision) = records[index].event else { return }
        body(&decision)
        records[index].event = .decided(decision)
    }

    func store() throws {
        let store = try bench.open(now: Self.noon)
        for lane in Set(records.map(\.lane.text)) {
            let own = records.filter { $0.lane.text == lane }
            try store.store(
                try bench.batch(own, lane: lane, oldestHeld: StoredThrough(epoch: epoch(1), sequence: 1)),
                now: Self.noon)
        }
    }
}
