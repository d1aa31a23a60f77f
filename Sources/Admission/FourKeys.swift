/// The four keys and the lane's own rules, judged for one credential at one instant. Pure: the same arguments give the
/// same reasons at the lane, in `lanectl explain`, and years later from the record.
public enum FourKeys {
    /// All reasons why this credential does not open a lane that leads to `destinationZoneBit` at `instant`.
    /// Temperature, clock and freshness are judged elsewhere.
    public static func reasons(
        _ credential: Credential, policy: AdmissionPolicy, destinationZoneBit: UInt64, leadsOutside: Bool,
        at instant: WallTime
    ) -> Reasons {
        let required = policy.keys(for: credential.kind)
        var reasons: Reasons = []
        if required.contains(.vaccine) { reasons.formUnion(vaccine(credential)) }
        if required.contains(.greenCode) { reasons.formUnion(greenCode(credential, policy, instant)) }
        if required.contains(.test) { reasons.formUnion(test(credential, policy, instant)) }
        if required.contains(.activated) { reasons.formUnion(activation(credential, instant)) }
        if !policy.admittedKinds.contains(credential.kind) { reasons.insert(.kindNotAdmitted) }
        if !policy.hours(for: credential.kind).isOpen(at: instant) { reasons.insert(.outsideHours) }
        if !leadsOutside && credential.zones & destinationZoneBit == 0 { reasons.insert(.zoneNotGranted) }
        return reasons
    }

    static func vaccine(_ credential: Credential) -> Reasons {
        switch credential.vaccine {
        case .full: []
        case .partial: .vaccineIncomplete
        case .none, .unknown: .vaccineNotRecorded
        }
    }

    static func greenCode(_ credential: Credential, _ policy: AdmissionPolicy, _ instant: WallTime) -> Reasons {
        switch credential.healthCode {
        case .yellow: return .codeYellow
        case .red: return .codeRed
        case .unknown: return .codeUnknown
        case .green:
            guard credential.assessedAtSeconds != 0 else { return .codeTooOld }
            let age = instant.milliseconds(since: WallTime(seconds: Int64(credential.assessedAtSeconds)))
            if age < -max(0, policy.futureToleranceMilliseconds) { return .codeInFuture }
            return age > policy.assessmentWindow(for: credential.kind) ? .codeTooOld : []
        }
    }

    static func test(_ credential: Credential, _ policy: AdmissionPolicy, _ instant: WallTime) -> Reasons {
        switch credential.test {
        case .positive: return .testPositive
        case .none, .unknown: return .testMissing
        case .negative:
            guard credential.sampledAtSeconds != 0 else { return .testMissing }
            let age = instant.milliseconds(since: WallTime(seconds: Int64(credential.sampledAtSeconds)))
            if age < -max(0, policy.futureToleranceMilliseconds) { return .testInFuture }
            return age > policy.testWindow(for: credential.kind) ? .testExpired : []
        }
    }

    static func activation(_ credential: Credential, _ instant: WallTime) -> Reasons {
        var reasons: Reasons = []
        switch credential.activation {
        case .activated: break
        case .inactive: reasons.insert(.notActivated)
        case .suspended: reasons.insert(.suspended)
        case .revoked: reasons.insert(.revoked)
        }
        if let from = credential.validFromSeconds, instant.seconds < from { reasons.insert(.notYetValid) }
        if let until = credential.validUntilSeconds, instant.seconds > until { reasons.insert(.noLongerValid) }
        return reasons
    }
}
