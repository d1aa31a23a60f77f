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

func secondsNow() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

/// What a run came to so far.
struct Run {
    let seed: UInt64
    let began = secondsNow()
    var elapsed: Int64 = 0
    var lives: UInt64 = 0
    var steps = 0
    var happened = WatchedLane.Happened()
    var faults = [Int](repeating: 0, count: Fault.allCases.count)

    /// Another lane's whole life. False when it broke a promise.
    mutating func live() -> Bool {
        let seed = seed &+ lives
        var fate = Fate(Dice(SeededGenerator(quietly: seed)))
        fate.live()
        lives += 1
        elapsed += fate.lane.elapsed
        steps += fate.lane.steps
        happened += fate.lane.happened
        for index in faults.indices { faults[index] += fate.faults[index] }
        guard !fate.lane.broken.isEmpty else { return true }
        print("broken, seed \(seed), \(fate.lane.sort):")
        for promise in fate.lane.broken { print("  \(promise)") }
        print("again: Tests/run simulate --seed \(seed) --hours 0")
        return false
    }

    func tell() {
        let seconds = max(secondsNow() - began, 0.001)
        print(
            """
            seed \(seed): \(lives) lanes, \(elapsed / 3_600_000) h, \(steps) steps, \(happened.presentations) presentations \
            in \(Int(seconds)) s, \(Int(Double(happened.presentations) / seconds)) each second. No promise was broken.
            """)
        for line in happened.lines { print(line) }
        print("  faults: " + Fault.allCases.map { "\($0) \(faults[$0.rawValue])" }.joined(separator: ", "))
        fflush(nil)
    }
}

let plan = Plan(Array(CommandLine.arguments.dropFirst()))
var run = Run(seed: plan.seed)
var toldAt = run.began
repeat {
    guard run.live() else { exit(1) }
    // So that a run that is ended early has said how far it came.
    if secondsNow() - toldAt > 600 {
        toldAt = secondsNow()
        print("so far:")
        run.tell()
    }
} while run.elapsed < plan.hours * 3_600_000
run.tell()
