import Admission
import Configuration
import Control
import Framing
import Posix
import Wording

/// The lane a badge is explained for, as its configuration has it.
public struct ExplainedLane: Sendable {
    public var id: String
    public var name: String
    /// Empty when it has no name.
    public var servicePoint: String
    public var configuration: LaneConfiguration

    public init(id: String, name: String, servicePoint: String, configuration: LaneConfiguration) {
        self.id = id
        self.name = name
        self.servicePoint = servicePoint
        self.configuration = configuration
    }
}

/// Tells a technician what a badge would meet here and why: every key, the temperature, the zones and what the lane
/// itself stands on, each with its figures and what it needs. Pure, and judged by the lane machine's own functions.
public struct Explanation: Sendable {
    public var lane: ExplainedLane
    public var policy: AdmissionPolicy
    public var credentials: CredentialsInForce
    /// The image's zone table, bit n of a credential being zone n; empty without an image.
    public var zones: [ShortName]
    public var mode: LaneMode
    public var cause: ModeCause
    /// The present mode, where `mode` is that of the instant that was asked for; nil where nobody asked for one.
    public var modeNow: LaneMode?
    public var thermometerIsLost: Bool
    /// What the lane remembers of this holder.
    public var antiPassback = AntiPassbackNote()
    /// What the lane knows now of how full the zone is that it leads to: of another instant nobody knows.
    public var occupancy = OccupancyNote()

    public init(
        lane: ExplainedLane, policy: AdmissionPolicy, credentials: CredentialsInForce, zones: [ShortName] = [],
        mode: LaneMode = .normal, cause: ModeCause = .none, thermometerIsLost: Bool = false
    ) {
        self.lane = lane
        self.policy = policy
        self.credentials = credentials
        self.zones = zones
        self.mode = mode
        self.cause = cause
        self.thermometerIsLost = thermometerIsLost
    }

    /// - Parameters:
    ///   - presentation: the badge, looked up.
    ///   - question: its temperature and instant are used; without an instant `now` is.
    public func reply(_ presentation: Presentation, _ question: ExplainRequest, now: Moment) -> ExplainReply {
        let instant = question.atMilliseconds.map { WallTime(milliseconds: $0) } ?? now.wall
        let reading = question.temperatureCentidegrees
        let measured = temperature(presentation.credential, reading)
        var circumstances = Circumstances(
            credential: presentation.credential, credentials: credentials, policy: policy,
            temperature: reading.map {
                TemperatureFinding(outcome: .measured, sampleCount: 3, medianCentidegrees: $0)
            }, temperatureOffsetCentidegrees: policy.temperatureOffsetCentidegrees,
            temperatureLimitCentidegrees: policy.temperatureLimit(for: presentation.credential?.kind), clock: now.clock,
            instant: instant, destination: lane.configuration.to.text)
        circumstances.occupancy = occupancy
        var reasons = LaneMachine.keyReasons(
            presentation.lookup, policy: policy, credentials: credentials,
            leadsOutside: lane.configuration.to == .outside, wall: instant, clock: now.clock
        ).union(measured.reasons)
        if mode == .outOfService || mode == .maintenance { reasons.insert(.outOfService) }
        if mode == .locked { reasons.insert(.laneLocked) }
        if antiPassback.finding == .refused { reasons.insert(.passedAlready) }
        if antiPassback.finding == .refusedInside { reasons.insert(.insideAlready) }
        if occupancy.finding == .refused { reasons.insert(.zoneFull) }
        // An exit lets people out, always, and an emergency everybody.
        if !isJudging { reasons = [] }

        return ExplainReply(
            laneId: lane.id, laneName: lane.name, laneKind: lane.configuration.kind.name,
            from: lane.configuration.from.text, to: lane.configuration.to.text, atMilliseconds: instant.milliseconds,
            lookup: lookupName(presentation.lookup), kind: presentation.credential.map { "\($0.kind.name)" },
            type: typeName(presentation.type), imageVersion: credentials.imageVersion,
            changeNumber: credentials.changeNumber,
            rows: badgeRows(presentation, Judged(instant, now.clock)) + [measured.row]
                + laneRows(Judged(instant, now.clock)),
            verdict: (reasons.isEmpty ? Verdict.admitted : .refused).name,
            reasons: Reasons.ordered.filter { reasons.contains($0) }.map {
                .init(name: "\($0.name)", text: TechnicianWording.text($0, circumstances))
            },
            policy: policy.digest.hex,
            display: VisitorWording.text(
                mode == .emergency ? .emergency : reasons.isEmpty ? .walkThrough : .refused(reasons),
                servicePoint: lane.servicePoint
            ).line)
    }

