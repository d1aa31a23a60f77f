import Admission
import Framing
import Posix

/// `GET /metrics`: figures of the site, its lanes and this program. Counters of records go on over a restart: they stand in
/// the database.
struct Metrics {
    /// Lanes that have figures of their own, the first ones by name; `lanekeeper_lanes` says how many there are.
    static let mostLanes = 4096
    /// Alerts that have a series of their own, the worst first; `lanekeeper_alerts` says how many there are.
    static let mostAlerts = 1024

    var intake: Intake.Snapshot
    var zoneLimits: [ShortName: CollectorSettings.ZoneLimit] = [:]
    var intakeSilenceMilliseconds: UInt64
    var isStoring: Bool
    var image: Publisher.Image?
    var changeNumber: UInt64
    var inside: InsideList.Snapshot?
    /// Those that stand, the worst first.
    var alerts: [Alert] = []
    var http: HTTPServer.Figures?
    var process: ProcessFigures.Figures
    var startedMilliseconds: Int64

    private typealias Sample = MetricsText.Sample

    var text: [UInt8] {
        var text = MetricsText()
        let lanes = intake.lanes.values.sorted { $0.name.text < $1.name.text }
        addLanes(Array(lanes.prefix(Self.mostLanes)), of: lanes.count, to: &text)
        addWords(lanes.prefix(Self.mostLanes), to: &text)
        addSite(lanes, to: &text)
        addAlerts(to: &text)
        addCredentials(to: &text)
        addHTTP(to: &text)
        addProcess(to: &text)
        return text.bytes
    }

    private func addLanes(_ lanes: [LaneBook], of count: Int, to text: inout MetricsText) {
        func add(_ name: String, _ help: String, _ counter: Counter) {
            text.add(name, .counter, help, lanes.map { Sample($0.all[counter], ("lane", $0.name.text)) })
        }
        text.add("lanekeeper_lanes", .gauge, "Lanes that ever sent a record.", [Sample(count)])
        text.add(
            "lanekeeper_lane_last_heard_timestamp_seconds", .gauge, "When the lane's last batch came.",
            lanes.map { Sample(milliseconds: $0.lastSeenMilliseconds, ("lane", $0.name.text)) })
        text.add(
            "lanekeeper_lane_last_record_timestamp_seconds", .gauge,
            "When, by the lane's clock, the newest record that came was written.",
            lanes.compactMap { lane in
                lane.lastRecordMilliseconds.map { Sample(milliseconds: $0, ("lane", lane.name.text)) }
            })
        text.add(
            "lanekeeper_lane_mode", .gauge, "1 for the mode that the lane is in, as it last said.",
            lanes.compactMap { lane in
                lane.currentMode.map { Sample(1, ("lane", lane.name.text), ("mode", "\($0.name)")) }
            })
        text.add(
            "lanekeeper_lane_open_covers", .gauge, "Covers of the lane's cabinet and readers that are open.",
            lanes.map { Sample($0.tampered.contacts.count, ("lane", $0.name.text)) })
        text.add(
            "lanekeeper_lane_records_missing", .gauge,
            "Records that the lane has written and that are not stored here.",
            lanes.map { Sample($0.ledger.missing, ("lane", $0.name.text)) })
        add("lanekeeper_records_stored_total", "Records stored.", .stored)
        add("lanekeeper_records_duplicate_total", "Records that came again.", .duplicates)
        add(
            "lanekeeper_records_conflicting_total", "Records under an identity that another one has.",
            .conflicting)
        add(
            "lanekeeper_records_clock_untrusted_total", "Records written while the lane's clock was not trusted.",
            .clockNotTrusted)
        add("lanekeeper_events_unrecorded_total", "Events that the lane had no room to record.", .unrecorded)
        text.add(
            "lanekeeper_decisions_total", .counter, "Presented badges by what was decided.",
            lanes.flatMap { lane in
                let refused = lane.all[.refused]
                return [
                    Sample(
                        max(0, lane.all[.presented] - refused), ("lane", lane.name.text), ("verdict", "admitted")),
                    Sample(refused, ("lane", lane.name.text), ("verdict", "refused")),
                ]
            })
        let ends: [(String, Counter)] = [
            ("passed", .passed), ("annulled", .annulled), ("interrupted", .interrupted),
        ]
        text.add(
            "lanekeeper_releases_total", .counter, "Releases of the gate by how they ended.",
            lanes.flatMap { lane in
                ends.map { Sample(lane.all[$0.1], ("lane", lane.name.text), ("outcome", $0.0)) }
            })
        let pulses: [(String, Counter)] = [
            ("tailgating", .tailgating), ("forced", .forced), ("wrong-way", .wrongWay),
            ("anonymous-forward", .anonymousForward), ("anonymous-backward", .anonymousBackward),
        ]
        text.add(
            "lanekeeper_uncovered_passages_total", .counter, "Passages that no release of a badge covers, by kind.",
            lanes.flatMap { lane in
                pulses.map { Sample(lane.all[$0.1], ("lane", lane.name.text), ("kind", $0.0)) }
            })
    }

