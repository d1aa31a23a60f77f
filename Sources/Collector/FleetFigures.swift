import Admission
import Framing
import Posix
import Wording

/// What `/v1/fleet` says: every lane, or only those that changed since the caller asked last.
///
/// A lane's text is kept with the number of the look at which it was new. A revision is `<start>-<look>`: that of another
/// start of the collector, or one from before a lane was taken away, gets everything.
struct FleetFigures {
    /// What the figures are made of.
    struct Sight {
        var books: Intake.Snapshot
        var alerts: AlertDesk.Snapshot
        /// Lanes that are enrolled, and those that were taken away.
        var enrolled: [ShortName: EnrolmentRegister.Lane]
        var image: Publisher.Image?
        var changeNumber: UInt64
        var isStoring: Bool
    }

    private struct Told {
        var bytes: [UInt8]
        var look: UInt64
    }

    private struct Summary: Hashable {
        var lanes = 0
        var inTrouble = 0
        var silent = 0
        var outOfService = 0
        var emergency = 0
        var byOrder = 0
        var devicesLost = 0
        var coversOpen = 0
        var withoutWord = 0

        var json: JSONText {
            .object([
                ("lanes", .number(lanes)), ("in_trouble", .number(inTrouble)), ("silent", .number(silent)),
                ("out_of_service", .number(outOfService)), ("emergency", .number(emergency)),
                ("by_order", .number(byOrder)), ("devices_lost", .number(devicesLost)),
                ("covers_open", .number(coversOpen)), ("without_word", .number(withoutWord)),
            ])
        }
    }

    private let settings: CollectorSettings
    private let page: String
    private let start: Int64
    private let entrances: Entrances
    private var told: [ShortName: Told] = [:]
    /// Those in trouble first.
    private var order: [ShortName] = []
    private var look: UInt64 = 0
    /// The last one at which a lane went away.
    private var shrank: UInt64 = 0
    private var head: [UInt8] = []

    /// `page`: names the version of the page that shows these.
    init(_ settings: CollectorSettings, page: String, now: Int64) {
        self.settings = settings
        self.page = page
        start = now
        entrances = Entrances(settings.entranceOfLane)
    }

    // MARK: A look

    /// `now`: ms since 1970-01-01 UTC.
    mutating func look(_ sight: Sight, now: Int64) {
        look += 1
        let ids = known(sight)
        if told.keys.contains(where: { !ids.contains($0) }) {
            shrank = look
            told = told.filter { ids.contains($0.key) }
        }
        let alerts = alertsByLane(sight.alerts.standing)
        var summary = Summary()
        var places: [(id: ShortName, name: String, first: Trouble?)] = []
        for id in ids {
            let lane = LaneSight(
                id: id, name: settings.lanes[id] ?? sight.enrolled[id]?.name ?? id.text,
                book: sight.books.lanes[id], facts: sight.alerts.facts[id],
                silentMilliseconds: Int64(settings.alerts.laneOfflineSeconds) * 1000, now: now)
            let troubles = LaneTroubles(sight: lane, alerts: alerts[id.text] ?? [], image: sight.image).all
            let bytes = lane.json(troubles, entrance: entrance(of: id)).bytes
            if told[id]?.bytes != bytes { told[id] = Told(bytes: bytes, look: look) }
            count(lane, troubles, in: &summary)
            places.append((id, lane.name, troubles.first))
        }
        places.sort { Self.isBefore($0, $1) }
        order = places.map(\.id)
        head = JSONText.object(members(sight, summary, now: now)).bytes
    }

    /// Those that were heard or are expected, but for those that were taken away.
    private func known(_ sight: Sight) -> Set<ShortName> {
        let removed = sight.enrolled.filter { $0.value.removedMilliseconds != nil }.keys
        return Set(sight.books.lanes.keys).union(sight.enrolled.keys).union(settings.lanes.keys).subtracting(removed)
    }

    private func alertsByLane(_ standing: [Alert]) -> [String: [Alert]] {
        Dictionary(grouping: standing.filter { $0.subject.lane != nil }) { $0.subject.lane ?? "" }
    }

    private func entrance(of lane: ShortName) -> (id: String, name: Bilingual) {
        let id = entrances.entrance(of: lane)
        return (id, ShortName(id).flatMap { settings.entrances[$0] } ?? Bilingual(id, id))
    }

