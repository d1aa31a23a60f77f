import CommandLine
import Testing

private let config = Flag.path("config", "FILE", help: "the configuration")
private let check = Flag.present("check-config", help: "check it and end")
private let lanes = Flag.integer("lanes", "N", in: 1...64, default: 4, help: "how many lanes")
private let length = Flag.seconds("for", in: 0.5...3600, default: 60, help: "how long")
private let mode = Flag.choice("mode", ["level", "pulse"], default: "level", help: "how to release")
private let summary = Flag.path("summary", "FILE", help: "where to write a summary").optional
private let daemon = Program(
    name: "lanekeeperd", summary: "decides at one lane", flags: [config, check, lanes, length, mode, summary])

private let follow = Flag.present("follow", help: "go on as events come")
private let json = Flag.present("json", help: "print JSON")
private let lane = Flag.text("lane", "ID", default: "north-07", help: "which lane")
private let lanectl = Program(
    name: "lanectl", summary: "looks into a lane", flags: [lane],
    subcommands: [
        Subcommand("status", summary: "how the lane is", flags: [json]),
        Subcommand("events", summary: "what happened", flags: [follow]),
        Subcommand(
            "explain", summary: "why a badge may pass", flags: [json],
            operands: [Operand("BADGE", help: "its number"), Operand("AT", required: false, help: "when")]),
    ])

private func run(_ program: Program, _ arguments: String...) throws -> Arguments {
    guard case .run(let parsed) = try program.parse(arguments) else {
        Issue.record("\(arguments) shows a text instead of running")
        throw UnexpectedText()
    }
    return parsed
}

private struct UnexpectedText: Error {}

private func shown(_ program: Program, _ arguments: String...) throws -> String? {
    guard case .show(let text) = try program.parse(arguments) else { return nil }
    return text
}

@Suite struct ProgramTests {
    @Test("values are read after a space or an equals sign, and defaults fill the rest")
    func values() throws {
        let arguments = try run(daemon, "--config", "/etc/a b.yaml", "--lanes=64", "--for", "0.5", "--check-config")
        #expect(arguments[config] == "/etc/a b.yaml")
        #expect(arguments[lanes] == 64)
        #expect(arguments[length] == 0.5)
        #expect(arguments[check])
        #expect(arguments[mode] == "level")
        #expect(arguments[summary] == nil)
        let others = try run(daemon, "--config=a=b", "--summary", "-", "--mode=pulse")
        #expect(others[config] == "a=b")
        #expect(others[summary] == "-")
        #expect(others[mode] == "pulse")
        #expect(others[lanes] == 4)
        #expect(!others[check])
    }

    @Test("flags of the program stand before or after the subcommand")
    func subcommands() throws {
        for arguments in [
            ["--lane", "n-1", "explain", "--json", "04A1"], ["explain", "04A1", "--json", "--lane=n-1"],
        ] {
            guard case .run(let parsed) = try lanectl.parse(arguments) else {
                Issue.record("\(arguments)")
                continue
            }
            #expect(parsed.subcommand == "explain")
            #expect(parsed.operand("BADGE") == "04A1")
            #expect(parsed.operand("AT") == nil)
            #expect(parsed[json])
            #expect(parsed[lane] == "n-1")
        }
    }

    @Test("after -- everything is an operand")
    func dashes() throws {
        let arguments = try run(lanectl, "explain", "--", "--json", "-h")
        #expect(arguments.operand("BADGE") == "--json")
        #expect(arguments.operand("AT") == "-h")
        #expect(!arguments[json])
    }

