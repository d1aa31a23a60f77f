import Admission
import Wording

/// What answers look like: JSON Schema 2020-12. Members that an answer always has are required.
enum OpenAPISchemas {
    static func reference(_ name: String) -> JSONText {
        .object([("$ref", .text("#/components/schemas/\(name)"))])
    }

    /// All members are required, others may come later.
    static func object(_ members: [(String, JSONText)], optional: [(String, JSONText)] = []) -> JSONText {
        .object([
            ("type", .text("object")), ("required", .array(members.map { .text($0.0) })),
            ("properties", .object(members + optional)),
        ])
    }

    private static func type(_ names: String..., format: String? = nil) -> JSONText {
        let type: JSONText = names.count == 1 ? .text(names[0]) : .array(names.map { .text($0) })
        return .object([("type", type)] + (format.map { [("format", .text($0))] } ?? []))
    }

    private static func array(_ items: JSONText) -> JSONText {
        .object([("type", .text("array")), ("items", items)])
    }

    private static func choice(_ names: [String]) -> JSONText {
        .object([("type", .text("string")), ("enum", .array(names.map { .text($0) }))])
    }

    private static func orNull(_ schema: JSONText) -> JSONText {
        .object([("anyOf", .array([schema, type("null")]))])
    }

    /// Names to counts.
    private static let counts = JSONText.object([
        ("type", .text("object")),
        ("additionalProperties", .object([("type", .text("integer")), ("minimum", .number(0))])),
    ])

    private static let text = type("string")
    private static let integer = type("integer")
    private static let count = JSONText.object([("type", .text("integer")), ("minimum", .number(0))])
    private static let instant = type("string", format: "date-time")
    private static let orNothing = (text: type("string", "null"), integer: type("integer", "null"))

    static let all: [(String, JSONText)] = [
        ("Error", object([("error", text), ("advice", text)])),
        ("Tally", object(tally)),
        ("Tallies", tallies), ("Occupancy", occupancy), ("Ranking", ranking), ("Flow", flow), ("History", history),
        ("DecisionInFull", decision),
        ("Fleet", fleet), ("Lanes", lanes), ("Journals", journals), ("Alerts", alerts), ("DoubleUse", doubleUse),
        ("Inside", inside),
        ("Record", record),
        ("Changes", changes), ("Changed", changed), ("ChangeProblems", changeProblems), ("Health", health),
    ]

    /// Counts of a span of time.
    private static let tally: [(String, JSONText)] = [
        "presented", "admitted", "refused", "passed", "assumed", "annulled", "interrupted", "tailgating", "forced",
        "wrong_way", "anonymous", "anonymous_forward", "anonymous_backward", "by_hand", "in", "out", "vehicles_in",
        "vehicles_out", "distinct_holders", "distinct_vehicles", "stored", "duplicates", "conflicting",
        "clock_not_trusted", "unrecorded",
    ].map { ($0, count) }

    /// With what is so now; who left uncounted may make a balance negative.
    private static let tallyWithStates =
        tally + [("on_site_people", integer), ("on_site_vehicles", integer), ("missing", count)]

    /// A correction may take more away than there is.
    private static let corrected: [(String, JSONText)] = Correction.counters.map { ($0, integer) }

    private static let correction = object(
        [
            ("entry", count), ("at", instant), ("lane", orNothing.text), ("day", type("string", format: "date")),
            ("counter", choice(Correction.counters)), ("count", integer),
        ], optional: [("who", text), ("reason", text)])

    private static let flow = object([
        ("day", type("string", format: "date")), ("time_zone", text), ("begins_ms", integer), ("ends_ms", integer),
        ("lane", orNothing.text),
        (
            "flow",
            array(
                object(
                    [("at", instant), ("at_ms", integer)]
                        + [
                            "in", "out", "vehicles_in", "vehicles_out", "presented", "admitted", "refused", "passed",
                            "tailgating",
                        ].map { ($0, count) }))
        ),
    ])

    private static let journals: JSONText = {
        let record = orNull(
            object([
                ("sequence", count), ("wall", instant), ("wall_ms", integer), ("clock", text), ("received_ms", integer),
            ]))
        return object([
            ("lane", text),
            (
                "journals",
                array(
                    object([
                        ("beginning", choice(LaneJournals.Beginning.allCases.map(\.rawValue))), ("in_words", text),
                        ("branches_from", orNull(object([("epoch", text), ("sequence", count)]))),
                        ("epoch_count", count),
                        (
                            "epochs",
                            array(
                                object([
                                    ("epoch", text), ("previous_epoch", orNothing.text),
                                    ("previous_last_sequence", orNothing.integer), ("first_record", record),
                                    ("last_record", record), ("stored", count), ("missing", count),
                                ]))
                        ),
                    ]))
            ),
        ])
    }()

