import Admission
import Configuration
import Foundation
import Framing
import Posix
import TestSupport
import Testing
import Wording

@testable import Collector

private func settings() throws -> CollectorSettings {
    let text = """
        data: /nowhere
        listen: { port: 0 }
        site: { name_zh: 博览会, name_en: Expo, time_zone: Asia/Shanghai }
        zones: { hall: { name_zh: 一号馆, name_en: Hall 1, limit: 1000 } }
        entrances: { north: { name_zh: 北登录厅, name_en: North hall } }
        lanes: { north-07: { name: 北-07, entrance: north } }
        """
    return try CollectorSettings(ConfigurationReader(contents: Array(text.utf8), path: "collector.yaml"))
}

/// A site at one instant; what is not said of it is well.
private struct FleetBench {
    var lanes: [LaneBook] = []
    var facts: [ShortName: LaneFacts] = [:]
    var standing: [Alert] = []
    var enrolled: [ShortName: EnrolmentRegister.Lane] = [:]
    var image: Publisher.Image?
    var isStoring = true
    var figures: FleetFigures

    init() throws { figures = FleetFigures(try settings(), page: "a page", now: 5) }

    mutating func add(_ lane: String, _ word: LaneWord? = nil, seen: Int64 = morning) {
        var book = LaneBook(row: Int64(lanes.count + 1), name: name(lane), lastSeenMilliseconds: seen)
        book.heard(word: word, now: seen)
        lanes.removeAll { $0.name == name(lane) }
        lanes.append(book)
    }

    mutating func alert(
        _ kind: Alert.Kind, _ subject: Alert.Subject, _ severity: Alert.Severity = .trouble, since: Int64 = morning,
        figures: [Alert.Figure] = []
    ) {
        standing.append(
            Alert(
                id: Int64(standing.count + 1), kind: kind, subject: subject, severity: severity,
                sinceMilliseconds: since, text: "what is so", advice: "what to do", figures: figures))
    }

    mutating func image(_ version: UInt64, issued: Int64) {
        image = Publisher.Image(
            version: version, digest: [], path: "", bytes: 0, issuedMilliseconds: issued, identifiers: 0, holders: 0,
            conflicts: 0)
    }

    mutating func look(after: String? = nil, now: Int64 = morning + 1000) throws -> [String: Any] {
        let books = Dictionary(uniqueKeysWithValues: lanes.map { ($0.name, $0) })
        figures.look(
            FleetFigures.Sight(
                books: Intake.Snapshot(lanes: books, site: SiteBook(), day: 1, revision: 1),
                alerts: AlertDesk.Snapshot(asOfMilliseconds: now, standing: standing, ended: [], facts: facts),
                enrolled: enrolled, image: image, changeNumber: 12, isStoring: isStoring), now: now)
        let json = try JSONSerialization.jsonObject(with: Data(figures.body(after: after)))
        return try #require(json as? [String: Any])
    }

    mutating func lane(_ id: String, now: Int64 = morning + 1000) throws -> [String: Any] {
        try #require(FleetBench.lanes(try look(now: now)).first { $0["lane"] as? String == id })
    }

    static func lanes(_ answer: [String: Any]) -> [[String: Any]] { answer["lanes"] as? [[String: Any]] ?? [] }
    static func ids(_ answer: [String: Any]) -> [String] { lanes(answer).compactMap { $0["lane"] as? String } }
    /// As `kind severity`.
    static func troubles(_ lane: [String: Any], _ member: String = "troubles") -> [String] {
        (lane[member] as? [[String: Any]] ?? []).map { "\($0["kind"] ?? "") \($0["severity"] ?? "")" }
    }
}

private func laneSubject(_ id: String) -> Alert.Subject { Alert.Subject(kind: .lane, id: id) }