    /// For which instant, and whether the clock that says it may be believed.
    private struct Judged {
        let instant: WallTime
        let clock: ClockTrust
        init(_ instant: WallTime, _ clock: ClockTrust) {
            self.instant = instant
            self.clock = clock
        }

        func age(_ seconds: UInt32) -> Int64 { instant.milliseconds(since: WallTime(seconds: Int64(seconds))) }
    }

    private let notJudged = "not judged: clock not trusted"
    private var isEntry: Bool { lane.configuration.kind != .exit }
    private var isJudging: Bool { isEntry && mode != .emergency }

    private func lookupName(_ lookup: BadgeLookup) -> String {
        switch lookup {
        case .noImage: "no-image"
        case .unknown: "unknown"
        case .conflict: "conflict"
        case .found: "found"
        }
    }

    private func typeName(_ type: IdentifierType) -> String {
        switch type {
        case .chip: "chip"
        case .code: "code"
        case .epc: "epc"
        }
    }

    // MARK: The badge

    private func badgeRows(_ presentation: Presentation, _ at: Judged) -> [ExplainReply.Row] {
        guard case .found(let credential) = presentation.lookup else {
            let state =
                switch presentation.lookup {
                case .conflict: "claimed by two holders"
                case .noImage: "no image to look it up in"
                default: "not in image \(credentials.imageVersion)"
                }
            return [
                .init(
                    subject: "badge", name: "badge", state: state, figure: "", needs: "one holder in the feed",
                    isRequired: isJudging, turns: false)
            ]
        }
        let required = policy.keys(for: credential.kind)
        let raw = FourKeys.reasons(
            credential, policy: everyKey, destinationZoneBit: credentials.destinationZoneBit,
            leadsOutside: lane.configuration.to == .outside, at: at.instant)
        func row(
            _ subject: String, _ name: String, _ state: String, _ figure: String, _ needs: String, _ against: Reasons,
            _ isRequired: Bool
        ) -> ExplainReply.Row {
            let untold: Reasons = at.clock == .trusted ? [] : .judgedByClock
            let stands = raw.intersection(against)
            let turns: Bool? = stands.isEmpty ? true : stands.subtracting(untold).isEmpty ? nil : false
            return .init(
                subject: subject, name: name,
                state: state, figure: turns == nil ? join(figure, notJudged) : figure,
                needs: needs, isRequired: isRequired && isJudging, turns: turns)
        }
        func key(_ key: Key, _ state: Bilingual, _ figure: String, _ needs: String, _ against: Reasons)
            -> ExplainReply.Row
        {
            row(
                key.name, key.wording.english, state.english, figure, needs, against, required.contains(key.member))
        }
        let validity: Reasons = [.notYetValid, .noLongerValid]
        let testWindow = policy.testWindow(for: credential.kind)
        let assessmentWindow = policy.assessmentWindow(for: credential.kind)
        let hours = policy.hours(for: credential.kind)
        return [
            key(.vaccine, credential.vaccine.wording, "", "full", Reasons.vaccineKey),
            key(
                .greenCode, credential.healthCode.wording,
                dated("assessed", credential.assessedAtSeconds, at, assessmentWindow),
                "green, assessed at most \(Figures.duration(milliseconds: assessmentWindow)) ago",
                Reasons.greenCodeKey),
            key(
                .test, credential.test.wording, dated("sampled", credential.sampledAtSeconds, at, testWindow),
                "negative, sampled at most \(Figures.duration(milliseconds: testWindow)) ago",
                Reasons.testKey),
            key(
                .activated, credential.activation.wording, "", "activated",
                Reasons.activationKey.subtracting(validity)),
            row(
                "validity", "badge dates", dates(credential), remaining(credential, at), "inside its dates", validity,
                required.contains(.activated)),
            row(
                "kind", "kind of badge", credential.kind.wording.english, credential.kind.wording.chinese,
                HolderKind.allCases.filter { policy.admittedKinds.contains($0) }.map(\.wording.english).joined(
                    separator: ", "), .kindNotAdmitted, true),
            row(
                "zone", "zones", zoneNames(credential), credentials.destinationZoneBit == 0 ? unknownZone : "",
                lane.configuration.to.text, .zoneNotGranted, lane.configuration.to != .outside),
        ]
            + (hours.isAlways
                ? []
                : [
                    row(
                        "hours", "opening hours", hours.isOpen(at: at.instant) ? "open" : "closed", "",
                        OpeningHoursText.text(hours), .outsideHours, true)
                ]) + besideRows(credential)
    }

