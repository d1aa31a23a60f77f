import Framing
import Posix

/// What a device told of itself, in the log; nothing is decided on it.
enum DeviceNotices {
    static func log(_ notice: DeviceNotice, of name: String) {
        switch notice {
        case .tampered(let opened): logTamper(opened, of: name)
        case .powerFailing(true): Log.error("\(name): it says that its power fails; check its supply")
        case .powerFailing(false): Log.notice("\(name): its power is good again")
        case .secured: Log.notice("\(name): secure channel under this lane's key")
        case .unsecured:
            Log.warning("\(name): NO secure channel: whoever reaches the wire can present badges (secure_channel: off)")
        case .provisioning:
            Log.warning(
                "\(name): PROVISIONING: it speaks under the key that everybody knows; it is given this lane's key")
        case .provisioned: Log.warning("\(name): it took this lane's key; take `provisioning: allowed` out again")
        case .channelLost: Log.warning("\(name): the secure channel broke and is set up again")
        case .keysPressed(let count): Log.notice("\(name): \(count) keys were pressed; this lane asks for none")
        case .trouble(let trouble): Log.error("\(name): \(trouble.reason); \(trouble.advice)")
        }
    }

    static func logTamper(_ opened: Bool, of name: String) {
        if opened {
            Log.error("\(name): TAMPERED WITH: its cover is open or it is off the wall; go and look")
        } else {
            Log.notice("\(name): tamper contact is at rest again")
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
