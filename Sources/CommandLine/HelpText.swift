/// The text of `--help`, at most 100 columns for the texts this project writes.
struct HelpText {
    private let program: Program

    init(_ program: Program) { self.program = program }

    func text(for subcommand: Subcommand?) -> String {
        guard let subcommand else { return overview }
        let flags = subcommand.flags + program.flags
        var text = "\(program.name) \(subcommand.name): \(subcommand.summary)\n\n"
        text += "Usage: \(program.name) \(subcommand.name)\(usage(flags, subcommand.operands))\n"
        text += section("Arguments", subcommand.operands.map { ($0.name, $0.help) })
        return text + section("Flags", flags.map(row) + common)
    }

    private var overview: String {
        var text = "\(program.name): \(program.summary)\n\n"
        if program.subcommands.isEmpty {
            text += "Usage: \(program.name)\(usage(program.flags, program.operands))\n"
            text += section("Arguments", program.operands.map { ($0.name, $0.help) })
        } else {
            text += "Usage: \(program.name)\(usage(program.flags, [])) COMMAND …\n"
            text += section(
                "Commands",
                program.subcommands.map { command in
                    (([command.name] + command.operands.map(shape)).joined(separator: " "), command.summary)
                })
        }
        text += section("Flags", program.flags.map(row) + common)
        if let first = program.subcommands.first {
            text += "\nMore on a command: \(program.name) \(first.name) --help\n"
        }
        return text
    }

    private let common = [("-h, --help", "show this"), ("--version", "show the version")]

    private func usage(_ flags: [any FlagDeclaration], _ operands: [Operand]) -> String {
        let parts = flags.map { flag in flag.isRequired ? shape(flag) : "[\(shape(flag))]" } + operands.map(shape)
        return parts.map { " \($0)" }.joined()
    }

    private func shape(_ flag: any FlagDeclaration) -> String {
        flag.placeholder.map { "--\(flag.name) \($0)" } ?? "--\(flag.name)"
    }

    private func shape(_ operand: Operand) -> String {
        operand.isRequired ? operand.name : "[\(operand.name)]"
    }

    private func row(_ flag: any FlagDeclaration) -> (String, String) {
        (shape(flag), flag.defaultText.map { "\(flag.help) (default \($0))" } ?? flag.help)
    }

    private func section(_ title: String, _ rows: [(String, String)]) -> String {
        guard !rows.isEmpty else { return "" }
        let width = rows.map { $0.0.count }.max() ?? 0
        let lines = rows.map { "  \($0.0)\(String(repeating: " ", count: width - $0.0.count))  \($0.1)\n" }
        return "\n\(title):\n\(lines.joined())"
    }
}
