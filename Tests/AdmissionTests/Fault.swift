import Admission

/// What goes wrong around a lane, or is done to it, between its people.
enum Fault: Int, CaseIterable {
    case fire, fireOver, fireWireBroken
    case gateLost, gateBack, thermometerLost, thermometerBack, readerLost, readerBack
    case sensorDead, sensorStuck
    case journalRoom, recordsFail
    case clockStep, clockOf1970, clockRight, clockSynchronised, clockConfirmed, uplinkLost, uplinkBack
    case image, zonesOfTheImage, urgentChange, noImage
    case policy, modeOrdered, gateTested, passagesForgotten, cabinetOpened, cabinetClosed
    case crash, restart
    case hoursPass
    case garbage
}

extension Fate {
    mutating func fault() { happens(Fault.allCases[number(0...Fault.allCases.count - 1)]) }

    mutating func happens(_ fault: Fault) {
        faults[fault.rawValue] += 1
        let reader = Device.reader(UInt8(number(0...readers - 1)))
        switch fault {
        case .fire, .fireWireBroken: lane.give(.fire(alarm: true))
        case .fireOver: lane.give(.fire(alarm: false))
        case .gateLost: lane.give(.deviceLost(.gate))
        case .gateBack: lane.give(.deviceBack(.gate))
        case .thermometerLost: lane.give(.deviceLost(.thermometer))
        case .thermometerBack: lane.give(.deviceBack(.thermometer))
        case .readerLost: lane.give(.deviceLost(reader))
        case .readerBack: lane.give(.deviceBack(reader))
        case .sensorDead: isSensorDead = true
        case .sensorStuck: lane.give(.contact(chance(oneIn: 2) ? .forward : .backward, closed: true))
        case .journalRoom: lane.give(.journal(JournalState(rawValue: number(0...4)) ?? .roomy))
        case .recordsFail: lane.failsOneIn = [0, 2, 5, 50, 1][number(0...4)]
        case .clockStep:
            lane.leap(to: lane.wallError + number(-7_200_000...7_200_000) / [1, 1, 60, 3600][number(0...3)])
        case .clockOf1970: lane.leap(to: -lane.trueWall.milliseconds + number(0...600_000))
        case .clockRight: lane.leap(to: 0)
        case .clockSynchronised: lane.synchronise(chance(oneIn: 2))
        case .clockConfirmed: lane.confirmClock()
        case .uplinkLost: lane.hasUplink = false
        case .uplinkBack: lane.hasUplink = true
        case .image: lane.adopt(version: lane.credentials.imageVersion + 1, change: 0)
        case .zonesOfTheImage:
            lane.adopt(version: lane.credentials.imageVersion + 1, change: 0, zoneBit: chance(oneIn: 2) ? 1 : 0b100)
        case .urgentChange: urgentChange()
        case .noImage: lane.adopt(version: 0, change: 0)
        case .policy: lane.adopt(changed(lane.policy))
        case .modeOrdered:
            let mode = OrderedMode.allCases[number(0...3)]
            lane.give(.technician(TechnicianAct(.ordered(mode, minutes: number(0...3)), user: 1)))
        case .gateTested: lane.give(.technician(TechnicianAct(.tested(GateTest.allCases[number(0...4)]), user: 1)))
        case .passagesForgotten: lane.forgetPassages()
        case .cabinetOpened: lane.give(.tamper(.cabinet, opened: true))
        case .cabinetClosed: lane.give(.tamper(.cabinet, opened: false))
        case .crash: lane.restart(isStopped: false)
        case .restart: lane.restart(isStopped: true)
        case .hoursPass: lane.wait(number(0...4_000_000))
        case .garbage: lines?.garbage(&random)
        }
    }

    /// Somebody's code turns red at noon, or is green again: whoever stands there or waits, if anybody does.
    mutating func urgentChange() {
        let red = chance(oneIn: 2)
        if let holder = standing[number(0...standing.count - 1)] {
            switch number(0...3) {
            case 0: lane.says(of: holder) { $0.activation = red ? .suspended : .activated }
            case 1: lane.says(of: holder) { $0.kind = red ? .staff : .media }
            default: lane.says(of: holder) { $0.healthCode = red ? .red : .green }
            }
        }
        lane.adopt(version: lane.credentials.imageVersion, change: lane.credentials.changeNumber + 1)
    }

    /// The same policy with other figures.
    mutating func changed(_ policy: AdmissionPolicy) -> AdmissionPolicy {
        var policy = policy
        policy.digest.low &+= 1
        policy.temperatureLimitCentidegrees = number(3640...3760)
        policy.temperatureOffsetCentidegrees = number(-20...20)
        let visitor = Int(HolderKind.visitor.rawValue)
        switch number(0...5) {
        case 0: policy.testWindowMilliseconds = number(1...96) * 3_600_000
        case 1: policy.requiredKeys[visitor] = KeySet(rawValue: number(8...15))
        case 2: policy.whenStale = chance(oneIn: 2) ? .refuse : .admit
        case 3: policy.statementLimitMilliseconds = number(60...600) * 1000
        case 4: policy.whenClockDistrusted = chance(oneIn: 2) ? .refuse : .admit
        default: policy.kindRules[visitor].temperatureLimitCentidegrees = chance(oneIn: 2) ? nil : number(3640...3760)
        }
        return policy
    }
}
