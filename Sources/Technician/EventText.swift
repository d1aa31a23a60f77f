import Admission
import Framing
import Posix
import Wording

/// A journal record as one line for people.
struct EventText {
    let record: JournalRecord

    /// `2026-11-21T09:05:50.123Z       123  refused      visitor 4711 at reader 0, 36.5 °C: test sampled 51 h 12 min ago`
    var line: String {
        let sequence = String(record.sequence)
        let (word, detail) = words
        let clock = record.moment.clock == .trusted ? "" : " [clock \(record.moment.clock.name)]"
        return Timestamp.format(record.moment.wall.milliseconds)
            + String(repeating: " ", count: max(1, 10 - sequence.count)) + sequence + "  "
            + Columns.padded(word, to: 12) + (detail.isEmpty ? "" : " \(detail)") + clock
    }

    private var words: (String, String) {
        switch record.event {
        case .epochStarted(let previous, let last):
            return (
                "epoch",
                "\(record.epoch.hex) begins"
                    + (previous == .none ? ", the lane's first" : ", after record \(last) of \(previous.hex)")
            )
        case .decided(let decision): return (decision.verdict.wording.english, decided(decision))
        case .ended(let outcome): return (name(outcome.end), ended(outcome))
        case .pulse(let pulse, let direction, let decision):
            return (
                name(pulse), "\(name(direction))\(decision == 0 ? "" : ", behind the passage of record \(decision)")"
            )
        case .seenInEmergency(let presentation): return ("seen", "in an emergency: \(who(presentation))")
        case .fire(let alarm): return ("fire", alarm ? "ALARM" : "alarm is over")
        case .device(let device, let lost): return ("device", "\(name(device)) \(lost ? "LOST" : "back")")
        case .contact(let direction, let stuck):
            return ("contact", "\(name(direction)) \(stuck ? "STUCK for 30 s" : "free again")")
        case .mode(let mode, let cause):
            return ("mode", mode.wording.english + (cause == .none ? "" : ": \(cause.wording.english)"))
        case .credentials(let credentials): return ("credentials", inForce(credentials))
        case .clock(let trust, let step):
            return ("clock", trust.wording.english + (step == 0 ? "" : ", by \(step) ms"))
        case .hour(let start, let totals):
            return ("hour", "from \(Timestamp.format(WallTime(seconds: start).milliseconds)): \(counted(totals))")
        case .hole(let epoch, let first, let count, let cause, let totals):
            let why = cause == .damaged ? "found damaged" : "not written, no room"
            return (
                "HOLE",
                "\(count) records from \(first) of \(epoch == record.epoch ? "this epoch" : epoch.hex) \(why)"
                    + (cause == .noRoom ? ": \(counted(totals))" : "")
            )
        case .stopping: return ("stopping", "")
        case .releasedByHand(let releaser, let direction):
            return ("by hand", "released by the \(words(EventNames.of(releaser))), \(name(direction))")
        case .tamper(let contact, let opened):
            return ("tamper", "\(EventNames.of(contact)) \(opened ? "OPENED" : "closed again")")
        case .policy(let digest): return ("policy", "\(digest.hex) is in force")
        case .passagesForgotten(let holder):
            return ("forgotten", holder == .nobody ? "all passages" : "the passages of holder \(holder.number)")
        case .technician(let act): return ("technician", technician(act))
        case .seenInMaintenance(let presentation): return ("seen", "in maintenance: \(who(presentation))")
        }
    }

