import CYAML

/// Builds the tree of one document from libyaml's events.
///
/// Bounded: depth, nodes, and (by the caller) bytes. What YAML has and configuration here does not (aliases,
/// anchors, tags, more documents, keys that are no single values, doubled keys) is reported where it stands, and
/// reading goes on, so that all of it is found at once. Only broken syntax or a passed bound ends it.
struct NodeParser: ~Copyable {
    static let maximumDepth = 16
    static let maximumNodes = 20_000

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let problems: ProblemList
    private let text: UnsafeBufferPointer<UInt8>
    private var nodes = 0

    /// Parsing cannot go on; the problem is in the list.
    private struct Stop: Error {}

    /// nil when there is no document, or after a problem that ends reading.
    static func parse(_ text: UnsafeBufferPointer<UInt8>, problems: ProblemList) -> Node? {
        guard var parser = NodeParser(text, problems) else {
            problems.add(nil, "", "not enough memory to read it")
            return nil
        }
        do throws(Stop) { return try parser.document() } catch { return nil }
    }

    private init?(_ text: UnsafeBufferPointer<UInt8>, _ problems: ProblemList) {
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            return nil
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text.baseAddress, text.count)
        self.parser = parser
        self.problems = problems
        self.text = text
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    // MARK: Events

    /// What of an event is used, copied out of libyaml's memory.
    private struct Event {
        enum Kind {
            case documentStart, documentEnd, streamEnd, alias
            case scalar(String, isPlain: Bool)
            case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        }
        let kind: Kind
        let position: Position
        let hasAnchor: Bool
        let hasTag: Bool
    }

    private mutating func next() throws(Stop) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxProblem() }
        defer { yaml_event_delete(&event) }
        let position = Position(event.start_mark)
        func make(_ kind: Event.Kind, anchor: UnsafeMutablePointer<yaml_char_t>? = nil, tag: Bool = false) -> Event {
            Event(kind: kind, position: position, hasAnchor: anchor != nil, hasTag: tag)
        }
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: return make(.documentStart)
        case YAML_DOCUMENT_END_EVENT: return make(.documentEnd)
        case YAML_ALIAS_EVENT: return make(.alias)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return make(.sequenceStart, anchor: start.anchor, tag: start.tag != nil)
        case YAML_SEQUENCE_END_EVENT: return make(.sequenceEnd)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return make(.mappingStart, anchor: start.anchor, tag: start.tag != nil)
        case YAML_MAPPING_END_EVENT: return make(.mappingEnd)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return make(
                .scalar(String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE),
                anchor: scalar.anchor, tag: scalar.tag != nil)
        case YAML_STREAM_START_EVENT: return try next()
        default: return make(.streamEnd)
        }
    }

    /// libyaml's problem in its words, at its place.
    private func syntaxProblem() -> Stop {
        let state = parser.pointee
        let mark = state.problem == nil ? state.mark : state.problem_mark
        let position = Position(mark)
        if state.error == YAML_MEMORY_ERROR {
            problems.add(nil, "", "not enough memory to read it")
        } else if mark.index < text.count, startsWithTab(position.line) {
            problems.add(position, "", "this line is indented with a tab; indent with spaces")
        } else {
            let problem = state.problem.map { String(cString: $0) } ?? "the syntax is not YAML"
            let context =
                state.context.map { " \(String(cString: $0)) begun at line \(state.context_mark.line + 1)" } ?? ""
            problems.add(position, "", "the file is not valid YAML: \(problem)\(context)")
        }
        return Stop()
    }

    private func startsWithTab(_ line: Int) -> Bool {
        let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
        guard line >= 1, line <= lines.count else { return false }
        return lines[line - 1].first { $0 != 0x20 } == 0x09
    }

    // MARK: The tree

    private mutating func document() throws(Stop) -> Node? {
        guard case .documentStart = try next().kind else { return nil }
        let root = try node(try next(), path: "", depth: 1)
        _ = try next()
        let after = try next()
        if case .streamEnd = after.kind { return root }
        problems.add(after.position, "", "a second document ('---') begins here; one file holds one document")
        return root
    }

    private mutating func node(_ event: Event, path: String, depth: Int) throws(Stop) -> Node {
        nodes += 1
        guard nodes <= NodeParser.maximumNodes else {
            throw stop(event, path, "the file has more than \(NodeParser.maximumNodes) values")
        }
        guard depth <= NodeParser.maximumDepth else {
            throw stop(event, path, "settings are nested deeper than \(NodeParser.maximumDepth) levels")
        }
        if event.hasAnchor {
            problems.add(event.position, path, "anchors (&name) are not accepted; write the value out")
        }
        if event.hasTag { problems.add(event.position, path, "tags (!name) are not accepted; write the value alone") }
        let content: Node.Content
        switch event.kind {
        case .scalar(let text, let isPlain): content = .scalar(text, isPlain: isPlain)
        case .sequenceStart: content = .sequence(try items(path, depth))
        case .mappingStart: content = .mapping(try entries(path, depth))
        case .alias:
            problems.add(event.position, path, "aliases (*name) are not accepted; write the value out")
            content = .refused
        default: content = .refused
        }
        return Node(position: event.position, content: content)
    }

    private func stop(_ event: Event, _ path: String, _ message: String) -> Stop {
        problems.add(event.position, path, message)
        return Stop()
    }

    private mutating func items(_ path: String, _ depth: Int) throws(Stop) -> [Node] {
        var items: [Node] = []
        while true {
            let event = try next()
            if case .sequenceEnd = event.kind { return items }
            items.append(try node(event, path: "\(path)[\(items.count)]", depth: depth + 1))
        }
    }

    private mutating func entries(_ path: String, _ depth: Int) throws(Stop) -> [Node.Entry] {
        var entries: [Node.Entry] = []
        var firstPositions: [String: Position] = [:]
        while true {
            let event = try next()
            if case .mappingEnd = event.kind { return entries }
            guard case .scalar(let key, _) = event.kind else {
                // The key and its value are read over.
                problems.add(event.position, path, "a key must be a single name")
                _ = try node(event, path: path, depth: depth + 1)
                _ = try node(try next(), path: path, depth: depth + 1)
                continue
            }
            let keyPath = joined(path, key)
            let keyNode = try node(event, path: keyPath, depth: depth + 1)
            let value = try node(try next(), path: keyPath, depth: depth + 1)
            if let first = firstPositions[key] {
                problems.add(
                    keyNode.position, keyPath, "the key is already given at line \(first.line); keep one of the two")
            } else {
                firstPositions[key] = keyNode.position
                entries.append(Node.Entry(key: key, keyPosition: keyNode.position, value: value))
            }
        }
    }
}

extension Position {
    /// libyaml counts from 0.
    init(_ mark: yaml_mark_t) {
        self.init(line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
    }
}

/// `lane` and `id` → `lane.id`. A key with characters that would blur the path is quoted.
func joined(_ path: String, _ key: String) -> String {
    let simple =
        !key.isEmpty && key.utf8.count <= 64
        && key.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || ("0"..."9").contains($0) || "_-".unicodeScalars.contains($0)
        }
    let shown = simple ? key : quoted(key)
    return path.isEmpty ? shown : "\(path).\(shown)"
}
