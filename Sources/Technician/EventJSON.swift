import Admission
import Foundation
import Framing
import Posix
import Wording

/// A journal record as one line of JSON. Every line has `epoch`, `sequence`, `wall_milliseconds`, `wall`, `clock`, `lane`,
/// `from`, `to` and `event`; the rest is that event's own.
struct EventJSON {
    let record: JournalRecord

    /// The line without its line feed.
    var line: String {
        var fields: [String: Any] = [
            "epoch": record.epoch.hex, "sequence": record.sequence, "wall": Timestamp.format(wall),
            "wall_milliseconds": wall,
            "clock": record.moment.clock.name, "lane": record.lane.text, "from": record.from.text,
            "to": record.to.text,
        ]
        let (event, own) = body
        fields["event"] = event
        fields.merge(own) { first, _ in first }
        return JSONLine.text(fields)
    }

    private var wall: Int64 { record.moment.wall.milliseconds }

    private var body: (String, [String: Any]) {
        switch record.event {
        case .epochStarted(let previous, let last):
            return (
                "epoch-started",
                previous == .none ? [:] : ["previous_epoch": previous.hex, "previous_last_sequence": last]
            )
        case .decided(let decision): return ("decided", decided(decision))
        case .ended(let outcome): return (EventNames.of(outcome.end), ended(outcome))
        case .pulse(let pulse, let direction, let decision):
            return (
                EventNames.of(pulse),
                ["direction": EventNames.of(direction)].merging(decision == 0 ? [:] : ["decision_sequence": decision]) {
                    first, _ in first
                }
            )
        case .seenInEmergency(let presentation): return ("seen-in-emergency", badge(presentation))
        case .fire(let alarm): return ("fire", ["alarm": alarm])
        case .device(let device, let lost): return ("device", ["device": EventNames.of(device), "lost": lost])
        case .contact(let direction, let stuck):
            return ("contact", ["direction": EventNames.of(direction), "stuck": stuck])
        case .mode(let mode, let cause): return ("mode", ["mode": mode.name, "cause": cause.name])
        case .credentials(let credentials): return ("credentials", inForce(credentials))
        case .clock(let trust, let step): return ("clock", ["trust": trust.name, "step_milliseconds": step])
        case .hour(let start, let totals): return ("hour", counted(totals).merging(["start_seconds": start]) { $1 })
        case .hole(let epoch, let first, let count, let cause, let totals):
            let hole: [String: Any] = [
                "hole_epoch": epoch.hex, "first_sequence": first, "count": count,
                "cause": cause == .damaged ? "damaged" : "no-room",
            ]
            return ("hole", cause == .noRoom ? counted(totals).merging(hole) { $1 } : hole)
        case .stopping: return ("stopping", [:])
        case .releasedByHand(let releaser, let direction):
            return ("released-by-hand", ["by": EventNames.of(releaser), "direction": EventNames.of(direction)])
        case .tamper(let contact, let opened):
            return ("tamper", ["device": EventNames.of(contact), "opened": opened])
        case .policy(let digest): return ("policy", ["policy": digest.hex])
        case .passagesForgotten(let holder):
            return ("passages-forgotten", holder == .nobody ? ["everybody": true] : ["holder": holder.number])
        case .technician(let act): return ("technician", technician(act))
        case .seenInMaintenance(let presentation): return ("seen-in-maintenance", badge(presentation))
        }
    }

    private func decided(_ decision: Decision) -> [String: Any] {
        var fields = badge(decision.presentation)
        fields["verdict"] = decision.verdict.name
        fields["reasons"] = Reasons.ordered.filter { decision.reasons.contains($0) }.map { "\($0.name)" }
        fields["temperature"] = outcome(decision.temperature.outcome)
        if decision.temperature.sampleCount > 0 {
            fields["temperature_samples"] = Int(decision.temperature.sampleCount)
            fields["temperature_median_centidegrees"] = Int(decision.temperature.medianCentidegrees)
        }
        fields["temperature_offset_centidegrees"] = Int(decision.temperatureOffsetCentidegrees)
        fields["temperature_limit_centidegrees"] = Int(decision.temperatureLimitCentidegrees)
        fields["policy"] = decision.policyDigest.hex
        fields["anti_passback"] = EventNames.of(decision.antiPassback.finding)
        if let age = decision.antiPassback.ageSeconds { fields["anti_passback_age_seconds"] = age }
        fields["zone_limit"] = EventNames.of(decision.occupancy.finding)
        if let count = decision.occupancy.count { fields["occupancy"] = count }
        if let age = decision.occupancy.ageSeconds { fields["occupancy_age_seconds"] = age }
        if !decision.company.isEmpty { fields["company"] = EventNames.of(decision.company) }
        if decision.partner != .nobody { fields["partner"] = decision.partner.number }
        return fields.merging(inForce(decision.credentials)) { first, _ in first }
    }

