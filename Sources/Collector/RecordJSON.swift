import Admission
import Framing
import Posix
import Wording

/// A stored record as `GET /v1/records` shows it: one line, every field by its name. Temperatures in °C, times both as
/// ms since 1970-01-01 UTC and as RFC 3339.
struct RecordJSON {
    private let record: JournalRecord
    private let row: Int64
    private let received: Int64
    private let holderID: String?

    init(_ record: JournalRecord, row: Int64, receivedMilliseconds: Int64, holderID: String?) {
        self.record = record
        self.row = row
        received = receivedMilliseconds
        self.holderID = holderID
    }

    var value: JSONText {
        let (name, members) = event
        let wall = record.moment.wall.milliseconds
        return .object(
            [
                ("row", .number(row)),
                ("lane", .text(record.lane.text)),
                ("epoch", .text(record.epoch.hex)),
                ("sequence", .number(record.sequence)),
                ("event", .text(name)),
                ("wall", .text(Timestamp.format(wall))),
                ("wall_ms", .number(wall)),
                ("clock", .text(record.moment.clock.name)),
                ("received_ms", .number(received)),
                ("from", .text(record.from.text)),
                ("to", .text(record.to.text)),
                ("traffic", .text(record.traffic == .vehicles ? "vehicles" : "people")),
            ] + members)
    }

    private var event: (String, [(String, JSONText)]) {
        switch record.event {
        case .epochStarted(let previous, let lastSequence):
            let isFirst = previous == .none
            return (
                "epoch_started",
                [
                    ("previous_epoch", isFirst ? .null : .text(previous.hex)),
                    ("last_sequence", isFirst ? .null : .number(lastSequence)),
                ]
            )
        case .decided(let decision): return ("decided", members(of: decision))
        case .ended(let outcome): return ("ended", members(of: outcome))
        case .pulse(let pulse, let direction, let decisionSequence):
            return (
                "pulse",
                [
                    ("pulse", .text(pulse.name)), ("direction", .text(direction.name)),
                    ("decision_sequence", decisionSequence == 0 ? .null : .number(decisionSequence)),
                ]
            )
        case .seenInEmergency(let presentation): return ("seen_in_emergency", members(of: presentation))
        case .fire(let alarm): return ("fire", [("alarm", .truth(alarm))])
        case .device(let device, let lost): return ("device", [("device", .text(device.name)), ("lost", .truth(lost))])
        case .contact(let direction, let stuck):
            return ("contact", [("direction", .text(direction.name)), ("stuck", .truth(stuck))])
        case .mode(let mode, let cause): return ("mode", [("mode", .text(mode.name)), ("cause", .text(cause.name))])
        case .credentials(let credentials): return ("credentials", members(of: credentials))
        case .clock(let trust, let step):
            return ("clock", [("trust", .text(trust.name)), ("step_ms", .number(step))])
        case .hour(let start, let totals):
            return ("hour", [("start", .text(Timestamp.format(start &* 1000))), ("totals", members(of: totals))])
        case .hole(let epoch, let first, let count, let cause, let totals):
            return (
                "hole",
                [
                    ("hole_epoch", .text(epoch.hex)), ("first_sequence", .number(first)), ("count", .number(count)),
                    ("cause", .text(cause == .damaged ? "damaged" : "no_room")), ("totals", members(of: totals)),
                ]
            )
        case .stopping: return ("stopping", [])
        case .releasedByHand(let releaser, let direction):
            return ("released_by_hand", [("by", .text(releaser.name)), ("direction", .text(direction.name))])
        case .tamper(let contact, let opened):
            return ("tamper", [("device", .text(contact.name)), ("opened", .truth(opened))])
        case .policy(let digest): return ("policy", [("policy", .text(digest.hex))])
        case .passagesForgotten(let holder): return ("passages_forgotten", [("holder", number(of: holder))])
        case .technician(let act): return ("technician", members(of: act))
        case .seenInMaintenance(let presentation): return ("seen_in_maintenance", members(of: presentation))
        }
    }

    private func members(of decision: Decision) -> [(String, JSONText)] {
        let reasons = Reasons.ordered.filter { decision.reasons.contains($0) }
        let temperature = decision.temperature
        return members(of: decision.presentation) + [
            ("verdict", .text(decision.verdict == .admitted ? "admitted" : "refused")),
            ("reasons", .array(reasons.map { .text("\($0.name)") })),
            (
                "temperature",
                .object([
                    ("outcome", .text(temperature.outcome.name)),
                    ("samples", .number(Int(temperature.sampleCount))),
                    ("median_celsius", celsius(temperature.medianCentidegrees)),
                    ("ambient_celsius", celsius(temperature.ambientCentidegrees)),
                    ("offset_celsius", celsius(decision.temperatureOffsetCentidegrees)),
                    ("limit_celsius", celsius(decision.temperatureLimitCentidegrees)),
                ])
            ),
            ("policy", .text(decision.policyDigest.hex)),
            ("anti_passback", .text(decision.antiPassback.finding.name)),
            ("anti_passback_age_seconds", decision.antiPassback.ageSeconds.map { .number(Int64($0)) } ?? .null),
            ("zone_limit", .text(decision.occupancy.finding.name)),
            ("occupancy", decision.occupancy.count.map { .number(Int64($0)) } ?? .null),
            ("occupancy_age_seconds", decision.occupancy.ageSeconds.map { .number(Int64($0)) } ?? .null),
            ("company", .array(decision.company.names.map { .text($0) })),
            ("partner", number(of: decision.partner)),
        ] + members(of: decision.credentials)
    }

