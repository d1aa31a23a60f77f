import Admission
import Framing

/// What the collector keeps in memory of one lane; all of it stands in the database too.
struct LaneBook: Sendable {
    let row: Int64
    let name: ShortName
    var ledger = StoredThroughLedger()
    var epochRows: [Epoch: Int64] = [:]
    var pathRows: [ZonePath: Int64] = [:]
    var all = Tally()
    var today = Tally()
    /// When its last batch came, ms since 1970-01-01 UTC on the collector's clock.
    var lastSeenMilliseconds: Int64
    /// The wall time in the newest record that came, on the lane's clock.
    var lastRecordMilliseconds: Int64?
    /// The mode its newest mode record told; a new epoch begins in normal.
    var mode: LaneMode?
    /// Covers that its newest records say are open; a new epoch begins with none.
    var tampered = TamperSet()
    /// What it said of itself last, and when that came, ms since 1970-01-01 UTC on the collector's clock.
    private(set) var word: (said: LaneWord, receivedMilliseconds: Int64)?
    /// Since when its batches come without a word although words came before: its uplink is there, and no daemon. nil: the
    /// newest batch had one, or none ever had.
    private(set) var wordlessSinceMilliseconds: Int64?
    var conversation = Conversation()
    /// Until when it has told what happened at it; nil: nothing came since the collector began.
    private(set) var heardThrough: Int64?

    var heardThroughMilliseconds: Int64 { heardThrough ?? lastSeenMilliseconds }

    /// How long an empty batch may have been under way.
    static let underWayMilliseconds: Int64 = 1000

    /// A batch came. An empty one says that there is nothing more; one with records is the newest of them so far, unless the
    /// lane does not know what time it is.
    mutating func heard(_ newest: Moment?, now: Int64) {
        lastSeenMilliseconds = now
        let sent = now - Self.underWayMilliseconds
        heardThrough = newest.map { $0.clock == .trusted ? max(0, min(now, $0.wall.milliseconds)) : sent } ?? sent
    }

    /// What the head of a batch has of the lane itself. An uplink passes on only what it saw its daemon write lately.
    mutating func heard(word said: LaneWord?, now: Int64) {
        if let said {
            word = (said, now)
            wordlessSinceMilliseconds = nil
        } else if word != nil, wordlessSinceMilliseconds == nil {
            wordlessSinceMilliseconds = now
        }
    }

    /// As a store gives it back.
    mutating func resume(word said: LaneWord?, receivedMilliseconds: Int64, wordlessSinceMilliseconds: Int64?) {
        word = said.map { ($0, receivedMilliseconds) }
        self.wordlessSinceMilliseconds = word == nil ? nil : wordlessSinceMilliseconds
    }

    /// A record that is newer than all that came.
    mutating func note(_ record: JournalRecord) {
        lastRecordMilliseconds = record.moment.wall.milliseconds
        switch record.event {
        case .mode(let mode, _): self.mode = mode
        case .epochStarted:
            mode = .normal
            tampered = TamperSet()
        case .tamper(let contact, let opened): tampered[contact] = opened
        default: break
        }
    }

    /// What the sender of this lane's batches was told, and whether it has read it. Not kept over a restart.
    ///
    /// On one connection a client sends its next request after it read the last answer, so the last answer there was
    /// heard. A sender that makes a new connection each time is believed to have heard it after `patience` batches in a
    /// row that brought nothing new: so often no answer is lost.
    struct Conversation: Sendable {
        static let patience = 30

        private var connection: UInt64?
        private var answer: StoredThrough?
        private var batchesWithoutNews = 0

        /// The answer that the sender has read before it sent its next batch on this connection.
        func heard(connection: UInt64) -> StoredThrough? {
            connection == self.connection || batchesWithoutNews >= Self.patience ? answer : nil
        }

        mutating func answered(_ answer: StoredThrough?, connection: UInt64, records: Int, new: Int) {
            self.connection = connection
            self.answer = answer
            if new > 0 { batchesWithoutNews = 0 } else if records > 0 { batchesWithoutNews += 1 }
        }
    }
}

/// Covers of a lane that are open. Its raw value stands in the database: a bit for each contact's code.
struct TamperSet: Hashable, Sendable {
    var rawValue: Int64 = 0

    subscript(contact: TamperContact) -> Bool {
        get { rawValue & (1 << Int64(contact.code)) != 0 }
        set {
            let bit = Int64(1) << Int64(contact.code)
            rawValue = newValue ? rawValue | bit : rawValue & ~bit
        }
    }

    var contacts: [TamperContact] { (0..<32).compactMap { TamperContact(code: $0) }.filter { self[$0] } }
}

/// What the collector keeps in memory of the site as a whole.
struct SiteBook: Sendable {
    /// Only what lanes cannot be summed for: different holders.
    var all = Tally()
    var today = Tally()
    var balances: [ShortName: Balance] = [:]
}
