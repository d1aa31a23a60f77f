import Admission
import Configuration
import Framing
import Testing

@testable import Collector

private func settings(_ more: String = "") throws -> CollectorSettings {
    let text = """
        data: /nowhere
        listen: { port: 0 }
        site: { name_zh: 博览会, name_en: Expo }
        zones: { hall: { name_zh: 馆, name_en: Hall, limit: 1000, vehicle_limit: 10 } }
        lanes: { north-07: { name: 北-07, persons_per_minute: 20 } }
        \(more)
        """
    return try CollectorSettings(ConfigurationReader(contents: Array(text.utf8), path: "collector.yaml"))
}

private func book(_ lane: String, row: Int64 = 1, seen: Int64 = morning) -> LaneBook {
    LaneBook(row: row, name: name(lane), lastSeenMilliseconds: seen)
}

private func conditions(_ more: String = "") throws -> AlertConditions {
    var made = AlertConditions(settings: try settings(more), startedMilliseconds: morning - 86_400_000)
    made.inside = InsideList.Snapshot(
        imageVersion: 1, asOfMilliseconds: morning, onSite: 3, sinceMilliseconds: nil, count: 0, people: [])
    return made
}

/// Those that hold, as `kind subject`.
private func held(_ conditions: AlertConditions, at now: Int64 = morning) -> [String] {
    conditions.all(now: now).filter { $0.certainty == .holds }.map { "\($0.kind.rawValue) \($0.subject.id)" }
}

private func facts(_ events: [LaneEvent], clock: ClockTrust = .trusted) -> LaneFacts {
    var facts = LaneFacts()
    for (index, event) in events.enumerated() {
        facts.note(
            makeRecord(event, sequence: UInt64(index + 1), at: morning - 60_000, clock: clock), received: morning)
    }
    return facts
}

private func decided(statementAge seconds: Int64?) -> LaneEvent {
    guard case .decided(var decision) = CollectorTests.decided() else { return .stopping }
    decision.credentials.statementAsOf = seconds.map { WallTime(milliseconds: morning - 60_000 - $0 * 1000) }
    return .decided(decision)
}

