import Admission
import Framing
import Posix
import Wording

/// What a lane's word comes to for those who read it. Its sender is not trusted: any bits may stand in it.
extension LaneWord {
    /// All that the lane has, by their codes, and whether each is lost.
    var deviceStates: [(device: Device, isLost: Bool)] {
        (0..<32 as Range<UInt8>).compactMap { code in
            guard (devices | lostDevices) & (1 << UInt32(code)) != 0, let device = Device(code: code) else {
                return nil
            }
            return (device, lostDevices & (1 << UInt32(code)) != 0)
        }
    }

    func isLost(_ code: UInt8) -> Bool { code < 32 && lostDevices & (1 << UInt32(code)) != 0 }

    /// Of the journal's room; nil without a journal.
    var journalPercent: Int64? {
        recordsRoom == 0 || flags.contains(.hasNoJournal) ? nil : Int64(recordsHeld) * 100 / Int64(recordsRoom)
    }

    /// How old the statement was that it decides by, in s, when it said this; nil without one.
    var statementAgeSeconds: Int64? {
        statementAsOf.map { statement in
            let (age, isTooMuch) = asOf.milliseconds.subtractingReportingOverflow(statement.milliseconds)
            return isTooMuch ? (asOf < statement ? .min : .max) / 1000 : age / 1000
        }
    }
}

extension LaneBook {
    /// What it says of itself now; nil: it never did, or does not any more.
    var currentWord: LaneWord? { wordlessSinceMilliseconds == nil ? word?.said : nil }

    /// Its mode, by its word, which is newer than its records, or else by these.
    var currentMode: LaneMode? { currentWord?.mode ?? mode }

    /// How old the statement is that it decides by, in s; nil: it has none, or said nothing.
    func statementAgeSeconds(at now: Int64) -> Int64? {
        guard let word, let age = word.said.statementAgeSeconds else { return nil }
        let (sum, isTooMuch) = age.addingReportingOverflow(max(0, now - word.receivedMilliseconds) / 1000)
        return isTooMuch ? .max : sum
    }

    /// Of `GET /v1/lanes`; all of it null of a lane that never said a word.
    func wordMembers(at now: Int64) -> [(String, JSONText)] {
        let said = word?.said
        func text(_ value: String?) -> JSONText { value.map { .text($0) } ?? .null }
        func truth(_ flag: LaneWord.Flags) -> JSONText { said.map { .truth($0.flags.contains(flag)) } ?? .null }
        func instant(_ wall: WallTime?) -> JSONText { wall.map { .number($0.milliseconds) } ?? .null }
        let hasImage = said.map { $0.imageVersion != 0 } ?? false
        return [
            ("word_received", text(word.map { Timestamp.format($0.receivedMilliseconds) })),
            ("word_received_ms", word.map { .number($0.receivedMilliseconds) } ?? .null),
            ("wordless_since_ms", wordlessSinceMilliseconds.map { .number($0) } ?? .null),
            ("word_as_of_ms", instant(said?.asOf)),
            ("mode_cause", text(said?.cause.name)),
            ("clock", text(said?.clock.name)),
            ("fire_alarm", truth(.fireAlarm)),
            ("hangs", truth(.hangs)),
            ("devices", said.map { .array($0.deviceStates.map(Self.json)) } ?? .null),
            ("image_version", hasImage ? said.map { .number($0.imageVersion) } ?? .null : .null),
            ("image_issued_ms", instant(said?.imageIssuedAt)),
            ("change_number", hasImage ? said.map { .number($0.changeNumber) } ?? .null : .null),
            ("statement_as_of_ms", instant(said?.statementAsOf)),
            ("statement_age_seconds", statementAgeSeconds(at: now).map { .number($0) } ?? .null),
            ("freshness", text(said?.freshness.name)),
            ("journal", said.map(Self.journal) ?? .null),
            ("policy", text(said?.policyDigest.hex)),
            ("version", text(said?.version.text)),
            ("started_ms", instant(said?.startedAt)),
        ]
    }

    private static func json(_ state: (device: Device, isLost: Bool)) -> JSONText {
        .object([("device", .text(state.device.name)), ("state", .text(state.isLost ? "lost" : "present"))])
    }

    static func journal(_ said: LaneWord) -> JSONText {
        .object([
            ("held", .number(Int64(said.recordsHeld))), ("room", .number(Int64(said.recordsRoom))),
            ("percent", said.journalPercent.map { .number($0) } ?? .null),
            ("state", .text(said.flags.contains(.hasNoJournal) ? "absent" : said.journal.name)),
            ("fault", .truth(said.flags.contains(.hasJournalFault))),
        ])
    }
}