    private static let zone = object([
        ("zone", text), ("name_zh", text), ("name_en", text), ("people", integer), ("vehicles", integer),
        ("counted_people", integer), ("counted_vehicles", integer), ("limit", orNothing.integer),
        ("vehicle_limit", orNothing.integer), ("percent", orNothing.integer),
        ("vehicle_percent", orNothing.integer),
    ])

    private static let occupancy = object([
        ("as_of", instant), ("as_of_ms", integer), ("revision", count),
        ("known_through", type("string", "null", format: "date-time")), ("known_through_ms", orNothing.integer),
        ("is_stale", type("boolean")), ("is_storing", type("boolean")), ("is_corrected", type("boolean")),
        ("silent_lanes", count), ("people", integer), ("vehicles", integer), ("zones", array(zone)),
    ])

    /// Of an entrance today.
    private static let crossings: [(String, JSONText)] = [
        ("lanes", count), ("entries", integer), ("in", integer), ("out", integer), ("vehicles_in", integer),
        ("vehicles_out", integer),
    ]

    private static let ranking = object([
        ("as_of", instant), ("as_of_ms", integer), ("day", type("string", format: "date")),
        ("by", choice(RankingQuery.Order.allCases.map(\.rawValue))),
        ("of", choice(RankingQuery.Subject.allCases.map(\.rawValue))), ("count", count),
        (
            "ranking",
            array(
                object(
                    [("rank", count)] + crossings + [("recent", count), ("recent_out", count)],
                    optional: [
                        ("entrance", text), ("name_zh", text), ("name_en", text), ("lane", text), ("name", text),
                    ]))
        ),
    ])

    private static let tallies = object([
        ("as_of", instant), ("as_of_ms", integer), ("revision", count), ("day", type("string", format: "date")),
        ("time_zone", text), ("total", object(tallyWithStates)), ("today", reference("Tally")),
        ("corrected", object(corrected + [("on_site_people", integer), ("on_site_vehicles", integer)])),
        ("corrected_today", object(corrected)), ("corrections", array(correction)), ("refusals", counts),
        ("passages", counts), ("refusals_today", counts), ("passages_today", counts),
        ("zones", array(zone)),
        ("refusals_today_by_key", counts),
        (
            "entrances",
            array(
                object([("entrance", text), ("name_zh", text), ("name_en", text)] + crossings))
        ),
        (
            "badges",
            .object([
                ("type", .array([.text("array"), .text("null")])),
                (
                    "items",
                    object([
                        ("kind", choice(HolderKind.allCases.map { "\($0.name)" })), ("issued", count),
                        ("activated", count), ("used", count),
                    ])
                ),
            ])
        ),
        ("inside_without_keys", orNothing.integer),
        (
            "lanes",
            array(
                object(
                    [("lane", text), ("name", text), ("last_seen_ms", integer), ("tampered", array(text))]
                        + tallyWithStates + [("today", reference("Tally"))]))
        ),
    ])

    private static let position = JSONText.object([
        ("type", .array([.text("object"), .text("null")])),
        ("required", .array([.text("epoch"), .text("sequence")])),
        ("properties", .object([("epoch", text), ("sequence", count)])),
    ])

    /// What a lane said of itself last.
    private static let laneWord: [(String, JSONText)] = [
        ("word_received", orNothing.text), ("word_received_ms", orNothing.integer),
        ("wordless_since_ms", orNothing.integer), ("word_as_of_ms", orNothing.integer), ("mode_cause", orNothing.text),
        ("clock", orNothing.text), ("fire_alarm", type("boolean", "null")), ("hangs", type("boolean", "null")),
        (
            "devices",
            .object([
                ("type", .array([.text("array"), .text("null")])),
                ("items", object([("device", text), ("state", choice(["present", "lost"]))])),
            ])
        ),
        ("image_version", orNothing.integer), ("image_issued_ms", orNothing.integer),
        ("change_number", orNothing.integer), ("statement_as_of_ms", orNothing.integer),
        ("statement_age_seconds", orNothing.integer),
        ("freshness", orNothing.text),
        (
            "journal",
            .object([
                ("type", .array([.text("object"), .text("null")])),
                ("required", .array(["held", "room", "percent", "state", "fault"].map { .text($0) })),
                (
                    "properties",
                    .object([
                        ("held", count), ("room", count), ("percent", orNothing.integer), ("state", text),
                        ("fault", type("boolean")),
                    ])
                ),
            ])
        ),
        ("policy", orNothing.text), ("version", orNothing.text), ("started_ms", orNothing.integer),
    ]

