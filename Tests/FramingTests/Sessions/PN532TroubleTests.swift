import Admission
import Framing
import Testing

/// A chip at the other end of the line, on the same virtual clock, that garbles, loses and restarts at random.
private struct TroubledChip {
    static let acknowledge = bytes("0000ff00ff00")
    static let again = bytes("0000ffff0000")
    static let none = bytes("0000ff03fdd54b00e000")
    static let target = bytes("0000ff0cf4d54b01010004080424d34f592f00")
    static let uid = "24d34f59"

    enum Word: CaseIterable { case configureSAM, limitRetries, listTarget, stop, again }

    static let words: [(Word, [UInt8])] = [
        (.configureSAM, bytes("0000ff03fdd414011700")), (.limitRetries, bytes("0000ff06fad43205ff0102f300")),
        (.listTarget, bytes("0000ff04fcd44a0100e100")), (.stop, acknowledge), (.again, again),
    ]

    var random: SeededBytes
    var isAwake = false
    /// So many of its next answers come with a wrong bit, so many of its words not at all.
    var garbles = 0
    var losses = 0
    var held: [UInt8] = []
    var last: [UInt8]?
    /// What it is about to say, and when the line has it.
    var saying: (bytes: [UInt8], at: Int64)?
    var isListing = false

    mutating func hear(_ sent: ArraySlice<UInt8>, now: Int64) -> [[UInt8]] {
        if sent.starts(with: [0x55, 0x55]) { isAwake = true }
        guard isAwake else { return [] }
        held.append(contentsOf: sent)
        var said: [[UInt8]] = []
        while let (word, end) = firstWord() {
            held.removeFirst(end)
            switch word {
            case .stop: saying = nil
            case .again: if let last, saying == nil { say(last, now: now, within: 5) }
            case .configureSAM, .limitRetries, .listTarget:
                said.append(Self.acknowledge)
                isListing = word == .listTarget
                let answer = word == .configureSAM ? bytes("0000ff02fed5151600") : bytes("0000ff02fed533f800")
                say(isListing ? [] : answer, now: now, within: isListing ? 30 : 2)
            }
        }
        return said
    }

    private mutating func say(_ answer: [UInt8], now: Int64, within most: Int64) {
        saying = (answer, now + Int64.random(in: 1...most, using: &random))
    }

    private func firstWord() -> (Word, Int)? {
        for start in held.indices {
            for (word, text) in Self.words where held[start...].starts(with: text) { return (word, start + text.count) }
        }
        return nil
    }

    /// What stands on the line by now.
    mutating func speak(now: Int64, hasTarget: Bool) -> [UInt8] {
        guard let (answer, at) = saying, now >= at else { return [] }
        saying = nil
        var whole = answer.isEmpty ? (hasTarget ? Self.target : Self.none) : answer
        last = whole
        if garbles > 0 {
            garbles -= 1
            whole[Int.random(in: 3..<whole.count - 1, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
        }
        return whole
    }

    mutating func restart() {
        (isAwake, last, saying) = (false, nil, nil)
        held = []
    }

    mutating func isLost() -> Bool {
        guard losses > 0 else { return false }
        losses -= 1
        return true
    }
}

/// Session and chip, one millisecond a step.
private struct Conversation {
    var feed = Feed(PN532Session())
    var chip: TroubledChip
    var heard = 0
    var hasTarget = false
    /// The longest time without an answer for a target, after the first one.
    var longestGap: Int64 = 0

    init(seed: UInt64) { chip = TroubledChip(random: SeededBytes(state: seed)) }

    mutating func run(milliseconds: Int64) {
        let end = feed.now.advanced(byMilliseconds: milliseconds)
        while feed.now < end {
            let now = feed.now.milliseconds(since: MonotonicTime(milliseconds: 0))
            let sent = feed.sent[heard...]
            heard = feed.sent.count
            var said = chip.hear(sent, now: now)
            said.append(chip.speak(now: now, hasTarget: hasTarget))
            for word in said where !word.isEmpty && !chip.isLost() { feed.receive(word) }
            feed.wait(milliseconds: 1)
            if let last = feed.session.lastFrame { longestGap = max(longestGap, feed.now.milliseconds(since: last)) }
        }
    }
}

@Suite("PN532 in trouble")
struct PN532TroubleTests {
    enum Trouble: CaseIterable { case garbles, loses, both, restarts, everything }

    static let second: Int64 = 1000

    @Test(
        "up to eight answers in a row garbled, three words lost, its power gone: never silent for a second, and a badge held for one is read",
        arguments: Trouble.allCases, 1...40 as ClosedRange<UInt64>)
    func recovers(trouble: Trouble, seed: UInt64) {
        var talk = Conversation(seed: seed)
        talk.run(milliseconds: 300)
        #expect(talk.feed.session.lastFrame != nil, "seed \(seed)")
        for _ in 1...10 {
            talk.run(milliseconds: Int64.random(in: 1...200, using: &talk.chip.random))
            switch trouble {
            case .garbles: talk.chip.garbles = Int.random(in: 1...8, using: &talk.chip.random)
            case .loses: talk.chip.losses = Int.random(in: 1...3, using: &talk.chip.random)
            case .both: (talk.chip.garbles, talk.chip.losses) = (3, 1)
            case .restarts: talk.chip.restart()
            case .everything:
                talk.chip.restart()
                (talk.chip.garbles, talk.chip.losses) = (1, 1)
            }
            let before = talk.feed.chips.count
            talk.hasTarget = true
            talk.run(milliseconds: Self.second)
            #expect(talk.feed.chips.count > before, "seed \(seed)")
            talk.hasTarget = false
            talk.run(milliseconds: 100)
        }
        #expect(talk.longestGap < Self.second, "seed \(seed)")
        #expect(talk.feed.chips.allSatisfy { $0 == TroubledChip.uid }, "seed \(seed)")
    }
}
