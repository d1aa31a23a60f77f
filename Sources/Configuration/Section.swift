import Posix

/// A group of settings being read: one mapping of the file.
///
/// Every getter marks its key as known. Without `default` a setting is required. What is returned after a problem
/// is a stand-in of the right type, for `ConfigurationReader.finish` throws then.
public final class Section {
    /// The path of this group's key; empty at the top.
    public let path: String
    /// Where the group begins; nil for a required group that is missing.
    public let position: Position?
    let entries: [Node.Entry]
    let directory: String
    let problems: ProblemList
    private var known: [String] = []
    private var children: [Section] = []

    init(entries: [Node.Entry], position: Position?, path: String, directory: String, _ problems: ProblemList) {
        self.entries = entries
        self.position = position
        self.path = path
        self.directory = directory
        self.problems = problems
    }

    /// The keys of the file, in its order, known or not.
    public var keys: [String] { entries.map(\.key) }

    public func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

    /// Whether one single value stands there, and not a group or a list: where a setting may be either.
    public func holdsOneValue(_ key: String) -> Bool {
        guard let node = entries.first(where: { $0.key == key })?.value, case .scalar = node.content else {
            return false
        }
        return !node.isNothing
    }

    /// Reports something that only the program can see, such as two settings that exclude each other.
    public func refuse(_ key: String, _ message: String) {
        let entry = entries.first { $0.key == key }
        problems.add(entry?.value.position ?? position, joined(path, key), message)
    }

    // MARK: Groups and lists of groups

    /// A required group.
    public func section(_ key: String) -> Section {
        guard let node = required(key, "expected a group of settings (name: value)") else {
            return child([], nil, joined(path, key))
        }
        return group(node, joined(path, key))
    }

    /// A group that may be left out, or replaced by a word such as `absent`: nil then.
    public func optionalSection(_ key: String, orWord word: String? = nil) -> Section? {
        guard let node = optional(key) else { return nil }
        if let word, case .scalar(word, _) = node.content { return nil }
        let orWord = word.map { " or the word \($0)" } ?? ""
        return group(node, joined(path, key), orWord: orWord)
    }

    /// A list of groups. When it may be empty it may also be left out.
    public func sections(_ key: String, count: ClosedRange<Int>) -> [Section] {
        items(key, count: count).map { group($0.node, $0.path) }
    }

    /// A group whose keys are names that the user chooses, each with a group of its own.
    public func namedSections(_ key: String, names rule: TextRule) -> [(name: String, section: Section)] {
        guard let group = optionalSection(key) else { return [] }
        return group.entries.compactMap { entry in
            guard group.allowsName(entry, rule) else { return nil }
            return (entry.key, group.section(entry.key))
        }
    }

    /// A group whose keys are names that the user chooses, each with a text.
    public func namedTexts(
        _ key: String, names: TextRule, rule: TextRule = .line
    ) -> [(name: String, text: String)] {
        guard let group = optionalSection(key) else { return [] }
        return group.entries.compactMap { entry in
            guard group.allowsName(entry, names) else { return nil }
            return (entry.key, group.text(entry.key, rule: rule))
        }
    }

    private func allowsName(_ entry: Node.Entry, _ rule: TextRule) -> Bool {
        known.append(entry.key)
        if rule.accepts(entry.key) { return true }
        problems.add(
            entry.keyPosition, joined(path, entry.key),
            "\(quoted(entry.key)) is not accepted as a name; expected \(rule.expected)")
        return false
    }

    private func group(_ node: Node, _ path: String, orWord: String = "") -> Section {
        switch node.content {
        case .mapping(let entries): return child(entries, node.position, path)
        case .refused: break
        default:
            problems.add(
                node.position, path, "expected a group of settings (name: value)\(orWord), found \(found(node))")
        }
        return child([], nil, path)
    }

    private func child(_ entries: [Node.Entry], _ position: Position?, _ path: String) -> Section {
        let section = Section(entries: entries, position: position, path: path, directory: directory, problems)
        children.append(section)
        return section
    }

    // MARK: Finding

    func optional(_ key: String) -> Node? {
        if !known.contains(key) { known.append(key) }
        return entries.first { $0.key == key }?.value
    }

    /// nil, and reported, when it is missing. Nothing more is reported inside a group that is missing itself.
    func required(_ key: String, _ expected: @autoclosure () -> String) -> Node? {
        if let node = optional(key) { return node }
        if let position { problems.add(position, joined(path, key), "is missing; \(expected())") }
        return nil
    }

    /// The elements of a list, their number checked. A list that may be empty may also be left out.
    func items(_ key: String, count: ClosedRange<Int>) -> [(node: Node, path: String)] {
        let expected = "expected a list (a line '- …' for each element)"
        guard let node = count.lowerBound == 0 ? optional(key) : required(key, expected) else { return [] }
        let path = joined(self.path, key)
        switch node.content {
        case .sequence(let nodes):
            if !count.contains(nodes.count) {
                let number =
                    count.lowerBound == count.upperBound
                    ? "exactly \(count.lowerBound)" : "\(count.lowerBound) to \(count.upperBound)"
                problems.add(node.position, path, "the list has \(nodes.count) elements; expected \(number)")
            }
            return nodes.prefix(count.upperBound).enumerated().map { ($0.element, "\(path)[\($0.offset)]") }
        case .refused: return []
        default:
            problems.add(node.position, path, "\(expected), found \(found(node))")
            return []
        }
    }

    /// How a wrong value is shown.
    func found(_ node: Node) -> String {
        if node.isNothing { return "nothing" }
        if case .scalar(let text, _) = node.content { return quoted(text) }
        return node.kind
    }

    func reportUnknownKeys() {
        for entry in entries where !known.contains(entry.key) {
            let near =
                NearestName.suggestion(for: entry.key, among: known.filter { !has($0) })
                ?? NearestName.suggestion(for: entry.key, among: known)
            let meant = near.map { "; did you mean \($0)?" } ?? "."
            let allowed = known.isEmpty ? "Nothing is allowed here" : "Allowed here: \(known.joined(separator: ", "))"
            problems.add(entry.keyPosition, joined(path, entry.key), "unknown key\(meant) \(allowed)")
        }
        for child in children { child.reportUnknownKeys() }
    }
}
