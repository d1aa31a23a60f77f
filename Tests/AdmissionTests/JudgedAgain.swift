import Admission

/// The keys judged a second time, by a code of its own that shares nothing with the lane's but the values: what stands
/// against a badge at an entrance, apart from temperature, company, anti-passback and the lane's own state.
struct JudgedAgain {
    var policy: AdmissionPolicy
    var credentials: CredentialsInForce
    var leadsOutside: Bool
    var wall: WallTime
    var isClockTrusted: Bool

    /// The reasons that this can find; others are for others to look after.
    static let known: Reasons = [
        .noImage, .unknownBadge, .conflict, .vaccineNotRecorded, .vaccineIncomplete, .codeYellow, .codeRed,
        .codeUnknown,
        .codeTooOld, .codeInFuture, .testPositive, .testMissing, .testExpired, .testInFuture, .notActivated, .suspended,
        .revoked, .notYetValid, .noLongerValid, .kindNotAdmitted, .outsideHours, .zoneNotGranted, .statementTooOld,
        .imageTooOld, .clockNotTrusted,
    ]

    func reasons(_ lookup: BadgeLookup) -> Reasons {
        var all: [(holds: Bool, reason: Reasons)] = []
        let now = wall.milliseconds
        func dated(_ seconds: UInt32, _ window: Int64, late: Reasons, early: Reasons) {
            let at = Int64(seconds) * 1000
            all.append((now > at + window, late))
            all.append((at > now + policy.futureToleranceMilliseconds, early))
        }
        switch lookup {
        case .noImage: all.append((true, .noImage))
        case .unknown: all.append((true, .unknownBadge))
        case .conflict: all.append((true, .conflict))
        case .found(let holder):
            let required = policy.requiredKeys[Int(holder.kind.rawValue)]
            let rule = policy.kindRules[Int(holder.kind.rawValue)]
            if required.contains(.vaccine) {
                all.append((holder.vaccine == .partial, .vaccineIncomplete))
                all.append((holder.vaccine == .none || holder.vaccine == .unknown, .vaccineNotRecorded))
            }
            if required.contains(.greenCode) {
                all.append((holder.healthCode == .red, .codeRed))
                all.append((holder.healthCode == .yellow, .codeYellow))
                all.append((holder.healthCode == .unknown, .codeUnknown))
                if holder.healthCode == .green {
                    dated(
                        holder.assessedAtSeconds,
                        rule.assessmentWindowMilliseconds ?? policy.assessmentWindowMilliseconds, late: .codeTooOld,
                        early: .codeInFuture)
                }
            }
            if required.contains(.test) {
                all.append((holder.test == .positive, .testPositive))
                all.append((holder.test == .none || holder.test == .unknown, .testMissing))
                if holder.test == .negative {
                    dated(
                        holder.sampledAtSeconds, rule.testWindowMilliseconds ?? policy.testWindowMilliseconds,
                        late: .testExpired, early: .testInFuture)
                }
            }
            if required.contains(.activated) {
                all.append((holder.activation == .inactive, .notActivated))
                all.append((holder.activation == .suspended, .suspended))
                all.append((holder.activation == .revoked, .revoked))
                if let from = holder.validFromSeconds { all.append((now < from * 1000, .notYetValid)) }
                if let until = holder.validUntilSeconds { all.append((now >= (until + 1) * 1000, .noLongerValid)) }
            }
            all.append((!policy.admittedKinds.contains(holder.kind), .kindNotAdmitted))
            all.append((!Self.isIn(rule.hours ?? policy.hours, wall), .outsideHours))
            all.append((!leadsOutside && holder.zones & credentials.destinationZoneBit == 0, .zoneNotGranted))
        }
        if policy.whenStale == .refuse && credentials.imageVersion > 0 {
            let issued = credentials.imageIssuedAt.milliseconds
            let said = max(issued, credentials.statementAsOf?.milliseconds ?? issued)
            all.append((now - said > policy.statementLimitMilliseconds, .statementTooOld))
            all.append((now - issued > policy.imageLimitMilliseconds, .imageTooOld))
        }
        var reasons: Reasons = []
        for one in all where one.holds { reasons.insert(one.reason) }
        guard !isClockTrusted else { return reasons }
        reasons.subtract([
            .codeTooOld, .codeInFuture, .testExpired, .testInFuture, .notYetValid, .noLongerValid, .outsideHours,
            .statementTooOld, .imageTooOld,
        ])
        return policy.whenClockDistrusted == .refuse ? reasons.union(.clockNotTrusted) : reasons
    }

    static func names(_ reasons: Reasons) -> String {
        (0..<64).filter { reasons.rawValue >> UInt64($0) & 1 == 1 }.map { "\(Reasons(rawValue: 1 << UInt64($0)).name)" }
            .joined(separator: " ")
    }

    static func isIn(_ hours: OpeningHours, _ wall: WallTime) -> Bool {
        if hours.daily.isEmpty && hours.dated.isEmpty { return true }
        let day: Int64 = 24 * 60 * 60 * 1000
        for dated in hours.dated where dated.from <= wall && wall < dated.until { return true }
        for daily in hours.daily {
            // Every beginning that could still hold: today's and yesterday's.
            let midnight = Int64((Double(wall.milliseconds) / Double(day)).rounded(.down)) * day
            for begin in [midnight + daily.fromMilliseconds, midnight - day + daily.fromMilliseconds]
            where begin <= wall.milliseconds && wall.milliseconds < begin + daily.lengthMilliseconds {
                return true
            }
        }
        return false
    }
}
