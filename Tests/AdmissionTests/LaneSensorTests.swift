import Admission
import TestSupport
import Testing

@Suite("Beams, loops, and gates that tell nothing") struct LaneSensorTests {
    static func makeLane(
        _ sensor: PassageSensor, _ kind: LaneKind = .entry, mode: ReleaseMode = .level
    ) -> VirtualLane {
        makeQuickLane(kind, releaseMode: mode) {
            $0.passageSensor = sensor
            if sensor == .loop {
                $0.traffic = .vehicles
                $0.passageTimeoutMilliseconds = 20_000
            }
        }
    }

    /// `x.` the beam on from's side is broken, `.x` that on to's side, `xx` both, `..` none; `-` 350 ms and `,` 100 ms.
    static func play(
        _ script: String, on lane: VirtualLane, from beginning: (from: Bool, to: Bool) = (false, false)
    ) {
        var broken = beginning
        for word in script.split(separator: " ") {
            switch word {
            case "-": lane.wait(350)
            case ",": lane.wait(100)
            default:
                let from = word.first == "x"
                let to = word.last == "x"
                // What changes first: who leaves a beam, then who comes into one.
                if broken.from && !from { lane.handle(.contact(.forward, closed: false)) }
                if broken.to && !to { lane.handle(.contact(.backward, closed: false)) }
                if !broken.from && from { lane.handle(.contact(.forward, closed: true)) }
                if !broken.to && to { lane.handle(.contact(.backward, closed: true)) }
                broken = (from, to)
                lane.wait(50)
            }
        }
    }

    // MARK: Two beams

    @Test(
        "the order of the beams says who walked, and which way",
        arguments: [
            ("x. xx .x ..", "passed"), ("x. xx x. ..", ""), ("x. ..", ""), ("xx .x ..", "passed"),
            (".x xx x. ..", "wrongWay"), (".x xx .x ..", ""), ("x. .. , .x ..", "passed"), ("x. .. - .x ..", ""),
            (".x .. , x. ..", "wrongWay"),
            // Hesitating, forth and back, and through at last.
            ("x. xx x. xx x. xx .x ..", "passed"), ("x. xx .x xx .x ..", "passed"),
            ("x. xx .x xx x. ..", ""), ("x. xx x. .. x. xx .x ..", "passed"),
            // Two, close together; and two one after the other.
            ("x. xx .x xx x. xx .x ..", "passed tailgating"), ("x. xx .x .. x. xx .x ..", "passed tailgating"),
            ("x. xx .x xx x. xx .x xx x. xx .x ..", "passed tailgating tailgating"),
            // One in and one out.
            ("x. xx .x .. .x xx x. ..", "passed wrongWay"), (".x xx x. .. x. xx .x ..", "wrongWay passed"),
            // The second one turns back.
            ("x. xx .x .. x. xx x. ..", "passed"),
        ])
    func beams(script: String, expected: String) {
        let lane = Self.makeLane(.beams)
        lane.present()
        Self.play(script, on: lane)
        let found = lane.records.compactMap { record -> String? in
            switch record.event {
            case .ended(let outcome): "\(outcome.end)"
            case .pulse(let pulse, _, _): "\(pulse)"
            default: nil
            }
        }
        #expect(found.joined(separator: " ") == expected)
        #expect(lane.isReleased == !expected.contains("passed"))
    }

    @Test("somebody in the beams is not annulled, and who turns back after his time is", arguments: [true, false])
    func slow(turnsBack: Bool) {
        let lane = Self.makeLane(.beams)
        lane.present()
        lane.wait(4800)
        Self.play("x. xx", on: lane)
        #expect(lane.wait(10_000) < 3, "it does not spin")
        #expect(lane.isReleased)
        #expect(lane.releaseLine)
        Self.play(turnsBack ? "x. .." : ".x ..", on: lane, from: (true, true))
        #expect(lane.ends == [turnsBack ? .annulled : .passed])
        #expect(!lane.releaseLine)
    }

    @Test("a beam that is stuck is told, and cuts the release that it hides: nobody knows whether somebody walked")
    func stuckBeam() {
        let lane = Self.makeLane(.beams)
        lane.present()
        lane.handle(.contact(.forward, closed: true))
        lane.wait(29_999)
        #expect(lane.isReleased)
        lane.wait(1)
        #expect(lane.ends == [.interrupted])
        #expect(lane.records.contains { $0.event == .contact(.forward, stuck: true) })
        lane.handle(.contact(.forward, closed: false))
        lane.wait(700)
        lane.present(2)
        Self.play("x. xx .x ..", on: lane)
        #expect(lane.ends == [.interrupted, .passed])
    }

    @Test("two beams without a release: forced one way, wrong way the other, and in an emergency anonymous both ways")
    func beamsWithoutRelease() {
        let lane = Self.makeLane(.beams)
        Self.play("x. xx .x .. , .x xx x. ..", on: lane)
        #expect(lane.pulses == [.forced, .wrongWay])
        lane.handle(.fire(alarm: true))
        Self.play("x. xx .x .. , .x xx x. ..", on: lane)
        #expect(lane.tally["anonymousForward"] == 1 && lane.tally["anonymousBackward"] == 1)
    }

