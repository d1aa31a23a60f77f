import Posix

struct ArgumentParser {
    private let program: Program
    private var subcommand: Subcommand?
    private var texts: [String: String] = [:]
    private var operandTexts: [String] = []
    private var wantsHelp = false
    private var wantsVersion = false
    private var firstFailure: UsageFailure?

    init(_ program: Program) { self.program = program }

    mutating func parse(_ arguments: [String]) throws(UsageFailure) -> Program.Request {
        // The first failure waits until the end: `--help` after it still shows help.
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                for operand in rest { note { (parser) throws(UsageFailure) in try parser.takeOperand(operand) } }
                break
            }
            if argument.hasPrefix("-"), argument != "-" {
                note { (parser) throws(UsageFailure) in try parser.takeFlag(argument, &rest) }
            } else {
                note { (parser) throws(UsageFailure) in try parser.takeOperand(argument) }
            }
        }
        if wantsHelp { return .show(HelpText(program).text(for: subcommand)) }
        if wantsVersion { return .show("\(program.name) \(program.version)\n") }
        if let firstFailure { throw firstFailure }
        return .run(try complete())
    }

    private mutating func note(_ step: (inout ArgumentParser) throws(UsageFailure) -> Void) {
        do throws(UsageFailure) { try step(&self) } catch { firstFailure = firstFailure ?? error }
    }

    // MARK: Flags

    private var declared: [any FlagDeclaration] { program.flags + (subcommand?.flags ?? []) }

    private mutating func takeFlag(
        _ argument: String, _ rest: inout ArraySlice<String>
    ) throws(UsageFailure) {
        switch argument {
        case "--help", "-h":
            wantsHelp = true
            return
        case "--version":
            wantsVersion = true
            return
        default: break
        }
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let shown = String(parts[0])
        let inline = parts.count > 1 ? String(parts[1]) : nil
        guard shown.hasPrefix("--"), let flag = declared.first(where: { "--\($0.name)" == shown }) else {
            throw unknownFlag(shown)
        }
        let text = try value(of: flag, inline, &rest)
        guard texts[flag.name] == nil else {
            throw failure("\(shown) is given twice; give it once")
        }
        texts[flag.name] = text
        do throws(ValueFailure) { try flag.check(text) } catch {
            throw failure("\(shown) is '\(cut(text))'; expected \(error.expected)")
        }
    }

    private func value(
        of flag: any FlagDeclaration, _ inline: String?, _ rest: inout ArraySlice<String>
    ) throws(UsageFailure) -> String {
        guard let placeholder = flag.placeholder else {
            guard inline == nil else { throw failure("--\(flag.name) takes no value; give it alone") }
            return ""
        }
        if let inline { return inline }
        guard let next = rest.first, !next.hasPrefix("--") else {
            let dashes =
                rest.first.map { "; for a value that begins with dashes write --\(flag.name)=\(cut($0))" } ?? ""
            throw failure("--\(flag.name) needs a value: --\(flag.name) \(placeholder)\(dashes)")
        }
        rest.removeFirst()
        return next
    }

    private func unknownFlag(_ shown: String) -> UsageFailure {
        let names = declared.map { "--\($0.name)" } + ["--help", "--version"]
        if let owner = program.subcommands.first(where: { $0.flags.contains { "--\($0.name)" == shown } }) {
            return failure("\(shown) belongs to '\(program.name) \(owner.name)'; give it after that word")
        }
        let near = NearestName.suggestion(for: shown, among: names).map { "; did you mean \($0)?" } ?? "."
        return failure("unknown flag '\(cut(shown))'\(near) Allowed here: \(names.joined(separator: ", "))")
    }

    // MARK: Operands

    private mutating func takeOperand(_ argument: String) throws(UsageFailure) {
        if !program.subcommands.isEmpty, subcommand == nil {
            guard let found = program.subcommands.first(where: { $0.name == argument }) else {
                let names = program.subcommands.map(\.name)
                let near = NearestName.suggestion(for: argument, among: names).map { "; did you mean \($0)?" } ?? "."
                throw failure(
                    "unknown command '\(cut(argument))'\(near) Allowed here: \(names.joined(separator: ", "))")
            }
            subcommand = found
            return
        }
        let operands = subcommand?.operands ?? program.operands
        guard operandTexts.count < operands.count else {
            let expected =
                operands.isEmpty
                ? "this takes none" : "expected only \(operands.map(\.name).joined(separator: " "))"
            throw failure("unexpected argument '\(cut(argument))'; \(expected)")
        }
        operandTexts.append(argument)
    }

    // MARK: The end

    private func complete() throws(UsageFailure) -> Arguments {
        if !program.subcommands.isEmpty, subcommand == nil {
            throw failure(
                "a command is missing. Allowed here: \(program.subcommands.map(\.name).joined(separator: ", "))")
        }
        for flag in declared where flag.isRequired && texts[flag.name] == nil {
            throw failure("--\(flag.name) \(flag.placeholder ?? "") is missing: \(flag.help)")
        }
        let operands = subcommand?.operands ?? program.operands
        for operand in operands.dropFirst(operandTexts.count) where operand.isRequired {
            throw failure("\(operand.name) is missing: \(operand.help)")
        }
        return Arguments(
            subcommand: subcommand?.name ?? "", texts: texts,
            operandTexts: Dictionary(uniqueKeysWithValues: zip(operands.map(\.name), operandTexts)))
    }

    private func failure(_ what: String) -> UsageFailure {
        let command = subcommand.map { "\(program.name) \($0.name)" } ?? program.name
        return UsageFailure(description: "\(what). Try '\(command) --help'")
    }

    private func cut(_ text: String) -> String {
        text.count > 80 ? text.prefix(80) + "…" : text
    }
}
