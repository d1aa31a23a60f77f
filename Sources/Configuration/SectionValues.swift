import Posix

// The getters for single values and lists of them.
extension Section {
    // MARK: Texts

    /// Any single value is taken as the text that stands there, with or without quotes.
    public func text(_ key: String, default absent: String? = nil, rule: TextRule = .line) -> String {
        value(key, absent, standIn: "", "expected \(rule.expected)") { self.text($0, $1, rule) }
    }

    /// nil when it is left out.
    public func optionalText(_ key: String, rule: TextRule = .line) -> String? {
        has(key)
            ? text(key, rule: rule)
            : {
                _ = optional(key); return nil
            }()
    }

    /// A list of texts. When it may be empty it may also be left out.
    public func texts(_ key: String, count: ClosedRange<Int>, rule: TextRule = .line) -> [String] {
        items(key, count: count).compactMap { text($0.node, $0.path, rule) }
    }

    /// A list of values that `read` makes of texts; it throws what is wrong with one. nil for a text that is refused.
    public func values<Value>(
        _ key: String, count: ClosedRange<Int>, expected: String, _ read: (String) throws -> Value
    ) -> [Value] {
        items(key, count: count).compactMap { node, path in
            guard let (text, _) = scalar(node, path, "expected \(expected)") else { return nil }
            do { return try read(text) } catch {
                return wrong(node, path, "\(error); expected \(expected)")
            }
        }
    }

    /// A path. A relative one is relative to the folder of the configuration file.
    public func path(_ key: String, default absent: String? = nil) -> String {
        resolved(text(key, default: absent, rule: .path))
    }

    public func optionalPath(_ key: String) -> String? {
        optionalText(key, rule: .path).map(resolved)
    }

    private func resolved(_ path: String) -> String {
        path.isEmpty || path.hasPrefix("/") || directory == "." ? path : "\(directory)/\(path)"
    }

    // MARK: Numbers

    /// A whole number, with the unit that messages name (`milliseconds`).
    public func integer(
        _ key: String, default absent: Int? = nil, in range: ClosedRange<Int>, unit: String = ""
    ) -> Int {
        value(key, absent, standIn: range.lowerBound, expected(range, unit)) { self.integer($0, $1, range, unit) }
    }

    public func optionalInteger(_ key: String, in range: ClosedRange<Int>, unit: String = "") -> Int? {
        has(key)
            ? integer(key, in: range, unit: unit)
            : {
                _ = optional(key); return nil
            }()
    }

    public func optionalNumber(_ key: String, in range: ClosedRange<Double>, unit: String = "") -> Double? {
        has(key)
            ? number(key, in: range, unit: unit)
            : {
                _ = optional(key); return nil
            }()
    }

    /// A decimal number such as `37.3`.
    public func number(
        _ key: String, default absent: Double? = nil, in range: ClosedRange<Double>, unit: String = ""
    ) -> Double {
        let expected = "expected a number from \(plain(range.lowerBound)) to \(plain(range.upperBound))\(suffix(unit))"
        return value(key, absent, standIn: range.lowerBound, expected) { node, path in
            guard let text = self.plainText(node, path, expected) else { return nil }
            guard isDecimal(text), let number = Double(text) else {
                return self.wrong(node, path, "\(quoted(text)) is not a number; \(expected)")
            }
            guard range.contains(number) else {
                return self.wrong(node, path, "\(quoted(text)) is out of range; \(expected)")
            }
            return number
        }
    }

    /// `true` or `false`, nothing else.
    public func truth(_ key: String, default absent: Bool? = nil) -> Bool {
        value(key, absent, standIn: false, "expected true or false") { node, path in
            guard let text = self.plainText(node, path, "expected true or false") else { return nil }
            guard text == "true" || text == "false" else {
                return self.wrong(node, path, "\(quoted(text)) is not accepted; expected true or false")
            }
            return text == "true"
        }
    }

    /// A length of time with its unit: `500 ms`, `5s`, `2 min`, `6 h`, `3 d`. Milliseconds.
    public func duration(
        _ key: String, defaultMilliseconds absent: Int64? = nil, inMilliseconds range: ClosedRange<Int64>
    ) -> Int64 {
        let expected =
            "expected \(LengthOfTime.text(range.lowerBound)) to \(LengthOfTime.text(range.upperBound)), "
            + "a whole number and ms, s, min, h or d"
        return value(key, absent, standIn: range.lowerBound, expected) { node, path in
            guard let text = self.plainText(node, path, expected) else { return nil }
            guard let milliseconds = LengthOfTime.milliseconds(text) else {
                return self.wrong(node, path, "\(quoted(text)) is not a length of time; \(expected)")
            }
            guard range.contains(milliseconds) else {
                return self.wrong(node, path, "\(quoted(text)) is out of range; \(expected)")
            }
            return milliseconds
        }
    }

    // MARK: Choices

