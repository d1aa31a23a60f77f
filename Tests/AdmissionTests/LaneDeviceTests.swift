import Admission
import Testing

@Suite("Devices and modes") struct LaneDeviceTests {
    // MARK: The beginning

    @Test("a lane starts out of service and works when all its devices were seen", arguments: [LaneKind.entry, .exit])
    func start(kind: LaneKind) {
        let lane = VirtualLane(makeConfiguration(kind, readers: 2), isUp: false)
        #expect(lane.told == ["release 0", "lamps outOfService", "message", "record mode outOfService"])
        #expect(lane.machine.mode.cause == .gateLost)
        lane.adopt(makeCredentials())
        lane.handle(.deviceBack(.gate))
        #expect(lane.mode == (kind == .entry ? .outOfService : .freeExit))
        if kind == .entry { lane.handle(.deviceBack(.thermometer)) }
        lane.handle(.deviceBack(.reader(1)))
        #expect(lane.mode == (kind == .entry ? .outOfService : .normal), "a badge shown at the other may be lost")
        let count = lane.records.count
        lane.handle(.deviceLost(.reader(0)))
        #expect(lane.mode == .normal, "one reader is enough, once the other was looked for")
        #expect(lane.records.count == count + (kind == .entry ? 1 : 0), "it was lost from the beginning")
        #expect(lane.lamps == .ready)
        #expect(lane.machine.isLost(.reader(0)))
    }

