import Admission
import TestSupport
import Testing

@Suite("Random lives of a lane") struct LaneRandomTests {
    static let steps = 200_000

    @Test("no promise of the design is broken in 200,000 random steps", arguments: ["crowd", "noise"])
    func random(sort: String) {
        let dice = Dice(SeededGenerator(for: sort))
        var steps = 0
        var mostEffects = 0
        var mostRecords = 0
        var counted = WatchedLane.Counts()
        while steps < Self.steps / 2 {
            var fate = Fate(dice)
            if sort == "crowd" { fate.crowd(60) } else { fate.noise(600) }
            #expect(fate.lane.broken == [], "LANEKEEPER_SEED=\(dice.seed), \(sort), after \(steps) steps")
            guard fate.lane.broken.isEmpty else { return }
            steps += fate.lane.steps
            mostEffects = max(mostEffects, fate.lane.mostEffects)
            mostRecords = max(mostRecords, fate.lane.mostRecords)
            counted = counted + fate.lane.counted
        }
        print("\(sort): \(steps) steps, at most \(mostEffects) effects and \(mostRecords) records in one; \(counted)")
        // A run in which little happens shows little.
        // The seed is another each time, so the share is one that no run comes near.
        let share = steps / 5000
        for number in [counted.refused, counted.passed, counted.annulled, counted.pulses] { #expect(number > share) }
        #expect(counted.interrupted > 0)
    }

    /// Lives of `Tests/run simulate` that broke a promise once, with what it was:
    ///
    ///     1879   who passed a gate that tells nothing was not remembered, and was let in again in spite of anti-passback
    static let keptSeeds: [UInt64] = [1879]

    @Test("what a life found once stays found", arguments: keptSeeds)
    func kept(seed: UInt64) {
        var fate = Fate(Dice(SeededGenerator(quietly: seed)))
        fate.live()
        #expect(fate.lane.broken == [], "seed \(seed), \(fate.lane.sort)")
    }

    @Test("every fault happens, and every end, mode and pulse comes about")
    func everything() {
        var happened = WatchedLane.Happened()
        var faults = [Int](repeating: 0, count: Fault.allCases.count)
        for seed in 0..<80 as Range<UInt64> {
            var fate = Fate(Dice(SeededGenerator(quietly: seed)))
            fate.live()
            #expect(fate.lane.broken == [], "seed \(seed), \(fate.lane.sort)")
            happened += fate.lane.happened
            for index in faults.indices { faults[index] += fate.faults[index] }
        }
        for fault in Fault.allCases { #expect(faults[fault.rawValue] > 0, "\(fault)") }
        for mode in LaneMode.allCases { #expect(happened.modes[Int(mode.rawValue)] > 0, "\(mode)") }
        for pulse in UnreleasedPulse.allCases { #expect(happened.pulses[Int(pulse.rawValue)] > 0, "\(pulse)") }
        for end in [happened.passed, happened.assumed, happened.annulled, happened.interrupted, happened.byHand] {
            #expect(end > 0)
        }
    }
}
