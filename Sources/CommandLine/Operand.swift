/// An argument that is known by its place: `lanectl explain BADGE`.
public struct Operand: Sendable {
    /// What stands for it in help, such as `BADGE`.
    public let name: String
    public let help: String
    public let isRequired: Bool

    public init(_ name: String, required: Bool = true, help: String) {
        self.name = name
        self.help = help
        isRequired = required
    }
}

/// One of the things a program can be told to do: `lanectl status`.
public struct Subcommand: Sendable {
    public let name: String
    public let summary: String
    public let flags: [any FlagDeclaration]
    public let operands: [Operand]

    /// Required operands come before those that may be left out.
    public init(
        _ name: String, summary: String, flags: [any FlagDeclaration] = [], operands: [Operand] = []
    ) {
        self.name = name
        self.summary = summary
        self.flags = flags
        self.operands = operands
    }
}