    /// What lanes said of themselves; nothing of one that never said a word.
    private func addWords(_ lanes: some Collection<LaneBook>, to text: inout MetricsText) {
        func add(_ name: String, _ help: String, _ sample: (LaneWord, (name: String, value: String)) -> Sample?) {
            text.add(
                name, .gauge, help,
                lanes.compactMap { lane in lane.word.flatMap { sample($0.said, ("lane", lane.name.text)) } })
        }
        text.add(
            "lanekeeper_lane_word_received_timestamp_seconds", .gauge, "When the lane last said how it is.",
            lanes.compactMap { lane in
                lane.word.map { Sample(milliseconds: $0.receivedMilliseconds, ("lane", lane.name.text)) }
            })
        text.add(
            "lanekeeper_lane_daemon_up", .gauge,
            "1 while the lane says how it is, 0 when its uplink comes without a word of its daemon.",
            lanes.compactMap { lane in
                lane.word.map { _ in Sample(lane.currentWord == nil ? 0 : 1, ("lane", lane.name.text)) }
            })
        add("lanekeeper_lane_info", "1, with the daemon's version and the digest of the policy in force.") {
            Sample(1, $1, ("version", $0.version.text), ("policy", $0.policyDigest.hex))
        }
        add("lanekeeper_lane_start_time_seconds", "When, by the lane's clock, its daemon began.") {
            Sample(milliseconds: $0.startedAt.milliseconds, $1)
        }
        add("lanekeeper_lane_image_version", "Version of the image in force at the lane, 0: none.") {
            Sample($0.imageVersion, $1)
        }
        add("lanekeeper_lane_change_number", "Number of the newest urgent change in force at the lane.") {
            Sample($0.changeNumber, $1)
        }
        add("lanekeeper_lane_statement_timestamp_seconds", "As of when the statement is that the lane decides by.") {
            word, lane in word.statementAsOf.map { Sample(milliseconds: $0.milliseconds, lane) }
        }
        add("lanekeeper_lane_records_held", "Records in the lane's journal that the collector has not stored.") {
            Sample($0.recordsHeld, $1)
        }
        add("lanekeeper_lane_records_room", "Records that the lane's journal has room for, without the reserve.") {
            Sample($0.recordsRoom, $1)
        }
        add("lanekeeper_lane_clock_trusted", "1 while the lane trusts its clock.") {
            Sample($0.clock == .trusted ? 1 : 0, $1)
        }
        let flags: [(String, String, LaneWord.Flags)] = [
            ("lanekeeper_lane_fire_alarm", "1 while the lane's fire input is open.", .fireAlarm),
            ("lanekeeper_lane_hangs", "1 while the lane's thread hangs, most often in its disk.", .hangs),
            ("lanekeeper_lane_journal_absent", "1 while the lane has no journal.", .hasNoJournal),
            ("lanekeeper_lane_journal_fault", "1 while the lane's journal has a fault.", .hasJournalFault),
        ]
        for (name, help, flag) in flags { add(name, help) { Sample($0.flags.contains(flag) ? 1 : 0, $1) } }
        text.add(
            "lanekeeper_lane_device_lost", .gauge, "1 while the device is lost.",
            lanes.flatMap { lane in
                (lane.word?.said.deviceStates ?? []).map {
                    Sample($0.isLost ? 1 : 0, ("lane", lane.name.text), ("device", $0.device.name))
                }
            })
    }

