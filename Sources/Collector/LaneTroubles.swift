import Admission
import Framing
import Posix
import Wording

/// Something that is wrong with a lane or the site, as the page of all lanes tells it.
struct Trouble: Hashable, Sendable {
    var kind: TroubleWording
    var severity: Alert.Severity
    /// ms since 1970-01-01 UTC; nil: not known.
    var sinceMilliseconds: Int64?
    var text: Bilingual
    var advice: Bilingual

    /// The worst first, then the oldest; those without a beginning last.
    static func isBefore(_ one: Trouble, _ other: Trouble) -> Bool {
        (other.severity, one.sinceMilliseconds ?? .max, one.kind.rawValue)
            < (one.severity, other.sinceMilliseconds ?? .max, other.kind.rawValue)
    }

    var json: JSONText {
        .object([
            ("kind", .text(kind.rawValue)), ("severity", .text(severity.rawValue)),
            ("since", sinceMilliseconds.map { .text(Timestamp.format($0)) } ?? .null),
            ("since_ms", sinceMilliseconds.map { .number($0) } ?? .null),
            ("title_zh", .text(kind.title.chinese)), ("title_en", .text(kind.title.english)),
            ("text_zh", .text(text.chinese)), ("text_en", .text(text.english)),
            ("advice_zh", .text(advice.chinese)), ("advice_en", .text(advice.english)),
        ])
    }
}

extension Trouble {
    /// `subject`: what the alert is about, in Chinese.
    init(_ alert: Alert, subject: String) {
        let kind = alert.kind.wording
        let chinese = kind.chinese(subject) { name in alert.figures.first { $0.name == name }?.value }
        self.init(
            kind: kind, severity: alert.severity, sinceMilliseconds: alert.sinceMilliseconds,
            text: Bilingual(chinese, alert.text), advice: kind.advice(lane: alert.subject.lane ?? ""))
    }
}

extension Alert.Kind {
    var wording: TroubleWording {
        switch self {
        case .laneOffline: .laneOffline
        case .daemonSilent: .daemonSilent
        case .laneHangs: .laneHangs
        case .statementOld: .statementOld
        case .deviceLost: .deviceLost
        case .journalFilling: .journalFilling
        case .holes: .holes
        case .clockNotTrusted: .clockNotTrusted
        case .tailgating: .tailgating
        case .zoneNearLimit: .zoneNearLimit
        case .insideWithoutKeys: .insideWithoutKeys
        case .insideNotKnown: .insideNotKnown
        case .flowAboveCapacity: .flowAboveCapacity
        case .doubleUse: .doubleUse
        }
    }
}

/// What is wrong with one lane: its alerts, and what it says of itself and no alert says.
struct LaneTroubles {
    /// How long an image may have been out before a lane without it is told of.
    static let imageMilliseconds: Int64 = 300_000

    let sight: LaneSight
    /// That stand, of this lane and its devices.
    let alerts: [Alert]
    let image: Publisher.Image?

    /// The worst first.
    var all: [Trouble] {
        var found = alerts.map { Trouble($0, subject: subject(of: $0)) }
        found += ofItself(found)
        return found.sorted(by: Trouble.isBefore)
    }

    private func subject(of alert: Alert) -> String {
        if alert.kind == .clockNotTrusted { return (sight.clock ?? .behindFloor).wording.chinese }
        guard alert.subject.kind == .device, let name = alert.subject.id.split(separator: "/").last,
            let device = (0..<32).compactMap({ Device(code: $0) }).first(where: { $0.name == name })
        else { return sight.name }
        return device.wording.chinese
    }

    private func trouble(
        _ kind: TroubleWording, _ severity: Alert.Severity, since: Int64? = nil, of subject: Bilingual? = nil,
        figures: [String: Int64] = [:], _ english: String
    ) -> Trouble {
        Trouble(
            kind: kind, severity: severity, sinceMilliseconds: since,
            text: Bilingual(kind.chinese(subject?.chinese ?? sight.name) { figures[$0] }, english),
            advice: kind.advice(lane: sight.id.text))
    }

    private func ofItself(_ told: [Trouble]) -> [Trouble] {
        guard let book = sight.book else {
            return [trouble(.neverHeard, .warning, "nothing ever came from this lane")]
        }
        guard !sight.isSilent else { return [] }
        func isTold(_ kind: TroubleWording) -> Bool { told.contains { $0.kind == kind } }
        var found = sight.freshWord.map { ofWord($0, isTold) } ?? []
        // Of batches without a word the alert tells, after a while.
        if let word = sight.word, sight.isWordLate, book.wordlessSinceMilliseconds == nil {
            found.append(
                trouble(
                    .daemonSilent, .trouble, since: max(0, word.said.asOf.milliseconds),
                    "the uplink is heard, but the daemon said nothing new for more than a minute"))
        }
        let covers = sight.openCovers
        if !covers.isEmpty {
            found.append(
                trouble(
                    .coverOpen, .trouble, of: covers.map(\.wording).joined,
                    "open: \(covers.map(\.wording).joined.english)"))
        }
        if let mode = ofMode(told + found) { found.append(mode) }
        return found
    }