    /// What the policy asks for beside the badge; none of it can be judged before somebody stands there.
    private func besideRows(_ credential: Credential) -> [ExplainReply.Row] {
        var rows: [ExplainReply.Row] = []
        func row(_ subject: String, _ name: String, _ state: String, _ needs: String, _ turns: Bool?) {
            rows.append(
                .init(
                    subject: subject, name: name, state: state, figure: "", needs: needs, isRequired: isJudging,
                    turns: turns))
        }
        let rule = policy.rule(for: credential.kind)
        if let escort = rule.escort {
            let kinds = HolderKind.allCases.filter { escort.kinds.contains($0) }.map(\.wording.english)
            row(
                "escort", "escort", "to come",
                "a badge of \(kinds.joined(separator: " or ")) within "
                    + Figures.duration(milliseconds: escort.windowMilliseconds), nil)
        }
        if let driver = rule.driver {
            row(
                "driver", "driver", "to come",
                "the driver's badge within " + Figures.duration(milliseconds: driver.windowMilliseconds), nil)
        }
        if let identity = rule.identity {
            let proofs = [(Company.secondIdentifier, "another identifier"), (.guardsButton, "the guard's button")]
                .filter { identity.accepts.contains($0.0) }.map(\.1)
            row(
                "identity", "identity", "to come",
                "\(proofs.joined(separator: " or ")) within "
                    + Figures.duration(milliseconds: identity.windowMilliseconds), nil)
        }
        rows += occupancyRow(credential.kind)
        return rows + antiPassbackRow(policy.antiPassback(for: credential.kind))
    }

    private func antiPassbackRow(_ rule: AntiPassbackRule) -> [ExplainReply.Row] {
        let forgotten = Figures.duration(milliseconds: rule.forgetMilliseconds)
        let isAcross = rule.scope == .acrossLanes
        let needs = isAcross ? "not inside since less than \(forgotten)" : "not in the last \(forgotten)"
        let state: String
        var turns: Bool? = true
        switch antiPassback.finding {
        case .off: return []
        case .notPassed: state = isAcross ? "not inside" : "not lately"
        case .reported: state = "shortly before"
        case .refused: (state, turns) = ("shortly before", false)
        case .notKnown: (state, turns) = ("not known", nil)
        case .reportedInside: state = "inside already"
        case .refusedInside: (state, turns) = ("inside already", false)
        }
        let age = antiPassback.ageSeconds.map { "as of \(Figures.duration(milliseconds: Int64($0) * 1000)) ago" }
        let figure =
            !isAcross
            ? "" : join(age ?? "nobody told", antiPassback.finding == .notKnown ? "nobody is refused for it" : "")
        return [
            .init(
                subject: "anti_passback", name: isAcross ? "inside" : "passed here", state: state, figure: figure,
                needs: rule.action == .report ? "nothing; it is reported" : needs, isRequired: isJudging, turns: turns)
        ]
    }

