/// How often lanes are given lists of who is inside: so many whole ones a second to all together, hundreds of lanes that begin
/// at once must not fill the wire; and none so often that the others get none.
struct PresenceTurns {
    static let wholeListsASecond = 8
    /// To one lane. It asks for another one only when it begins anew.
    static let wholeListAgainMilliseconds: UInt64 = 5000
    /// To one lane, of what changed. It asks every 10 s, each second at the most.
    static let listAgainMilliseconds: UInt64 = 500
    static let mostLanes = 4096

    struct Wait: Sendable, Hashable {
        var reason: String
        var seconds: Int
    }

    private struct Turn: Hashable {
        var lane: String
        var isWhole: Bool
    }

    /// From when on it is the lane's turn again, monotonic ns.
    private var next: [Turn: UInt64] = [:]
    /// Of how many lanes it is known that it is not their turn.
    var lanes: Int { next.count }
    private var given = 0
    private var givenSince: UInt64 = 0

    /// nil: it is given one now.
    ///
    /// - Parameters:
    ///   - lane: nil where nobody says who he is: all of those are bounded together only.
    ///   - now: monotonic ns.
    mutating func wait(of lane: String?, forWhole isWhole: Bool, now: UInt64) -> Wait? {
        let turn = lane.map { Turn(lane: $0, isWhole: isWhole) }
        if let turn, let from = next[turn], from > now {
            return Wait(
                reason: "lane \(turn.lane) was given \(isWhole ? "everybody" : "a list") just now",
                seconds: Int(clamping: (from - now + 999_999_999) / 1_000_000_000))
        }
        if isWhole {
            if now - givenSince >= 1_000_000_000 { (given, givenSince) = (0, now) }
            guard given < Self.wholeListsASecond else {
                return Wait(reason: "many lanes ask for everybody at once", seconds: 1)
            }
            given += 1
        }
        guard let turn else { return nil }
        if next.count >= Self.mostLanes { next = next.filter { $0.value > now } }
        // More lanes than there can be are bounded together.
        guard next.count < Self.mostLanes else { return nil }
        next[turn] = now + (isWhole ? Self.wholeListAgainMilliseconds : Self.listAgainMilliseconds) * 1_000_000
        return nil
    }
}
