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

/// A gate on GPIO lines.
public struct GPIOGateSettings: Sendable {
    /// A path (`/dev/gpiochip0`), or the name or label of a chip.
    public var chip: String
    public var outputs: [GateOutput: GPIOLine]
    public var contacts: [PassageDirection: GPIOLine]
    /// How long a contact must stand, 10–30 ms usually: in the kernel with libgpiod 2.x, here with 1.6.
    public var debounceMilliseconds: Int64

    public init(
        chip: String, outputs: [GateOutput: GPIOLine], contacts: [PassageDirection: GPIOLine],
        debounceMilliseconds: Int64 = 20
    ) {
        self.chip = chip
        self.outputs = outputs
        self.contacts = contacts
        self.debounceMilliseconds = debounceMilliseconds
    }
}

/// The fire loop and the emergency output on GPIO lines, held by a request of their own.
public struct GPIOFireSettings: Sendable {
    public var chip: String
    /// Active while the loop is whole.
    public var fire: GPIOLine
    public var emergency: GPIOLine?
    public var debounceMilliseconds: Int64

    public init(chip: String, fire: GPIOLine, emergency: GPIOLine?, debounceMilliseconds: Int64 = 20) {
        self.chip = chip
        self.fire = fire
        self.emergency = emergency
        self.debounceMilliseconds = debounceMilliseconds
    }
}
