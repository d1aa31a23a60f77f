import Admission

/// A GPIO line as the configuration names it.
public struct GPIOLine: Sendable, Hashable {
    /// The line's name, or its offset as digits where no line has that name.
    public var name: String
    /// The logical level is the inverse of the electrical one.
    public var isActiveLow: Bool

    public init(_ name: String, activeLow: Bool = false) {
        self.name = name
        isActiveLow = activeLow
    }
}

/// How a gate stands while nobody drives it: after its lane's program has ended, however it ended.
public enum GateRest: String, Sendable, CaseIterable {
    /// Every output inactive.
    case locked
    /// Release and emergency output active.
    case open
}

/// A gate on GPIO lines.
public struct GPIOGateSettings: Sendable {
    /// A path (`/dev/gpiochip0`), or the name or label of a chip.
    public var chip: String
    public var outputs: [GateOutput: GPIOLine]
    public var contacts: [GateContact: GPIOLine]
    /// How long a contact must stand, 10–30 ms usually: in the kernel with libgpiod 2.x, here with 1.6.
    public var debounceMilliseconds: Int64
    /// The levels that outputs are left at when the lines are let go.
    public var onStop: GateRest
    /// What the kernel tells others who ask for the lines.
    public var consumer = "lanekeeper"

    public init(
        chip: String, outputs: [GateOutput: GPIOLine], contacts: [GateContact: GPIOLine],
        debounceMilliseconds: Int64 = 20, onStop: GateRest = .locked
    ) {
        self.chip = chip
        self.outputs = outputs
        self.contacts = contacts
        self.debounceMilliseconds = debounceMilliseconds
        self.onStop = onStop
    }
}

/// The fire loop and the emergency output on GPIO lines, held by a request of their own.
public struct GPIOFireSettings: Sendable {
    public var chip: String
    /// Active while the loop is whole.
    public var fire: GPIOLine
    public var emergency: GPIOLine?
    public var debounceMilliseconds: Int64
    /// The level that the emergency output is left at when the lines are let go.
    public var onStop: GateRest
    /// What the kernel tells others who ask for the lines.
    public var consumer = "lanekeeper"

    public init(
        chip: String, fire: GPIOLine, emergency: GPIOLine?, debounceMilliseconds: Int64 = 20,
        onStop: GateRest = .locked
    ) {
        self.chip = chip
        self.fire = fire
        self.emergency = emergency
        self.debounceMilliseconds = debounceMilliseconds
        self.onStop = onStop
    }
}
