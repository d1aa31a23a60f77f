import Admission
import Framing
import Posix
import Storage

/// Who a feed says may come: its identifiers gathered, then the claims on each settled in the image's table.
///
/// In memory: 40 bytes an identifier and 4 a holder of the site; the table comes on top when it is built.
struct FeedRoster {
    /// An identifier that several holders claim: nobody passes with it.
    struct Conflict: Sendable {
        static let mostLines = 10

        var type: IdentifierType
        /// The lines of the rows that claim it, in their order; the first ten.
        var lines: [Int]
        var claimants: Int
    }

    /// An `ImageSlot` and where it comes from, laid out without gaps.
    private struct Claim {
        var low: UInt64
        var validityAndZones: UInt64
        var holder: UInt32
        var sampledAtSeconds: UInt32
        var assessedAtSeconds: UInt32
        var line: UInt32
        var high: UInt16
        var states: UInt16
        var type: IdentifierType

        var tag: BadgeTag { BadgeTag(low: low, high: high) }

        var slot: ImageSlot {
            ImageSlot(
                tag: tag, holder: holder, sampledAtSeconds: sampledAtSeconds, assessedAtSeconds: assessedAtSeconds,
                states: states, validityAndZones: validityAndZones)
        }
    }

    private let validityBaseSeconds: Int64
    private var claims: [Claim] = []
    /// By holder number; 0: not in this feed.
    private var lines: [UInt32] = []
    private var zoneSets: [UInt64] = []
    private var zoneSetIndex: [UInt64: Int] = [:]
    private(set) var holders = 0
    private(set) var conflicts: [Conflict] = []

    init(validityBaseSeconds: Int64) { self.validityBaseSeconds = validityBaseSeconds }

    var identifiers: Int { claims.count }

    /// Room for so many identifiers, as far as the beginning of the feed tells: growing copies what is there.
    mutating func reserve(identifiers: Int) {
        claims.reserveCapacity(min(max(identifiers, 0), ImageBuilder.mostIdentifiers))
    }

    /// The line on which a holder of this feed stands already.
    func line(of holder: HolderNumber) -> Int? {
        let number = Int(holder.number)
        return number < lines.count && lines[number] != 0 ? Int(lines[number]) : nil
    }

    mutating func add(_ row: FeedRow, _ number: HolderNumber, line: Int, key: BadgeKey) throws(CollectorFailure) {
        let credential = row.credential(number)
        let set = zoneSet(credential.zones)
        let place = Int(number.number)
        if place >= lines.count {
            lines.append(contentsOf: repeatElement(0, count: max(place + 1, lines.count * 3 / 2) - lines.count))
        }
        lines[place] = UInt32(clamping: line)
        holders += 1
        for identifier in row.identifiers {
            let tag = key.tag(of: identifier)
            guard
                let slot = ImageSlot(
                    tag: tag, credential: credential, zoneSet: set, validityBaseSeconds: validityBaseSeconds)
            else { throw CollectorFailure("build an image from", "line \(line)", "it does not fit a slot") }
            claims.append(
                Claim(
                    low: tag.low, validityAndZones: slot.validityAndZones, holder: slot.holder,
                    sampledAtSeconds: slot.sampledAtSeconds, assessedAtSeconds: slot.assessedAtSeconds,
                    line: UInt32(clamping: line), high: tag.high, states: slot.states, type: identifier.type))
        }
    }

    private mutating func zoneSet(_ zones: UInt64) -> Int {
        if let known = zoneSetIndex[zones] { return known }
        zoneSets.append(zones)
        zoneSetIndex[zones] = zoneSets.count - 1
        return zoneSets.count - 1
    }

    /// Builds the image of everything that was added. Identifiers that several holders claim become conflicts.
    mutating func build(zones: [ShortName]) throws(ImageBuildError) -> ImageBuilder {
        var builder = try ImageBuilder(
            identifiers: claims.count, validityBaseSeconds: validityBaseSeconds, zones: zones, zoneSets: zoneSets)
        var disputed: [BadgeTag: Conflict] = [:]
        for claim in claims {
            if try !builder.claim(claim.slot) {
                disputed[claim.tag] = Conflict(type: claim.type, lines: [], claimants: 0)
            }
        }
        if !disputed.isEmpty {
            for claim in claims {
                guard var conflict = disputed[claim.tag] else { continue }
                conflict.claimants += 1
                if conflict.lines.count < Conflict.mostLines { conflict.lines.append(Int(claim.line)) }
                disputed[claim.tag] = conflict
            }
        }
        conflicts = disputed.values.sorted { ($0.lines.first ?? 0) < ($1.lines.first ?? 0) }
        claims = []
        return builder
    }
}
