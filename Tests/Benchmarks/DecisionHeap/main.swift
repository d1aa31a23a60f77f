// Counts the heap allocations of the lane machine and of the lookup before it, in the image and in the changes on top of it,
// optimised as in the product: design.md §8 allows none a decision.
//
// Each scene is played once to warm up and then 10,000 times between two looks at the counter. The first scene
// allocates on purpose: it shows that the counter counts.

import Admission
import Glibc

typealias Counter = @convention(c) () -> UInt
guard let symbol = dlsym(nil, "heap_requests") else {
    print("the counter is not preloaded; start this with Tests/bench heap")
    Glibc.exit(69)
}
let heapRequests = unsafeBitCast(symbol, to: Counter.self)

struct Stage {
    var machine: LaneMachine
    var now: Int64 = 1_000_000
    var effects = 0
    var admitted = 0
    var refused = 0

    /// `years`: how old a test and an assessment may be, for scenes that last for days.
    init(_ kind: LaneKind, for traffic: Traffic = .people, years: Int64? = nil) {
        var configuration = LaneConfiguration(
            kind: kind, from: .outside, to: ShortName("ring") ?? .outside, readerCount: 1,
            hasThermometer: kind == .entry)
        configuration.traffic = traffic
        var policy = AdmissionPolicy()
        if traffic == .vehicles {
            policy.admittedKinds = KindSet([.vehicle, .visitor])
            policy.kindRules[Int(HolderKind.vehicle.rawValue)].driver = DriverRule(windowMilliseconds: 3000)
        }
        policy.hours.daily = [.init(fromMilliseconds: 0, lengthMilliseconds: 86_400_000)]
        policy.antiPassback.action = .report
        policy.antiPassback.scope = .acrossLanes
        policy.occupancy.action = .refuse
        policy.occupancy.people = 1_000_000
        policy.occupancy.vehicles = 1_000_000
        if let years {
            policy.testWindowMilliseconds = years * 366 * 86_400_000
            policy.assessmentWindowMilliseconds = policy.testWindowMilliseconds
        }
        let media = Int(HolderKind.media.rawValue)
        policy.kindRules[media].escort = EscortRule(kinds: KindSet([.visitor]), windowMilliseconds: 3000)
        policy.kindRules[media].identity = IdentityRule(accepts: .guardsButton, windowMilliseconds: 3000)
        machine = LaneMachine(
            configuration: configuration, policy: policy, nextSequence: 1, hourTotals: LaneTotals(),
            at: Moment(
                monotonic: MonotonicTime(milliseconds: 1_000_000), wall: WallTime(seconds: 1_800_000_000),
                clock: .trusted))
        carry(machine.start(unfinished: nil, at: moment))
        for device in [.gate, .thermometer, .reader(0)] as [Device] { give(.deviceBack(device)) }
        credentials(1)
    }

    var moment: Moment {
        Moment(
            monotonic: MonotonicTime(milliseconds: UInt64(now)),
            wall: WallTime(milliseconds: 1_800_000_000_000 + now), clock: .trusted)
    }

    mutating func give(_ input: LaneInput) { carry(machine.handle(input, at: moment)) }

    mutating func carry(_ list: LaneEffects) {
        for index in 0..<list.count {
            effects &+= 1
            guard case .record(.decided(let decision), _) = list[index] else { continue }
            if decision.verdict == .admitted { admitted &+= 1 } else { refused &+= 1 }
        }
    }

    mutating func wait(_ milliseconds: Int64) {
        now += milliseconds
        if machine.deadline <= moment.monotonic { give(.timePassed) }
    }

    mutating func credentials(_ version: UInt64) {
        machine.learn(ZoneCount(people: 5, vehicles: 5, asOf: moment.wall))
        carry(
            machine.adopt(
                CredentialsInForce(
                    imageVersion: version, changeNumber: 0, imageIssuedAt: moment.wall, statementAsOf: moment.wall,
                    destinationZoneBit: 1), at: moment
            ) { _ in .unknown })
    }

    func presentation(_ holder: UInt32, _ kind: HolderKind = .visitor) -> Presentation {
        let now = UInt32(moment.wall.seconds)
        var presentation = Presentation(
            tag: BadgeTag(low: UInt64(holder), high: 1), type: .chip,
            lookup: .found(
                Credential(
                    holder: HolderNumber(holder), kind: kind, vaccine: .full, healthCode: .green,
                    assessedAtSeconds: now - 10, test: .negative, sampledAtSeconds: now - 10, activation: .activated,
                    zones: 1, validFromSeconds: nil, validUntilSeconds: nil)), reader: 0)
        presentation.presence = HolderPresence(asOf: moment.wall, whereabouts: .destination(since: moment.wall))
        return presentation
    }

    mutating func measure(_ object: Int32) {
        for _ in 0..<3 {
            wait(100)
            give(.temperature(TemperatureSample(objectCentidegrees: object, ambientCentidegrees: 2300)))
        }
    }

    mutating func walk() {
        give(.contact(.forward, closed: true))
        wait(300)
        give(.contact(.forward, closed: false))
        wait(500)
    }
}

