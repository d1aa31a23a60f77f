import Admission
import Testing

@Suite("Emergency") struct LaneEmergencyTests {
    /// Everything that a lane may be in the middle of when the fire alarm comes.
    enum Situation: CaseIterable {
        case starting, waiting, measuring, measuringAgain, released, releasedWithWaiting, gap, refused, stuckContact,
            readersLost, thermometerLost, gateLost, allLost, journalReserve, journalFull, journalFailing, untrusted,
            noImage, locked, heldOpen, heldOpenReleased, heldOpenMeasuring, maintenance, testing, lockedBySchedule,
            heldOpenBySchedule, stopping
    }

    static func make(_ situation: Situation, _ kind: LaneKind, _ mode: ReleaseMode) -> VirtualLane {
        let lane = VirtualLane(
            makeConfiguration(kind, hasThermometer: true, releaseMode: mode) {
                let mode: OrderedMode? =
                    situation == .lockedBySchedule ? .locked : situation == .heldOpenBySchedule ? .heldOpen : nil
                $0.schedule = mode.map { [ScheduledMode($0, .always)] } ?? []
            }, isUp: situation != .starting)
        switch situation {
        case .starting, .waiting: break
        case .measuring: lane.present()
        case .measuringAgain:
            lane.present()
            lane.measure([3900, 3900, 3900])
        case .released: lane.admit()
        case .releasedWithWaiting:
            lane.admit()
            lane.wait(600)
            lane.present(2)
        case .gap:
            lane.admit()
            lane.present(2)
            lane.handle(.contact(.forward, closed: true))
            lane.handle(.contact(.forward, closed: false))
        case .refused: lane.present(makePresentation(lookup: .unknown))
        case .stuckContact:
            lane.handle(.contact(.forward, closed: true))
            lane.wait(31_000)
        case .readersLost: lane.handle(.deviceLost(.reader(0)))
        case .thermometerLost: lane.handle(.deviceLost(.thermometer))
        case .gateLost: lane.handle(.deviceLost(.gate))
        case .allLost: for device in [.reader(0), .thermometer, .gate] as [Device] { lane.handle(.deviceLost(device)) }
        case .journalReserve: lane.handle(.journal(.reserveOnly))
        case .journalFull:
            lane.handle(.journal(.full))
            lane.isJournalFailing = true
        case .journalFailing:
            lane.isJournalFailing = true
            lane.pulse()
        case .untrusted: lane.clock = .stepped
        case .noImage: lane.adopt(.none)
        case .locked: lane.order(.locked)
        case .heldOpen: lane.order(.heldOpen, minutes: 1)
        case .heldOpenReleased:
            lane.order(.heldOpen)
            lane.admit()
        case .heldOpenMeasuring:
            lane.order(.heldOpen)
            lane.present()
        case .maintenance: lane.order(.maintenance)
        case .testing:
            lane.order(.maintenance)
            lane.handle(.technician(TechnicianAct(.tested(.lampRed), user: 0)))
        case .lockedBySchedule, .heldOpenBySchedule: break
        case .stopping: lane.handle(.stopping)
        }
        return lane
    }

    static let lanes: [(LaneKind, ReleaseMode)] = [
        (.entry, .level), (.entry, .pulse), (.exit, .level), (.exit, .pulse),
    ]

    @Test(
        "the fire alarm opens at once, before anything is recorded, from every state", arguments: Situation.allCases,
        lanes)
    func opens(situation: Situation, lane kind: (LaneKind, ReleaseMode)) {
        let lane = Self.make(situation, kind.0, kind.1)
        let wasOpen = lane.releaseLine
        lane.handle(.fire(alarm: true))
        #expect(lane.releaseLine)
        #expect(lane.lamps == .emergency)
        #expect(lane.message == .emergency)
        #expect(lane.told.prefix(2) == (wasOpen ? ["lamps emergency", "message"] : ["release 1", "lamps emergency"]))
        #expect(lane.mode == .emergency)
        #expect(lane.wait(20_000) < 20, "it stays open, and does not spin")
        #expect(lane.releaseLine)
        #expect(lane.lamps == .emergency)
    }

