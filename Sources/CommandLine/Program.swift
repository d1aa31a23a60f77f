import Posix

/// The version that `--version` shows.
public let lanekeeperVersion = "0.1.0"

/// What a program accepts on its command line, and so its help and its errors.
///
/// Flags of the program itself may stand before or after the subcommand. `--` ends the flags. `--help` (`-h`) and
/// `--version` win over everything else that is wrong.
public struct Program: Sendable {
    public let name: String
    public let summary: String
    public let version: String
    public let flags: [any FlagDeclaration]
    public let subcommands: [Subcommand]
    public let operands: [Operand]

    /// A program has subcommands or operands, not both.
    public init(
        name: String, summary: String, version: String = lanekeeperVersion, flags: [any FlagDeclaration] = [],
        subcommands: [Subcommand] = [], operands: [Operand] = []
    ) {
        self.name = name
        self.summary = summary
        self.version = version
        self.flags = flags
        self.subcommands = subcommands
        self.operands = operands
    }

    /// What the arguments ask for; pure.
    public enum Request: Sendable {
        case run(Arguments)
        /// Print this to stdout and end well.
        case show(String)
    }

    public func parse(_ arguments: [String]) throws(UsageFailure) -> Request {
        var parser = ArgumentParser(self)
        return try parser.parse(arguments)
    }

    /// Parses this process's arguments. Shows help, the version or the error and ends the process (0 or 64) when
    /// there is nothing to run.
    public func parseOrExit(_ arguments: [String] = Invocation.arguments) -> Arguments {
        do throws(UsageFailure) {
            switch try parse(arguments) {
            case .run(let arguments): return arguments
            case .show(let text):
                do throws(SystemFailure) { try StandardOutput.write(text) } catch { fail(error.description) }
                Exit.now(.success)
            }
        } catch {
            fail(error.description, .usage)
        }
    }

    /// Ends the process with `NAME: message` on stderr.
    public func fail(_ message: String, _ status: ExitStatus = .failure) -> Never {
        _ = try? StandardOutput.writeError("\(name): \(message)\n")
        Exit.now(status)
    }
}

/// Arguments that are not accepted: what, where, and what to do.
public struct UsageFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
}
