/// A place in a file, both counted from 1; columns are characters, not bytes.
public struct Position: Equatable, Hashable, Sendable {
    public let line: Int
    public let column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// One value of a YAML file, and where it stands.
public struct Node: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        /// `isPlain`: written without quotes, so that it may be a number, a truth or nothing.
        case scalar(String, isPlain: Bool)
        case sequence([Node])
        case mapping([Entry])
        /// Already reported (an alias, say): nothing more is said of it.
        case refused
    }

    /// One `key: value` of a mapping.
    public struct Entry: Equatable, Sendable {
        public let key: String
        public let keyPosition: Position
        public let value: Node
    }

    public let position: Position
    public let content: Content

    /// Whether the other has the same contents, wherever they stand and in whatever order its settings are.
    func saysTheSame(as other: Node) -> Bool {
        switch (content, other.content) {
        case (.sequence(let these), .sequence(let those)):
            return these.count == those.count && zip(these, those).allSatisfy { $0.saysTheSame(as: $1) }
        case (.mapping(let these), .mapping(let those)):
            return these.count == those.count
                && these.allSatisfy { entry in
                    those.contains { $0.key == entry.key && $0.value.saysTheSame(as: entry.value) }
                }
        default: return content == other.content
        }
    }

    /// How messages name it.
    var kind: String {
        switch content {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a group of settings"
        case .refused: "something that is not accepted"
        }
    }

    /// Whether nothing was written after the colon, or one of YAML's words for nothing.
    var isNothing: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}