    private func number(of holder: HolderNumber) -> JSONText {
        holder == .nobody ? .null : .number(Int(holder.number))
    }

    private func members(of act: TechnicianAct) -> [(String, JSONText)] {
        let what: [(String, JSONText)] =
            switch act.what {
            case .ordered(let mode, let minutes):
                [("act", .text("ordered")), ("mode", .text(mode.laneMode.name)), ("minutes", .number(Int(minutes)))]
            case .tested(let what): [("act", .text("tested")), ("output", .text(what.name))]
            case .confirmedClock: [("act", .text("confirmed_clock"))]
            }
        return what + [("user", .number(Int(act.user))), ("remark", .text(act.remark.text))]
    }

    private func members(of outcome: Outcome) -> [(String, JSONText)] {
        [
            ("end", .text(outcome.end.name)),
            ("direction", .text(outcome.direction.name)),
            ("decision_sequence", .number(outcome.decisionSequence)),
            ("decision_epoch", outcome.decisionEpoch.map { .text($0.hex) } ?? .null),
            ("tag", outcome.isByHand ? .null : .text(outcome.tag.hex)),
            ("identifier", outcome.isByHand ? .null : .text(outcome.type.name)),
            ("holder", outcome.holder == .nobody ? .null : .number(Int(outcome.holder.number))),
            ("holder_id", holderID.map { .text($0) } ?? .null),
            ("kind", outcome.kind.map { .text("\($0.name)") } ?? .null),
            ("reader", outcome.isByHand ? .null : .number(Int(outcome.reader))),
            ("open_ms", .number(Int(outcome.openMilliseconds))),
            ("assumed", .truth(outcome.isAssumed)),
        ]
    }

    private func members(of presentation: Presentation) -> [(String, JSONText)] {
        let lookup: String
        switch presentation.lookup {
        case .noImage: lookup = "no_image"
        case .unknown: lookup = "unknown"
        case .conflict: lookup = "conflict"
        case .found: lookup = "found"
        }
        var members: [(String, JSONText)] = [
            ("tag", .text(presentation.tag.hex)),
            ("identifier", .text(presentation.type.name)),
            ("reader", .number(Int(presentation.reader))),
            ("direction", .text(presentation.direction.name)),
            ("lookup", .text(lookup)),
            ("holder", presentation.credential.map { .number(Int($0.holder.number)) } ?? .null),
            ("holder_id", holderID.map { .text($0) } ?? .null),
            ("kind", presentation.credential.map { .text("\($0.kind.name)") } ?? .null),
        ]
        if let credential = presentation.credential {
            members += [
                ("vaccine", .text(credential.vaccine.name)),
                ("health_code", .text(credential.healthCode.name)),
                ("assessed_at", instant(seconds: credential.assessedAtSeconds)),
                ("test_result", .text(credential.test.name)),
                ("sampled_at", instant(seconds: credential.sampledAtSeconds)),
                ("activation", .text(credential.activation.name)),
            ]
        }
        return members
    }

    private func members(of credentials: CredentialsInForce) -> [(String, JSONText)] {
        [
            ("image_version", .number(credentials.imageVersion)),
            ("change_number", .number(credentials.changeNumber)),
            ("image_issued_ms", .number(credentials.imageIssuedAt.milliseconds)),
            ("statement_as_of_ms", credentials.statementAsOf.map { .number($0.milliseconds) } ?? .null),
        ]
    }

    private func members(of totals: LaneTotals) -> JSONText {
        let counts: [(String, UInt32)] = [
            ("presented", totals.presented), ("admitted", totals.admitted), ("refused", totals.refused),
            ("passed", totals.passed), ("annulled", totals.annulled), ("interrupted", totals.interrupted),
            ("tailgating", totals.tailgating), ("forced", totals.forced), ("wrong_way", totals.wrongWay),
            ("anonymous_forward", totals.anonymousForward), ("anonymous_backward", totals.anonymousBackward),
            ("by_hand", totals.byHand), ("passed_backward", totals.passedBackward),
            ("tailgating_backward", totals.tailgatingBackward),
        ]
        return .object(counts.map { ($0.0, .number(Int($0.1))) })
    }

    private func instant(seconds: UInt32) -> JSONText {
        seconds == 0 ? .null : .text(Timestamp.format(Int64(seconds) * 1000))
    }

    private func celsius(_ centidegrees: Int32) -> JSONText {
        let whole = centidegrees.magnitude
        let fraction = String(whole % 100)
        return .decimal(
            "\(centidegrees < 0 ? "-" : "")\(whole / 100).\(String(repeating: "0", count: 2 - fraction.count))\(fraction)"
        )
    }
}
