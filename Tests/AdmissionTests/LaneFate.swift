// What happens to a lane, drawn from a seed. The simulation (Tests/Simulation) runs it too, in a module of its own.

import Admission

#if canImport(TestSupport)
    import TestSupport
#endif

/// One seed for a whole run, shared by all who draw.
final class Dice: RandomNumberGenerator {
    private var generator: SeededGenerator
    let seed: UInt64

    init(_ generator: SeededGenerator) {
        self.generator = generator
        seed = generator.seed
    }
    func next() -> UInt64 { generator.next() }
}

/// Draws what happens to a lane: people who come to it one by one with faults between them, or noise.
struct Fate {
    var random: Dice
    let lane: WatchedLane
    let readers: Int

    mutating func chance(oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &random) == 0 }
    mutating func number<T: FixedWidthInteger>(_ range: ClosedRange<T>) -> T { T.random(in: range, using: &random) }

    /// Even holders may pass, odd ones lack something.
    mutating func presentation(_ holders: ClosedRange<UInt32>) -> Presentation {
        let holder = number(holders)
        if chance(oneIn: 30) { return makePresentation(holder, lookup: chance(oneIn: 2) ? .unknown : .conflict) }
        var credential = makeCredential(holder: holder, at: lane.wall)
        credential.kind = [.visitor, .media, .staff][Int(holder / 2) % 3]
        if holder % 2 == 1 {
            switch holder % 12 {
            case 1: credential.vaccine = .partial
            case 3: credential.healthCode = .red
            case 5: credential.sampledAtSeconds -= 72 * 3600
            case 7: credential.activation = .suspended
            case 9: credential.zones = 0
            default: credential.kind = .vehicle
            }
        }
        // A second identifier of the same holder now and then.
        var presentation = makePresentation(holder, credential: credential, reader: UInt8(number(0...(readers - 1))))
        if chance(oneIn: 10) {
            presentation.type = .code
            presentation.tag = makeTag(UInt64(holder) + 1_000_000)
        }
        return presentation
    }

    mutating func sample() -> TemperatureSample {
        switch number(0...11) {
        case 0: makeSample(number(3730...3900))
        case 1: makeSample(number(0...6000))
        case 2: makeSample(2500)
        default: makeSample(number(3600...3660))
        }
    }

    mutating func fault() {
        let device: Device = [.gate, .thermometer, .reader(0), .reader(UInt8(readers - 1))][number(0...3)]
        switch number(0...13) {
        case 12:
            let mode = OrderedMode.allCases[number(0...3)]
            lane.give(.technician(TechnicianAct(.ordered(mode, minutes: number(0...3)), user: 1)))
        case 13: lane.give(.technician(TechnicianAct(.tested(GateTest.allCases[number(0...4)]), user: 1)))
        case 0: lane.give(.fire(alarm: chance(oneIn: 2)))
        case 10: lane.crash(readers: readers)
        case 11:
            var policy = lane.machine.policy
            policy.digest.low &+= 1
            policy.temperatureLimitCentidegrees = number(3700...3760)
            policy.temperatureOffsetCentidegrees = number(-20...20)
            lane.adopt(policy)
        case 1, 2, 3: lane.give(chance(oneIn: 2) ? .deviceLost(device) : .deviceBack(device))
        case 4: lane.give(.journal(JournalState(rawValue: number(0...4)) ?? .roomy))
        case 5:
            lane.clock = ClockTrust.allCases[number(0...3)]
            lane.give(.clock(lane.clock, stepMilliseconds: 0))
        case 6: lane.failsOneIn = [0, 0, 2, 5, 50, 1][number(0...5)]
        case 7:
            lane.give(.credentials(makeCredentials(version: number(1...9), zoneBit: 1, at: lane.wall)))
        case 8:
            lane.wallError += number(-7_200_000...7_200_000)
            lane.give(.clock(lane.clock, stepMilliseconds: 0))
        default: lane.wait(number(0...4_000_000))
        }
    }

    /// Anything, at any time.
    mutating func noise() {
        switch number(0...9) {
        case 0, 1, 2: lane.give(.presented(presentation(1...24)))
        case 3, 4: for _ in 0..<number(1...4) { lane.give(.temperature(sample())) }
        case 5, 6: lane.give(.contact(chance(oneIn: 4) ? .backward : .forward, closed: chance(oneIn: 2)))
        case 7: lane.give(chance(oneIn: 2) ? .timePassed : .guardPressed)
        case 8:
            if chance(oneIn: 4) { fault() }
            if chance(oneIn: 4) { lane.repair(readers: readers) }
        default: lane.wait(number(0...1500))
        }
    }

    /// One person from his arrival to his leaving.
    mutating func person() {
        if chance(oneIn: 10) { fault() }
        if chance(oneIn: 3) { lane.repair(readers: readers) }
        lane.wait(number(0...1500))
        if !chance(oneIn: 5) { lane.give(.temperature(makeSample(2400))) }
        let hasFever = chance(oneIn: 15)
        let own = presentation(1...100_000)
        let other = presentation(1...100_000)
        let walksAt = chance(oneIn: 12) ? 100 : number(2...8)
        for tick in 0..<20 {
            if tick < 14 { lane.give(.temperature(makeSample((hasFever ? 3800 : 3620) + number(-20...20)))) }
            if tick >= 2 && tick < 8 {
                lane.isNewPresentation = tick == 2
                lane.give(.presented(own))
                lane.isNewPresentation = false
            }
            if chance(oneIn: 80) { lane.give(.presented(other)) }
            if tick >= 5, chance(oneIn: 20) {
                var second = own
                second.type = own.type == .chip ? .code : .chip
                second.tag = makeTag(second.tag.low + 2_000_000)
                lane.give(.presented(second))
            }
            if tick >= 5, chance(oneIn: 30) { lane.give(.guardPressed) }
            if chance(oneIn: 200) { fault() }
            lane.wait(100)
            guard lane.releaseLine || lane.backwardLine, tick >= walksAt else { continue }
            let way: PassageDirection = lane.backwardLine && !lane.releaseLine ? .backward : .forward
            walk(way)
            if chance(oneIn: 15) { walk(way) }
            break
        }
        if chance(oneIn: 10) { lane.give(.guardPressed) }
        if chance(oneIn: 40) { walk(chance(oneIn: 2) ? .forward : .backward) }
    }

    /// So many people, with a look every now and then whether the lane finds a way out of whatever happened to it.
    mutating func crowd(_ people: Int) {
        for turn in 0..<people where lane.broken.isEmpty {
            person()
            if turn % 20 == 19 { heal() }
        }
    }

    mutating func noise(_ inputs: Int) {
        for turn in 0..<inputs where lane.broken.isEmpty {
            noise()
            if turn % 200 == 19 { heal() }
        }
    }

    private func heal() { lane.heal(readers: readers) }

    private mutating func walk(_ direction: PassageDirection) {
        lane.give(.contact(direction, closed: true))
        lane.wait(number(20...400))
        lane.give(.contact(direction, closed: false))
    }
}