    @Test(
        "and so with any of its devices lost, whatever mode was ordered, before the alarm or during it",
        arguments: Situation.allCases, lanes)
    func opensWithLostDevices(situation: Situation, lane kind: (LaneKind, ReleaseMode)) {
        let devices: [Device] = [.reader(0), .thermometer, .gate]
        for order in OrderedMode.allCases {
            for bits in 0..<8 {
                let lane = Self.make(situation, kind.0, kind.1)
                if order != .normal { lane.order(order) }
                for (index, device) in devices.enumerated() where bits & 1 << index != 0 {
                    lane.handle(.deviceLost(device))
                }
                let wasOpen = lane.releaseLine
                lane.handle(.fire(alarm: true))
                #expect(wasOpen || lane.told.first == "release 1", "\(order), lost \(bits): \(lane.told)")
                #expect(lane.releaseLine && lane.lamps == .emergency && lane.mode == .emergency)
                for other in OrderedMode.allCases {
                    lane.order(other, minutes: 1)
                    #expect(lane.releaseLine && lane.lamps == .emergency, "\(other) ordered in a fire")
                }
                for device in devices { lane.handle(.deviceBack(device)) }
                #expect(lane.wait(70_000) < 40)
                #expect(lane.releaseLine && lane.lamps == .emergency)
            }
        }
    }

    @Test("and while it lasts nothing closes it", arguments: Situation.allCases, lanes)
    func staysOpen(situation: Situation, lane kind: (LaneKind, ReleaseMode)) {
        let lane = Self.make(situation, kind.0, kind.1)
        lane.handle(.fire(alarm: true))
        for device in [.reader(0), .thermometer, .gate] as [Device] {
            lane.handle(.deviceLost(device))
            lane.handle(.deviceBack(device))
            #expect(lane.releaseLine)
        }
        lane.handle(.journal(.full))
        lane.isJournalFailing = true
        lane.pulse()
        lane.present(5)
        lane.pulse(.backward)
        lane.handle(.fire(alarm: true))
        lane.handle(.stopping)
        lane.wait(6000)
        #expect(lane.releaseLine)
        #expect(lane.lamps == .emergency)
    }

    @Test(
        "when it is over the lane is as before, and nobody who badged meanwhile is let in",
        arguments: Situation.allCases, lanes)
    func over(situation: Situation, lane kind: (LaneKind, ReleaseMode)) {
        let lane = Self.make(situation, kind.0, kind.1)
        lane.isJournalFailing = false
        lane.handle(.journal(.roomy))
        lane.handle(.fire(alarm: true))
        lane.present(7)
        lane.pulse()
        lane.wait(6000)
        lane.handle(.fire(alarm: false))
        #expect(lane.mode != .emergency)
        #expect(lane.releaseLine == [.freeExit, .heldOpen].contains(lane.mode))
        #expect(!lane.isReleased)
        #expect(lane.lamps != .emergency)
    }

    @Test("badges in an emergency are seen, not decided; pulses are people whom nobody knows, both ways")
    func counted() {
        let lane = VirtualLane()
        lane.handle(.fire(alarm: true))
        lane.records = []
        lane.present(1)
        lane.present(1)
        lane.present(makePresentation(2, lookup: .unknown))
        lane.pulse()
        lane.pulse()
        lane.pulse(.backward)
        #expect(
            lane.records.map { VirtualLane.name($0.event) } == ["seen", "seen", "anonymous", "anonymous", "anonymous"])
        #expect(lane.tally == ["anonymousForward": 2, "anonymousBackward": 1])
        #expect(lane.buzzes == [])
    }

    @Test("who was being measured or waited is recorded as seen")
    func seen() {
        let measuring = VirtualLane()
        measuring.present(1)
        measuring.handle(.fire(alarm: true))
        #expect(measuring.told.suffix(3) == ["record fire", "record seen", "record mode emergency"])
        let waiting = VirtualLane()
        waiting.admit(1)
        waiting.present(2)
        waiting.handle(.fire(alarm: true))
        #expect(waiting.told.suffix(3) == ["record fire", "record seen", "record mode emergency"])
        #expect(waiting.isReleased, "who was let in is still expected")
        waiting.pulse()
        #expect(waiting.ends == [.passed])
        waiting.pulse()
        #expect(waiting.pulses == [.anonymous])
    }

    @Test("an alarm that is told twice is recorded once")
    func twice() {
        let lane = VirtualLane()
        lane.handle(.fire(alarm: false))
        lane.handle(.fire(alarm: true))
        lane.handle(.fire(alarm: true))
        #expect(lane.records.filter { $0.event == .fire(alarm: true) }.count == 1)
        #expect(lane.machine.isInAlarm)
    }

    @Test("a release that outlives a short alarm stands until its own end", arguments: ReleaseMode.allCases)
    func shortAlarm(mode: ReleaseMode) {
        let lane = makeQuickLane(releaseMode: mode)
        lane.present()
        lane.wait(1000)
        lane.handle(.fire(alarm: true))
        lane.wait(1000)
        lane.handle(.fire(alarm: false))
        #expect(lane.isReleased)
        #expect(lane.releaseLine == (mode == .level))
        lane.wait(3000)
        #expect(lane.ends == [.annulled])
    }
}
