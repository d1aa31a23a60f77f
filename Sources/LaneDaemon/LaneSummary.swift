import Admission
import Devices
import Framing

/// A lane's settings in sentences, for `--check-config`.
enum LaneSummary {
    static func text(_ settings: LaneSettings) -> String {
        let lane = settings.lane
        let policy = settings.policy
        var lines = [
            "Lane \(settings.id.text) (\(settings.name)) is an \(lane.kind == .entry ? "entry" : "exit") from \(lane.from.text) to \(lane.to.text)."
        ]
        for reader in settings.readers {
            lines.append(
                "Reader \(reader.name): \(reader.type.name) on \(reader.port), \(reader.baud ?? reader.type.usualBaud) baud."
            )
            if reader.type.name == "osdp" { lines.append(channel(reader.readerKey)) }
        }
        if let thermometer = settings.thermometer {
            lines.append("Thermometer: \(thermometer.type.name) on \(thermometer.port).")
            lines.append(
                "A person is refused at \(celsius(policy.temperatureLimitCentidegrees)) °C and above, after adding \(celsius(policy.temperatureOffsetCentidegrees)) °C; the samples come from \(policy.pairingWindowMilliseconds) ms around the badge."
            )
        } else {
            lines.append("No thermometer: nobody's temperature is measured.")
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
        if lane.kind == .exit {
            lines.append("It lets everybody out and refuses nobody.")
        } else {
            for kind in HolderKind.allCases {
                lines.append(
                    policy.admittedKinds.contains(kind)
                        ? "\(kind.name): admitted with \(keys(policy.keys(for: kind)))." : "\(kind.name): not admitted."
                )
            }
            lines.append(
                "A negative test counts for \(policy.testWindowMilliseconds / 3_600_000) h, a green code for \(policy.assessmentWindowMilliseconds / 3_600_000) h."
            )
            lines.append(
                "When the last statement is older than \(policy.statementLimitMilliseconds / 1000) s or the image older than \(policy.imageLimitMilliseconds / 1000) s, people are \(policy.whenStale == .refuse ? "refused" : "admitted all the same"); when the clock is not trusted, they are \(policy.whenClockDistrusted == .refuse ? "refused" : "judged without dates")."
            )
        }
        lines.append(
            "The journal holds \(settings.journalCapacityRecords) records and \(settings.journalReserveRecords) in reserve, in \(settings.stateDirectory)."
        )
        lines.append("Policy digest \(policy.digest.hex).")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func channel(_ key: ReaderKeySetting?) -> String {
        guard let key else { return "  NO secure channel: whoever reaches its wire can present badges." }
        return "  Secure channel under \(key.file)."
            + (key.allowsProvisioning
                ? " PROVISIONING ALLOWED: a reader under the key that everybody knows is given it." : "")
    }

    private static func keys(_ keys: KeySet) -> String {
        let names = [
            (KeySet.vaccine, "vaccine"), (.greenCode, "green code"), (.test, "test"), (.activated, "activated badge"),
        ].filter { keys.contains($0.0) }.map(\.1)
        return names.isEmpty ? "none of the four keys" : names.joined(separator: ", ")
    }

    private static func celsius(_ centidegrees: Int32) -> String {
        let magnitude = abs(centidegrees)
        let fraction = magnitude % 100
        let digits = fraction % 10 == 0 ? "\(fraction / 10)" : (fraction < 10 ? "0\(fraction)" : "\(fraction)")
        return "\(centidegrees < 0 ? "-" : "")\(magnitude / 100).\(digits)"
    }
}