    private func addSite(_ lanes: [LaneBook], to text: inout MetricsText) {
        var all = Tally()
        for lane in lanes { all += lane.all }
        let kinds: [HolderKind?] = HolderKind.allCases.map { $0 } + [nil]
        text.add(
            "lanekeeper_passages_total", .counter, "Passages with a badge, by the holder's kind.",
            kinds.map { kind in
                Sample(all[Counter.passages(of: kind)], ("kind", kind.map { "\($0.name)" } ?? "unknown"))
            })
        text.add(
            "lanekeeper_refusal_reasons_total", .counter, "Reasons of refusals; a refusal may have several.",
            Reasons.ordered.map { reason in
                Sample(
                    all[Counter.reason(bit: reason.rawValue.trailingZeroBitCount)], ("reason", "\(reason.name)"))
            })
        text.add(
            "lanekeeper_site_crossings_total", .counter, "People and vehicles that crossed the site's boundary.",
            [
                Sample(all[.peopleIn], ("traffic", "people"), ("direction", "in")),
                Sample(all[.peopleOut], ("traffic", "people"), ("direction", "out")),
                Sample(all[.vehiclesIn], ("traffic", "vehicles"), ("direction", "in")),
                Sample(all[.vehiclesOut], ("traffic", "vehicles"), ("direction", "out")),
            ])
        let zones = intake.site.balances.filter { $0.key != .outside }.sorted { $0.key.text < $1.key.text }
        text.add(
            "lanekeeper_zone_occupancy", .gauge, "People and vehicles in a zone now, by what passed its lanes.",
            zones.flatMap { zone, balance in
                [
                    Sample(balance.people, ("zone", zone.text), ("traffic", "people")),
                    Sample(balance.vehicles, ("zone", zone.text), ("traffic", "vehicles")),
                ]
            })
        text.add(
            "lanekeeper_zone_limit", .gauge, "People and vehicles that a zone is for.",
            zoneLimits.sorted { $0.key.text < $1.key.text }.flatMap { zone, limit in
                [("people", limit.people), ("vehicles", limit.vehicles)].compactMap { traffic, count in
                    count.map { Sample($0, ("zone", zone.text), ("traffic", traffic)) }
                }
            })
        guard let inside else { return }
        text.add(
            "lanekeeper_inside_holders", .gauge, "Holders on site by the newest of their passages.",
            [Sample(inside.onSite)])
        text.add(
            "lanekeeper_inside_without_keys_holders", .gauge, "Holders on site some of whose keys do not turn.",
            [Sample(inside.count)])
        text.add(
            "lanekeeper_inside_looked_timestamp_seconds", .gauge, "When the keys of those inside were last looked at.",
            [Sample(milliseconds: inside.asOfMilliseconds)])
    }

