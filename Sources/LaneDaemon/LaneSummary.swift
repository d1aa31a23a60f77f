import Admission
import Devices
import Framing

/// A lane's settings in sentences, for `--check-config`.
enum LaneSummary {
    static func text(_ settings: LaneSettings) -> String {
        let lane = settings.lane
        let policy = settings.policy
        var lines = [
            "Lane \(settings.id.text) (\(settings.name)) is \(article(lane.kind)) from \(lane.from.text) to \(lane.to.text)."
        ]
        for (index, reader) in settings.readers.enumerated() {
            lines.append(
                "Reader \(reader.name): \(reader.type.name) on \(reader.port), \(reader.baud ?? reader.type.usualBaud) baud."
            )
            if lane.kind == .twoWay {
                let isOut = lane.direction(ofReader: UInt8(index)) == .backward
                lines.append(
                    isOut
                        ? "  It lets everybody out, from \(lane.to.text) to \(lane.from.text), and refuses nobody."
                        : "  It lets in, from \(lane.from.text) to \(lane.to.text)."
                )
            }
            if reader.type.name == "osdp" { lines.append(channel(reader.readerKey)) }
        }
        if let thermometer = settings.thermometer {
            lines.append("Thermometer: \(thermometer.type.name) on \(thermometer.port).")
        }
        lines.append("Gate: \(settings.gateType), \(settings.gateLine).")
        lines.append(
            settings.onStop == .locked
                ? "While this program does not run, the gate stands locked."
                : "While this program does not run, the gate stands OPEN.")
        if case .gpio(_, nil) = settings.gate {
            lines.append("No fire input: this lane does not open by itself in a fire.")
        }
        lines.append(
            lane.releaseMode == .level
                ? "A release holds the line until somebody passed, for at most \(lane.passageTimeoutMilliseconds) ms."
                : "A release is a pulse of \(lane.pulseMilliseconds) ms; it is annulled after \(lane.passageTimeoutMilliseconds) ms."
        )
        if lane.traffic == .vehicles {
            lines.append("It is for vehicles; whoever passes without a badge is counted as one.")
        }
        let passage =
            switch lane.passageSensor {
            case .contacts: "A contact closes when somebody passes."
            case .beams: "Two beams see who passes, and which way."
            case .loop: "A loop sees a vehicle; it has passed when the loop is free again."
            case .absent:
                "The gate tells nothing: a release counts as a passage when its time is over, and is marked as assumed."
            }
        lines.append(passage)
        if lane.kind == .exit {
            lines.append("It lets everybody out and refuses nobody.")
        } else {
            lines +=
                PolicySentences(
                    policy: policy, hasThermometer: settings.thermometer != nil, zone: lane.to,
                    isForVehicles: lane.traffic == .vehicles
                ).lines
        }
        lines += ScheduleSettings.sentences(lane.schedule)
        lines.append(
            "The journal holds \(settings.journalCapacityRecords) records and \(settings.journalReserveRecords) in reserve, in \(settings.stateDirectory)."
        )
        lines.append("Policy digest \(policy.digest.hex), of \(settings.policyFile ?? "this file").")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func article(_ kind: LaneKind) -> String {
        switch kind {
        case .entry: "an entry"
        case .exit: "an exit"
        case .twoWay: "a two-way lane: in"
        }
    }

    private static func channel(_ key: ReaderKeySetting?) -> String {
        guard let key else { return "  NO secure channel: whoever reaches its wire can present badges." }
        return "  Secure channel under \(key.file)."
            + (key.allowsProvisioning
                ? " PROVISIONING ALLOWED: a reader under the key that everybody knows is given it." : "")
    }
}