    @Test(
        "what is wrong is said with what is allowed and where to read on",
        arguments: [
            (
                ["--confg", "x"],
                "unknown flag '--confg'; did you mean --config? Allowed here: --config, --check-config,"
            ),
            (["--banana"], "unknown flag '--banana'. Allowed here: --config,"),
            (["-x"], "unknown flag '-x'. Allowed here: --config,"),
            (["-config", "x"], "unknown flag '-config'; did you mean --config? Allowed here: --config,"),
            ([], "--config FILE is missing: the configuration. Try 'lanekeeperd --help'"),
            (["--config"], "--config needs a value: --config FILE. Try"),
            (
                ["--config", "--check-config"],
                "--config needs a value: --config FILE; for a value that begins with dashes write --config=--check-config"
            ),
            (["--config="], "--config is ''; expected a path"),
            (["--config=a", "--config=b"], "--config is given twice; give it once"),
            (["--config=a", "--check-config=yes"], "--check-config takes no value; give it alone"),
            (["--config=a", "--lanes", "65"], "--lanes is '65'; expected a whole number from 1 to 64"),
            (["--config=a", "--lanes", "-5"], "--lanes is '-5'; expected a whole number from 1 to 64"),
            (["--config=a", "--lanes", "4x"], "--lanes is '4x'; expected a whole number"),
            (["--config=a", "--lanes", "99999999999999999999"], "expected a whole number from 1 to 64"),
            (["--config=a", "--for", "nan"], "--for is 'nan'; expected seconds from 0.5 to 3600"),
            (["--config=a", "--for", "0x10"], "expected seconds from 0.5 to 3600"),
            (["--config=a", "--for", "1e3"], "expected seconds from 0.5 to 3600"),
            (["--config=a", "--mode", "both"], "--mode is 'both'; expected one of level, pulse"),
            (["--config=a", "extra"], "unexpected argument 'extra'; this takes none"),
        ])
    func refused(arguments: [String], expected: String) {
        #expect {
            try daemon.parse(arguments)
        } throws: {
            let text = "\($0)"
            if !text.contains(expected) { print(text) }
            return text.contains(expected) && text.hasSuffix("Try 'lanekeeperd --help'")
        }
    }

    @Test(
        "subcommands have errors of their own",
        arguments: [
            ([], "a command is missing. Allowed here: status, events, explain. Try 'lanectl --help'"),
            (["statsu"], "unknown command 'statsu'; did you mean status? Allowed here: status, events, explain"),
            (["--json", "status"], "--json belongs to 'lanectl status'; give it after that word"),
            (["events", "--json"], "--json belongs to 'lanectl status'"),
            (["explain"], "BADGE is missing: its number. Try 'lanectl explain --help'"),
            (["explain", "a", "b", "c"], "unexpected argument 'c'; expected only BADGE AT"),
        ])
    func refusedSubcommand(arguments: [String], expected: String) {
        #expect {
            try lanectl.parse(arguments)
        } throws: {
            let text = "\($0)"
            if !text.contains(expected) { print(text) }
            return text.contains(expected)
        }
    }

    @Test("help wins over what is wrong, and lists every flag with its default")
    func helpText() throws {
        let text = try #require(try shown(daemon, "--banana", "--help"))
        #expect(
            text == """
                lanekeeperd: decides at one lane

                Usage: lanekeeperd --config FILE [--check-config] [--lanes N] [--for SECONDS] [--mode level|pulse] \
                [--summary FILE]

                Flags:
                  --config FILE       the configuration
                  --check-config      check it and end
                  --lanes N           how many lanes (default 4)
                  --for SECONDS       how long (default 60)
                  --mode level|pulse  how to release (default level)
                  --summary FILE      where to write a summary
                  -h, --help          show this
                  --version           show the version

                """)
    }

    @Test("the help of a subcommand, and of a program that has some")
    func subcommandHelp() throws {
        #expect(
            try shown(lanectl, "explain", "-h") == """
                lanectl explain: why a badge may pass

                Usage: lanectl explain [--json] [--lane ID] BADGE [AT]

                Arguments:
                  BADGE  its number
                  AT     when

                Flags:
                  --json      print JSON
                  --lane ID   which lane (default north-07)
                  -h, --help  show this
                  --version   show the version

                """)
        let overview = try #require(try shown(lanectl, "--help"))
        #expect(overview.contains("Usage: lanectl [--lane ID] COMMAND …\n"))
        #expect(overview.contains("  explain BADGE [AT]  why a badge may pass\n"))
        #expect(overview.hasSuffix("More on a command: lanectl status --help\n"))
    }

    @Test("the version")
    func version() throws {
        #expect(try shown(daemon, "--version") == "lanekeeperd \(lanekeeperVersion)\n")
    }
}