    private func addAlerts(to text: inout MetricsText) {
        var counts: [Alert.Kind: [Alert.Severity: Int]] = [:]
        for alert in alerts { counts[alert.kind, default: [:]][alert.severity, default: 0] += 1 }
        text.add(
            "lanekeeper_alerts", .gauge, "Alerts that stand, by kind and severity.",
            Alert.Kind.allCases.flatMap { kind in
                Alert.Severity.allCases.map { severity in
                    Sample(
                        counts[kind]?[severity] ?? 0, ("kind", kind.rawValue), ("severity", severity.rawValue))
                }
            })
        text.add(
            "lanekeeper_alert_since_timestamp_seconds", .gauge, "Since when an alert stands.",
            alerts.prefix(Self.mostAlerts).map { alert in
                Sample(
                    milliseconds: alert.sinceMilliseconds, ("kind", alert.kind.rawValue),
                    ("severity", alert.severity.rawValue), ("subject_kind", alert.subject.kind.rawValue),
                    ("subject", alert.subject.id))
            })
    }

    private func addCredentials(to text: inout MetricsText) {
        text.add(
            "lanekeeper_change_number", .gauge, "Number of the newest urgent change.", [Sample(changeNumber)])
        guard let image else { return }
        text.add("lanekeeper_image_version", .gauge, "Version of the image in force.", [Sample(image.version)])
        text.add(
            "lanekeeper_image_issued_timestamp_seconds", .gauge, "When the image in force was made.",
            [Sample(milliseconds: image.issuedMilliseconds)])
        text.add("lanekeeper_image_holders", .gauge, "Holders in the image in force.", [Sample(image.holders)])
        text.add(
            "lanekeeper_image_identifiers", .gauge, "Identifiers in the image in force.", [Sample(image.identifiers)])
    }

    private func addHTTP(to text: inout MetricsText) {
        text.add(
            "lanekeeper_intake_storing", .gauge, "1 while batches can be stored, 0 when the last ones failed.",
            [Sample(isStoring ? 1 : 0)])
        text.add(
            "lanekeeper_intake_silence_seconds", .gauge, "Since the intake's thread went round.",
            [Sample(milliseconds: Int64(clamping: intakeSilenceMilliseconds))])
        guard let http else { return }
        text.add(
            "lanekeeper_http_responses_total", .counter, "Answers by the class of their status code.",
            http.answers.enumerated().map { Sample($0.element, ("code", "\($0.offset + 1)xx")) })
        text.add("lanekeeper_http_connections", .gauge, "Connections that are open.", [Sample(http.connections)])
        text.add(
            "lanekeeper_http_connections_total", .counter, "Connections that were taken.",
            [Sample(http.connectionsEver)])
        text.add(
            "lanekeeper_http_connections_refused_total", .counter,
            "Connections that were not taken: their address had as many as one may have.",
            [Sample(http.refusedForAddress)])
        text.add(
            "lanekeeper_http_connections_cut_total", .counter, "Connections that were ended for being too slow.",
            [Sample(http.cut)])
        text.add(
            "lanekeeper_http_requests_in_flight", .gauge, "Requests that are not yet answered.",
            [Sample(http.requests)])
    }

    private func addProcess(to text: inout MetricsText) {
        text.add(
            "lanekeeper_database_size_bytes", .gauge, "Of a database with its write-ahead log.",
            process.databaseBytes.map { Sample($0.bytes, ("database", $0.name)) })
        text.add(
            "process_cpu_seconds_total", .counter, "Processor time that was used.",
            [Sample(milliseconds: process.processorMilliseconds)])
        text.add(
            "process_start_time_seconds", .gauge, "When the program began, since 1970-01-01 UTC.",
            [Sample(milliseconds: startedMilliseconds)])
        text.add(
            "process_resident_memory_bytes", .gauge, "Memory in use.", [Sample(process.residentBytes)])
        text.add(
            "process_virtual_memory_bytes", .gauge, "Memory that is mapped.", [Sample(process.virtualBytes)])
        text.add("process_open_fds", .gauge, "Descriptors that are open.", [Sample(process.openDescriptors)])
        text.add("process_max_fds", .gauge, "Descriptors that may be open.", [Sample(process.mostDescriptors)])
    }
}
