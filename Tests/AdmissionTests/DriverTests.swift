import Admission
import Testing

private let truck: UInt32 = 70
private let driver: UInt32 = 20
private let window: Int64 = 20_000

private func pass(_ holder: UInt32 = truck, _ change: (inout Credential) -> Void = { _ in }) -> Presentation {
    var credential = makeCredential(holder: holder, kind: .vehicle, vaccine: .none, test: .none)
    change(&credential)
    return makePresentation(holder, type: .epc, credential: credential, reader: 1)
}

private func badge(
    _ holder: UInt32 = driver, _ kind: HolderKind = .staff, _ type: IdentifierType = .chip,
    _ change: (inout Credential) -> Void = { _ in }
) -> Presentation {
    var credential = makeCredential(holder: holder, kind: kind)
    change(&credential)
    return makePresentation(holder, type: type, credential: credential)
}

private func lane(
    _ kind: LaneKind = .entry, measured: Bool = false, without: WithoutThermometer = .refuse,
    _ change: @escaping (inout AdmissionPolicy) -> Void = { _ in }
) -> VirtualLane {
    VirtualLane(
        makeConfiguration(kind, readers: 2) {
            $0.traffic = .vehicles
            $0.passageSensor = .loop
            if kind == .twoWay {
                $0.passageSensor = .contacts
                $0.outwardReaders = 0b10
            }
        },
        policy: makePolicy {
            $0.admittedKinds = KindSet([.vehicle, .staff])
            if !measured { $0.measuredKinds = KindSet([]) }
            $0.withoutThermometer = without
            $0.kindRules[Int(HolderKind.vehicle.rawValue)].driver = DriverRule(windowMilliseconds: window)
            change(&$0)
        })
}

extension VirtualLane {
    fileprivate func decision(of holder: UInt32) -> Decision? {
        decisions.last { $0.presentation.credential?.holder == HolderNumber(holder) }
    }
    fileprivate func reasons(of holder: UInt32) -> Reasons? { decision(of: holder)?.reasons }
}

@Suite("A vehicle's pass and its driver's badge") struct DriverTests {
    static let orders: [[Presentation]] = [
        [pass(), badge()], [badge(), pass()], [badge(driver, .staff, .code), pass()],
    ]

    @Test("in any order they are let in together: two decisions that name each other, one release", arguments: orders)
    func together(halves: [Presentation]) {
        let lane = lane()
        lane.present(halves[0])
        #expect(lane.machine.isPairing && !lane.isReleased && lane.decisions.isEmpty)
        #expect(lane.message == .awaiting(halves[0].type == .epc ? .driver : .vehicle))
        #expect(lane.lamps == .working)
        lane.present(halves[1])
        #expect(lane.told.prefix(3) == ["record admitted", "record admitted", "release 1"])
        #expect(lane.decisions.map(\.partner) == [HolderNumber(driver), HolderNumber(truck)])
        #expect(lane.decisions.map(\.company) == [.driver, .vehicle])
        lane.present(halves[0])
        lane.pulse()
        #expect(lane.outcomes.map(\.kind) == [.vehicle, .staff])
        #expect(lane.ends == [.passed, .passed])
        #expect(lane.releases == 1)
        #expect(lane.tally == lane.machine.hourTotals.tally)
    }

    @Test(
        "the window ends to the millisecond",
        arguments: [(window - 1, true), (window, false)] as [(Int64, Bool)], [true, false])
    func edge(edge: (Int64, Bool), isPassFirst: Bool) {
        let lane = lane()
        lane.present(isPassFirst ? pass() : badge())
        lane.wait(edge.0)
        lane.present(isPassFirst ? badge() : pass())
        #expect(lane.isReleased == edge.1)
        guard !edge.1 else { return }
        #expect(lane.decisions.map(\.reasons) == [isPassFirst ? .driverMissing : .passMissing])
        #expect(lane.machine.isPairing)
    }

