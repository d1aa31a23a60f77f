/// How a lane is. Instants are ms since 1970-01-01 UTC. No identifier of any badge is in it.
public struct StatusReply: Codable, Sendable, Equatable {
    public struct Lane: Codable, Sendable, Equatable {
        public var id: String
        public var name: String
        /// entry or exit.
        public var kind: String
        public var from: String
        public var to: String

        public init(id: String, name: String, kind: String, from: String, to: String) {
            self.id = id
            self.name = name
            self.kind = kind
            self.from = from
            self.to = to
        }
    }

    public struct Device: Codable, Sendable, Equatable {
        /// As the configuration names it; `thermometer` and `gate` for those.
        public var name: String
        /// `rdm6300`, `gy-mcu90615`, `simulated`, `gpio`.
        public var type: String
        /// Its line: a device path or a socket.
        public var line: String
        /// present or lost.
        public var state: String
        public var sinceMilliseconds: Int64
        /// The last thing known of it, in English: an error's text, or what it said.
        public var lastWord: String

        public init(
            name: String, type: String, line: String, state: String, sinceMilliseconds: Int64, lastWord: String
        ) {
            self.name = name
            self.type = type
            self.line = line
            self.state = state
            self.sinceMilliseconds = sinceMilliseconds
            self.lastWord = lastWord
        }
    }

    public struct Credentials: Codable, Sendable, Equatable {
        /// 0 = none.
        public var imageVersion: UInt64
        public var changeNumber: UInt64
        public var imageIssuedAtMilliseconds: Int64
        /// Identifiers in the image.
        public var identifiers: Int
        /// nil = no signed statement yet.
        public var statementAsOfMilliseconds: Int64?
        /// Since what is in force was last said to be current; nil without an image.
        public var statementAgeMilliseconds: Int64?
        /// fresh, warn or stale, by the policy's limits; none without an image.
        public var freshness: String
        /// Whether the image knows the zone the lane leads to.
        public var knowsDestination: Bool

        public init(
            imageVersion: UInt64, changeNumber: UInt64, imageIssuedAtMilliseconds: Int64, identifiers: Int,
            statementAsOfMilliseconds: Int64?, statementAgeMilliseconds: Int64?, freshness: String,
            knowsDestination: Bool
        ) {
            self.imageVersion = imageVersion
            self.changeNumber = changeNumber
            self.imageIssuedAtMilliseconds = imageIssuedAtMilliseconds
            self.identifiers = identifiers
            self.statementAsOfMilliseconds = statementAsOfMilliseconds
            self.statementAgeMilliseconds = statementAgeMilliseconds
            self.freshness = freshness
            self.knowsDestination = knowsDestination
        }
    }

    public struct Journal: Codable, Sendable, Equatable {
        public var epoch: String
        public var nextSequence: UInt64
        /// Records that are kept because the collector has not stored them.
        public var recordsUsed: UInt64
        /// Records there is room for, without the reserve.
        public var recordsTotal: UInt64
        /// roomy, filling, nearly-full, reserve-only or full.
        public var state: String
        /// Written but not yet known to be on the disk.
        public var unsynced: UInt64

        public init(
            epoch: String, nextSequence: UInt64, recordsUsed: UInt64, recordsTotal: UInt64, state: String,
            unsynced: UInt64
        ) {
            self.epoch = epoch
            self.nextSequence = nextSequence
            self.recordsUsed = recordsUsed
            self.recordsTotal = recordsTotal
            self.state = state
            self.unsynced = unsynced
        }
    }

    /// What the lane counted.
    public struct Counters: Codable, Sendable, Equatable {
        public var presented: UInt64 = 0
        public var admitted: UInt64 = 0
        public var refused: UInt64 = 0
        public var passed: UInt64 = 0
        public var annulled: UInt64 = 0
        public var interrupted: UInt64 = 0
        public var tailgating: UInt64 = 0
        public var forced: UInt64 = 0
        public var wrongWay: UInt64 = 0
        public var anonymousForward: UInt64 = 0
        public var anonymousBackward: UInt64 = 0
        /// Let through by the guard's button; each is one of `admitted`. nil from an older daemon.
        public var byHand: UInt64?

        public init() {}
    }

    /// A decision without whose it was.
    public struct LastDecision: Codable, Sendable, Equatable {
        public var wallMilliseconds: Int64
        /// admitted or refused.
        public var verdict: String
        /// Stable names, in the order of telling.
        public var reasons: [String]

        public init(wallMilliseconds: Int64, verdict: String, reasons: [String]) {
            self.wallMilliseconds = wallMilliseconds
            self.verdict = verdict
            self.reasons = reasons
        }
    }

    /// What a visitor reads over the lane now, and nothing more than that.
    public struct Display: Codable, Sendable, Equatable {
        public var chinese: String
        public var english: String

        public init(chinese: String, english: String) {
            self.chinese = chinese
            self.english = english
        }
    }

    /// What a technician ordered and still stands.
    public struct Order: Codable, Sendable, Equatable {
        public var mode: String
        /// 0 = until something else is ordered.
        public var minutes: UInt32
        public var user: UInt32
        public var givenAtMilliseconds: Int64
        public var remark: String

        public init(mode: String, minutes: UInt32, user: UInt32, givenAtMilliseconds: Int64, remark: String) {
            self.mode = mode
            self.minutes = minutes
            self.user = user
            self.givenAtMilliseconds = givenAtMilliseconds
            self.remark = remark
        }
    }

    public static let mostLastDecisions = 10

    public var lane: Lane
    public var version: String
    public var processId: Int32
    public var startedAtMilliseconds: Int64
    public var nowMilliseconds: Int64
    /// normal, free-exit, emergency, out-of-service, locked, held-open or maintenance.
    public var mode: String
    /// Why; none in normal mode.
    public var modeCause: String
    /// nil: nobody ordered anything.
    public var order: Order?
    public var fireAlarm: Bool
    public var lamps: String
    /// trusted, behind-floor, ahead-of-signed-time or stepped.
    public var clock: String
    public var devices: [Device]
    public var credentials: Credentials
    public var journal: Journal
    public var hourStartMilliseconds: Int64
    public var hour: Counters
    public var sinceStart: Counters
    /// The newest first, at most ten.
    public var lastDecisions: [LastDecision]
    /// What a technician should know, in English; empty when all is well.
    public var alarms: [String]
    /// nil from a daemon that did not say it yet.
    public var display: Display?
    /// Digest of the policy in force, likewise.
    public var policy: String?

    public init(
        lane: Lane, version: String, processId: Int32, startedAtMilliseconds: Int64, nowMilliseconds: Int64,
        mode: String, modeCause: String, fireAlarm: Bool, lamps: String, clock: String, devices: [Device],
        credentials: Credentials, journal: Journal, hourStartMilliseconds: Int64, hour: Counters,
        sinceStart: Counters, lastDecisions: [LastDecision], alarms: [String], order: Order? = nil
    ) {
        self.lane = lane
        self.version = version
        self.processId = processId
        self.startedAtMilliseconds = startedAtMilliseconds
        self.nowMilliseconds = nowMilliseconds
        self.mode = mode
        self.modeCause = modeCause
        self.fireAlarm = fireAlarm
        self.lamps = lamps
        self.clock = clock
        self.devices = devices
        self.credentials = credentials
        self.journal = journal
        self.hourStartMilliseconds = hourStartMilliseconds
        self.hour = hour
        self.sinceStart = sinceStart
        self.lastDecisions = lastDecisions
        self.alarms = alarms
        self.order = order
    }
}
