/// What a badge would meet at this lane: a row for each thing that is looked at, and the verdict. Instants are ms since
/// 1970-01-01 UTC. The identifier is not in it: whoever asked has it.
public struct ExplainReply: Codable, Sendable, Equatable {
    public struct Row: Codable, Sendable, Equatable {
        /// vaccine, green_code, test, activated, validity, kind, zone, hours, escort, driver, identity, occupancy,
        /// anti_passback,
        /// temperature, statement, image, clock, lane.
        public var subject: String
        /// What a person calls it: `48 h test`.
        public var name: String
        /// What the lane knows of it: `negative`.
        public var state: String
        /// The figure behind it: `sampled 51 h 12 min ago`; empty when there is none.
        public var figure: String
        /// What it needs to open: `negative, sampled at most 48 h ago`.
        public var needs: String
        /// Whether this lane asks for it of this kind of badge.
        public var isRequired: Bool
        /// Whether it lets the badge through; nil when it could not be judged.
        public var turns: Bool?

        public init(
            subject: String, name: String, state: String, figure: String, needs: String, isRequired: Bool,
            turns: Bool?
        ) {
            self.subject = subject
            self.name = name
            self.state = state
            self.figure = figure
            self.needs = needs
            self.isRequired = isRequired
            self.turns = turns
        }
    }

    public struct Reason: Codable, Sendable, Equatable {
        /// Stable: `test-expired`.
        public var name: String
        /// With its figures: `test sampled 51 h 12 min ago, limit 48 h`.
        public var text: String

        public init(name: String, text: String) {
            self.name = name
            self.text = text
        }
    }

    public var laneId: String
    public var laneName: String
    public var laneKind: String
    public var from: String
    public var to: String
    /// The instant it was judged for.
    public var atMilliseconds: Int64
    /// found, unknown, conflict or no-image.
    public var lookup: String
    /// As the feed writes it; nil unless found.
    public var kind: String?
    /// Which identifier type was asked for.
    public var type: String
    public var imageVersion: UInt64
    public var changeNumber: UInt64
    public var rows: [Row]
    /// admitted or refused.
    public var verdict: String
    /// In the order of telling.
    public var reasons: [Reason]
    /// Digest of the policy that judges: `policies/DIGEST.yaml` in the lane's directory. nil from an older lanekeeperd.
    public var policy: String?
    /// What the display would say: Chinese / English.
    public var display: String

    public init(
        laneId: String, laneName: String, laneKind: String, from: String, to: String, atMilliseconds: Int64,
        lookup: String, kind: String?, type: String, imageVersion: UInt64, changeNumber: UInt64, rows: [Row],
        verdict: String, reasons: [Reason], policy: String? = nil, display: String
    ) {
        self.laneId = laneId
        self.laneName = laneName
        self.laneKind = laneKind
        self.from = from
        self.to = to
        self.atMilliseconds = atMilliseconds
        self.lookup = lookup
        self.kind = kind
        self.type = type
        self.imageVersion = imageVersion
        self.changeNumber = changeNumber
        self.rows = rows
        self.verdict = verdict
        self.reasons = reasons
        self.policy = policy
        self.display = display
    }
}
