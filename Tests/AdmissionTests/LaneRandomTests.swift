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
        let share = steps / 500
        for number in [counted.refused, counted.passed, counted.annulled, counted.pulses] { #expect(number > share) }
        #expect(counted.interrupted > 0)
    }
}