    private static let lanes = object([
        ("as_of", instant), ("as_of_ms", integer),
        (
            "lanes",
            array(
                object(
                    [
                        ("lane", text), ("name", text), ("mode", orNothing.text), ("tampered", array(text)),
                        ("last_seen", instant), ("last_seen_ms", integer), ("last_record", orNothing.text),
                        ("last_record_ms", orNothing.integer), ("stored_through", position), ("oldest_held", position),
                        ("epochs", count), ("missing", count),
                        (
                            "holes",
                            array(
                                object([
                                    ("epoch", text), ("first", count), ("last", count), ("expected", type("boolean")),
                                ]))
                        ), ("duplicates", count), ("conflicting", count), ("tallies", object(tallyWithStates)),
                        ("today", reference("Tally")), ("refusals", counts), ("passages", counts),
                    ] + laneWord))
        ),
    ])

    private static let severity = choice(["trouble", "warning", "notice"])

    private static let trouble = object([
        ("kind", choice(TroubleWording.allCases.map(\.rawValue))), ("severity", severity),
        ("since", type("string", "null", format: "date-time")), ("since_ms", orNothing.integer),
        ("title_zh", text), ("title_en", text), ("text_zh", text), ("text_en", text), ("advice_zh", text),
        ("advice_en", text),
    ])

    private static let fleetLane = object([
        ("lane", text), ("name", text), ("entrance", text), ("entrance_zh", text), ("entrance_en", text),
        ("severity", orNull(severity)), ("since_ms", orNothing.integer), ("is_silent", type("boolean")),
        ("last_seen", type("string", "null", format: "date-time")), ("last_seen_ms", orNothing.integer),
        ("mode", orNull(choice(LaneMode.allCases.map(\.name)))),
        ("mode_cause", orNull(choice(ModeCause.allCases.map(\.name)))),
        ("clock", orNull(choice(ClockTrust.allCases.map(\.name)))),
        ("freshness", orNull(choice(["none", "fresh", "warn", "stale"]))), ("devices_known", type("boolean")),
        (
            "devices",
            array(object([("device", text), ("state", choice(["present", "lost"])), ("since_ms", orNothing.integer)]))
        ),
        ("open_covers", array(text)), ("image_version", orNothing.integer), ("change_number", orNothing.integer),
        ("image_issued_ms", orNothing.integer), ("statement_as_of_ms", orNothing.integer),
        ("statement_age_seconds", orNothing.integer),
        (
            "journal",
            orNull(
                object([
                    ("held", count), ("room", count), ("percent", orNothing.integer), ("fault", type("boolean")),
                    ("state", choice((0...4).compactMap { JournalState(rawValue: $0)?.name } + ["absent"])),
                ]))
        ),
        ("missing", count), ("epochs", count), ("stored_through", position), ("last_record_ms", orNothing.integer),
        (
            "word",
            orNull(
                object([
                    ("received_ms", integer), ("as_of_ms", integer), ("is_old", type("boolean")),
                    ("started_at_ms", integer), ("version", text), ("policy", text),
                ]))
        ),
        ("troubles", array(trouble)),
    ])

    private static let fleet = object([
        ("as_of", instant), ("as_of_ms", integer), ("page", text), ("time_zone", text),
        (
            "summary",
            object(
                [
                    "lanes", "in_trouble", "silent", "out_of_service", "emergency", "by_order", "devices_lost",
                    "covers_open", "without_word",
                ].map { ($0, count) })
        ),
        (
            "image",
            orNull(object([("version", count), ("issued", instant), ("issued_ms", integer), ("change_number", count)]))
        ),
        ("site_troubles", array(trouble)), ("revision", text), ("is_whole", type("boolean")),
        ("lanes", array(fleetLane)),
    ])

    private static let history = object(
        [
            ("day", type("string", format: "date")), ("hour", orNothing.integer), ("time_zone", text),
            ("begins_ms", integer), ("ends_ms", integer), ("lane", orNothing.text),
            ("by", choice(HistoryQuery.Grouping.allCases.map(\.rawValue))),
            ("rows", array(.object([("type", .text("object"))]))),
        ], optional: [("counted_since_ms", orNothing.integer)])

