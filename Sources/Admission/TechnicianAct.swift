/// A mode that somebody can choose for a lane. Raw values are those of `LaneMode` and stand in records.
public enum OrderedMode: UInt8, Sendable, CaseIterable {
    case normal = 0
    case locked = 4
    case heldOpen = 5
    case maintenance = 6

    public var laneMode: LaneMode { LaneMode(rawValue: rawValue) ?? .normal }
}

/// What of a gate a technician can have moved while the lane is in maintenance. Raw values stand in records.
public enum GateTest: UInt8, Sendable, CaseIterable {
    case release = 1
    case lampGreen = 2
    case lampRed = 3
    case lampAmber = 4
    case buzzer = 5
}

/// What a technician did to a lane at its control socket.
public struct TechnicianAct: Sendable, Hashable {
    public enum What: Sendable, Hashable {
        /// This mode, for so many minutes; 0 until something else is ordered. `normal` for 0 minutes ends an order.
        case ordered(OrderedMode, minutes: UInt32)
        case tested(GateTest)
        /// Looked at the wall clock and found it right.
        case confirmedClock
    }

    public var what: What
    /// The user of whoever asked, as the kernel tells it.
    public var user: UInt32
    public var remark: Remark

    public init(_ what: What, user: UInt32, remark: Remark = Remark()) {
        self.what = what
        self.user = user
        self.remark = remark
    }
}

/// Why somebody did something, in his words: at most 60 bytes of UTF-8, held inline so that records need no heap. A
/// longer text is cut behind a whole character, and control characters are left out.
public struct Remark: Sendable, Hashable {
    public static let longest = 60
    private var storage = InlineArray<60, UInt8>(repeating: 0)
    public private(set) var count = 0

    public init() {}

    public init(_ text: String) {
        for scalar in text.unicodeScalars where scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) {
            let bytes = UTF8.encode(scalar)
            guard let bytes, count + bytes.count <= Self.longest else { return }
            for byte in bytes {
                storage[count] = byte
                count += 1
            }
        }
    }

    public subscript(index: Int) -> UInt8 { storage[index] }
    public var text: String { String(decoding: (0..<count).map { storage[$0] }, as: UTF8.self) }

    public static func == (a: Self, b: Self) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<a.count where a.storage[index] != b.storage[index] { return false }
        return true
    }
    public func hash(into hasher: inout Hasher) {
        for index in 0..<count { hasher.combine(storage[index]) }
    }
}