@Suite("What somebody has to look at")
struct AlertConditionsTests {
    @Test(
        "a lane with the id of an entrance that is not its own would be counted as one with it: it is refused, and where"
    )
    func entranceOfThatName() throws {
        for (more, isRight) in [
            ("entrances: { north-07: { name_zh: 北, name_en: North } }", false),
            ("entrances: { north: { name_zh: 北, name_en: North } }", true),
        ] {
            do {
                _ = try settings(more)
                #expect(isRight)
            } catch let failure as ConfigurationFailure {
                let text = "\(failure)"
                #expect(
                    !isRight && text.contains("collector.yaml:5:28") && text.contains("an entrance has the id"),
                    "\(text)")
            }
        }
    }

    @Test("nothing, while all is well")
    func well() throws {
        var all = try conditions()
        all.lanes = [book("north-07")]
        all.facts[name("north-07")] = facts([decided(statementAge: 30), .device(.gate, lost: false)])
        all.balances[name("hall")] = Balance(people: 800, vehicles: 5)
        all.rates[name("north-07")] = LaneRates(passages: 100, tailgating: 4, persons: 50)
        #expect(all.all(now: morning).isEmpty)
    }

    @Test(
        "a lane is offline after its time without a word, and no more once it is not expected",
        arguments: [
            (59, false), (60, true), (3600, true), (168 * 3600, true), (168 * 3600 + 1, false),
        ])
    func offline(seconds: Int64, isOffline: Bool) throws {
        var all = try conditions()
        all.lanes = [book("north-07", seen: morning - seconds * 1000)]
        #expect(held(all) == (isOffline ? ["lane-offline north-07"] : []))
        #expect(all.all(now: morning).first?.sinceMilliseconds == (isOffline ? morning - seconds * 1000 : nil))
        all.removed = [name("north-07")]
        #expect(all.all(now: morning).isEmpty)
    }

    @Test("silence is not the lane's while the collector was away or stores nothing")
    func away() throws {
        var all = try conditions()
        all.lanes = [book("north-07", seen: morning - 3_600_000)]
        all.isStoring = false
        #expect(all.all(now: morning).map(\.certainty) == [.unknown])
        all.isStoring = true
        all.startedMilliseconds = morning - 59_000
        #expect(all.all(now: morning).map(\.certainty) == [.unknown])
        all.startedMilliseconds = morning - 60_000
        #expect(held(all) == ["lane-offline north-07"])
    }

    @Test("what a lane's newest records say: devices, clock, statement, journal")
    func told() throws {
        var all = try conditions()
        all.lanes = [book("north-07")]
        let cases: [([LaneEvent], ClockTrust, [String])] = [
            (
                [.device(.reader(0), lost: true), .device(.thermometer, lost: true)], .trusted,
                ["device-lost north-07/reader-0", "device-lost north-07/thermometer"]
            ),
            ([.device(.gate, lost: true), .device(.gate, lost: false)], .trusted, []),
            ([.stopping], .behindFloor, ["clock-not-trusted north-07"]),
            ([decided(statementAge: 300)], .trusted, []),
            ([decided(statementAge: 301)], .trusted, ["statement-old north-07"]),
            ([decided(statementAge: nil)], .trusted, ["statement-old north-07"]),
            ([decided(statementAge: 900), decided(statementAge: 5)], .trusted, []),
            ([.mode(.outOfService, .journalFull)], .trusted, ["journal-filling north-07"]),
            ([.mode(.outOfService, .journalFull), .mode(.normal, .none)], .trusted, []),
        ]
        for (events, clock, expected) in cases {
            all.facts[name("north-07")] = facts(events, clock: clock)
            #expect(held(all) == expected)
        }
    }

    @Test("what a silent lane said last neither begins nor ends an alert")
    func silent() throws {
        var all = try conditions()
        all.lanes = [book("north-07", seen: morning - 3_600_000)]
        all.facts[name("north-07")] = facts([.device(.gate, lost: true)])
        #expect(held(all) == ["lane-offline north-07"])
        #expect(all.all(now: morning).first { $0.kind == .deviceLost }?.certainty == .unknown)
    }

    /// A lane that said this of itself `ago` seconds ago, on a clock that is right.
    private func speaking(_ change: (inout LaneWord) -> Void = { _ in }, wordlessFor seconds: Int64? = nil) -> LaneBook
    {
        var word = makeWord(at: morning - 2000)
        change(&word)
        var lane = book("north-07")
        lane.heard(word: word, now: morning - (seconds ?? 0) * 1000 - 2000)
        if let seconds { lane.heard(word: nil, now: morning - seconds * 1000) }
        return lane
    }

    @Test("what a lane says of itself: devices, clock, statement, journal, and that it hangs, without a record")
    func word() throws {
        var all = try conditions()
        let cases: [((inout LaneWord) -> Void, [String])] = [
            ({ _ in }, []),
            (
                { $0.lostDevices = 0b1_0000_0000_0000_0010 },
                ["device-lost north-07/reader-1", "device-lost north-07/thermometer"]
            ),
            ({ $0.clock = .stepped }, ["clock-not-trusted north-07"]),
            ({ $0.statementAsOf = WallTime(milliseconds: morning - 302_999) }, []),
            ({ $0.statementAsOf = WallTime(milliseconds: morning - 303_000) }, ["statement-old north-07"]),
            ({ $0.statementAsOf = nil }, ["statement-old north-07"]),
            ({ ($0.statementAsOf, $0.imageVersion) = (nil, 0) }, ["statement-old north-07"]),
            ({ $0.flags = .hangs }, ["lane-hangs north-07"]),
            ({ $0.flags = .hasNoJournal }, ["journal-filling north-07"]),
            ({ $0.flags = .hasJournalFault }, ["journal-filling north-07"]),
            ({ $0.journal = .filling }, ["journal-filling north-07"]),
            ({ $0.journal = .full }, ["journal-filling north-07"]),
            ({ $0.flags = .fireAlarm }, []),
        ]
        for (change, expected) in cases {
            all.lanes = [speaking(change)]
            #expect(held(all) == expected)
        }
        // Bits that nobody knows, and instants that no clock shows.
        all.lanes = [
            speaking {
                ($0.devices, $0.lostDevices, $0.openCovers) = (.max, .max, .max)
                ($0.asOf, $0.statementAsOf) = (WallTime(milliseconds: .max), WallTime(milliseconds: .min))
                ($0.recordsHeld, $0.recordsRoom, $0.journal) = (.max, 1, .full)
            }
        ]
        #expect(held(all).count == 20)
        all.lanes = [
            speaking { ($0.asOf, $0.statementAsOf) = (WallTime(milliseconds: .min), WallTime(milliseconds: .max)) }
        ]
        #expect(held(all) == [])
    }

    @Test(
        "a journal's fill by what the lane says: a warning from 80 %, trouble from 90 %, and it ends below 75 %",
        arguments: [
            (740, .roomy, nil, nil), (750, .roomy, .lingers, .warning), (800, .filling, .holds, .warning),
            (900, .nearlyFull, .holds, .trouble), (1000, .reserveOnly, .holds, .trouble),
            (1000, .full, .holds, .trouble),
        ] as [(UInt32, JournalState, AlertBook.Condition.Certainty?, Alert.Severity?)])
    func fill(
        held: UInt32, state: JournalState, certainty: AlertBook.Condition.Certainty?, severity: Alert.Severity?
    ) throws {
        var all = try conditions()
        all.lanes = [speaking { ($0.recordsHeld, $0.journal) = (held, state) }]
        let found = all.all(now: morning)
        #expect(found.first?.certainty == certainty && found.first?.severity == severity)
        guard let one = found.first else { return }
        #expect(one.kind == .journalFilling && one.text.contains("\(held / 10) % full: \(held) records of 1000"))
        #expect(one.figures.first == Alert.Figure(name: "percent", value: Int64(held / 10)))
    }

    @Test("a lane's word is newer than its records: what these say otherwise does not count, but since when counts")
    func wordBeforeRecords() throws {
        var all = try conditions()
        all.facts[name("north-07")] = facts(
            [.device(.reader(1), lost: true), .device(.gate, lost: true), decided(statementAge: 900)],
            clock: .trusted)
        all.lanes = [speaking { $0.lostDevices = 2 }]
        #expect(held(all) == ["device-lost north-07/reader-1"])
        #expect(all.all(now: morning).first?.sinceMilliseconds == morning - 60_000)
    }

    @Test(
        "a daemon that says nothing while its uplink comes is told, and nothing it said before begins or ends an alert")
    func wordless() throws {
        var all = try conditions()
        all.lanes = [speaking({ ($0.lostDevices, $0.clock, $0.journal) = (2, .stepped, .full) }, wordlessFor: 30)]
        all.facts[name("north-07")] = facts([.device(.gate, lost: true)])
        #expect(held(all) == ["device-lost north-07/gate", "daemon-silent north-07"])
        let silent = try #require(all.all(now: morning).first { $0.kind == .daemonSilent })
        #expect(silent.sinceMilliseconds == morning - 30_000 && silent.holdMilliseconds == 20_000)
        #expect(silent.advice.contains("lanekeeperd@north-07"))
        let unknown = all.all(now: morning).filter { $0.certainty == .unknown }.map(\.kind)
        #expect(unknown == [.deviceLost, .clockNotTrusted, .statementOld, .journalFilling])
        // Nobody tells anything of a lane that is not heard at all.
        all.lanes[0].lastSeenMilliseconds = morning - 3_600_000
        #expect(held(all) == ["lane-offline north-07"])
    }

    @Test("nor what a lane said that still sends what happened long ago, nor anything while it is read")
    func past() throws {
        var all = try conditions()
        var lane = book("north-07")
        let record = makeRecord(at: morning - 61_000)
        lane.heard(record.moment, now: morning)
        all.lanes = [lane]
        all.facts[name("north-07")] = facts([.device(.gate, lost: true)], clock: .behindFloor)
        #expect(held(all) == [])
        let device = Alert.Subject(kind: .device, id: "north-07/gate")
        #expect(all.unknown(now: morning)(.deviceLost, device))
        #expect(!all.unknown(now: morning)(.holes, Alert.Subject(kind: .lane, id: "north-07")))
        lane.heard(nil, now: morning)
        all.lanes = [lane]
        #expect(held(all) == ["device-lost north-07/gate", "clock-not-trusted north-07"])
        #expect(!all.unknown(now: morning)(.deviceLost, device))
        // Its word is of now, whatever it still sends; since when it is so its records do not say yet.
        lane.heard(record.moment, now: morning)
        lane.heard(word: makeWord(at: morning - 2000), now: morning - 2000)
        var speaking = all
        speaking.lanes = [lane]
        #expect(held(speaking) == [] && !speaking.unknown(now: morning)(.deviceLost, device))
        var word = makeWord(at: morning - 2000)
        word.lostDevices = 2
        lane.heard(word: word, now: morning - 2000)
        speaking.facts[name("north-07")] = facts([.device(.reader(1), lost: true)])
        speaking.lanes = [lane]
        #expect(held(speaking) == ["device-lost north-07/reader-1"])
        #expect(speaking.all(now: morning).first?.sinceMilliseconds == nil)
        all.hasReadAll = false
        all.doubleUse = DoubleUseCounts(recent: 1, recentSinceMilliseconds: morning)
        #expect(held(all) == [] && all.unknown(now: morning)(.doubleUse, .site))
    }

    @Test("records that may still come are missed until they are there, those that cannot come for a day")
    func holes() throws {
        var all = try conditions()
        var lane = book("north-07")
        func take(_ sequences: [UInt64], heard: StoredThrough? = nil) {
            _ = lane.ledger.take(
                sequences.map { StoredThroughLedger.Entry(epoch: epoch(1), sequence: $0, event: .stopping) },
                oldestHeld: position(1, 1), lost: nil, heard: heard)
        }
        take([1])
        take([4])
        #expect(lane.ledger.missing == 2 && lane.ledger.awaited == 2)
        var known = facts([.stopping])
        known.note(missing: 2, at: morning)
        all.lanes = [lane]
        all.facts[name("north-07")] = known
        #expect(held(all) == ["holes north-07"])
        lane.lastSeenMilliseconds = morning + 86_400_000 * 2
        all.lanes = [lane]
        all.inside?.asOfMilliseconds = lane.lastSeenMilliseconds
        #expect(held(all, at: lane.lastSeenMilliseconds) == ["holes north-07"])
        // The lane sent on behind the answer it read: the two can never come.
        take([5], heard: position(1, 1))
        #expect(lane.ledger.missing == 2 && lane.ledger.awaited == 0)
        all.lanes = [lane]
        all.inside?.asOfMilliseconds = morning
        #expect(held(all) == ["holes north-07"])
        all.inside?.asOfMilliseconds = morning + 86_400_001
        #expect(held(all, at: morning + 86_400_001) == [])
        known.note(missing: 3, at: morning + 3_600_000)
        #expect(known.missingSinceMilliseconds == morning && known.missingGrewMilliseconds == morning + 3_600_000)
    }

    @Test(
        "tailgaters of a hundred passages",
        arguments: [
            (4, 10, false, false), (5, 100, true, false), (5, 101, false, true), (5, 126, false, false),
            (6, 0, true, false),
        ])
    func tailgating(tailgating: Int64, passages: Int64, holds: Bool, lingers: Bool) throws {
        var all = try conditions()
        all.lanes = [book("north-07")]
        all.facts[name("north-07")] = facts([.stopping])
        all.rates[name("north-07")] = LaneRates(passages: passages, tailgating: tailgating)
        let found = all.all(now: morning)
        #expect(found.map(\.certainty) == (holds ? [.holds] : lingers ? [.lingers] : []))
    }

    @Test(
        "a zone near its limit, by people and by vehicles",
        arguments: [
            (869, 0, 0), (870, 0, 1), (899, 0, 1), (900, 0, 2), (1000, 0, 3), (0, 9, 2), (0, 10, 3), (900, 10, 3),
        ])
    func zones(people: Int64, vehicles: Int64, stage: Int) throws {
        var all = try conditions()
        all.balances[name("hall")] = Balance(people: people, vehicles: vehicles)
        let found = all.all(now: morning)
        #expect(found.count == min(stage, 1))
        #expect(found.first?.certainty == (stage == 0 ? nil : stage == 1 ? .lingers : .holds))
        #expect((found.first?.severity == .trouble) == (stage == 3))
    }

    @Test("the flow of an entrance is compared with what its lanes that work carry, each way by itself")
    func flow() throws {
        var all = try conditions()
        all.lanes = [book("north-07"), book("north-08", row: 2), book("north-09", row: 3)]
        all.facts[name("north-07")] = facts([.stopping])
        all.facts[name("north-08")] = facts([.stopping])
        var out = LaneFacts()
        out.note(makeRecord(.stopping, lane: "north-09", from: "north-ring", to: "outside"), received: morning)
        all.facts[name("north-09")] = out
        // 20 and 12 a minute: 160 in five minutes.
        all.rates[name("north-07")] = LaneRates(persons: 100)
        all.rates[name("north-08")] = LaneRates(persons: 43)
        #expect(held(all) == [])
        all.rates[name("north-08")] = LaneRates(persons: 44)
        #expect(held(all) == ["flow-above-capacity north/in"])
        all.lanes[1].lastSeenMilliseconds = morning - 61_000
        #expect(held(all) == ["lane-offline north-08", "flow-above-capacity north/in"])
        all.rates[name("north-09")] = LaneRates(persons: 60)
        #expect(held(all).contains("flow-above-capacity north/out"))
    }

    @Test("holders inside without their keys, and that nobody looked")
    func inside() throws {
        var all = try conditions()
        all.inside?.count = 2
        all.inside?.byKey = [0, 2, 0, 0]
        all.inside?.sinceMilliseconds = morning - 5
        let found = try #require(all.all(now: morning).first)
        #expect(found.kind == .insideWithoutKeys && found.sinceMilliseconds == morning - 5)
        #expect(found.figures.contains(Alert.Figure(name: "by_key.green-code", value: 2)))
        #expect(held(all, at: morning + 180_000).count == 1)
        let old = all.all(now: morning + 180_001)
        #expect(old.map(\.kind) == [.insideNotKnown, .insideWithoutKeys])
        #expect(old.map(\.certainty) == [.holds, .unknown] && old[0].sinceMilliseconds == morning)
        all.inside = nil
        #expect(all.all(now: morning).map(\.kind) == [.insideNotKnown, .insideWithoutKeys])
    }

    @Test("a record from before the newest, or of an epoch that was left, tells nothing of now")
    func late() {
        var facts = LaneFacts()
        facts.note(makeRecord(.device(.gate, lost: true), epoch: 1, sequence: 5), received: morning)
        facts.note(makeRecord(.device(.gate, lost: false), epoch: 1, sequence: 4), received: morning)
        #expect(facts.lost[Device.gate.code] != nil)
        facts.note(makeRecord(.stopping, epoch: 2, sequence: 1), received: morning)
        #expect(facts.lost.isEmpty)
        facts.note(makeRecord(.device(.gate, lost: true), epoch: 1, sequence: 9), received: morning)
        #expect(facts.lost.isEmpty)
    }

    @Test(
        "lanes are one entrance as the configuration says, or by their ids",
        arguments: [
            ("north-07", "north"), ("hall-4-02", "hall-4"), ("north", "north"), ("north-a", "north-a"), ("7-1", "main"),
            ("-1", "-1"), ("north-", "north-"),
        ])
    func entrances(lane: String, entrance: String) {
        #expect(Entrances([name("7-1"): name("main")]).entrance(of: name(lane)) == entrance)
    }

    @Test("limits are read from the configuration, and refused where they make no sense")
    func limits() throws {
        let read = try settings(
            """
            alerts: { lane_offline_seconds: 30, tailgating_percent: 8, persons_per_minute: 25 }
            walking: { metres_per_second: 1.5, between_entrances_seconds: 90 }
            entrances: { west: { name_zh: 西, name_en: West, east_metres: -10, north_metres: 5 } }
            """)
        #expect(read.alerts.laneOfflineSeconds == 30 && read.alerts.tailgatingPercent == 8)
        #expect(read.alerts.statementSeconds == AlertLimits().statementSeconds)
        #expect(read.distances.metresPerSecond == 1.5 && read.distances.betweenEntrancesSeconds == 90)
        #expect(read.distances.places["west"] == WalkingDistances.Place(east: -10, north: 5))
        for wrong in [
            "alerts: { lane_offline_seconds: 0 }", "alerts: { zone_percent: 101 }", "alerts: { unknown: 1 }",
            "entrances: { west: { name_zh: 西, name_en: West, east_metres: 1 } }",
        ] {
            #expect(throws: ConfigurationFailure.self) { try settings(wrong) }
        }
    }
}
