import Admission
import Framing
import Posix
import Wording

/// One lane at one instant, as the page of all lanes shows it: from its book, its newest records and what it says of itself.
/// A word that is not old counts before the records, which tell of changes only.
struct LaneSight {
    /// A word that came longer ago, or was said so long before it came, is shown as old; lanes have one every 10 s.
    static let wordMilliseconds: Int64 = 60_000

    struct Seen {
        var device: Device
        var isLost: Bool
        /// Where it is known.
        var sinceMilliseconds: Int64?
    }

    let id: ShortName
    let name: String
    /// nil: nothing ever came from it.
    let book: LaneBook?
    let facts: LaneFacts?
    /// Without anything heard for so long it is silent, ms.
    let silentMilliseconds: Int64
    /// ms since 1970-01-01 UTC.
    let now: Int64

    var isSilent: Bool { book.map { now - $0.lastSeenMilliseconds >= silentMilliseconds } ?? false }
    var word: (said: LaneWord, receivedMilliseconds: Int64)? { book?.word }

    /// It was said long before it came: its uplink passes on what a daemon said that has ended since.
    var isWordLate: Bool {
        guard let word, word.said.clock == .trusted else { return false }
        // Any instant may stand in a word.
        return word.said.asOf.milliseconds < word.receivedMilliseconds - Self.wordMilliseconds
    }

    /// Late, or none came with the newest batch, or nothing came for long.
    var isWordOld: Bool {
        guard let word else { return false }
        return book?.currentWord == nil || isWordLate || now - word.receivedMilliseconds > Self.wordMilliseconds
    }

    var freshWord: LaneWord? { isWordOld ? nil : word?.said }

    var mode: (LaneMode, ModeCause)? {
        if let freshWord { return (freshWord.mode, freshWord.cause) }
        return book?.mode.map { ($0, facts?.cause ?? .none) }
    }

    var clock: ClockTrust? { freshWord?.clock ?? facts?.clock }

    /// With a word all that the lane has; else those that its records say are lost.
    var devices: [Seen] {
        let lost = facts?.lost ?? [:]
        if let freshWord {
            return freshWord.deviceStates.map { state in
                Seen(
                    device: state.device, isLost: state.isLost,
                    sinceMilliseconds: state.isLost ? lost[state.device.code] : nil)
            }
        }
        return lost.sorted { $0.key < $1.key }.compactMap { code, since in
            Device(code: code).map { Seen(device: $0, isLost: true, sinceMilliseconds: since) }
        }
    }

    var openCovers: [TamperContact] {
        guard let freshWord else { return book?.tampered.contacts ?? [] }
        return TamperSet(rawValue: Int64(freshWord.openCovers)).contacts
    }

    // MARK: As JSON

    /// `entrance`: the id of its entrance, and its name.
    func json(_ troubles: [Trouble], entrance: (id: String, name: Bilingual)) -> JSONText {
        func number(_ value: Int64?) -> JSONText { value.map { .number($0) } ?? .null }
        func text(_ value: String?) -> JSONText { value.map { .text($0) } ?? .null }
        func instant(_ value: WallTime?) -> JSONText { number(value?.milliseconds) }
        let said = word?.said
        let hasImage = said.map { $0.imageVersion > 0 } ?? false
        return .object([
            ("lane", .text(id.text)), ("name", .text(name)),
            ("entrance", .text(entrance.id)), ("entrance_zh", .text(entrance.name.chinese)),
            ("entrance_en", .text(entrance.name.english)),
            ("severity", text(troubles.first?.severity.rawValue)),
            ("since_ms", number(troubles.first?.sinceMilliseconds)),
            ("is_silent", .truth(isSilent)),
            ("last_seen", text(book.map { Timestamp.format($0.lastSeenMilliseconds) })),
            ("last_seen_ms", number(book?.lastSeenMilliseconds)),
            ("mode", text(mode?.0.name)), ("mode_cause", text(mode?.1.name)), ("clock", text(clock?.name)),
            ("freshness", text(said?.freshness.name)),
            ("devices_known", .truth(freshWord != nil)),
            (
                "devices",
                .array(
                    devices.map { seen in
                        .object([
                            ("device", .text(seen.device.name)), ("state", .text(seen.isLost ? "lost" : "present")),
                            ("since_ms", number(seen.sinceMilliseconds)),
                        ])
                    })
            ),
            ("open_covers", .array(openCovers.map { .text($0.name) })),
            ("image_version", hasImage ? .number(said?.imageVersion ?? 0) : .null),
            ("change_number", hasImage ? .number(said?.changeNumber ?? 0) : .null),
            ("image_issued_ms", instant(said?.imageIssuedAt)),
            ("statement_as_of_ms", instant(said?.statementAsOf)),
            ("statement_age_seconds", number(said?.statementAgeSeconds)),
            ("journal", said.map(LaneBook.journal) ?? .null),
            ("missing", .number(book?.ledger.missing ?? 0)),
            ("epochs", .number(book?.ledger.epochs.count ?? 0)),
            (
                "stored_through",
                book?.ledger.storedThrough.map {
                    .object([("epoch", .text($0.epoch.hex)), ("sequence", .number($0.sequence))])
                } ?? .null
            ),
            ("last_record_ms", number(book?.lastRecordMilliseconds)),
            ("word", wordJSON),
            ("troubles", .array(troubles.map(\.json))),
        ])
    }

    private var wordJSON: JSONText {
        guard let word else { return .null }
        return .object([
            ("received_ms", .number(word.receivedMilliseconds)), ("as_of_ms", .number(word.said.asOf.milliseconds)),
            ("is_old", .truth(isWordOld)), ("started_at_ms", .number(word.said.startedAt.milliseconds)),
            ("version", .text(word.said.version.text)), ("policy", .text(word.said.policyDigest.hex)),
        ])
    }
}
