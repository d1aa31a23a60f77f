import Admission

/// What a reader with lamps, a sounder or a display shows of its lane.
public struct ReaderFeedback: Sendable, Hashable {
    public var lamps: LampState
    /// One line in the language that the reader's configuration asks for; empty when it shall say nothing.
    public var text: InlineText

    public init(lamps: LampState, text: InlineText = InlineText()) {
        self.lamps = lamps
        self.text = text
    }
}

/// What a reader's display can show.
public enum TextEncoding: String, Sendable, CaseIterable {
    case ascii
    case utf8 = "utf-8"
}