    private func decided(_ decision: Decision) -> String {
        var text = who(decision.presentation)
        if decision.temperature.outcome == .measured {
            let sum = decision.temperature.medianCentidegrees &+ decision.temperatureOffsetCentidegrees
            text += ", \(Figures.temperature(centidegrees: sum))"
        } else if decision.temperature.outcome == .admittedWithout {
            text += ", WITHOUT TEMPERATURE"
        }
        if decision.company.contains(.secondIdentifier) { text += ", with a second identifier" }
        if decision.company.contains(.guardsButton) { text += ", confirmed by the guard" }
        if decision.company.contains(.driver) { text += ", with a driver" }
        if decision.company.contains(.vehicle) { text += ", with a vehicle" }
        if decision.partner != .nobody { text += ", with holder \(decision.partner.number)" }
        text += antiPassback(decision.antiPassback)
        text += occupancy(decision)
        guard !decision.reasons.isEmpty else { return text }
        let circumstances = Circumstances(
            decision, policy: nil, clock: record.moment.clock, instant: record.moment.wall,
            destination: record.to.text)
        return text + ": " + TechnicianWording.texts(decision.reasons, circumstances).joined(separator: "; ")
    }

    private func antiPassback(_ note: AntiPassbackNote) -> String {
        let age = note.ageSeconds.map { " as of \(Figures.duration(milliseconds: Int64($0) * 1000)) before" }
        switch note.finding {
        case .off, .notPassed, .refused: return ""
        case .reported: return ", PASSED HERE SHORTLY BEFORE"
        case .notKnown: return ", whether inside already is known " + (age.map { "only\($0)" } ?? "not at all")
        case .reportedInside: return ", INSIDE ALREADY\(age ?? "")"
        case .refusedInside: return age.map { "," + $0 } ?? ""
        }
    }

    private func occupancy(_ decision: Decision) -> String {
        let note = decision.occupancy
        let age = note.ageSeconds.map { " as of \(Figures.duration(milliseconds: Int64($0) * 1000)) before" } ?? ""
        switch note.finding {
        case .off, .below, .refused: return ""
        case .reported: return ", ZONE AT ITS LIMIT with \(note.count ?? 0) inside\(age)"
        case .notKnown where note.count == nil: return ", occupancy not known"
        case .notKnown where note.ageSeconds == nil: return ", occupancy not known: its age is not known"
        case .notKnown: return ", occupancy known only\(age)"
        }
    }

    private func ended(_ outcome: Outcome) -> String {
        var text = outcome.kind.map { "\($0.name) \(outcome.holder.number)" } ?? "unknown badge \(outcome.tag.hex)"
        if outcome.isByHand { text = "released by hand," }
        text += " \(name(outcome.direction)), record \(outcome.decisionSequence)"
        if let epoch = outcome.decisionEpoch, epoch != record.epoch { text += " of epoch \(epoch.hex)" }
        if outcome.isAssumed { text += ", ASSUMED: the gate has no feedback" }
        return text + (outcome.openMilliseconds == 0 ? "" : ", open for \(outcome.openMilliseconds) ms")
    }

    private func technician(_ act: TechnicianAct) -> String {
        let did =
            switch act.what {
            case .ordered(.normal, minutes: 0): "ended an order"
            case .ordered(let mode, let minutes):
                "ordered \(mode.laneMode.wording.english)" + (minutes == 0 ? "" : " for \(minutes) min")
            case .tested(let what): "moved the gate: \(what.name)"
            case .confirmedClock: "confirmed the wall clock"
            }
        return "user \(act.user) \(did)" + (act.remark.count == 0 ? "" : ": \(act.remark.text)")
    }

    private func who(_ presentation: Presentation) -> String {
        let badge =
            switch presentation.lookup {
            case .found(let credential): "\(credential.kind.name) \(credential.holder.number)"
            case .unknown: "unknown \(name(presentation.type)) \(presentation.tag.hex)"
            case .conflict: "conflicting \(name(presentation.type)) \(presentation.tag.hex)"
            case .noImage: "\(name(presentation.type)) \(presentation.tag.hex), no image"
            }
        return "\(badge) at reader \(presentation.reader)" + (presentation.direction == .backward ? " going out" : "")
    }