@Suite("The page of all lanes")
struct FleetTests {
    @Test("an alert has the same name as a trouble", arguments: Alert.Kind.allCases)
    func kinds(kind: Alert.Kind) { #expect(kind.wording.rawValue == kind.rawValue) }

    @Test("a lane is told with everything that it says of itself")
    func word() throws {
        var bench = try FleetBench()
        bench.add("north-07", makeWord())
        bench.image(7, issued: morning - 3_600_000)
        let answer = try bench.look()
        let lane = try #require(FleetBench.lanes(answer).first)
        #expect(lane["name"] as? String == "北-07" && lane["entrance_zh"] as? String == "北登录厅")
        #expect(lane["severity"] is NSNull && FleetBench.troubles(lane) == [])
        #expect(lane["mode"] as? String == "normal" && lane["clock"] as? String == "trusted")
        #expect(lane["freshness"] as? String == "fresh")
        #expect(lane["image_version"] as? Int == 7 && lane["change_number"] as? Int == 3)
        #expect(lane["statement_age_seconds"] as? Int == 4)
        let journal = try #require(lane["journal"] as? [String: Any])
        #expect(journal["held"] as? Int == 20 && journal["room"] as? Int == 1000 && journal["percent"] as? Int == 2)
        let devices = try #require(lane["devices"] as? [[String: Any]])
        #expect(devices.compactMap { $0["device"] as? String } == ["reader-0", "reader-1", "thermometer", "gate"])
        #expect(devices.allSatisfy { $0["state"] as? String == "present" })
        let word = try #require(lane["word"] as? [String: Any])
        #expect(word["version"] as? String == "1.0.0" && word["is_old"] as? Bool == false)
        let image = try #require(answer["image"] as? [String: Any])
        #expect(image["version"] as? Int == 7 && image["change_number"] as? Int == 12)
        let summary = try #require(answer["summary"] as? [String: Any])
        #expect(summary["lanes"] as? Int == 1 && summary["in_trouble"] as? Int == 0)
    }

    @Test("without a word what only a word tells is null, and what records tell stands there")
    func wordless() throws {
        var bench = try FleetBench()
        bench.add("north-07")
        var facts = LaneFacts()
        facts.note(makeRecord(.device(.gate, lost: true), sequence: 1), received: morning)
        bench.facts[name("north-07")] = facts
        let lane = try bench.lane("north-07")
        for member in ["image_version", "change_number", "statement_age_seconds", "journal", "freshness", "word"] {
            #expect(lane[member] is NSNull, "\(member)")
        }
        #expect(lane["devices_known"] as? Bool == false && lane["clock"] as? String == "trusted")
        let devices = try #require(lane["devices"] as? [[String: Any]])
        #expect(devices.count == 1 && devices[0]["device"] as? String == "gate")
        #expect(devices[0]["since_ms"] as? Int64 == morning)
    }

    static let told: [(String, @Sendable (inout LaneWord) -> Void)] = [
        ("device-lost trouble", { $0.lostDevices = 1 << 17 }),
        ("journal-filling warning", { ($0.journal, $0.recordsHeld) = (.filling, 800) }),
        ("journal-filling trouble", { $0.journal = .full }),
        ("journal-filling trouble", { $0.flags = .hasJournalFault }),
        ("clock-not-trusted warning", { $0.clock = .stepped }),
        ("credentials-old warning", { $0.freshness = .warn }),
        ("credentials-old trouble", { $0.freshness = .stale }),
        ("credentials-old trouble", { $0.freshness = .none }),
        ("fire-alarm trouble", { ($0.flags, $0.mode, $0.cause) = (.fireAlarm, .emergency, .fire) }),
        ("emergency trouble", { ($0.mode, $0.cause) = (.emergency, .technician) }),
        ("lane-hangs trouble", { $0.flags = .hangs }),
        ("cover-open trouble", { $0.openCovers = 1 << 18 }),
        ("out-of-service trouble", { ($0.mode, $0.cause) = (.outOfService, .readersLost) }),
        (
            "device-lost trouble",
            { ($0.mode, $0.cause, $0.lostDevices) = (.outOfService, .gateLost, 1 << 17) }
        ),
        ("free-exit warning", { ($0.mode, $0.cause) = (.freeExit, .readersLost) }),
        ("by-order notice", { ($0.mode, $0.cause) = (.locked, .technician) }),
        ("image-behind warning", { $0.imageVersion = 6 }),
    ]

    @Test("what a lane says of itself and no alert says is a trouble of its own", arguments: told.indices)
    func ofItself(index: Int) throws {
        let (expected, change) = Self.told[index]
        var word = makeWord()
        change(&word)
        var bench = try FleetBench()
        bench.add("north-07", word)
        bench.image(7, issued: morning - 3_600_000)
        let lane = try bench.lane("north-07")
        #expect(FleetBench.troubles(lane) == [expected])
        for trouble in lane["troubles"] as? [[String: Any]] ?? [] {
            for member in ["title", "text", "advice"] {
                #expect((trouble["\(member)_zh"] as? String)?.isEmpty == false)
                #expect((trouble["\(member)_en"] as? String)?.isEmpty == false)
            }
        }
    }

    @Test("what the schedule does is no trouble, and an image is behind only after a while")
    func noTrouble() throws {
        var bench = try FleetBench()
        var word = makeWord()
        (word.mode, word.cause, word.imageVersion) = (.heldOpen, .schedule, 6)
        bench.add("north-07", word)
        bench.image(7, issued: morning - LaneTroubles.imageMilliseconds + 2000)
        #expect(FleetBench.troubles(try bench.lane("north-07")) == [])
        #expect(FleetBench.troubles(try bench.lane("north-07", now: morning + 3000)) == ["image-behind warning"])
    }

    @Test("what an alert says is not said twice, and has the alert's words and its Chinese ones")
    func alerts() throws {
        var bench = try FleetBench()
        var word = makeWord()
        (word.lostDevices, word.clock, word.journal) = (1 << 16 | 1 << 17, .stepped, .full)
        (word.mode, word.cause) = (.outOfService, .journalFull)
        bench.add("north-07", word)
        bench.alert(.deviceLost, Alert.Subject(kind: .device, id: "north-07/gate"), since: morning - 5000)
        bench.alert(.clockNotTrusted, laneSubject("north-07"), .warning)
        bench.alert(.journalFilling, laneSubject("north-07"), since: morning - 9000)
        // Of another lane, whose id begins alike.
        bench.alert(.holes, laneSubject("north-070"), .warning)
        let lane = try bench.lane("north-07")
        #expect(
            FleetBench.troubles(lane) == [
                "journal-filling trouble", "device-lost trouble", "device-lost trouble", "clock-not-trusted warning",
            ])
        let troubles = try #require(lane["troubles"] as? [[String: Any]])
        #expect(
            troubles[1]["since_ms"] as? Int64 == morning - 5000 && troubles[1]["text_en"] as? String == "what is so")
        #expect((troubles[1]["advice_en"] as? String)?.contains("`lanectl --lane north-07 status`") == true)
        #expect(troubles[1]["text_zh"] as? String == "失联设备：闸机" && troubles[2]["text_zh"] as? String == "失联设备：测温仪")
        #expect(troubles[2]["since"] is NSNull)
        #expect((troubles[1]["advice_zh"] as? String)?.contains("lanectl --lane north-07 status") == true)
        #expect(lane["severity"] as? String == "trouble" && lane["since_ms"] as? Int64 == morning - 9000)
    }

    @Test("lanes stand by severity, then since when, then name")
    func order() throws {
        var bench = try FleetBench()
        for lane in ["a-01", "b-01", "c-01", "d-01", "e-01", "f-01"] { bench.add(lane, makeWord()) }
        bench.alert(.holes, laneSubject("b-01"), .warning, since: morning - 9000)
        bench.alert(.deviceLost, Alert.Subject(kind: .device, id: "e-01/gate"), since: morning - 1000)
        bench.alert(.deviceLost, Alert.Subject(kind: .device, id: "d-01/gate"), since: morning - 3000)
        bench.alert(.tailgating, laneSubject("d-01"), .warning, since: morning - 99_000)
        bench.alert(.tailgating, laneSubject("c-01"), .notice, since: morning - 99_000)
        let answer = try bench.look()
        // The lane that the configuration names and nobody heard of is there, too, with a warning of unknown beginning.
        #expect(FleetBench.ids(answer) == ["d-01", "e-01", "b-01", "north-07", "c-01", "a-01", "f-01"])
        let summary = try #require(answer["summary"] as? [String: Any])
        #expect(summary["lanes"] as? Int == 7 && summary["in_trouble"] as? Int == 4)
        #expect(summary["without_word"] as? Int == 1)
        #expect(FleetBench.troubles(FleetBench.lanes(answer)[3]) == ["never-heard warning"])
    }

    @Test("a word is old a minute after it came, or when it was said a minute before")
    func old() throws {
        var bench = try FleetBench()
        bench.add("north-07", makeWord())
        func isOld(_ lane: [String: Any]) -> Bool? { (lane["word"] as? [String: Any])?["is_old"] as? Bool }
        #expect(isOld(try bench.lane("north-07", now: morning + 60_000)) == false)
        let late = try bench.lane("north-07", now: morning + 60_001)
        #expect(isOld(late) == true && late["is_silent"] as? Bool == true)
        // The uplink is heard, and passes on nothing newer.
        bench.add("north-07", makeWord(at: morning - 61_000))
        let dead = try bench.lane("north-07")
        #expect(isOld(dead) == true && FleetBench.troubles(dead) == ["daemon-silent trouble"])
        // Batches without a word: what was said is old at once, and the alert tells of it after a while.
        bench.add("a-01", makeWord())
        bench.lanes[1].heard(word: nil, now: morning + 500)
        let gone = try bench.lane("a-01")
        #expect(isOld(gone) == true && FleetBench.troubles(gone) == [] && gone["mode"] is NSNull)
        // A clock that is not trusted says nothing about that.
        var word = makeWord(at: morning - 61_000)
        word.clock = .behindFloor
        bench.add("north-07", word)
        #expect(FleetBench.troubles(try bench.lane("north-07")) == ["clock-not-trusted warning"])
    }

    @Test("a word of any bits is told", arguments: [Int64.min, -1, 0, .max])
    func anyBits(instant: Int64) throws {
        var word = makeWord(at: 0)
        word.asOf = WallTime(milliseconds: instant)
        word.statementAsOf = WallTime(milliseconds: instant ^ .max)
        word.imageIssuedAt = WallTime(milliseconds: instant)
        word.startedAt = WallTime(milliseconds: instant)
        (word.imageVersion, word.changeNumber) = (.max, .max)
        (word.recordsHeld, word.recordsRoom, word.journal) = (.max, 1, .full)
        (word.devices, word.lostDevices, word.openCovers) = (.max, .max, .max)
        word.flags = LaneWord.Flags(rawValue: .max)
        var bench = try FleetBench()
        bench.add("north-07", word)
        bench.image(7, issued: 0)
        let lane = try bench.lane("north-07")
        // Said in the future it is no older than what just came.
        let isFresh = instant == .max
        #expect((lane["devices"] as? [Any])?.count == (isFresh ? 18 : 0))
        #expect((lane["open_covers"] as? [Any])?.count == (isFresh ? 17 : 0))
        #expect(FleetBench.troubles(lane).contains(isFresh ? "fire-alarm trouble" : "daemon-silent trouble"))
    }

    @Test("what a silent lane said last is no trouble beside its silence")
    func silent() throws {
        var bench = try FleetBench()
        var word = makeWord(at: morning - 120_000)
        word.lostDevices = 1 << 17
        bench.add("north-07", word, seen: morning - 120_000)
        bench.alert(.laneOffline, laneSubject("north-07"), since: morning - 120_000)
        #expect(FleetBench.troubles(try bench.lane("north-07")) == ["lane-offline trouble"])
        #expect((try bench.look()["summary"] as? [String: Any])?["silent"] as? Int == 1)
    }

    @Test("whoever says what he has gets what changed since; another start, or a lane that went, is the whole again")
    func changes() throws {
        var bench = try FleetBench()
        bench.add("a-01", makeWord())
        bench.add("north-07", makeWord())
        let first = try bench.look()
        #expect(first["is_whole"] as? Bool == true && FleetBench.ids(first).count == 2)
        let revision = try #require(first["revision"] as? String)
        let nothing = try bench.look(after: revision)
        #expect(nothing["is_whole"] as? Bool == false && FleetBench.ids(nothing) == [])
        var word = makeWord()
        word.recordsHeld = 21
        bench.add("a-01", word)
        let changed = try bench.look(after: revision)
        #expect(changed["is_whole"] as? Bool == false && FleetBench.ids(changed) == ["a-01"])
        for other in ["4-1", "5-999", "5-0", "0-0"] {
            #expect(FleetBench.ids(try bench.look(after: other)).count == 2, "\(other)")
        }
        let before = try #require(try bench.look()["revision"] as? String)
        bench.enrolled[name("a-01")] = EnrolmentRegister.Lane(
            name: "A", enrolment: 1, issue: 1, days: 1, expiresMilliseconds: 0, addedMilliseconds: 0,
            removedMilliseconds: morning)
        let without = try bench.look(after: before)
        #expect(without["is_whole"] as? Bool == true && FleetBench.ids(without) == ["north-07"])
    }

    @Test("what is wrong with the site stands apart from the lanes, with the alert's figures in both languages")
    func ofSite() throws {
        var bench = try FleetBench()
        bench.add("north-07", makeWord())
        bench.alert(
            .zoneNearLimit, Alert.Subject(kind: .zone, id: "hall"), .warning,
            figures: [
                Alert.Figure(name: "people", value: 950), Alert.Figure(name: "limit", value: 1000),
                Alert.Figure(name: "percent", value: 95),
            ])
        bench.alert(.doubleUse, .site, .warning, figures: [Alert.Figure(name: "count", value: 2)])
        bench.isStoring = false
        let answer = try bench.look()
        #expect(
            FleetBench.troubles(answer, "site_troubles") == [
                "not-storing trouble", "double-use warning", "zone-near-limit warning",
            ])
        let troubles = try #require(answer["site_troubles"] as? [[String: Any]])
        #expect(troubles[2]["text_zh"] as? String == "一号馆：950 人，上限 1000（95%）")
        #expect(FleetBench.troubles(FleetBench.lanes(answer)[0]) == [])
    }

    @Test("it is served to viewers, as JSON and as a page under the same policy as the others")
    func served() throws {
        let bench = try ServiceBench()
        var word = makeWord(at: SystemClock.wallMilliseconds())
        word.lostDevices = 1 << 17
        let batch = makeBody([], site: bench.site, word: word)
        #expect(try bench.post(batch).status == 200)
        let answer = try bench.get("/v1/fleet")
        #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
        let lane = try #require(FleetBench.lanes(answer.json).first)
        #expect(lane["lane"] as? String == "north-07" && FleetBench.troubles(lane) == ["device-lost trouble"])
        let revision = try #require(answer.json["revision"] as? String)
        #expect(FleetBench.ids(try bench.get("/v1/fleet?after=\(revision)").json).isEmpty)
        #expect(try bench.get("/v1/fleet", method: "HEAD").status == 200)
        for wrong in ["?after=", "?after=1", "?after=a-b", "?after=-", "?since=1", "?after=1-1&after=1-1"] {
            #expect(try bench.get("/v1/fleet\(wrong)").status == 400, "\(wrong)")
        }
        let page = try bench.get("/fleet")
        #expect(page.headers["content-security-policy"] == (try bench.get("/").headers["content-security-policy"]))
        #expect(page.text.contains("通道状态") && page.text.contains("Lanes") && page.text.contains("Expo &lt;1&gt;"))
        #expect(!page.text.contains("<script>") && !page.text.contains("style=\""))
        #expect(page.text.contains("data-page=\"\(try #require(answer.json["page"] as? String))\""))
        for (path, type) in ["/fleet.css": "text/css", "/desk.css": "text/css", "/fleet.js": "text/javascript"] {
            #expect(try bench.get(path).headers["content-type"] == "\(type); charset=utf-8")
        }
    }

    @Test("who must log in is led back to the page that he asked for")
    func login() throws {
        let bench = try ServiceBench()
        let token = try Enrolment(bench.data).addToken("screen", role: "viewer", days: nil)
        #expect(try eventually { try bench.get("/v1/fleet").status == 401 })
        #expect(try bench.get("/v1/fleet", "Authorization: Bearer \(token)\r\n").status == 200)
        for (asked, place) in [
            ("/", "/login"), ("/fleet", "/login?to=%2Ffleet"),
            ("/history?day=2026-07-10&by=lane", "/login?to=%2Fhistory%3Fby%3Dlane%26day%3D2026-07-10"),
            ("/fleet?q=%E5%8C%97", "/login?to=%2Ffleet%3Fq%3D%25E5%258C%2597"),
        ] {
            let answer = try bench.get(asked)
            #expect(answer.status == 303 && answer.headers["location"] == place, "\(asked)")
        }
        let form = try bench.get("/login?to=%2Fhistory%3Fby%3Dlane%26day%3D2026-07-10").text
        #expect(form.contains("action=\"/login?to=%2Fhistory%3Fby%3Dlane%26day%3D2026-07-10\""))
        func enter(_ to: String) throws -> String? {
            let body = "token=\(token)"
            let wire = try bench.wire()
            try wire.send(
                "POST /login\(to) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: \(LoginPage.formType)\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            return try wire.answer()?.headers["location"]
        }
        #expect(try enter("?to=%2Ffleet%3Fq%3D%25E5%258C%2597") == "/fleet?q=%E5%8C%97")
        #expect(try enter("") == "/")
        for elsewhere in [
            "https:%2F%2Fevil.example", "%2F%2Fevil.example", "%2Fv1%2Ftallies", "%2Ffleet%2F..%2Fx", "fleet",
            "%2Ffleet%23x", "%5Cevil", "",
        ] {
            #expect(try enter("?to=\(elsewhere)") == "/", "\(elsewhere)")
            #expect(!(try bench.get("/login?to=\(elsewhere)").text.contains("evil")))
        }
        // What would end the header or hide an address in it is left out.
        for ending in ["%0d%0aSet-Cookie:a=b", "\"><script>", " x", "/../.."].compactMap({
            $0.addingPercentEncoding(withAllowedCharacters: .alphanumerics)
        }) {
            #expect(try enter("?to=%2Ffleet%3Fq%3D\(ending)") == "/fleet")
        }
    }
}