    @Test("a random crowd in the beams: who walked is counted once, in his direction, whoever hesitates or turns back")
    func beamCrowd() {
        var random = SeededGenerator(for: "crowd in the beams")
        let forward = ["x. xx .x ..", "x. xx x. xx .x ..", "x. xx .x xx .x ..", "x. .. , .x .."]
        let backward = [".x xx x. ..", ".x xx .x xx x. ..", ".x .. , x. .."]
        let nobody = ["x. ..", ".x ..", "x. xx x. ..", ".x xx .x ..", "x. xx .x xx x. .."]
        for _ in 0..<200 {
            let lane = Self.makeLane(.beams)
            lane.handle(.fire(alarm: true))
            var expected = (forward: 0, backward: 0)
            for _ in 0..<20 {
                let sort = Int.random(in: 0...2, using: &random)
                let scripts = [forward, backward, nobody][sort]
                Self.play("\(scripts[Int.random(in: 0..<scripts.count, using: &random)]) -", on: lane)
                if sort == 0 { expected.forward += 1 } else if sort == 1 { expected.backward += 1 }
            }
            #expect(lane.tally["anonymousForward", default: 0] == expected.forward, "seed \(random.seed)")
            #expect(lane.tally["anonymousBackward", default: 0] == expected.backward, "seed \(random.seed)")
        }
    }

    @Test("one beam is one contact: it knows no direction, and who breaks it uses the release")
    func oneBeam() {
        let lane = makeQuickLane()
        lane.present()
        lane.pulse()
        lane.pulse()
        #expect(lane.ends == [.passed])
        #expect(lane.pulses == [.tailgating])
    }

    // MARK: A loop

    @Test("a vehicle has passed when the loop behind the boom is free again, however long it stands on it")
    func loop() {
        let lane = Self.makeLane(.loop)
        lane.present(makePresentation(credential: makeCredential(kind: .visitor)))
        lane.wait(19_000)
        lane.handle(.contact(.forward, closed: true))
        #expect(lane.ends == [])
        lane.wait(20_000)
        #expect(lane.releaseLine, "the boom does not fall on it")
        lane.handle(.contact(.forward, closed: false))
        #expect(lane.ends == [.passed])
        #expect(!lane.releaseLine)
        lane.handle(.contact(.forward, closed: true))
        lane.handle(.contact(.forward, closed: false))
        #expect(lane.pulses == [.tailgating])
    }

    @Test("nobody drives: annulled. On the loop for too long: interrupted, and told", arguments: [false, true])
    func loopNotUsed(isStuck: Bool) {
        let lane = Self.makeLane(.loop)
        lane.present()
        if isStuck { lane.handle(.contact(.forward, closed: true)) }
        #expect(lane.wait(19_999) < 3)
        #expect(lane.isReleased)
        lane.wait(20_000)
        #expect(lane.ends == [isStuck ? .interrupted : .annulled])
    }

    // MARK: No feedback

    @Test(
        "behind a gate that tells nothing a release counts when its time is over, marked as such",
        arguments: ReleaseMode.allCases, [LaneKind.entry, .exit])
    func absent(mode: ReleaseMode, kind: LaneKind) {
        let lane = Self.makeLane(.absent, kind, mode: mode)
        lane.present()
        lane.pulse()
        lane.wait(4959)
        #expect(lane.ends == [])
        lane.wait(1)
        #expect(lane.ends == [.passed])
        #expect(lane.outcomes.last?.isAssumed == true)
        #expect(lane.pulses == [])
        lane.wait(700)
        lane.present(2)
        lane.handle(.deviceLost(.gate))
        #expect(lane.ends == [.passed, .interrupted])
        #expect(lane.outcomes.last?.isAssumed == false)
        lane.handle(.deviceBack(.gate))
        lane.wait(700)
        lane.present(3)
        lane.handle(.stopping)
        #expect(lane.tally == ["presented": 3, "admitted": 3, "passed": 1, "interrupted": 2])
    }

    @Test("a passage that a sensor saw is not assumed", arguments: [PassageSensor.contacts, .loop])
    func seen(sensor: PassageSensor) {
        let lane = Self.makeLane(sensor)
        lane.present()
        lane.pulse()
        #expect(lane.outcomes.last?.isAssumed == false)
    }

    @Test(
        "admitted = passed + annulled + interrupted, whatever the sensor and the noise",
        arguments: PassageSensor.allCases)
    func balance(sensor: PassageSensor) {
        var random = SeededGenerator(for: "sensors")
        for _ in 0..<30 {
            let lane = Self.makeLane(sensor)
            for turn in 0..<300 {
                switch Int.random(in: 0...9, using: &random) {
                case 0, 1: lane.present(UInt32(turn + 1))
                case 2...6:
                    lane.handle(
                        .contact(
                            Bool.random(using: &random) ? .forward : .backward, closed: Bool.random(using: &random)))
                case 7: lane.handle(Bool.random(using: &random) ? .deviceLost(.gate) : .deviceBack(.gate))
                default: #expect(lane.wait(Int64.random(in: 0...12_000, using: &random)) < 100, "it spins")
                }
            }
            lane.handle(.deviceBack(.gate))
            lane.handle(.contact(.forward, closed: false))
            lane.handle(.contact(.backward, closed: false))
            lane.wait(60_000)
            let ended = ["passed", "annulled", "interrupted"].reduce(0) { $0 + lane.tally[$1, default: 0] }
            #expect(lane.tally["admitted", default: 0] == ended, "seed \(random.seed)")
            #expect(!lane.releaseLine)
            lane.wait(1000)
            lane.present(5000)
            #expect(lane.releaseLine, "seed \(random.seed): no way out")
        }
    }
}