    private func inForce(_ credentials: CredentialsInForce) -> String {
        guard credentials.imageVersion != 0 else { return "none" }
        let statement = credentials.statementAsOf.map { ", statement as of \(Timestamp.format($0.milliseconds))" } ?? ""
        return "image \(credentials.imageVersion), change \(credentials.changeNumber), issued "
            + "\(Timestamp.format(credentials.imageIssuedAt.milliseconds))\(statement)"
            + (credentials.destinationZoneBit == 0 && record.to != .outside
                ? "; it knows no zone \(record.to.text)" : "")
    }

    private func counted(_ totals: LaneTotals) -> String {
        let figures = EventNames.totals(totals).filter { $0.1 != 0 }.map { "\($0.1) \($0.0)" }
        return figures.isEmpty ? "nothing" : figures.joined(separator: ", ").replacing("_", with: " ")
    }

    private func name(_ end: ReleaseEnd) -> String { EventNames.of(end) }
    private func name(_ pulse: UnreleasedPulse) -> String { words(EventNames.of(pulse)) }
    private func words(_ name: String) -> String { name.replacing("-", with: " ") }
    private func name(_ direction: PassageDirection) -> String { EventNames.of(direction) }
    private func name(_ type: IdentifierType) -> String { EventNames.of(type) }
    private func name(_ device: Device) -> String { EventNames.of(device) }
}

/// Stable names of what stands in records, for lines and JSON.
enum EventNames {
    static func of(_ end: ReleaseEnd) -> String {
        switch end {
        case .passed: "passed"
        case .annulled: "annulled"
        case .interrupted: "interrupted"
        }
    }

    static func of(_ pulse: UnreleasedPulse) -> String {
        switch pulse {
        case .tailgating: "tailgating"
        case .forced: "forced"
        case .wrongWay: "wrong-way"
        case .anonymous: "anonymous"
        case .maintenance: "maintenance"
        }
    }

    static func of(_ releaser: Releaser) -> String {
        switch releaser {
        case .guardButton: "guard-button"
        }
    }

    static func of(_ contact: TamperContact) -> String {
        switch contact {
        case .reader(let index): "reader-\(index)"
        case .cabinet: "cabinet"
        }
    }

    static func of(_ direction: PassageDirection) -> String { direction == .forward ? "forward" : "backward" }

    static func of(_ type: IdentifierType) -> String {
        switch type {
        case .chip: "chip"
        case .code: "code"
        case .epc: "epc"
        }
    }

    static func of(_ device: Device) -> String {
        switch device {
        case .reader(let index): "reader-\(index)"
        case .thermometer: "thermometer"
        case .gate: "gate"
        }
    }

    static func of(_ finding: AntiPassbackFinding) -> String {
        switch finding {
        case .off: "off"
        case .notPassed: "not-passed"
        case .reported: "reported"
        case .refused: "refused"
        case .notKnown: "not-known"
        case .reportedInside: "reported-inside"
        case .refusedInside: "refused-inside"
        }
    }

    static func of(_ finding: OccupancyFinding) -> String {
        switch finding {
        case .off: "off"
        case .below: "below"
        case .reported: "reported"
        case .refused: "refused"
        case .notKnown: "not-known"
        }
    }

    static func of(_ company: Company) -> [String] {
        [
            (Company.escort, "escort"), (.secondIdentifier, "second-identifier"), (.guardsButton, "guards-button"),
            (.driver, "driver"), (.vehicle, "vehicle"),
        ].filter { company.contains($0.0) }.map(\.1)
    }

    static func totals(_ totals: LaneTotals) -> [(String, UInt32)] {
        [
            ("presented", totals.presented), ("admitted", totals.admitted), ("refused", totals.refused),
            ("passed", totals.passed), ("annulled", totals.annulled), ("interrupted", totals.interrupted),
            ("tailgating", totals.tailgating), ("forced", totals.forced), ("wrong_way", totals.wrongWay),
            ("anonymous_forward", totals.anonymousForward), ("anonymous_backward", totals.anonymousBackward),
            ("by_hand", totals.byHand), ("passed_backward", totals.passedBackward),
            ("tailgating_backward", totals.tailgatingBackward),
        ]
    }
}