    @Test("an entrance says that it is ready when each of its readers was found or missed, in any order")
    func everyReaderIsLookedFor() {
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] as [[UInt8]] {
            let lane = VirtualLane(makeConfiguration(readers: 3), isUp: false)
            lane.adopt(makeCredentials())
            lane.handle(.deviceBack(.gate))
            lane.handle(.deviceBack(.thermometer))
            for (place, reader) in order.enumerated() {
                #expect(lane.lamps == .outOfService)
                lane.handle(place == 1 ? .deviceLost(.reader(reader)) : .deviceBack(.reader(reader)))
            }
            #expect(lane.lamps == .ready)
            lane.handle(.deviceLost(.reader(order[0])))
            #expect(lane.lamps == .ready, "from then on one is enough")
        }
    }

    @Test("a device that is lost or back twice is recorded once")
    func once() {
        let lane = VirtualLane()
        lane.handle(.deviceLost(.thermometer))
        let count = lane.records.count
        lane.handle(.deviceLost(.thermometer))
        #expect(lane.records.count == count)
        lane.handle(.deviceBack(.thermometer))
        lane.handle(.deviceBack(.thermometer))
        #expect(lane.records.count == count + 1)
    }

    @Test(
        "loss and return of each device of an entrance: its mode, and its way back",
        arguments: WithoutThermometer.allCases)
    func entrance(without: WithoutThermometer) {
        let lane = VirtualLane(policy: makePolicy { $0.withoutThermometer = without })
        let cases: [(Device, ModeCause?)] = [
            (.gate, .gateLost), (.reader(0), .readersLost),
            (.thermometer, without == .outOfService ? .thermometerLost : nil),
        ]
        for (device, cause) in cases {
            lane.handle(.deviceLost(device))
            #expect(lane.machine.isLost(device))
            #expect(lane.machine.mode == (cause == nil ? .normal : .outOfService, cause ?? .none))
            #expect(lane.lamps == (cause == nil ? .ready : .outOfService))
            lane.handle(.deviceBack(device))
            #expect(lane.machine.mode == (.normal, .none))
            #expect(lane.lamps == .ready)
        }
    }

    @Test("every mode is recorded when it begins, with its cause")
    func modesRecorded() {
        let lane = VirtualLane()
        lane.records = []
        lane.handle(.deviceLost(.reader(0)))
        lane.handle(.deviceLost(.gate))
        lane.handle(.fire(alarm: true))
        lane.handle(.fire(alarm: false))
        lane.handle(.deviceBack(.gate))
        lane.handle(.deviceBack(.reader(0)))
        let modes: [LaneEvent] = lane.records.map(\.event).filter { if case .mode = $0 { true } else { false } }
        #expect(
            modes == [
                .mode(.outOfService, .readersLost), .mode(.outOfService, .gateLost), .mode(.emergency, .fire),
                .mode(.outOfService, .gateLost), .mode(.outOfService, .readersLost), .mode(.normal, .none),
            ])
    }

    @Test("an entrance out of service refuses with a record and all other reasons, and says so")
    func refuses() {
        let lane = VirtualLane()
        lane.handle(.deviceLost(.gate))
        lane.present(makePresentation(credential: makeCredential(test: .positive)))
        #expect(lane.decision?.reasons == [.outOfService, .testPositive])
        #expect(lane.lamps == .outOfService)
        #expect(lane.message == .outOfService(.gateLost))
    }

    @Test("readers beyond the configured ones do not hide that all are lost")
    func strangeReader() {
        let lane = VirtualLane(makeConfiguration(.exit, readers: 2))
        lane.handle(.deviceLost(.reader(7)))
        #expect(lane.mode == .normal)
        lane.handle(.deviceLost(.reader(0)))
        lane.handle(.deviceLost(.reader(1)))
        #expect(lane.mode == .freeExit)
    }

    // MARK: The thermometer

    @Test(
        "without its thermometer a lane does what its policy says", arguments: WithoutThermometer.allCases,
        [true, false])
    func thermometer(without: WithoutThermometer, wasThere: Bool) {
        let lane = VirtualLane(
            makeConfiguration(hasThermometer: wasThere), policy: makePolicy { $0.withoutThermometer = without })
        if wasThere { lane.handle(.deviceLost(.thermometer)) }
        lane.present()
        switch without {
        case .refuse:
            #expect(lane.decision?.reasons == .thermometerLost)
            #expect(lane.decision?.temperature.outcome == .thermometerLost)
        case .admitMarked:
            #expect(lane.decision?.verdict == .admitted)
            #expect(lane.decision?.temperature.outcome == .admittedWithout)
        case .outOfService: #expect(lane.decision?.reasons == .outOfService)
        }
        #expect(lane.isReleased == (without == .admitMarked))
    }

    @Test("a thermometer lost in the middle of a measurement ends it", arguments: WithoutThermometer.allCases)
    func thermometerLostWhileMeasuring(without: WithoutThermometer) {
        let lane = VirtualLane(policy: makePolicy { $0.withoutThermometer = without })
        lane.present()
        lane.measure([3640])
        lane.handle(.deviceLost(.thermometer))
        #expect(!lane.isMeasuring)
        #expect(lane.decisions.count == 1)
        #expect(lane.isReleased == (without == .admitMarked))
        if without == .admitMarked {
            #expect(lane.told.prefix(3) == ["record lost", "record admitted", "release 1"])
        }
    }

    @Test("admission without a thermometer never waives a key")
    func markedNeedsKeys() {
        let lane = VirtualLane(policy: makePolicy { $0.withoutThermometer = .admitMarked })
        lane.handle(.deviceLost(.thermometer))
        lane.present(makePresentation(credential: makeCredential(activation: .revoked)))
        #expect(lane.decision?.reasons == .revoked)
    }

    // MARK: The gate

    @Test("a lost gate interrupts a release; what it shows is said again when it is back")
    func gateLost() {
        let lane = VirtualLane()
        lane.admit()
        lane.handle(.deviceLost(.gate))
        #expect(lane.ends == [.interrupted])
        #expect(!lane.releaseLine)
        lane.handle(.deviceBack(.gate))
        #expect(lane.told.prefix(3) == ["release 0", "lamps ready", "message"])
    }

    @Test("a gate that comes back in an emergency is opened again")
    func gateBackInEmergency() {
        let lane = VirtualLane()
        lane.handle(.deviceLost(.gate))
        lane.handle(.fire(alarm: true))
        lane.handle(.deviceBack(.gate))
        #expect(lane.told.prefix(3) == ["release 1", "lamps emergency", "message"])
    }

    @Test("a contact that is closed when the gate comes back is no pulse", arguments: [true, false])
    func closedAtReturn(isToldBeforeBack: Bool) {
        let lane = VirtualLane()
        lane.handle(.deviceLost(.gate))
        if isToldBeforeBack { lane.handle(.contact(.forward, closed: true)) }
        lane.handle(.deviceBack(.gate))
        #expect(lane.pulses == [])
        lane.handle(.contact(.forward, closed: false))
        lane.pulse()
        #expect(lane.pulses == [.forced])
    }

    @Test("a contact that stays closed while the gate is lost counts once, and is stuck when the gate is back")
    func closedThroughout() {
        let lane = VirtualLane()
        lane.handle(.contact(.forward, closed: true))
        lane.handle(.deviceLost(.gate))
        #expect(lane.wait(40_000) < 3)
        lane.handle(.timePassed)
        #expect(!lane.records.contains { $0.event == .contact(.forward, stuck: true) })
        lane.handle(.deviceBack(.gate))
        lane.wait(1)
        #expect(lane.records.last?.event == .contact(.forward, stuck: true))
        #expect(lane.pulses == [.forced])
    }

    // MARK: A release that stands

    @Test("a mode that begins while somebody walks does not drop the line before him", arguments: [0, 1, 2])
    func standingRelease(cause: Int) {
        let lane = VirtualLane(policy: makePolicy { $0.withoutThermometer = .outOfService })
        lane.admit()
        lane.present(2)
        switch cause {
        case 0: lane.handle(.deviceLost(.reader(0)))
        case 1: lane.handle(.deviceLost(.thermometer))
        default: lane.handle(.journal(.reserveOnly))
        }
        #expect(lane.mode == .outOfService)
        #expect(lane.releaseLine)
        #expect(lane.lamps == .admitted)
        #expect(lane.decisions.count == (cause == 2 ? 1 : 2), "who waited is refused")
        lane.pulse()
        #expect(lane.ends == [.passed])
        #expect(!lane.releaseLine)
        #expect(lane.lamps == .outOfService)
    }

    @Test("losing the readers while a badge is measured refuses it")
    func readersLostWhileMeasuring() {
        let lane = VirtualLane()
        lane.present()
        lane.handle(.deviceLost(.reader(0)))
        #expect(lane.decision?.reasons == .outOfService)
        #expect(!lane.isMeasuring)
    }

    // MARK: What else is recorded

    @Test("other credentials are recorded, a newer statement of the same is not")
    func credentials() {
        let lane = VirtualLane()
        let count = lane.records.count
        lane.adopt(makeCredentials(statementSecondsAgo: 1))
        #expect(lane.records.count == count)
        lane.adopt(makeCredentials(change: 1))
        lane.adopt(makeCredentials(version: 6))
        #expect(lane.records.count == count + 2)
        #expect(lane.machine.credentialsInForce.imageVersion == 6)
    }
}

extension WithoutThermometer: CaseIterable {
    public static var allCases: [WithoutThermometer] { [.refuse, .admitMarked, .outOfService] }
}
