import Framing
import Posix

/// What a device told of itself, in the log; nothing is decided on it.
enum DeviceNotices {
    static func log(_ notice: DeviceNotice, of name: String) {
        let text = "\(name): \(words(notice))"
        switch notice {
        case .tampered(true), .powerFailing(true), .trouble: Log.error(text)
        case .unsecured, .provisioning, .provisioned, .channelLost: Log.warning(text)
        case .tampered(false), .powerFailing(false), .secured, .keysPressed: Log.notice(text)
        }
    }

    static func words(_ notice: DeviceNotice) -> String {
        switch notice {
        case .tampered(true): "TAMPERED WITH: its cover is open or it is off the wall; go and look"
        case .tampered(false): "tamper contact is at rest again"
        case .powerFailing(true): "it says that its power fails; check its supply"
        case .powerFailing(false): "its power is good again"
        case .secured: "secure channel under this lane's key"
        case .unsecured: "NO secure channel: whoever reaches the wire can present badges (secure_channel: off)"
        case .provisioning: "PROVISIONING: it speaks under the key that everybody knows; it is given this lane's key"
        case .provisioned: "it took this lane's key; take `provisioning: allowed` out again"
        case .channelLost: "the secure channel broke and is set up again"
        case .keysPressed(let count): "\(count) keys were pressed; this lane asks for none"
        case .trouble(let trouble): "\(trouble.reason); \(trouble.advice)"
        }
    }
}

extension DeviceConditions {
    /// A word for each that holds.
    var words: [String] {
        let all: [(DeviceConditions, String)] = [
            (.secured, "secure channel"), (.unsecured, "no secure channel"), (.tampered, "TAMPERED WITH"),
            (.powerFailing, "power fails"), (.provisioningAllowed, "provisioning allowed"),
        ]
        return all.filter { contains($0.0) }.map(\.1)
    }

    /// What somebody has to see to.
    var alarms: [String] {
        let all: [(DeviceConditions, String)] = [
            (.tampered, "tampered with: its cover is open or it is off the wall; go and look"),
            (.powerFailing, "it says that its power fails; check its supply"),
            (
                .provisioningAllowed,
                "provisioning is allowed: when the reader has its key, take it out of the configuration"
            ),
        ]
        return all.filter { contains($0.0) }.map(\.1)
    }
}