    private func occupancyRow(_ kind: HolderKind) -> [ExplainReply.Row] {
        let rule = policy.occupancy(for: kind)
        guard rule.action != .off, let limit = kind == .vehicle ? rule.vehicles : rule.people else { return [] }
        let age = occupancy.ageSeconds.map {
            "as of \(Figures.duration(milliseconds: Int64($0) * 1000)) ago"
        }
        let what = kind == .vehicle ? "vehicles" : "people"
        return [
            .init(
                subject: "occupancy", name: "zone's occupancy",
                state: occupancy.count.map { "\($0) \(what) in \(lane.configuration.to.text)" } ?? "nobody told",
                figure: [
                    age ?? (occupancy.count == nil ? "" : "its age is not known"),
                    occupancy.finding == .notKnown ? "nobody is refused for it" : "",
                    modeNow == nil ? "" : "as now: of another instant nobody knows",
                ].filter { !$0.isEmpty }.joined(separator: "; "),
                needs: "fewer than \(limit), known for at most "
                    + Figures.duration(milliseconds: rule.knowledgeLimitMilliseconds)
                    + (rule.action == .report ? "; it is reported" : ""),
                isRequired: rule.action == .refuse && isJudging,
                turns: occupancy.finding == .notKnown ? nil : occupancy.finding != .refused)
        ]
    }

    /// So that a key that is not required is shown with what would stand against it.
    private var everyKey: AdmissionPolicy {
        var policy = policy
        policy.requiredKeys = [KeySet](repeating: .all, count: policy.requiredKeys.count)
        return policy
    }

    private var unknownZone: String {
        lane.configuration.to == .outside || credentials.imageVersion == 0
            ? "" : "the image knows no zone \(lane.configuration.to.text)"
    }

    private func zoneNames(_ credential: Credential) -> String {
        let names = zones.enumerated().filter { credential.zones & (1 << UInt64($0.offset)) != 0 }.map(\.element.text)
        if !names.isEmpty { return names.joined(separator: ", ") }
        // Without the image's names only this one is known.
        guard credential.zones != 0 else { return "none" }
        return credential.zones & credentials.destinationZoneBit != 0 ? lane.configuration.to.text : "others"
    }

    private func dated(_ what: String, _ seconds: UInt32, _ at: Judged, _ window: Int64) -> String {
        guard seconds != 0 else { return "not \(what)" }
        let age = at.age(seconds)
        return age < 0
            ? "\(what) \(Figures.duration(milliseconds: age)) in the future"
            : "\(what) \(Figures.duration(milliseconds: age, besideLimit: window)) ago"
    }

    private func dates(_ credential: Credential) -> String {
        let from = credential.validFromSeconds.map { "from \(instant(seconds: $0))" } ?? ""
        let until = credential.validUntilSeconds.map { "until \(instant(seconds: $0))" } ?? ""
        return from.isEmpty && until.isEmpty ? "no dates" : [from, until].filter { !$0.isEmpty }.joined(separator: " ")
    }

    private func remaining(_ credential: Credential, _ at: Judged) -> String {
        if let from = credential.validFromSeconds, at.instant.seconds < from {
            return
                "begins in \(Figures.duration(milliseconds: WallTime(seconds: from).milliseconds(since: at.instant)))"
        }
        guard let until = credential.validUntilSeconds else { return "" }
        let left = WallTime(seconds: until).milliseconds(since: at.instant)
        let duration = Figures.duration(milliseconds: left)
        return at.instant.seconds > until ? "ended \(duration) ago" : "\(duration) left"
    }

    // MARK: The temperature