    @Test("alone neither is let in, and is told what is missing beside what else there is")
    func alone() {
        for (half, missing) in [(pass(), Reasons.driverMissing), (badge(), .passMissing)] {
            let lane = lane()
            lane.present(half)
            lane.wait(window)
            #expect(lane.decision?.reasons == missing)
            #expect(lane.message == .refused(missing))
            #expect(lane.decision?.company == [] && lane.decision?.partner == .nobody)
            #expect(lane.releases == 0)
        }
        let red = lane()
        red.present(badge { $0.healthCode = .red })
        red.wait(window)
        #expect(red.decision?.reasons == [.codeRed, .passMissing])
    }

    struct Failing: Sendable {
        var pass: Presentation
        var badge: Presentation
        var ofPass: Reasons
        var ofBadge: Reasons
    }
    static let failing = [
        Failing(pass: pass(), badge: badge { $0.healthCode = .red }, ofPass: .otherHalfRefused, ofBadge: .codeRed),
        Failing(pass: pass(), badge: badge { $0.test = .none }, ofPass: .otherHalfRefused, ofBadge: .testMissing),
        Failing(
            pass: pass(), badge: badge { $0.vaccine = .partial }, ofPass: .otherHalfRefused, ofBadge: .vaccineIncomplete
        ),
        Failing(
            pass: pass(), badge: badge { $0.activation = .suspended }, ofPass: .otherHalfRefused, ofBadge: .suspended),
        Failing(
            pass: pass(), badge: badge { $0.zones = 0 }, ofPass: .otherHalfRefused, ofBadge: .zoneNotGranted),
        Failing(
            pass: pass(), badge: badge { $0.validUntilSeconds = noon.seconds - 1 }, ofPass: .otherHalfRefused,
            ofBadge: .noLongerValid),
        Failing(pass: pass(), badge: badge(driver, .visitor), ofPass: .otherHalfRefused, ofBadge: .kindNotAdmitted),
        Failing(
            pass: pass(), badge: makePresentation(driver, lookup: .unknown), ofPass: .otherHalfRefused,
            ofBadge: .unknownBadge),
        Failing(
            pass: pass(truck) { $0.activation = .inactive }, badge: badge(), ofPass: .notActivated,
            ofBadge: .otherHalfRefused),
        Failing(
            pass: pass(truck) { $0.zones = 0 }, badge: badge(), ofPass: .zoneNotGranted, ofBadge: .otherHalfRefused),
        Failing(
            pass: makePresentation(truck, type: .epc, lookup: .unknown), badge: badge(), ofPass: .unknownBadge,
            ofBadge: .otherHalfRefused),
        Failing(
            pass: pass(truck) { $0.activation = .revoked }, badge: badge { $0.test = .positive }, ofPass: .revoked,
            ofBadge: .testPositive),
    ]

    @Test(
        "each is judged by the rules of its own kind, and both are refused with the reasons of both", arguments: failing
    )
    func refused(row: Failing) {
        for halves in [[row.pass, row.badge], [row.badge, row.pass]] {
            let lane = lane()
            for half in halves { lane.present(half) }
            #expect(lane.decisions.map(\.reasons) == [row.ofPass, row.ofBadge])
            #expect(lane.message == .refused(row.ofPass.union(row.ofBadge).subtracting(.otherHalfRefused)))
            #expect(lane.releases == 0)
            #expect(lane.decisions.map(\.company) == [.driver, .vehicle])
        }
    }

