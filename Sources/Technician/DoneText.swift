import Control

/// What a command came to, for people: `the lane is locked (technician)`.
struct DoneText {
    let done: CommandReply

    var text: String {
        let cause = done.modeCause == "none" ? "" : " (\(words(done.modeCause)))"
        var lines = ["the lane is \(words(done.mode))\(cause)"]
        if done.clock != "trusted" { lines.append("its wall clock is NOT TRUSTED: \(words(done.clock))") }
        return (lines + done.notes).map { "\($0)\n" }.joined()
    }

    private func words(_ name: String) -> String { String(name.map { $0 == "-" ? " " : $0 }) }
}