    private static let decision = object([
        ("decision", reference("Record")),
        ("ended", orNull(reference("Record"))),
        ("pulses", array(reference("Record"))),
        (
            "in_words",
            object([
                (
                    "visitor",
                    orNull(object([("zh", text), ("en", text)]))
                ),
                (
                    "reasons",
                    array(
                        object([
                            ("reason", text), ("zh", orNothing.text), ("en", orNothing.text), ("text", text),
                        ]))
                ),
            ])
        ),
    ])

    private static let alert = object(
        [
            ("id", count), ("kind", choice(Alert.Kind.allCases.map(\.rawValue))),
            ("severity", choice(["trouble", "warning", "notice"])),
            (
                "subject",
                object([("kind", choice(["site", "lane", "device", "zone", "entrance"])), ("id", text)])
            ),
            ("since", instant), ("since_ms", integer), ("until", type("string", "null", format: "date-time")),
            ("until_ms", orNothing.integer), ("text", text), ("advice", text),
        ], optional: [("count", count), ("by_key", counts), ("ending", count)])

    /// Either of the two lists.
    private static let alerts = object(
        [("as_of", instant), ("as_of_ms", integer)],
        optional: [("alerts", array(alert)), ("ended", array(alert)), ("next", count)])

    private static let passageUsed = object([
        ("row", count), ("lane", text), ("at", instant), ("at_ms", integer),
        ("clock", choice(["trusted", "corrected", "not-trusted"])), ("way", choice(["in", "out", "within"])),
    ])

    private static let doubleUse = object(
        [
            ("as_of", instant), ("as_of_ms", integer), ("count", count), ("by_kind", counts), ("uncertain", count),
            ("withdrawn", count),
        ],
        optional: [
            (
                "findings",
                array(
                    object([
                        ("id", count), ("kind", choice(DoubleUse.Kind.allCases.map(\.name))),
                        ("state", choice(["certain", "somebody-left", "clock-not-trusted", "withdrawn"])),
                        ("holder", text), ("number", count), ("first", passageUsed), ("second", passageUsed),
                        ("milliseconds", integer), ("walking_milliseconds", orNothing.integer),
                        ("found_at", instant), ("withdrawn_at", type("string", "null", format: "date-time")),
                    ]))
            ), ("next", count),
        ])

    private static let inside = object(
        [("image_version", count), ("as_of", instant), ("on_site", count), ("count", count), ("by_key", counts)],
        optional: [
            (
                "holders",
                array(
                    object([
                        ("holder", text), ("number", count), ("kind", orNothing.text), ("in_image", type("boolean")),
                        ("keys", array(text)), ("entered_at", instant), ("lane", orNothing.text), ("zone", text),
                    ]))
            )
        ])

    /// What every record has; the rest is by `event`.
    private static let record = object([
        ("row", count), ("lane", text), ("epoch", text), ("sequence", count), ("event", text), ("wall", text),
        ("wall_ms", integer), ("clock", text), ("received_ms", integer), ("from", text), ("to", text),
        ("traffic", choice(["people", "vehicles"])),
    ])

    private static let changes = JSONText.object([
        ("type", .text("array")), ("minItems", .number(1)), ("maxItems", .number(ChangeRequest.mostChanges)),
        (
            "items",
            .object([
                ("type", .text("object")), ("required", .array([.text("holder")])),
                ("additionalProperties", .truth(false)),
                (
                    "properties",
                    .object([
                        ("holder", text), ("health_code", choice(HealthCode.allCases.map { "\($0.name)" })),
                        ("assessed_at", instant), ("test_result", choice(TestResult.allCases.map { "\($0.name)" })),
                        ("sampled_at", instant), ("vaccine", choice(VaccineState.allCases.map { "\($0.name)" })),
                        ("activation", choice(Activation.allCases.map { "\($0.name)" })),
                    ])
                ),
            ])
        ),
    ])

    private static let changed = object([
        ("changes", count), ("identifiers", count), ("first", orNothing.integer), ("last", orNothing.integer),
        ("repeated", type("boolean")),
    ])

    private static let changeProblems = object([
        ("error", text), ("advice", text),
        ("problems", array(object([("index", count), ("field", text), ("reason", text)]))),
    ])

    private static let health = object([
        ("status", choice(["ok", "stuck", "failing"])), ("failure", orNothing.text), ("intake_silent_ms", count),
        ("lanes", count), ("image_version", orNothing.integer),
    ])
}