    @Test("hours, anti-passback and the proof of identity hold for whom they are said of")
    func ownRules() {
        let closed = OpeningHours(daily: [.init(fromMilliseconds: 0, lengthMilliseconds: 60_000)], dated: [])
        for (kind, reasons) in [
            (HolderKind.vehicle, [Reasons.outsideHours, .otherHalfRefused]),
            (.staff, [.otherHalfRefused, .outsideHours]),
        ] {
            let lane = lane { $0.kindRules[Int(kind.rawValue)].hours = closed }
            lane.present(pass())
            lane.present(badge())
            #expect(lane.decisions.map(\.reasons) == reasons)
        }
        let again = lane { $0.antiPassback.action = .refuse }
        for holder in [truck, truck + 1] {
            again.present(pass(holder))
            again.present(badge())
            again.pulse()
            again.wait(5000)
        }
        #expect(again.reasons(of: driver) == .passedAlready)
        #expect(again.reasons(of: truck + 1) == .otherHalfRefused)
        let proven = lane {
            $0.kindRules[Int(HolderKind.staff.rawValue)].identity = IdentityRule(
                accepts: [.guardsButton, .secondIdentifier], windowMilliseconds: 10_000)
        }
        proven.present(pass())
        proven.present(badge())
        #expect(proven.machine.isPairing)
        #expect(proven.message == .awaiting([.guardsButton, .secondIdentifier]))
        proven.handle(.guardPressed)
        #expect(proven.decisions.map(\.company) == [.driver, [.vehicle, .guardsButton]])
        #expect(proven.isReleased)
    }

    @Test(
        "two passes or two drivers within the window: nobody is let in",
        arguments: [
            [pass(), pass(71), badge()], [pass(), badge(21, .visitor), badge()], [badge(), badge(21), pass()],
            [badge(), makePresentation(99, lookup: .unknown), pass()],
            [pass(), makePresentation(99, type: .epc, lookup: .unknown), badge()],
        ])
    func ambiguous(halves: [Presentation]) {
        let lane = lane(measured: true)
        lane.present(halves[0])
        lane.present(halves[1])
        let isRefused = lane.decisions.count >= 2
        lane.present(halves[2])
        lane.wait(window)
        #expect(lane.releases == 0)
        #expect(lane.decisions.allSatisfy { $0.verdict == .refused })
        #expect(lane.decisions.filter { $0.reasons.contains(.twoHolders) }.count >= (isRefused ? 2 : 3))
    }

    @Test("the driver is measured by the rules of his kind, the vehicle never", arguments: [true, false])
    func measured(isPassFirst: Bool) {
        let lane = lane(measured: true)
        lane.present(isPassFirst ? pass() : badge())
        if isPassFirst {
            lane.wait(5000)
            lane.present(badge())
        }
        #expect(lane.isMeasuring && lane.message == .holdStill)
        lane.measure()
        if !isPassFirst {
            #expect(lane.message == .awaiting(.vehicle))
            lane.present(pass())
        }
        #expect(lane.isReleased)
        #expect(lane.decision(of: driver)?.temperature.outcome == .measured)
        #expect(lane.decision(of: truck)?.temperature.outcome == .notRequired)
    }

    @Test("a driver with a fever, measured twice, and one who does not look at the thermometer")
    func fever() {
        let lane = lane(measured: true)
        lane.present(pass())
        lane.present(badge())
        lane.measure([3800, 3800, 3800])
        #expect(lane.message == .measureAgain)
        lane.measure([3800, 3800, 3800])
        #expect(lane.decisions.map(\.reasons) == [.otherHalfRefused, .temperatureHigh])
        lane.wait(5000)
        lane.present(badge())
        lane.present(pass())
        lane.wait(1500)
        #expect(lane.reasons(of: driver) == .temperatureMissing)
        #expect(lane.releases == 0)
    }

    @Test("a thermometer that is lost meanwhile: what the policy says of people without one")
    func thermometerLost() {
        for (without, reasons) in [
            (WithoutThermometer.refuse, [Reasons.otherHalfRefused, .thermometerLost]), (.admitMarked, [[], []]),
        ] {
            let lane = lane(measured: true, without: without)
            lane.present(pass())
            lane.present(badge())
            lane.handle(.deviceLost(.thermometer))
            #expect(lane.decisions.map(\.reasons) == reasons)
        }
    }

