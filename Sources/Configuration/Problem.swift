/// One thing that is wrong with a file: `lane.yaml:3:7: lane.id: 'North' …`.
public struct Problem: Equatable, Sendable, CustomStringConvertible {
    public let file: String
    /// nil when the file as a whole is meant.
    public let position: Position?
    /// The key's path, such as `readers[0].port`; empty for the file itself.
    public let path: String
    /// What is wrong and what is allowed.
    public let message: String

    public init(file: String, position: Position?, path: String, message: String) {
        self.file = file
        self.position = position
        self.path = path
        self.message = message
    }

    public var description: String {
        let place = position.map { "\(file):\($0.line):\($0.column)" } ?? file
        return path.isEmpty ? "\(place): \(message)" : "\(place): \(path): \(message)"
    }
}

/// A file that is not accepted, with everything that is wrong with it, in the order of the file.
public struct ConfigurationFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// More are counted, not kept.
    public static let maximumProblems = 20

    /// At least one, at most `maximumProblems`.
    public let problems: [Problem]
    /// How many more there are.
    public let omitted: Int

    /// What is wrong with several files at once; nil for none.
    public static func joined(_ failures: [ConfigurationFailure]) -> ConfigurationFailure? {
        guard !failures.isEmpty else { return nil }
        let all = failures.flatMap(\.problems)
        let kept = Array(all.prefix(maximumProblems))
        return ConfigurationFailure(
            problems: kept, omitted: all.count - kept.count + failures.reduce(0) { $0 + $1.omitted })
    }

    /// A line for each problem.
    public var description: String {
        var lines = problems.map(\.description)
        if omitted > 0 { lines.append("… and \(omitted) more") }
        return lines.joined(separator: "\n")
    }
}

/// Where the problems of one file are gathered.
final class ProblemList {
    let file: String
    private var problems: [Problem] = []

    init(file: String) { self.file = file }

    var isEmpty: Bool { problems.isEmpty }

    func add(_ position: Position?, _ path: String, _ message: String) {
        problems.append(Problem(file: file, position: position, path: path, message: message))
    }

    func failure() -> ConfigurationFailure { failure(of: problems) }

    /// Of the problems whose path is wanted; nil for none.
    func failure(where isWanted: (String) -> Bool) -> ConfigurationFailure? {
        let wanted = problems.filter { isWanted($0.path) }
        return wanted.isEmpty ? nil : failure(of: wanted)
    }

    private func failure(of problems: [Problem]) -> ConfigurationFailure {
        let inOrder = problems.enumerated().sorted { first, second in
            let (a, b) = (first.element.position, second.element.position)
            return (a?.line ?? 0, a?.column ?? 0, first.offset) < (b?.line ?? 0, b?.column ?? 0, second.offset)
        }
        let kept = inOrder.prefix(ConfigurationFailure.maximumProblems).map(\.element)
        return ConfigurationFailure(problems: kept, omitted: problems.count - kept.count)
    }
}

/// A text of the file as messages show it: short, and unable to disturb a terminal.
func quoted(_ text: String) -> String {
    let shown = text.unicodeScalars.prefix(60).map { scalar -> String in
        isDisturbing(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    return "'\(shown.joined())\(text.unicodeScalars.count > 60 ? "…" : "")'"
}

/// Control characters, and those that break lines or turn the text around.
func isDisturbing(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
    default: false
    }
}
