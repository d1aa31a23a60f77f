/// At most 8 commands that wait for their turn: an LED, a beep and four rows of text, and two of somebody else's.
struct OSDPCommandQueue: Sendable {
    private var commands = InlineArray<8, OSDPCommand>(repeating: .poll)
    private var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ command: OSDPCommand) -> Bool {
        guard count < 8 else { return false }
        commands[count] = command
        count += 1
        return true
    }

    mutating func takeFirst() -> OSDPCommand? {
        guard count > 0 else { return nil }
        let first = commands[0]
        for index in 1..<count { commands[index - 1] = commands[index] }
        count -= 1
        return first
    }

    /// What shows an older state has no sense any more.
    mutating func removeFeedback() {
        var kept = 0
        for index in 0..<count {
            switch commands[index].code {
            case OSDPCode.led, OSDPCode.buzzer, OSDPCode.text: continue
            default:
                commands[kept] = commands[index]
                kept += 1
            }
        }
        count = kept
    }
}