    @Test(
        "fire, a lost gate, lost readers and the end leave the pair, and each half is on record",
        arguments: [
            ([.fire(alarm: true)], "seen"), ([.deviceLost(.gate)], "refused"),
            ([.deviceLost(.reader(0)), .deviceLost(.reader(1))], "refused"), ([.stopping], "refused"),
        ] as [([LaneInput], String)])
    func left(inputs: [LaneInput], word: String) {
        for halves in [[pass()], [badge()], [pass(), badge()]] {
            let lane = lane(measured: true)
            for half in halves { lane.present(half) }
            for input in inputs { lane.handle(input) }
            #expect(!lane.machine.isPairing && !lane.isReleased)
            #expect(lane.told.filter { $0 == "record \(word)" }.count == halves.count, "\(lane.told)")
        }
    }

    @Test("a fire while they may go cuts nobody short, and both ends are on record")
    func fireWhileReleased() {
        let burning = lane()
        burning.present(pass())
        burning.present(badge())
        burning.handle(.fire(alarm: true))
        burning.pulse()
        #expect(burning.ends == [.passed, .passed])
        let lost = lane()
        lost.present(pass())
        lost.present(badge())
        lost.handle(.deviceLost(.gate))
        #expect(lost.ends == [.interrupted, .interrupted])
    }

    @Test(
        "a journal that fails at either decision opens for nobody, and nothing is left without its end",
        arguments: 0...3)
    func journalFails(at record: Int) {
        let lane = lane()
        lane.present(pass())
        lane.recordsUntilFailure = record
        lane.present(badge())
        if record < 2 { #expect(lane.releases == 0 && !lane.isReleased) }
        lane.pulse()
        lane.wait(30_000)
        #expect(lane.mode == .normal)
        let admitted = lane.decisions.count { $0.verdict == .admitted }
        #expect(lane.ends.count == admitted)
        #expect(lane.hole.totals.admitted == lane.hole.totals.passed)
        lane.recordsUntilFailure = nil
        lane.present(pass(72))
        lane.present(badge(22))
        #expect(lane.isReleased)
    }

    @Test("credentials and rules that come into force meanwhile decide")
    func meanwhile() {
        let suspended = lane()
        suspended.present(pass())
        suspended.says[truck] = makeCredential(holder: truck, kind: .vehicle, activation: .suspended)
        suspended.adopt(makeCredentials(version: 6))
        suspended.present(badge())
        #expect(suspended.decisions.map(\.reasons) == [.suspended, .otherHalfRefused])
        let without = lane()
        without.present(pass())
        without.adopt(
            makePolicy {
                $0.admittedKinds = KindSet([.vehicle])
                $0.measuredKinds = KindSet([])
            })
        #expect(without.isReleased && without.decision?.company == [])
    }

    @Test("an exit opens for whichever comes first, and the other leaves with it", arguments: orders)
    func exits(halves: [Presentation]) {
        let lane = lane(.exit)
        lane.present(halves[0])
        #expect(lane.isReleased)
        lane.wait(1000)
        lane.present(halves[1])
        lane.present(halves[1])
        #expect(lane.decision?.partner == halves[0].credential?.holder)
        lane.pulse()
        #expect(Set(lane.outcomes.map(\.kind)) == [.vehicle, .staff])
        #expect(lane.ends == [.passed, .passed])
        lane.wait(30_000)
        #expect(lane.decisions.count == 2 && lane.releases == 1)
    }

    @Test("where the lane is for people, a pass that needs a driver is refused at once, and people need no vehicle")
    func people() {
        let lane = VirtualLane(
            policy: makePolicy {
                $0.admittedKinds = KindSet([.vehicle, .staff])
                $0.measuredKinds = KindSet([])
                $0.kindRules[Int(HolderKind.vehicle.rawValue)].driver = DriverRule(windowMilliseconds: window)
            })
        lane.present(makePresentation(truck, type: .epc, credential: pass().credential))
        #expect(lane.decision?.reasons == .driverMissing)
        lane.present(badge())
        #expect(lane.decision?.verdict == .admitted)
    }
}
