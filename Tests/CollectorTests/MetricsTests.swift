import Framing
import TestSupport
import Testing

@testable import Collector

@Suite("The figures for Prometheus")
struct MetricsTests {
    /// Each series to its value, as they are written.
    static func series(_ text: String) -> [String: String] {
        var series: [String: String] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let blank = line.lastIndex(of: " ") else { continue }
            series[String(line[..<blank])] = String(line[line.index(after: blank)...])
        }
        return series
    }

    @Test("what lanes say of themselves, and what zones are for")
    func words() throws {
        let bench = try ServiceBench()
        var word = makeWord()
        word.lostDevices = 2
        word.flags = .hasJournalFault
        word.mode = .maintenance
        _ = try bench.post(makeBody([makeRecord()], site: bench.site, word: word))
        let lane = "{lane=\"north-07\"}"
        let expected = [
            "lanekeeper_lane_daemon_up\(lane)": "1",
            "lanekeeper_lane_info{lane=\"north-07\",version=\"1.0.0\",policy=\"\(word.policyDigest.hex)\"}": "1",
            "lanekeeper_lane_image_version\(lane)": "7", "lanekeeper_lane_change_number\(lane)": "3",
            "lanekeeper_lane_statement_timestamp_seconds\(lane)": "\(morning / 1000 - 4).000",
            "lanekeeper_lane_records_held\(lane)": "20", "lanekeeper_lane_records_room\(lane)": "1000",
            "lanekeeper_lane_clock_trusted\(lane)": "1", "lanekeeper_lane_fire_alarm\(lane)": "0",
            "lanekeeper_lane_hangs\(lane)": "0", "lanekeeper_lane_journal_fault\(lane)": "1",
            "lanekeeper_lane_journal_absent\(lane)": "0",
            "lanekeeper_lane_device_lost{lane=\"north-07\",device=\"reader-0\"}": "0",
            "lanekeeper_lane_device_lost{lane=\"north-07\",device=\"reader-1\"}": "1",
            "lanekeeper_lane_mode{lane=\"north-07\",mode=\"maintenance\"}": "1",
        ]
        for _ in 0..<2 {
            let series = Self.series(try bench.get("/metrics").text)
            for (name, value) in expected { #expect(series[name] == value, "\(name)") }
            #expect(series["lanekeeper_lane_word_received_timestamp_seconds\(lane)"] != nil)
            try bench.restart()
        }
        _ = try bench.post(makeBody([makeRecord(sequence: 2)], site: bench.site))
        #expect(Self.series(try bench.get("/metrics").text)["lanekeeper_lane_daemon_up\(lane)"] == "0")
        var metrics = Metrics(
            intake: Intake.Snapshot(lanes: [:], site: SiteBook(), day: 0, revision: 1), intakeSilenceMilliseconds: 0,
            isStoring: true, image: nil, changeNumber: 0, inside: nil, http: nil, process: ProcessFigures.Figures(),
            startedMilliseconds: 0)
        metrics.zoneLimits = [name("hall"): CollectorSettings.ZoneLimit(people: 1000, vehicles: nil)]
        let series = Self.series(String(decoding: metrics.text, as: UTF8.self))
        #expect(
            series.filter { $0.key.hasPrefix("lanekeeper_zone_limit") } == [
                "lanekeeper_zone_limit{zone=\"hall\",traffic=\"people\"}": "1000"
            ])
    }

    @Test("what was stored, decided, passed and walked in uncovered stands there by lane, and goes on over a restart")
    func lanes() throws {
        let bench = try ServiceBench()
        let records = [
            makeRecord(.epochStarted(previous: .none, lastSequence: 0)), makeRecord(decided(), sequence: 2),
            makeRecord(ended(of: 2), sequence: 3),
            makeRecord(decided(.refused, reasons: [.codeRed]), sequence: 4),
            makeRecord(.pulse(.tailgating, .forward, decisionSequence: 2), sequence: 5),
            makeRecord(.mode(.freeExit, .readersLost), sequence: 6),
        ]
        for _ in 0..<2 { _ = try bench.post(bench.body(records)) }
        let expected = [
            "lanekeeper_lanes": "1",
            "lanekeeper_records_stored_total{lane=\"north-07\"}": "6",
            "lanekeeper_records_duplicate_total{lane=\"north-07\"}": "6",
            "lanekeeper_lane_records_missing{lane=\"north-07\"}": "0",
            "lanekeeper_decisions_total{lane=\"north-07\",verdict=\"admitted\"}": "1",
            "lanekeeper_decisions_total{lane=\"north-07\",verdict=\"refused\"}": "1",
            "lanekeeper_releases_total{lane=\"north-07\",outcome=\"passed\"}": "1",
            "lanekeeper_uncovered_passages_total{lane=\"north-07\",kind=\"tailgating\"}": "1",
            "lanekeeper_refusal_reasons_total{reason=\"code-red\"}": "1",
            "lanekeeper_lane_mode{lane=\"north-07\",mode=\"free-exit\"}": "1",
            "lanekeeper_site_crossings_total{traffic=\"people\",direction=\"in\"}": "2",
            "lanekeeper_intake_storing": "1",
        ]
        for _ in 0..<2 {
            let answer = try bench.get("/metrics")
            #expect(answer.headers["content-type"] == MetricsText.contentType)
            let series = Self.series(answer.text)
            for (name, value) in expected { #expect(series[name] == value, "\(name)") }
            try bench.restart()
        }
    }

    @Test("alerts that stand are counted by kind and severity, and each has a series of its own")
    func alerts() throws {
        var metrics = Metrics(
            intake: Intake.Snapshot(lanes: [:], site: SiteBook(), day: 0, revision: 1), intakeSilenceMilliseconds: 0,
            isStoring: true, image: nil, changeNumber: 0, inside: nil, http: nil,
            process: ProcessFigures.Figures(),
            startedMilliseconds: 0)
        metrics.alerts = (1...3).map { number in
            Alert(
                id: number, kind: .deviceLost, subject: Alert.Subject(kind: .device, id: "north-0\(number)/gate"),
                severity: number == 3 ? .warning : .trouble, sinceMilliseconds: 1000 * number, text: "", advice: "")
        }
        let series = Self.series(String(decoding: metrics.text, as: UTF8.self))
        #expect(series["lanekeeper_alerts{kind=\"device-lost\",severity=\"trouble\"}"] == "2")
        #expect(series["lanekeeper_alerts{kind=\"device-lost\",severity=\"warning\"}"] == "1")
        #expect(series["lanekeeper_alerts{kind=\"holes\",severity=\"trouble\"}"] == "0")
        let name = "lanekeeper_alert_since_timestamp_seconds"
        let labels = "kind=\"device-lost\",severity=\"trouble\",subject_kind=\"device\",subject=\"north-02/gate\""
        #expect(series["\(name){\(labels)}"] == "2.000")
        #expect(series.keys.filter { $0.hasPrefix(name) }.count == 3)
    }

    @Test("answers are counted by the class of their status, and connections that are open")
    func answers() throws {
        let bench = try ServiceBench()
        let before = Self.series(try bench.get("/metrics").text)
        for path in ["/healthz", "/nowhere", "/nowhere"] { _ = try bench.get(path) }
        let held = try bench.wire()
        try held.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        _ = try held.answer()
        let after = Self.series(try bench.get("/metrics").text)
        func difference(_ name: String) -> Int {
            (after[name].flatMap { Int($0) } ?? -1) - (before[name].flatMap { Int($0) } ?? -1)
        }
        // The first of the figures was itself answered with 200.
        #expect(difference("lanekeeper_http_responses_total{code=\"2xx\"}") == 3)
        #expect(difference("lanekeeper_http_responses_total{code=\"4xx\"}") == 2)
        #expect(difference("lanekeeper_http_connections_total") == 5)
        #expect((Int(after["lanekeeper_http_connections"] ?? "") ?? 0) >= 2)
        #expect(after["lanekeeper_http_requests_in_flight"] == "1")
    }

    @Test("labels are escaped, spans become seconds, and a family without samples is left out")
    func format() {
        var text = MetricsText()
        text.add("a", .gauge, "A.", [.init(1, ("b", "c\\d\"e\nf北"))])
        text.add("nothing", .gauge, "Nothing.", [])
        text.add(
            "s", .counter, "S.", [.init(milliseconds: 1_234_005), .init(milliseconds: -5), .init(milliseconds: 0)])
        #expect(
            String(decoding: text.bytes, as: UTF8.self)
                == "# HELP a A.\n# TYPE a gauge\na{b=\"c\\\\d\\\"e\\nf北\"} 1\n# HELP s S.\n# TYPE s counter\n"
                + "s 1234.005\ns -0.005\ns 0.000\n")
    }
}