extension Fate {
    /// A lane of some sort, with nobody at it yet.
    init(_ dice: Dice) {
        var random = dice
        func one<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }
        let readers = one([1, 1, 2, 3])
        let kind = readers > 1 ? one([LaneKind.entry, .exit, .twoWay]) : one([LaneKind.entry, .entry, .exit])
        var configuration = makeConfiguration(
            kind, readers: readers, hasThermometer: kind != .exit && one([true, true, true, false]),
            releaseMode: one([.level, .pulse]))
        if kind == .twoWay { configuration.outwardReaders = 1 << UInt16(readers - 1) }
        configuration.secondBadge = one([.wait, .refuse])
        configuration.releaseGapMilliseconds = one([0, 100, 100])
        let without = one([WithoutThermometer.refuse, .admitMarked, .outOfService])
        if without == .outOfService && kind != .exit { configuration.hasThermometer = true }
        let policy = makePolicy {
            $0.withoutThermometer = without
            $0.antiPassback.action = one([.off, .off, .report, .refuse])
            $0.antiPassback.forgetMilliseconds = one([1000, 60_000, 600_000])
            $0.kindRules[Int(HolderKind.media.rawValue)].escort = one([
                nil, nil, EscortRule(kinds: KindSet([.staff, .visitor]), windowMilliseconds: 5000),
                EscortRule(kinds: KindSet([.media]), windowMilliseconds: 10_000),
            ])
            let proofs: [Company] = [.guardsButton, .secondIdentifier, [.guardsButton, .secondIdentifier]]
            $0.kindRules[Int(HolderKind.staff.rawValue)].identity = one([
                nil, nil, IdentityRule(accepts: one(proofs), windowMilliseconds: 5000),
            ])
        }
        self.init(random: dice, lane: WatchedLane(configuration, policy: policy, random: dice.next), readers: readers)
    }
}
