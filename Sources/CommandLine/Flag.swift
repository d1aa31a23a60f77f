/// What a program needs to know of a flag to list, find and check it: every `Flag`, whatever its value.
public protocol FlagDeclaration: Sendable {
    /// Without the dashes.
    var name: String { get }
    /// One line for `--help`.
    var help: String { get }
    /// What stands for the value in help, such as `FILE`; nil for a switch.
    var placeholder: String? { get }
    var isRequired: Bool { get }
    /// Shown in help.
    var defaultText: String? { get }
    /// Refuses a text that is no value of this flag.
    func check(_ text: String) throws(ValueFailure)
}

/// A value that is not accepted: `expected` says what is.
public struct ValueFailure: Error, Equatable, Sendable {
    public let expected: String

    public init(expected: String) { self.expected = expected }
}

/// One flag, declared once: `--name VALUE`, `--name=VALUE`, or `--name` alone for a switch.
///
///     let config = Flag.path("config", "FILE", help: "the lane's configuration")
///     let seed = Flag.integer("seed", "S", in: 0...1_000_000, default: 1, help: "repeats a crowd")
///     let program = Program(name: "lanekeeperd", summary: "…", flags: [config, seed])
///     let arguments = program.parseOrExit()
///     arguments[config]       // String
///     arguments[seed]         // Int
public struct Flag<Value: Sendable>: FlagDeclaration {
    public let name: String
    public let help: String
    public let placeholder: String?
    public let defaultText: String?
    /// nil when the flag must be given.
    let absent: Value?
    let read: @Sendable (String) throws(ValueFailure) -> Value

    public var isRequired: Bool { absent == nil }

    public func check(_ text: String) throws(ValueFailure) { _ = try read(text) }

    /// For values of a kind of your own. Without `default` the flag is required.
    public init(
        _ name: String, _ placeholder: String, default absent: Value? = nil, defaultText: String? = nil,
        help: String, read: @escaping @Sendable (String) throws(ValueFailure) -> Value
    ) {
        self.name = name
        self.help = help
        self.placeholder = placeholder
        self.defaultText = defaultText
        self.absent = absent
        self.read = read
    }

    private init(switch name: String, help: String, given: Value, absent: Value) {
        self.name = name
        self.help = help
        placeholder = nil
        defaultText = nil
        self.absent = absent
        read = { (_) throws(ValueFailure) in given }
    }

    /// The same flag, but it may be left out: nil then.
    public var optional: Flag<Value?> {
        let read = self.read
        return Flag<Value?>(name, placeholder ?? "", default: .some(nil), help: help) {
            (text) throws(ValueFailure) in try read(text)
        }
    }
}

extension Flag where Value == Bool {
    /// true when it is given; takes no value.
    public static func present(_ name: String, help: String) -> Flag {
        Flag(switch: name, help: help, given: true, absent: false)
    }
}

extension Flag where Value == String {
    /// Any text but an empty one.
    public static func text(
        _ name: String, _ placeholder: String, default absent: String? = nil, help: String
    ) -> Flag {
        Flag(name, placeholder, default: absent, defaultText: absent, help: help, read: nonEmpty)
    }

    /// A path, as it was given: relative ones are relative to the working directory.
    public static func path(
        _ name: String, _ placeholder: String, default absent: String? = nil, help: String
    ) -> Flag {
        Flag(name, placeholder, default: absent, defaultText: absent, help: help) {
            (text) throws(ValueFailure) in
            guard !text.isEmpty, !text.utf8.contains(0) else { throw ValueFailure(expected: "a path") }
            return text
        }
    }

    /// One of a few words.
    public static func choice(
        _ name: String, _ words: [String], default absent: String? = nil, help: String
    ) -> Flag {
        Flag(name, words.joined(separator: "|"), default: absent, defaultText: absent, help: help) {
            (text) throws(ValueFailure) in
            guard words.contains(text) else {
                throw ValueFailure(expected: "one of \(words.joined(separator: ", "))")
            }
            return text
        }
    }

    private static func nonEmpty(_ text: String) throws(ValueFailure) -> String {
        guard !text.isEmpty else { throw ValueFailure(expected: "a text that is not empty") }
        return text
    }
}

extension Flag where Value == Int {
    /// A whole decimal number.
    public static func integer(
        _ name: String, _ placeholder: String, in range: ClosedRange<Int>, default absent: Int? = nil, help: String
    ) -> Flag {
        Flag(name, placeholder, default: absent, defaultText: absent.map { String($0) }, help: help) {
            (text) throws(ValueFailure) in
            guard let value = Int(text), !text.hasPrefix("+"), range.contains(value) else {
                throw ValueFailure(
                    expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
    }
}

extension Flag where Value == Double {
    /// A length of time in seconds, such as `60` or `0.5`.
    public static func seconds(
        _ name: String, in range: ClosedRange<Double>, default absent: Double? = nil, help: String
    ) -> Flag {
        Flag(name, "SECONDS", default: absent, defaultText: absent.map(plain), help: help) {
            (text) throws(ValueFailure) in
            // Double also reads "nan", "inf" and "0x1p3".
            let decimal = text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
            guard decimal, let value = Double(text), range.contains(value) else {
                throw ValueFailure(
                    expected: "seconds from \(plain(range.lowerBound)) to \(plain(range.upperBound))")
            }
            return value
        }
    }

    private static func plain(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }
}
