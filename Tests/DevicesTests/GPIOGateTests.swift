import Admission
import Devices
import Posix
import Testing

@Suite("A gate on GPIO lines that are not there")
struct GPIOGateTests {
    @Test(
        "the chip is named, with what to do", arguments: ["/dev/gpiochip99", "/dev/null", "no-such-chip"])
    func missingChip(chip: String) throws {
        let start = MonotonicTime(milliseconds: 1)
        let gate = Gate.gpio(
            GPIOGateSettings(
                chip: chip, outputs: [.release: GPIOLine("relay0")], contacts: [.passageForward: GPIOLine("door0")]),
            at: start
        )
        let set = PollSet(capacity: 8)
        var losses: [DeviceFailure] = []
        gate.add(to: set)
        #expect(set.count == 0)
        gate.service(set, at: start) { if case .lost(let failure) = $0 { losses.append(failure) } }
        #expect(losses.count == 1)
        #expect(losses.first?.description.contains(chip) == true)
        #expect(losses.first?.advice.isEmpty == false)
        #expect(gate.presence == .lost)
        #expect(gate.nextDeadline == start.advanced(byMilliseconds: 100))

        let fire = FireLine.gpio(
            GPIOFireSettings(chip: chip, fire: GPIOLine("estop"), emergency: nil), at: start)
        #expect(fire.service(set, at: start) == .unknown)
        #expect(fire.service(set, at: start.advanced(byMilliseconds: 1000)) == .alarm)
        #expect(fire.failure != nil)
    }
}