    private func count(_ lane: LaneSight, _ troubles: [Trouble], in summary: inout Summary) {
        summary.lanes += 1
        // What somebody ordered is told, and needs nobody.
        if let first = troubles.first, first.severity != .notice { summary.inTrouble += 1 }
        if lane.isSilent { summary.silent += 1 }
        switch lane.mode?.0 {
        case .outOfService: summary.outOfService += 1
        case .emergency: summary.emergency += 1
        case .locked, .heldOpen, .maintenance: summary.byOrder += 1
        case .normal, .freeExit, nil: break
        }
        summary.devicesLost += lane.devices.count(where: \.isLost)
        if !lane.openCovers.isEmpty { summary.coversOpen += 1 }
        if lane.freshWord == nil { summary.withoutWord += 1 }
    }

    private typealias Place = (id: ShortName, name: String, first: Trouble?)

    private static func isBefore(_ one: Place, _ other: Place) -> Bool {
        func rank(_ place: Place) -> Int {
            switch place.first?.severity {
            case .trouble: 0
            case .warning: 1
            case .notice: 2
            case nil: 3
            }
        }
        func since(_ place: Place) -> Int64 { place.first?.sinceMilliseconds ?? .max }
        return (rank(one), since(one), one.name, one.id.text) < (rank(other), since(other), other.name, other.id.text)
    }

    // MARK: The site

    private func members(_ sight: Sight, _ summary: Summary, now: Int64) -> [(String, JSONText)] {
        [
            ("as_of", .text(Timestamp.format(now))), ("as_of_ms", .number(now)), ("page", .text(page)),
            ("time_zone", .text(settings.calendar.zone.identifier)), ("summary", summary.json),
            (
                "image",
                sight.image.map {
                    .object([
                        ("version", .number($0.version)), ("issued", .text(Timestamp.format($0.issuedMilliseconds))),
                        ("issued_ms", .number($0.issuedMilliseconds)), ("change_number", .number(sight.changeNumber)),
                    ])
                } ?? .null
            ),
            ("site_troubles", .array(ofSite(sight).map(\.json))),
        ]
    }

    private func ofSite(_ sight: Sight) -> [Trouble] {
        var found = sight.alerts.standing.filter { $0.subject.lane == nil }.map {
            Trouble($0, subject: subject(of: $0))
        }
        if !sight.isStoring {
            let kind = TroubleWording.notStoring
            found.append(
                Trouble(
                    kind: kind, severity: .trouble,
                    text: Bilingual(kind.chinese("") { _ in nil }, "what lanes send cannot be stored just now"),
                    advice: kind.advice(lane: "")))
        }
        return found.sorted(by: Trouble.isBefore)
    }

    private func subject(of alert: Alert) -> String {
        switch alert.subject.kind {
        case .zone: return ShortName(alert.subject.id).flatMap { settings.zones[$0]?.chinese } ?? alert.subject.id
        case .entrance:
            let parts = alert.subject.id.split(separator: "/").map(String.init)
            guard parts.count == 2 else { return alert.subject.id }
            let name = ShortName(parts[0]).flatMap { settings.entrances[$0]?.chinese } ?? parts[0]
            return "\(name)\(parts[1] == "out" ? "出场" : "入场")"
        case .site, .lane, .device: return ""
        }
    }

    // MARK: The answer

    /// `revision`: that the caller has; nil: none.
    func body(after revision: String?) -> [UInt8] {
        let after = revision.flatMap(number) ?? 0
        let isWhole = after < shrank || after == 0
        let shown = order.compactMap { told[$0] }.filter { isWhole || $0.look > after }
        var bytes = Array(head.dropLast())
        bytes += Array(
            ",\"revision\":\"\(start)-\(look)\",\"is_whole\":\(isWhole ? "true" : "false"),\"lanes\":[".utf8)
        for (index, lane) in shown.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += lane.bytes
        }
        bytes += Array("]}".utf8)
        return bytes
    }

    /// nil: of another start, or of none that was.
    private func number(_ revision: String) -> UInt64? {
        let parts = revision.split(separator: "-")
        guard parts.count == 2, parts[0] == String(start), let number = UInt64(parts[1]), number <= look else {
            return nil
        }
        return number
    }
}
