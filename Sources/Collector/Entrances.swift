import Admission

/// Which lanes are one entrance: as the configuration says, and where it says nothing, lanes whose ids differ in the number
/// at their end alone: `north-01` and `north-02` are `north`.
struct Entrances: Sendable {
    private let named: [ShortName: ShortName]

    init(_ named: [ShortName: ShortName]) { self.named = named }

    func entrance(of lane: ShortName) -> String { named[lane]?.text ?? Self.stem(lane.text) }

    private static func stem(_ id: String) -> String {
        guard let dash = id.lastIndex(of: "-"), dash > id.startIndex, dash < id.index(before: id.endIndex),
            id[id.index(after: dash)...].utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return id }
        return String(id[..<dash])
    }
}
