// `Tests/run simulate --seed S --hours H`: lanes on a virtual clock, with a random crowd and random faults, each promise of
// the design looked at after every step (Tests/AdmissionTests/WatchedLane.swift). Optimised as in the product.
//
// A lane lives for some hours and is followed by another, of another sort. Each life has a seed of its own, so that one
// that breaks a promise is played again alone: --seed THAT --hours 0.

import Glibc

struct Plan {
    var seed: UInt64
    var hours: Int64

    init(_ arguments: [String]) {
        guard arguments.count == 2, let seed = UInt64(arguments[0]), let hours = Int64(arguments[1]),
            (0...100_000_000).contains(hours)
        else {
            print("simulate: give a seed and a number of hours, 0 to 100,000,000")
            exit(64)
        }
        self.seed = seed
        self.hours = hours
    }
}

let plan = Plan(Array(CommandLine.arguments.dropFirst()))
let wanted = plan.hours * 3_600_000
var elapsed: Int64 = 0
var lives: UInt64 = 0
var steps = 0
var counted = WatchedLane.Counts()
repeat {
    let seed = plan.seed &+ lives
    var fate = Fate(Dice(SeededGenerator(quietly: seed)))
    if seed % 4 == 3 { fate.noise(600) } else { fate.crowd(200) }
    lives += 1
    elapsed += fate.lane.elapsed
    steps += fate.lane.steps
    counted = counted + fate.lane.counted
    guard fate.lane.broken.isEmpty else {
        print("broken, seed \(seed):")
        for promise in fate.lane.broken { print("  \(promise)") }
        print("again: Tests/run simulate --seed \(seed) --hours 0")
        exit(1)
    }
} while elapsed < wanted
print(
    """
    seed \(plan.seed): \(lives) lanes, \(elapsed / 3_600_000) h, \(steps) steps, \(counted.admitted + counted.refused) presentations \
    decided: \(counted.admitted) admitted, \(counted.refused) refused; \(counted.passed) passed, \(counted.annulled) annulled, \
    \(counted.interrupted) interrupted; \(counted.pulses) pulses without a release. No promise was broken.
    """)
