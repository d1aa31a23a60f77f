import Admission
import Framing

/// Which keys turn for each holder of an image at one instant: two bytes a holder number.
///
/// The keys are those of a lane that asks all four of everybody, within the site's usual windows: the collector does not know
/// the lanes' own policies, and is told the windows in its configuration.
struct HolderKeys {
    /// The keys in the order of their bits in `KeySet`.
    static let names = ["vaccine", "green code", "test", "activated"]

    private static let spoils: [(key: KeySet, by: Reasons)] = [
        (.vaccine, [.vaccineNotRecorded, .vaccineIncomplete]),
        (.greenCode, [.codeYellow, .codeRed, .codeTooOld, .codeUnknown, .codeInFuture]),
        (.test, [.testPositive, .testExpired, .testMissing, .testInFuture]),
        (.activated, [.notActivated, .suspended, .revoked, .notYetValid, .noLongerValid]),
    ]

    /// Bits 0–3 the kind, 4–7 the keys that turn; 0: not in the image.
    private var states: [UInt16] = []
    private(set) var holders = 0
    private let instant: WallTime
    private let windows: KeyWindows

    init(at instant: WallTime, windows: KeyWindows = KeyWindows()) {
        self.instant = instant
        self.windows = windows
    }

    /// `changed`: what urgent changes on top of the image say of its identifiers.
    init(
        of image: PublishedImageFile, at instant: WallTime, changed: [BadgeTag: ImageSlot] = [:],
        windows: KeyWindows = KeyWindows()
    ) throws(CollectorFailure) {
        self.init(at: instant, windows: windows)
        let sets = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: image.header.zoneSets.count)
        defer { sets.deallocate() }
        _ = sets.initialize(from: image.header.zoneSets)
        let base = image.header.validityBaseSeconds
        try image.forEachSlot {
            var slot = $0
            slot.take(changed[slot.tag])
            add(slot, zoneSets: UnsafeBufferPointer(sets), validityBaseSeconds: base)
        }
    }

    var end: Int { states.count }

    /// nil: this image does not hold him. Whoever has nothing but identifiers in conflict is not held either.
    subscript(number: Int) -> (kind: HolderKind, keys: KeySet)? {
        guard number < states.count, states[number] != 0, let kind = HolderKind(rawValue: UInt8(states[number] & 15))
        else { return nil }
        return (kind, KeySet(rawValue: UInt8(states[number] >> 4)))
    }

    mutating func add(
        _ slot: ImageSlot, zoneSets: UnsafeBufferPointer<UInt64>, validityBaseSeconds: Int64
    ) {
        guard !slot.isConflict,
            let credential = slot.credential(zoneSets: zoneSets, validityBaseSeconds: validityBaseSeconds)
        else { return }
        let number = Int(slot.holder)
        if number >= states.count {
            states.append(
                contentsOf: repeatElement(0, count: max(number + 1, states.count * 3 / 2) - states.count))
        }
        if states[number] == 0 { holders += 1 }
        states[number] =
            UInt16(credential.kind.rawValue) | UInt16(Self.turning(of: credential, at: instant, windows).rawValue) << 4
    }

    /// Those of the four keys that turn for a credential.
    static func turning(of credential: Credential, at instant: WallTime, _ windows: KeyWindows) -> KeySet {
        let reasons = FourKeys.reasons(
            credential, policy: windows.policy, destinationZoneBit: 0, leadsOutside: true, at: instant)
        var keys = KeySet.all
        for (key, by) in spoils where !reasons.isDisjoint(with: by) { keys.remove(key) }
        return keys
    }
}

/// How old a test and an assessment may be, as the lanes' policy says it.
public struct KeyWindows: Sendable, Hashable {
    public static let defaultTestHours = 48
    public static let defaultAssessmentHours = 24

    public let testHours: Int
    public let assessmentHours: Int
    /// A lane's that asks all four keys of everybody.
    let policy: AdmissionPolicy

    public init(testHours: Int = Self.defaultTestHours, assessmentHours: Int = Self.defaultAssessmentHours) {
        self.testHours = testHours
        self.assessmentHours = assessmentHours
        var policy = AdmissionPolicy()
        policy.requiredKeys = [KeySet](repeating: .all, count: 8)
        policy.admittedKinds = KindSet(HolderKind.allCases)
        policy.testWindowMilliseconds = Int64(testHours) * 3_600_000
        policy.assessmentWindowMilliseconds = Int64(assessmentHours) * 3_600_000
        self.policy = policy
    }

    public static func == (one: KeyWindows, other: KeyWindows) -> Bool {
        one.testHours == other.testHours && one.assessmentHours == other.assessmentHours
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(testHours)
        hasher.combine(assessmentHours)
    }
}

/// What an image changes against the one in force, for every kind of badge: judged at one and the same instant, so that
/// what time alone takes is not laid at the feed's door.
public struct ImageChanges: Sendable, Hashable {
    public struct Count: Sendable, Hashable {
        public var holders = 0
        /// Not in the image in force.
        public var new = 0
        /// In the image in force, and in this one no more.
        public var gone = 0
        /// Holders, by key: vaccine, green code, test, activated. Who is gone has lost what he had.
        public var lost = [0, 0, 0, 0]
        public var gained = [0, 0, 0, 0]
    }

    /// The image in force.
    public var version: UInt64
    public var holdersBefore = 0
    /// Holders who lose one key or several.
    public var losing = 0
    public var kinds: [HolderKind: Count] = [:]

    init(from before: HolderKeys, of version: UInt64, to after: HolderKeys) {
        self.version = version
        holdersBefore = before.holders
        var counts = [Count](repeating: Count(), count: 16)
        for number in 0..<max(before.end, after.end) {
            let (was, now) = (before[number], after[number])
            if let now {
                let kind = Int(now.kind.rawValue)
                counts[kind].holders += 1
                if was == nil { counts[kind].new += 1 }
                let gained = now.keys.subtracting(was?.keys ?? [])
                for key in 0..<4 where gained.rawValue & 1 << key != 0 { counts[kind].gained[key] += 1 }
            }
            if let was {
                let kind = Int(was.kind.rawValue)
                if now == nil { counts[kind].gone += 1 }
                let lost = was.keys.subtracting(now?.keys ?? [])
                if !lost.isEmpty { losing += 1 }
                for key in 0..<4 where lost.rawValue & 1 << key != 0 { counts[kind].lost[key] += 1 }
            }
        }
        for kind in HolderKind.allCases where counts[Int(kind.rawValue)] != Count() {
            kinds[kind] = counts[Int(kind.rawValue)]
        }
    }

    public var losingPercent: Double {
        holdersBefore == 0 ? 0 : Double(losing) * 100 / Double(holdersBefore)
    }

    /// A table with a line for each kind that has something in it.
    public var lines: [String] {
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func keys(_ count: Count, _ key: Int) -> String {
            count.gained[key] + count.lost[key] == 0 ? "–" : "+\(count.gained[key]) −\(count.lost[key])"
        }
        let head = "  kind          " + cell("holders", 9) + cell("new", 9) + cell("gone", 9)
        var lines = [head + HolderKeys.names.map { cell($0, 18) }.joined()]
        for kind in HolderKind.allCases {
            guard let count = kinds[kind] else { continue }
            let name = "\(kind.name)"
            lines.append(
                "  " + name + String(repeating: " ", count: max(0, 14 - name.count)) + cell("\(count.holders)", 9)
                    + cell("\(count.new)", 9) + cell("\(count.gone)", 9)
                    + (0..<4).map { cell(keys(count, $0), 18) }.joined())
        }
        return lines
    }
}
