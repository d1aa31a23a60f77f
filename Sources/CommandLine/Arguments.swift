/// The arguments of one run, checked: every value is what its flag accepts, everything required is there.
public struct Arguments: Sendable {
    /// The subcommand; empty for a program without.
    public let subcommand: String
    let texts: [String: String]
    let operandTexts: [String: String]

    /// The flag's value, or its default. Asking for a required flag that the program or the chosen subcommand does
    /// not declare is a mistake in the program.
    public subscript<Value>(flag: Flag<Value>) -> Value {
        if let text = texts[flag.name], let value = try? flag.read(text) { return value }
        guard let absent = flag.absent else { preconditionFailure("--\(flag.name) is not declared for this command") }
        return absent
    }

    /// The operand's text; nil when it was left out.
    public func operand(_ name: String) -> String? { operandTexts[name] }
}
