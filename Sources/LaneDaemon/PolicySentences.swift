import Admission
import Configuration
import Framing
import Wording

/// What an entrance asks of each kind of badge, in sentences with every figure, for `--check-config`.
struct PolicySentences {
    let policy: AdmissionPolicy
    let hasThermometer: Bool
    /// The zone that the lane leads to.
    let zone: ShortName
    var isForVehicles = false

    var lines: [String] {
        HolderKind.allCases.map(sentence) + temperature + [
            "A sample or an assessment may be dated at most \(duration(policy.futureToleranceMilliseconds)) in the future.",
            knowledge, clock,
        ]
    }

    private func sentence(_ kind: HolderKind) -> String {
        guard policy.admittedKinds.contains(kind) else { return "\(kind.name): not admitted." }
        var parts = ["admitted with \(keys(kind))"]
        if zone != .outside { parts.append("zone \(zone.text) on the badge") }
        if hasThermometer && policy.measuredKinds.contains(kind) {
            parts.append("temperature below \(Figures.temperature(centidegrees: policy.temperatureLimit(for: kind)))")
        } else {
            parts.append("no temperature")
        }
        let hours = policy.hours(for: kind)
        parts.append(hours.isAlways ? "at any hour" : "open \(OpeningHoursText.text(hours))")
        parts += company(kind)
        return "\(kind.name): \(parts.joined(separator: "; "))."
    }

    private func company(_ kind: HolderKind) -> [String] {
        let rule = policy.rule(for: kind)
        var parts: [String] = []
        if let escort = rule.escort {
            let kinds = HolderKind.allCases.filter { escort.kinds.contains($0) }.map { "\($0.name)" }
            parts.append(
                "only beside a badge of \(kinds.joined(separator: " or ")) presented at most "
                    + "\(duration(escort.windowMilliseconds)) before or after")
        }
        if let driver = rule.driver {
            let kinds = HolderKind.allCases.filter { $0 != .vehicle && policy.admittedKinds.contains($0) }
            parts.append(
                "only with the badge of its driver (\(kinds.map { "\($0.name)" }.joined(separator: " or "))) read at most "
                    + "\(duration(driver.windowMilliseconds)) before or after, both admitted or neither")
        }
        if kind != .vehicle, isForVehicles, policy.rule(for: .vehicle).driver != nil {
            parts.append("only as the driver of a vehicle whose pass is read too")
        }
        if let identity = rule.identity {
            let proofs = [
                (Company.secondIdentifier, "another identifier of the same holder"),
                (.guardsButton, "the guard's button"),
            ].filter { identity.accepts.contains($0.0) }.map(\.1)
            parts.append("\(proofs.joined(separator: " or ")) within \(duration(identity.windowMilliseconds))")
        }
        let antiPassback = policy.antiPassback(for: kind)
        let isAcross = antiPassback.scope == .acrossLanes
        let again =
            (isAcross ? "who is inside since less than " : "who passed here less than ")
            + duration(antiPassback.forgetMilliseconds)
            + (isAcross
                ? ", by whichever lane, known for at most \(duration(antiPassback.knowledgeLimitMilliseconds)),"
                : " ago")
        switch antiPassback.action {
        case .off: break
        case .report: parts.append("\(again) is admitted and reported")
        case .refuse: parts.append("\(again) is refused")
        }
        parts += occupancy(kind)
        return parts
    }

    private func occupancy(_ kind: HolderKind) -> [String] {
        let rule = policy.occupancy(for: kind)
        let isVehicle = kind == .vehicle
        guard rule.action != .off, let limit = isVehicle ? rule.vehicles : rule.people else { return [] }
        return [
            "with \(limit) \(isVehicle ? "vehicles" : "people") in \(zone.text) the next is "
                + (rule.action == .refuse ? "refused" : "admitted and reported")
                + ", unless the count is more than \(duration(rule.knowledgeLimitMilliseconds)) old"
        ]
    }

    private func keys(_ kind: HolderKind) -> String {
        let required = policy.keys(for: kind)
        let names = [
            (KeySet.vaccine, "the full vaccine course"),
            (.greenCode, "a green code assessed at most \(duration(policy.assessmentWindow(for: kind))) ago"),
            (.test, "a negative test sampled at most \(duration(policy.testWindow(for: kind))) ago"),
            (.activated, "an activated badge inside its dates"),
        ].filter { required.contains($0.0) }.map(\.1)
        return names.isEmpty ? "none of the four keys" : names.joined(separator: ", ")
    }

    private var temperature: [String] {
        let without =
            switch policy.withoutThermometer {
            case .refuse: "people who must be measured are refused"
            case .admitMarked: "people are admitted unmeasured, and every record says so"
            case .outOfService: "the lane goes out of service"
            }
        guard hasThermometer else { return ["No thermometer: \(without)."] }
        let offset = Figures.signedTemperature(centidegrees: policy.temperatureOffsetCentidegrees)
        return [
            "To what the thermometer says \(offset) is added; samples within \(policy.pairingWindowMilliseconds) ms of the badge belong to it.",
            "While the thermometer is lost, \(without).",
        ]
    }

    private var knowledge: String {
        "The last statement may be \(duration(policy.statementLimitMilliseconds)) old (a warning from "
            + "\(duration(policy.statementWarnMilliseconds))), the image \(duration(policy.imageLimitMilliseconds)) "
            + "(\(duration(policy.imageWarnMilliseconds))); beyond that people are "
            + (policy.whenStale == .refuse ? "refused" : "admitted all the same")
            + (policy.showsStale
                ? "; lamps and display send them to another lane as long as nobody is admitted for that."
                : "; lamps and display say nothing of it before a badge is shown.")
    }

    private var clock: String {
        policy.whenClockDistrusted == .refuse
            ? "While the clock is not trusted, people are refused."
            : "While the clock is not trusted, people are judged without dates, windows and hours."
    }

    private func duration(_ milliseconds: Int64) -> String { Figures.duration(milliseconds: milliseconds) }
}
