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
    /// Faults so far, by kind.
    var faults = [Int](repeating: 0, count: Fault.allCases.count)
    /// Where the lane's chip reader and thermometer are on serial lines.
    var lines: NoisyLines?
    /// Nobody is seen to pass.
    var isSensorDead = false
    /// Who stands at the lane: the first, and somebody else.
    var standing: [HolderNumber?] = [nil, nil]

    mutating func chance(oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &random) == 0 }
    mutating func number<T: FixedWidthInteger>(_ range: ClosedRange<T>) -> T { T.random(in: range, using: &random) }

    /// Even holders may pass, odd ones lack something.
    mutating func presentation(_ holders: ClosedRange<UInt32>) -> Presentation {
        let holder = number(holders)
        if chance(oneIn: 30) { return makePresentation(holder, lookup: chance(oneIn: 2) ? .unknown : .conflict) }
        var credential = makeCredential(holder: holder, at: lane.trueWall)
        credential.kind = [.visitor, .media, .staff][Int(holder / 2) % 3]
        let isVehicle = lane.machine.pointee.configuration.traffic == .vehicles && holder % 5 != 0
        if isVehicle { credential.kind = .vehicle }
        // At the limits, to the second and beyond them.
        if chance(oneIn: 8) {
            let now = lane.trueWall.seconds
            credential.sampledAtSeconds = UInt32(clamping: now - number(172_700...172_900))
            credential.assessedAtSeconds = UInt32(clamping: now - number(-400...400))
            credential.validFromSeconds = now + number(-20...20)
            credential.validUntilSeconds = now + number(-20...20) + 20
        }
        if holder % 2 == 1 {
            switch holder % 12 {
            case 1: credential.vaccine = .partial
            case 3: credential.healthCode = .red
            case 5: credential.sampledAtSeconds -= 72 * 3600
            case 7: credential.activation = .suspended
            case 9: credential.zones = 0
            default: credential.kind = isVehicle ? .visitor : .vehicle
            }
        }
        // A second identifier of the same holder now and then.
        var presentation = makePresentation(holder, credential: credential, reader: UInt8(number(0...(readers - 1))))
        if isVehicle {
            presentation.type = .epc
            presentation.tag = makeTag(UInt64(holder) + 4_000_000)
        } else if chance(oneIn: 10) {
            presentation.type = .code
            presentation.tag = makeTag(UInt64(holder) + 1_000_000)
        }
        return presentation
    }

    /// Who drives the vehicle that came, or the vehicle that he drives; now and then somebody else.
    private mutating func driver(of own: Presentation) -> Presentation {
        let isDriver = own.credential?.kind == .vehicle
        var other = presentation(1...100_000)
        for _ in 0..<30 where (other.credential?.kind == .vehicle) == isDriver { other = presentation(1...100_000) }
        if !isDriver || chance(oneIn: 5) { return other }
        // One who may drive.
        let holder = 200_000 + number(0...50_000) as UInt32
        var credential = makeCredential(holder: holder, at: lane.trueWall)
        credential.kind = chance(oneIn: 4) ? .staff : .visitor
        return makePresentation(holder, credential: credential, reader: own.reader)
    }

    mutating func sample() -> TemperatureSample {
        switch number(0...11) {
        case 0: makeSample(number(3730...3900))
        case 1: makeSample(number(0...6000))
        case 2: makeSample(2500)
        default: makeSample(number(3600...3660))
        }
    }

    /// A badge is held up; where the reader is on a line, as bytes.
    private mutating func present(_ presentation: Presentation) {
        guard presentation.type == .chip, presentation.reader == 0, lines != nil else {
            return lane.give(.presented(presentation))
        }
        guard let read = lines?.read(presentation.tag.low, at: lane.moment.monotonic, &random) else { return }
        if read == presentation.tag.low {
            lane.give(.presented(presentation))
        } else {
            lane.note("a reader's line made chip \(read) of \(presentation.tag.low)")
        }
    }

    private mutating func measure(_ sample: TemperatureSample) {
        guard lines != nil else { return lane.give(.temperature(sample)) }
        guard let said = lines?.measure(sample, at: lane.moment.monotonic, &random) else { return }
        // A sum of 8 bits fits one time in 256 whatever stands before it: a cut frame and the beginning of the next can
        // make another sample. It counts as one of at least three, whose median is judged.
        lane.give(.temperature(said))
    }

    private mutating func repair() {
        isSensorDead = false
        lane.repair()
    }

    /// Anything, at any time.
    mutating func noise() {
        switch number(0...9) {
        case 0, 1, 2: present(presentation(1...24))
        case 3, 4: for _ in 0..<number(1...4) { measure(sample()) }
        case 5, 6: lane.give(.contact(chance(oneIn: 4) ? .backward : .forward, closed: chance(oneIn: 2)))
        case 7: lane.give(chance(oneIn: 2) ? .timePassed : .guardPressed)
        case 8:
            if chance(oneIn: 4) { fault() }
            if chance(oneIn: 4) { repair() }
        default: lane.wait(number(0...1500))
        }
    }

    /// One person from his arrival to his leaving.
    mutating func person() {
        if chance(oneIn: 10) { fault() }
        if chance(oneIn: 3) { repair() }
        lane.wait(number(0...1500))
        if !chance(oneIn: 5) { measure(makeSample(2400)) }
        let hasFever = chance(oneIn: 15)
        let own = presentation(1...100_000)
        let other = presentation(1...100_000)
        standing = [own.credential?.holder, other.credential?.holder]
        let driver = lane.asksForDriver && !chance(oneIn: 8) ? (badge: driver(of: own), at: number(0...9)) : nil
        let walksAt = chance(oneIn: 12) ? 100 : number(2...8)
        for tick in 0..<20 {
            if tick < 14 { measure(makeSample((hasFever ? 3800 : 3620) + number(-20...20))) }
            if tick >= 2 && tick < 8 {
                lane.isNewPresentation = tick == 2
                present(own)
                lane.isNewPresentation = false
            }
            if let driver, tick >= driver.at, tick < driver.at + 4 { present(driver.badge) }
            if chance(oneIn: 80) { present(other) }
            if tick >= 5, chance(oneIn: 20) {
                var second = own
                second.type = own.type == .chip ? .code : .chip
                second.tag = makeTag(second.tag.low + 2_000_000)
                present(second)
            }
            if tick >= 5, chance(oneIn: 30) { lane.give(.guardPressed) }
            if chance(oneIn: 200) { fault() }
            lane.wait(100)
            guard lane.releaseLine || lane.backwardLine, tick >= walksAt else { continue }
            let way: PassageDirection = lane.backwardLine && !lane.releaseLine ? .backward : .forward
            walk(way, isFirst: true)
            if chance(oneIn: 15) { walk(way) }
            break
        }
        if chance(oneIn: 10) { lane.give(.guardPressed) }
        // In front of a boom that waits for the other half somebody drives on more often.
        if chance(oneIn: lane.asksForDriver ? 8 : 40) { walk(chance(oneIn: 2) ? .forward : .backward) }
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

    /// A whole life, as `Tests/run simulate` lets it be lived.
    mutating func live() {
        if random.seed % 4 == 3 { noise(600) } else { crowd(200) }
    }

    private mutating func heal() {
        isSensorDead = false
        lane.heal()
    }

    /// - Parameter isFirst: who was let in goes through; where all is well he is counted.
    private mutating func walk(_ direction: PassageDirection, isFirst: Bool = false) {
        guard !isSensorDead else { return }
        let pace = number(10...200) as Int64
        if chance(oneIn: 12) { return lane.walk(direction, turns: true, pace: pace) }
        if isFirst && direction == .forward {
            lane.walkCounted(pace: pace)
        } else {
            lane.walk(direction, pace: pace)
        }
    }
}