    /// `told`: what is told of it already; a lane that is out of service for a device that is told is told once.
    private func ofMode(_ told: [Trouble]) -> Trouble? {
        guard let (mode, cause) = sight.mode else { return nil }
        func isTold(_ kind: TroubleWording) -> Bool { told.contains { $0.kind == kind } }
        let isExplained =
            switch cause {
            case .gateLost, .readersLost, .thermometerLost: isTold(.deviceLost)
            case .journalFull, .journalFault: isTold(.journalFilling)
            case .none, .fire, .technician, .schedule: false
            }
        let because = cause.wording
        switch mode {
        case .normal: return nil
        case .emergency:
            return isTold(.fireAlarm)
                ? nil : trouble(.emergency, .trouble, of: because, "the gate stands open: \(because.english)")
        case .outOfService:
            return isExplained
                ? nil : trouble(.outOfService, .trouble, of: because, "it is out of service: \(because.english)")
        case .freeExit:
            return isExplained
                ? nil : trouble(.freeExit, .warning, of: because, "people leave unjudged: \(because.english)")
        case .locked, .heldOpen, .maintenance:
            // What the schedule does is nobody's to mend.
            guard cause != .schedule else { return nil }
            let text = Bilingual(
                "\(mode.wording.chinese)：\(because.chinese)", "\(mode.wording.english): \(because.english)")
            return trouble(.byOrder, .notice, of: text, text.english)
        }
    }

    private func ofWord(_ word: LaneWord, _ isTold: (TroubleWording) -> Bool) -> [Trouble] {
        var found: [Trouble] = []
        if word.flags.contains(.fireAlarm) { found.append(trouble(.fireAlarm, .trouble, "its fire contact is open")) }
        if word.flags.contains(.hangs), !isTold(.laneHangs) {
            found.append(trouble(.laneHangs, .trouble, "the thread that decides does not answer"))
        }
        let lost = Set(
            alerts.filter { $0.kind == .deviceLost }.compactMap {
                $0.subject.id.split(separator: "/").last.map(String.init)
            })
        for device in sight.devices where device.isLost && !lost.contains(device.device.name) {
            let name = device.device.wording
            found.append(
                trouble(.deviceLost, .trouble, since: device.sinceMilliseconds, of: name, "\(name.english) is lost"))
        }
        if !isTold(.journalFilling) { found += [ofJournal(word)].compactMap { $0 } }
        if !isTold(.clockNotTrusted), word.clock != .trusted {
            found.append(
                trouble(
                    .clockNotTrusted, .warning, of: word.clock.wording,
                    "its clock is \(word.clock.wording.english)"))
        }
        if !isTold(.statementOld) { found += [ofCredentials(word)].compactMap { $0 } }
        if let behind = ofImage(word) { found.append(behind) }
        return found
    }

    private func ofJournal(_ word: LaneWord) -> Trouble? {
        if word.flags.contains(.hasJournalFault) || word.flags.contains(.hasNoJournal) {
            return trouble(.journalFilling, .trouble, "its journal cannot be written")
        }
        guard word.journal != .roomy else { return nil }
        let percent = word.journalPercent ?? 0
        return trouble(
            .journalFilling, word.journal.rawValue >= JournalState.reserveOnly.rawValue ? .trouble : .warning,
            figures: ["percent": percent],
            "\(word.recordsHeld) records wait for the collector, \(percent) % of the journal's room")
    }

    private func ofCredentials(_ word: LaneWord) -> Trouble? {
        let text = word.freshness.wording
        return switch word.freshness {
        case .fresh: nil
        case .warn: trouble(.credentialsOld, .warning, of: text, "what it decides by is \(text.english)")
        case .stale: trouble(.credentialsOld, .trouble, of: text, "what it decides by is \(text.english)")
        case .none: trouble(.credentialsOld, .trouble, of: text, "it has \(text.english)")
        }
    }

    private func ofImage(_ word: LaneWord) -> Trouble? {
        guard let image, word.imageVersion > 0, word.imageVersion < image.version,
            sight.now - image.issuedMilliseconds > Self.imageMilliseconds
        else { return nil }
        return trouble(
            .imageBehind, .warning, since: image.issuedMilliseconds,
            figures: ["version": Int64(clamping: word.imageVersion), "in_force": Int64(clamping: image.version)],
            "it decides by image \(word.imageVersion), in force is \(image.version)")
    }
}

extension LaneWord.Freshness {
    var wording: Bilingual {
        switch self {
        case .none: FleetWording.freshNone.wording
        case .fresh: FleetWording.fresh.wording
        case .warn: FleetWording.freshWarn.wording
        case .stale: FleetWording.freshStale.wording
        }
    }
}

extension [Bilingual] {
    /// All of them in each language.
    var joined: Bilingual {
        Bilingual(map(\.chinese).joined(separator: "、"), map(\.english).joined(separator: ", "))
    }
}