var entering = Stage(.entry)
var leaving = Stage(.exit)
var driving = Stage(.entry, for: .vehicles)
var changing = Stage(.entry, years: 1)
let changed: Changed
do { changed = try Changed(now: changing.moment.wall) } catch {
    print("no changes could be laid on an image: \(error)")
    Glibc.exit(1)
}
var kept: [Int] = []
var holder: UInt32 = 0

let scenes: [(name: String, mayAllocate: Bool, play: () -> Void)] = [
    ("one array, to try the counter", true, { kept = [Int(holder), kept.count] }),
    (
        "badge, temperature, passage", false,
        {
            entering.give(.presented(entering.presentation(holder)))
            entering.measure(3640)
            entering.walk()
        }
    ),
    (
        "a change admits, a change refuses, a change removes", false,
        {
            changing.credentials(1)
            changing.give(.presented(changed.presentation(holder, change: 0)))
            changing.measure(3640)
            changing.walk()
            changing.give(.presented(changed.presentation(holder, change: 1)))
            changing.measure(3640)
            changing.wait(4000)
            changing.give(.presented(changed.presentation(holder, change: 2)))
            changing.wait(4000)
        }
    ),
    (
        "fever, measured twice, refused", false,
        {
            entering.give(.presented(entering.presentation(holder)))
            entering.measure(3800)
            entering.measure(3800)
            entering.wait(4000)
        }
    ),
    (
        "two holders, and an unknown badge", false,
        {
            entering.give(.presented(entering.presentation(holder)))
            entering.give(.presented(entering.presentation(holder + 1_000_000)))
            var unknown = entering.presentation(holder + 2_000_000)
            unknown.lookup = .unknown
            entering.give(.presented(unknown))
            entering.wait(4000)
        }
    ),
    (
        "a second badge waits, the first is annulled", false,
        {
            entering.give(.presented(entering.presentation(holder)))
            entering.measure(3640)
            entering.give(.presented(entering.presentation(holder + 1_000_000)))
            entering.wait(5000)
            entering.wait(100)
            entering.measure(3640)
            entering.walk()
        }
    ),
    (
        "an escort and the guard's button, then neither", false,
        {
            entering.wait(4000)
            entering.give(.presented(entering.presentation(holder + 1_000_000, .media)))
            entering.measure(3640)
            entering.give(.guardPressed)
            entering.give(.presented(entering.presentation(holder)))
            entering.walk()
            entering.measure(3640)
            entering.walk()
            entering.wait(4000)
            entering.give(.presented(entering.presentation(holder + 2_000_000, .media)))
            entering.measure(3640)
            entering.wait(4000)
            entering.wait(4000)
        }
    ),
    (
        "exit, fire, lost gate, new image, closing hour", false,
        {
            leaving.give(.presented(leaving.presentation(holder)))
            leaving.walk()
            leaving.give(.fire(alarm: true))
            leaving.walk()
            leaving.give(.fire(alarm: false))
            leaving.give(.deviceLost(.gate))
            leaving.give(.deviceBack(.gate))
            leaving.credentials(UInt64(holder))
            leaving.wait(3_600_000)
        }
    ),
    (
        "a vehicle and its driver, then two vehicles, then one alone", false,
        {
            driving.give(.presented(driving.presentation(holder, .vehicle)))
            driving.give(.presented(driving.presentation(holder + 1_000_000)))
            driving.measure(3640)
            driving.walk()
            driving.give(.presented(driving.presentation(holder + 2_000_000, .vehicle)))
            driving.give(.presented(driving.presentation(holder + 3_000_000, .vehicle)))
            driving.wait(4000)
            driving.give(.presented(driving.presentation(holder + 4_000_000, .vehicle)))
            driving.wait(4000)
            driving.wait(4000)
        }
    ),
    (
        "a record fails", false,
        {
            let list = entering.machine.handle(.presented(entering.presentation(holder)), at: entering.moment)
            for index in 0..<list.count {
                guard case .record(let event, let sequence) = list[index] else { continue }
                entering.carry(entering.machine.recordFailed(event, nextSequence: sequence, at: entering.moment))
                break
            }
            _ = entering.machine.takeUnrecorded()
            entering.give(.journal(.roomy))
            entering.wait(4000)
        }
    ),
]

let turns = 10_000
var failed = false
for scene in scenes {
    holder += 1
    scene.play()
    let before = heapRequests()
    for _ in 0..<turns {
        holder += 1
        // A new statement, as every 10 s: nobody is refused for old knowledge.
        entering.credentials(1)
        scene.play()
    }
    let count = heapRequests() - before
    print("\(count) allocations in \(turns) times '\(scene.name)'")
    if scene.mayAllocate != (count > 0) { failed = true }
}
print("\(entering.admitted + leaving.admitted) admitted, \(entering.effects + leaving.effects) effects")
print("\(changing.admitted) admitted and \(changing.refused) refused by changes")
// One of three, in every turn and the one before: the image alone would have admitted the second.
if changing.admitted != turns + 1 || changing.refused != 2 * (turns + 1) { failed = true }
if entering.admitted < 3 * turns || leaving.admitted < turns { failed = true }
Glibc.exit(failed ? 1 : 0)
