import Admission
import Framing
import Posix
import Storage

/// Who a feed says may come: its rows gathered, then the claims on each identifier settled, then the image.
///
/// In memory: about 100 bytes a holder and 24 an identifier.
struct FeedRoster {
    private struct Entry {
        var credential: Credential
        var line: Int
    }

    private struct Claim {
        var low: UInt64
        var high: UInt16
        var type: IdentifierType
        var entry: UInt32

        var tag: BadgeTag { BadgeTag(low: low, high: high) }

        static func precedes(_ a: Claim, _ b: Claim) -> Bool {
            (a.low, a.high, a.entry) < (b.low, b.high, b.entry)
        }
    }

    /// An identifier that several holders claim: nobody passes with it.
    struct Conflict: Sendable {
        var type: IdentifierType
        /// The lines of the rows that claim it, in their order.
        var lines: [Int]
    }

    private var entries: [Entry] = []
    private var claims: [Claim] = []
    private var lines: [UInt32: Int] = [:]
    private(set) var conflicts: [Conflict] = []

    var holders: Int { entries.count }

    /// The line on which a holder of this feed stands already.
    func line(of holder: HolderNumber) -> Int? { lines[holder.number] }

    mutating func add(_ row: FeedRow, _ number: HolderNumber, line: Int, key: BadgeKey) {
        lines[number.number] = line
        let place = UInt32(entries.count)
        entries.append(Entry(credential: row.credential(number), line: line))
        for identifier in row.identifiers {
            let tag = key.tag(of: identifier)
            claims.append(Claim(low: tag.low, high: tag.high, type: identifier.type, entry: place))
        }
    }

    /// Builds the image of everything that was added. Identifiers that several holders claim become conflicts.
    mutating func build(
        zones: [ShortName], validityBaseSeconds: Int64
    ) throws(ImageBuildError) -> ImageBuilder {
        claims.sort(by: Claim.precedes)
        conflicts = []
        var different = 0
        for index in claims.indices where index == 0 || claims[index].tag != claims[index - 1].tag { different += 1 }
        var builder = try ImageBuilder(
            identifiers: different, validityBaseSeconds: validityBaseSeconds, zones: zones)
        var first = 0
        while first < claims.count {
            var end = first + 1
            while end < claims.count, claims[end].tag == claims[first].tag { end += 1 }
            let claimants = claims[first..<end]
            if claimants.count == 1 {
                try builder.add(claims[first].tag, entries[Int(claims[first].entry)].credential)
            } else {
                try builder.addConflict(claims[first].tag)
                conflicts.append(
                    Conflict(
                        type: claims[first].type, lines: claimants.map { entries[Int($0.entry)].line }.sorted()))
            }
            first = end
        }
        conflicts.sort { ($0.lines.first ?? 0) < ($1.lines.first ?? 0) }
        return builder
    }
}