    /// One of an enumeration's names (its raw values).
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, default absent: Choice? = nil
    ) -> Choice where Choice.RawValue == String {
        value(key, absent, standIn: firstCase(), expected(Choice.self)) { self.choice($0, $1) }
    }

    /// A list of an enumeration's names, each at most once. Left out it is `default`, or refused without one.
    public func choices<Choice: RawRepresentable & CaseIterable & Equatable>(
        _ key: String, default absent: [Choice]? = nil
    ) -> [Choice] where Choice.RawValue == String {
        if let absent, !has(key) {
            _ = optional(key)
            return absent
        }
        var chosen: [Choice] = []
        _ = required(key, "expected a list, each \(expected(Choice.self).dropFirst(9))")
        for (node, path) in items(key, count: 0...Choice.allCases.count) {
            guard let choice: Choice = choice(node, path) else { continue }
            if chosen.contains(choice) {
                problems.add(node.position, path, "'\(choice.rawValue)' is already in the list")
            } else {
                chosen.append(choice)
            }
        }
        return chosen
    }

    // MARK: -

    private func value<Value>(
        _ key: String, _ absent: Value?, standIn: @autoclosure () -> Value, _ expected: @autoclosure () -> String,
        _ read: (Node, String) -> Value?
    ) -> Value {
        if let absent {
            guard let node = optional(key) else { return absent }
            return read(node, joined(path, key)) ?? absent
        }
        guard let node = required(key, expected()) else { return standIn() }
        return read(node, joined(path, key)) ?? standIn()
    }

    private func wrong<Value>(_ node: Node, _ path: String, _ message: String) -> Value? {
        problems.add(node.position, path, message)
        return nil
    }

    /// The text of a single value; reported when it is none.
    private func scalar(_ node: Node, _ path: String, _ expected: String) -> (text: String, isPlain: Bool)? {
        switch node.content {
        case .refused: return nil
        case .scalar(let text, let isPlain):
            if node.isNothing { return wrong(node, path, "has no value; \(expected)") }
            return (text, isPlain)
        default: return wrong(node, path, "\(expected), found \(node.kind)")
        }
    }

    /// As `scalar`, but quotes are refused: `"5"` is a text in YAML.
    private func plainText(_ node: Node, _ path: String, _ expected: String) -> String? {
        guard let (text, isPlain) = scalar(node, path, expected) else { return nil }
        return isPlain ? text : wrong(node, path, "\(quoted(text)) is a text in quotes; \(expected), without quotes")
    }

    private func text(_ node: Node, _ path: String, _ rule: TextRule) -> String? {
        guard let (text, _) = scalar(node, path, "expected \(rule.expected)") else { return nil }
        return rule.accepts(text)
            ? text : wrong(node, path, "\(quoted(text)) is not accepted; expected \(rule.expected)")
    }

    private func integer(_ node: Node, _ path: String, _ range: ClosedRange<Int>, _ unit: String) -> Int? {
        let expected = expected(range, unit)
        guard let text = plainText(node, path, expected) else { return nil }
        guard isDecimal(text), !text.contains(".") else {
            return wrong(node, path, "\(quoted(text)) is not a whole number; \(expected)")
        }
        // More digits than fit are out of any range.
        guard let integer = Int(text), range.contains(integer) else {
            return wrong(node, path, "\(quoted(text)) is out of range; \(expected)")
        }
        return integer
    }

    private func choice<Choice: RawRepresentable & CaseIterable>(
        _ node: Node, _ path: String
    ) -> Choice? where Choice.RawValue == String {
        let expected = expected(Choice.self)
        guard let (text, _) = scalar(node, path, expected) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let meant =
            NearestName.suggestion(for: text, among: Choice.allCases.map(\.rawValue)).map { "; did you mean \($0)?" }
            ?? ";"
        return wrong(node, path, "\(quoted(text)) is not accepted\(meant) \(expected)")
    }

    private func expected(_ range: ClosedRange<Int>, _ unit: String) -> String {
        "expected a whole number from \(range.lowerBound) to \(range.upperBound)\(suffix(unit))"
    }

    private func expected<Choice: RawRepresentable & CaseIterable>(
        _: Choice.Type
    ) -> String where Choice.RawValue == String {
        "expected one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))"
    }

    private func firstCase<Choice: CaseIterable>() -> Choice {
        guard let first = Choice.allCases.first else { preconditionFailure("a choice needs at least one case") }
        return first
    }
}

private func suffix(_ unit: String) -> String { unit.isEmpty ? "" : " \(unit)" }

/// An optional minus, digits, perhaps a point and digits. No leading zeros (octal to some readers), no exponent.
func isDecimal(_ text: String) -> Bool {
    let unsigned = text.hasPrefix("-") ? text.dropFirst() : text[...]
    let parts = unsigned.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let digits = parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
    return digits && (parts[0] == "0" || !parts[0].hasPrefix("0"))
}

private func plain(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
}
