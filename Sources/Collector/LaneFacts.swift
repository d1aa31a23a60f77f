import Admission
import Framing

/// What the newest records of a lane say of its state, beyond what its book has.
///
/// A lane sends its journal in order, but holes are filled late, and a swapped controller begins another journal: a record
/// of an epoch that was left, or from before the newest one of its epoch, tells nothing of now.
struct LaneFacts: Hashable, Sendable {
    /// Epochs that were left, newest last.
    private static let mostPastEpochs = 8

    private(set) var epoch = Epoch.none
    private(set) var sequence: UInt64 = 0
    private(set) var pastEpochs: [Epoch] = []
    var from = ShortName.outside
    var to = ShortName.outside
    var clock = ClockTrust.trusted
    /// Since when its clock is not trusted; nil while it is.
    var clockSinceMilliseconds: Int64?
    /// Devices that are lost, by their codes, and since when: the lane's time where its clock was trusted, else when it came in.
    var lost: [UInt8: Int64] = [:]
    var cause = ModeCause.none
    /// Since when there is a cause, and this one; nil while there is none.
    var causeSinceMilliseconds: Int64?
    /// When the newest decision was made, on a clock that was trusted, and the statement that it stood on.
    var decidedMilliseconds: Int64?
    var statementMilliseconds: Int64?
    /// Records that are missing, as was seen last, and when there came to be more.
    var missing: UInt64 = 0
    var missingSinceMilliseconds: Int64 = 0
    var missingGrewMilliseconds: Int64 = 0

    init() {}

    /// As a store gives it back.
    init(epoch: Epoch, sequence: UInt64, pastEpochs: [Epoch]) {
        self.epoch = epoch
        self.sequence = sequence
        self.pastEpochs = pastEpochs
    }

    /// Kinds of records (JournalRecordBody.swift) each of which counts; of the others the last one of a block is enough.
    static func isTelling(_ kind: UInt8) -> Bool { kind == 1 || kind == 7 || kind == 9 || kind == 10 || kind == 11 }

    /// `received`: ms since 1970-01-01 UTC on the collector's clock.
    mutating func note(_ record: JournalRecord, received: Int64) {
        if record.epoch == epoch {
            guard record.sequence > sequence else { return }
        } else {
            guard !pastEpochs.contains(record.epoch) else { return }
            if epoch != .none { pastEpochs = (pastEpochs + [epoch]).suffix(Self.mostPastEpochs) }
            epoch = record.epoch
            // The lane tells anew what it misses.
            lost = [:]
            note(ModeCause.none, at: received)
        }
        sequence = record.sequence
        (from, to) = (record.from, record.to)
        clock = record.moment.clock
        let isTrusted = clock == .trusted
        clockSinceMilliseconds = isTrusted ? nil : clockSinceMilliseconds ?? received
        let said = record.moment.wall.milliseconds
        let wall = isTrusted && said > 0 ? min(said, received) : received
        switch record.event {
        case .device(let device, let isLost):
            if isLost { lost[device.code] = lost[device.code] ?? wall } else { lost[device.code] = nil }
        case .mode(_, let cause): note(cause, at: wall)
        case .credentials(let credentials): if isTrusted { note(credentials, at: wall) }
        case .decided(let decision): if isTrusted { note(decision.credentials, at: wall) }
        default: break
        }
    }

    private mutating func note(_ cause: ModeCause, at instant: Int64) {
        if cause != self.cause { causeSinceMilliseconds = cause == .none ? nil : instant }
        self.cause = cause
    }

    private mutating func note(_ credentials: CredentialsInForce, at wall: Int64) {
        decidedMilliseconds = wall
        statementMilliseconds = credentials.statementAsOf?.milliseconds
    }

    /// How many records its ledger misses now. `since`, `grew`: when the first and the last of them were noticed, where nobody
    /// looked then.
    mutating func note(missing now: UInt64, at instant: Int64, since: Int64? = nil, grew: Int64? = nil) {
        guard now != missing else { return }
        if missing == 0 { missingSinceMilliseconds = min(since ?? instant, instant) }
        if now > missing { missingGrewMilliseconds = min(grew ?? instant, instant) }
        missing = now
    }
}