    private func temperature(_ credential: Credential?, _ reading: Int32?) -> (
        row: ExplainReply.Row, reasons: Reasons
    ) {
        let isMeasured =
            isJudging && credential.map { policy.measuredKinds.contains($0.kind) } ?? true
        let limitCentidegrees = policy.temperatureLimit(for: credential?.kind)
        let limit = Figures.temperature(centidegrees: limitCentidegrees)
        func row(_ state: String, _ figure: String, _ turns: Bool?) -> ExplainReply.Row {
            .init(
                subject: "temperature", name: "temperature", state: state, figure: figure, needs: "below \(limit)",
                isRequired: isMeasured, turns: turns)
        }
        guard isMeasured else {
            return (row("not measured for this", "", nil), [])
        }
        if thermometerIsLost || !lane.configuration.hasThermometer {
            let admits = policy.withoutThermometer == .admitMarked
            let why = lane.configuration.hasThermometer ? "thermometer lost" : "no thermometer at this lane"
            return (
                row(why, admits ? "admitted without, and marked" : "", admits),
                admits ? [] : .thermometerLost
            )
        }
        guard let reading else { return (row("not given", "give --temperature to judge one", nil), []) }
        let offset = policy.temperatureOffsetCentidegrees
        let (sum, overflow) = reading.addingReportingOverflow(offset)
        let isHigh = overflow || sum >= limitCentidegrees
        let figure =
            offset == 0
            ? ""
            : "\(Figures.temperature(centidegrees: reading)) and offset \(Figures.signedTemperature(centidegrees: offset))"
        return (
            row(Figures.temperature(centidegrees: overflow ? reading : sum), figure, !isHigh),
            isHigh ? .temperatureHigh : []
        )
    }

    // MARK: The lane

    private func laneRows(_ at: Judged) -> [ExplainReply.Row] {
        let refusesStale = policy.whenStale == .refuse
        func aged(_ subject: String, _ name: String, _ state: String, _ age: Int64?, _ limit: Int64)
            -> ExplainReply.Row
        {
            var row = ExplainReply.Row(
                subject: subject, name: name, state: state, figure: "",
                needs: "at most \(Figures.duration(milliseconds: limit)) old", isRequired: refusesStale && isJudging,
                turns: false)
            guard let age else { return row }
            row.figure = age < 0 ? "in the future" : Figures.duration(milliseconds: age, besideLimit: limit) + " old"
            row.turns = age <= limit
            if age > limit && at.clock != .trusted {
                row.turns = nil
                row.figure = join(row.figure, notJudged)
            }
            return row
        }
        let hasImage = credentials.imageVersion != 0
        let modeTurns = ![.outOfService, .maintenance, .locked].contains(mode)
        return [
            aged(
                "statement", "statement",
                credentials.statementAsOf.map { "as of \(Timestamp.format($0.milliseconds))" } ?? "none yet",
                hasImage ? Freshness.statementAge(credentials, at: at.instant) : nil, policy.statementLimitMilliseconds
            ),
            aged(
                "image", "credential image",
                hasImage
                    ? "version \(credentials.imageVersion), issued \(Timestamp.format(credentials.imageIssuedAt.milliseconds))"
                    : "none", hasImage ? at.instant.milliseconds(since: credentials.imageIssuedAt) : nil,
                policy.imageLimitMilliseconds),
            .init(
                subject: "clock", name: "wall clock", state: at.clock.wording.english, figure: "", needs: "trusted",
                isRequired: policy.whenClockDistrusted == .refuse && isJudging, turns: at.clock == .trusted),
            .init(
                subject: "lane", name: "lane", state: mode.wording.english,
                figure: join(cause == .none ? "" : cause.wording.english, instantOfMode), needs: "in service",
                isRequired: isEntry,
                turns: modeTurns),
        ]
    }

    /// Whether the mode is the present one, or the schedule and an order give it at the instant that was asked for.
    private var instantOfMode: String {
        guard let modeNow else { return "" }
        return modeNow == mode ? "as now" : "at that instant; now \(modeNow.wording.english)"
    }

    private func instant(seconds: Int64) -> String { Timestamp.format(WallTime(seconds: seconds).milliseconds) }

    private func join(_ first: String, _ second: String) -> String {
        [first, second].filter { !$0.isEmpty }.joined(separator: "; ")
    }
}