    private func outcome(_ outcome: TemperatureOutcome) -> String {
        switch outcome {
        case .notRequired: "not-required"
        case .measured: "measured"
        case .missing: "missing"
        case .ambiguous: "ambiguous"
        case .admittedWithout: "admitted-without"
        case .thermometerLost: "thermometer-lost"
        case .notTaken: "not-taken"
        }
    }

    private func ended(_ outcome: Outcome) -> [String: Any] {
        var fields: [String: Any] = [
            "direction": EventNames.of(outcome.direction), "decision_sequence": outcome.decisionSequence,
            "decision_epoch": (outcome.decisionEpoch ?? record.epoch).hex,
            "open_milliseconds": outcome.openMilliseconds,
        ]
        guard !outcome.isByHand else { return fields }
        fields["tag"] = outcome.tag.hex
        fields["type"] = EventNames.of(outcome.type)
        fields["reader"] = Int(outcome.reader)
        if outcome.isAssumed { fields["assumed"] = true }
        if let kind = outcome.kind { fields["kind"] = "\(kind.name)" }
        if outcome.holder != .nobody { fields["holder"] = outcome.holder.number }
        return fields
    }

    private func technician(_ act: TechnicianAct) -> [String: Any] {
        var fields: [String: Any] = ["user": act.user, "remark": act.remark.text]
        switch act.what {
        case .ordered(let mode, let minutes):
            fields["act"] = "ordered"
            fields["mode"] = mode.laneMode.name
            fields["minutes"] = minutes
        case .tested(let what):
            fields["act"] = "tested"
            fields["output"] = what.name
        case .confirmedClock: fields["act"] = "confirmed-clock"
        }
        return fields
    }

    private func badge(_ presentation: Presentation) -> [String: Any] {
        var fields: [String: Any] = [
            "tag": presentation.tag.hex, "type": EventNames.of(presentation.type), "reader": Int(presentation.reader),
            "direction": EventNames.of(presentation.direction),
        ]
        switch presentation.lookup {
        case .unknown: fields["lookup"] = "unknown"
        case .conflict: fields["lookup"] = "conflict"
        case .noImage: fields["lookup"] = "no-image"
        case .found(let credential):
            fields["lookup"] = "found"
            fields["holder"] = credential.holder.number
            fields["kind"] = "\(credential.kind.name)"
            fields["vaccine"] = credential.vaccine.wording.english
            fields["health_code"] = credential.healthCode.wording.english
            fields["test"] = credential.test.wording.english
            fields["activation"] = credential.activation.wording.english
            if credential.sampledAtSeconds != 0 { fields["sampled_at_seconds"] = credential.sampledAtSeconds }
            if credential.assessedAtSeconds != 0 { fields["assessed_at_seconds"] = credential.assessedAtSeconds }
        }
        return fields
    }

    private func inForce(_ credentials: CredentialsInForce) -> [String: Any] {
        var fields: [String: Any] = [
            "image_version": credentials.imageVersion, "change_number": credentials.changeNumber,
            "image_issued_at_milliseconds": credentials.imageIssuedAt.milliseconds,
            "knows_destination": credentials.destinationZoneBit != 0,
        ]
        if let asOf = credentials.statementAsOf { fields["statement_as_of_milliseconds"] = asOf.milliseconds }
        return fields
    }

    private func counted(_ totals: LaneTotals) -> [String: Any] {
        Dictionary(uniqueKeysWithValues: EventNames.totals(totals).map { ($0.0, $0.1 as Any) })
    }
}

/// One line of JSON.
enum JSONLine {
    /// Values are texts, truths, whole numbers, and lists of these: nothing that JSON cannot say.
    static func text(_ fields: [String: Any]) -> String {
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? JSONSerialization.data(withJSONObject: fields, options: options) else {
            return #"{"event":"unreadable"}"#
        }
        return String(decoding: data, as: UTF8.self)
    }

    static func unreadable(_ error: FormatError) -> String { text(["event": "unreadable", "problem": error.problem]) }

    static func missing(_ lost: RecordBatch.Stretch) -> String {
        text(["event": "missing", "epoch": lost.epoch.hex, "first_sequence": lost.first, "last_sequence": lost.last])
    }
}
