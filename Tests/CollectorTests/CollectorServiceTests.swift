import Admission
import Cryptography
import Foundation
import Framing
import Posix
import TestSupport
import Testing

@testable import Collector

@Suite("The collector over HTTP")
struct CollectorServiceTests {
    @Test("a batch is answered with what is stored through, and seen in the tallies at once")
    func batch() throws {
        let bench = try ServiceBench()
        let records = [
            makeRecord(.epochStarted(previous: .none, lastSequence: 0)), makeRecord(decided(), sequence: 2),
            makeRecord(ended(of: 2), sequence: 3),
        ]
        let answer = try bench.post(bench.body(records))
        #expect(answer.status == 200)
        #expect(answer.text == "stored \(epoch(1).hex) 3\n")
        let tallies = try bench.get("/v1/tallies").json
        let total = try #require(tallies["total"] as? [String: Any])
        let expected = [
            "presented": 1, "admitted": 1, "refused": 0, "passed": 1, "annulled": 0, "interrupted": 0,
            "tailgating": 0, "forced": 0, "wrong_way": 0, "anonymous": 0, "stored": 3, "duplicates": 0, "missing": 0,
            "distinct_holders": 1, "in": 1, "out": 0, "on_site_people": 1, "on_site_vehicles": 0,
        ]
        for (name, count) in expected { #expect(total[name] as? Int == count, "\(name)") }
        let lane = try #require((tallies["lanes"] as? [[String: Any]])?.first)
        #expect(lane["lane"] as? String == "north-07")
        #expect(lane["name"] as? String == "北登录厅-07")
        for (name, count) in expected { #expect(lane[name] as? Int == count, "\(name)") }
        let zones = try #require(tallies["zones"] as? [[String: Any]])
        // Where somebody is, and what the configuration names.
        #expect(zones.map { $0["zone"] as? String } == ["north-ring", "ring"])
        #expect(zones.first?["people"] as? Int == 1)
    }

    @Test("the flow of a day is counted by five minutes, of the site and of each lane, also of records that come late")
    func flow() throws {
        let bench = try ServiceBench()
        let minute: Int64 = 60_000
        func passage(_ sequence: UInt64, _ lane: String, _ at: Int64, from: String = "outside", to: String = "ring")
            -> JournalRecord
        {
            makeRecord(ended(holder: UInt32(sequence)), sequence: sequence, lane: lane, from: from, to: to, at: at)
        }
        let north = [0, 4, 5, 12].enumerated().map {
            passage(UInt64($0.offset + 1), "north-07", morning + Int64($0.element) * minute)
        }
        #expect(try bench.post(bench.body([north[0], north[2], north[3]])).status == 200)
        let out = [1, 16 * 60].enumerated().map {
            passage(
                UInt64($0.offset + 1), "out-01", morning + Int64($0.element) * minute, from: "ring", to: "outside")
        }
        #expect(try bench.post(bench.body(out, lane: "out-01")).status == 200)
        #expect(try bench.post(bench.body([north[1]], oldestHeld: position(1, 1))).status == 200)
        func flow(_ query: String) throws -> [[Int]] {
            let answer = try bench.get("/v1/flow?\(query)")
            #expect(answer.status == 200, "\(answer.text)")
            return (answer.json["flow"] as? [[String: Any]] ?? []).map { entry in
                let at = (entry["at_ms"] as? Int64 ?? 0) - morning
                return [Int(at / minute), entry["in"] as? Int ?? -1, entry["out"] as? Int ?? -1]
            }
        }
        #expect(try flow("day=2026-07-10") == [[0, 2, 1], [5, 1, 0], [10, 1, 0]])
        #expect(try flow("day=2026-07-10&lane=north-07") == [[0, 2, 0], [5, 1, 0], [10, 1, 0]])
        #expect(try flow("lane=out-01&day=2026-07-10") == [[0, 0, 1]])
        // Sixteen hours later a new day begins in Shanghai.
        #expect(try flow("day=2026-07-11&lane=out-01") == [[960, 0, 1]])
        #expect(try flow("day=2026-07-12").isEmpty)
        #expect(try flow("").isEmpty)
        #expect(try bench.get("/v1/flow?lane=north-99").status == 404)
        for query in ["day=2026-7-1", "day=now", "lane=North", "from=1", "day=2026-07-10&day=2026-07-11"] {
            #expect(try bench.get("/v1/flow?\(query)").status == 400, "\(query)")
        }
    }

    @Test("what was answered is there after a restart, and the same batch counts nothing again")
    func restart() throws {
        let bench = try ServiceBench()
        let body = bench.body([makeRecord(decided()), makeRecord(ended(), sequence: 2)])
        let first = try bench.post(body)
        let before = try bench.get("/v1/lanes").json["lanes"] as? [[String: Any]]
        try bench.restart()
        let after = try bench.get("/v1/lanes").json["lanes"] as? [[String: Any]]
        #expect(NSArray(array: before ?? []) == NSArray(array: after ?? []))
        #expect(try bench.post(body).text == first.text)
        let total = try bench.get("/v1/tallies").json["total"] as? [String: Any]
        #expect(total?["passed"] as? Int == 1)
        #expect(total?["duplicates"] as? Int == 2)
    }

    @Test("records are listed line by line, every field by its name, and page on from a row")
    func records() throws {
        let bench = try ServiceBench()
        _ = try bench.publish(["visitor-7"])
        _ = try bench.post(
            bench.body([
                makeRecord(.epochStarted(previous: .none, lastSequence: 0)),
                makeRecord(decided(.refused, reasons: [.codeRed, .testExpired], holder: 1), sequence: 2),
                makeRecord(.pulse(.tailgating, .forward, decisionSequence: 2), sequence: 3),
            ]))
        _ = try bench.post(bench.body([makeRecord(ended(), lane: "south-01")], lane: "south-01"))
        func lines(_ query: String) throws -> [[String: Any]] {
            try bench.get("/v1/records\(query)").text.split(separator: "\n").compactMap {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            }
        }
        #expect(try lines("").count == 4)
        let mine = try lines("?lane=north-07")
        #expect(mine.map { $0["event"] as? String } == ["epoch_started", "decided", "pulse"])
        #expect(mine[0]["previous_epoch"] is NSNull)
        let decision = mine[1]
        #expect(decision["verdict"] as? String == "refused")
        #expect(decision["reasons"] as? [String] == ["test-expired", "code-red"])
        #expect(decision["tag"] as? String == BadgeTag(low: 1, high: 9).hex)
        #expect(decision["holder"] as? Int == 1)
        #expect(decision["holder_id"] as? String == "visitor-7")
        #expect(decision["kind"] as? String == "visitor")
        #expect(decision["wall"] as? String == "2026-07-10T00:00:00.000Z")
        #expect(decision["wall_ms"] as? Int64 == morning)
        #expect((decision["temperature"] as? [String: Any])?["median_celsius"] as? Double == 36.55)
        #expect(mine[2]["pulse"] as? String == "tailgating")
        let row = try #require(mine[1]["row"] as? Int)
        #expect(try lines("?lane=north-07&after=\(row)").map { $0["event"] as? String } == ["pulse"])
        #expect(try lines("?after=0&limit=1").count == 1)
        for query in [
            "?lane=North", "?after=-1", "?limit=0", "?limit=10001", "?limit=x", "?line=a", "?after=1&after=2",
        ] {
            #expect(try bench.get("/v1/records\(query)").status == 400, "\(query)")
        }
    }

    @Test("every kind of record is listed as valid JSON, whatever its fields hold")
    func everyKind() throws {
        let bench = try ServiceBench()
        let presentation = Presentation(tag: .none, type: .epc, lookup: .conflict, reader: 255)
        let events: [LaneEvent] = [
            .epochStarted(previous: epoch(4), lastSequence: .max), decided(), ended(kind: nil),
            .pulse(.wrongWay, .backward, decisionSequence: 0), .seenInEmergency(presentation), .fire(alarm: true),
            .device(.reader(3), lost: true), .contact(.backward, stuck: true), .mode(.freeExit, .readersLost),
            .credentials(.none), .clock(.stepped, stepMilliseconds: .min), .hour(startSeconds: .min, LaneTotals()),
            .hole(epoch: epoch(4), firstSequence: 1, count: .max, .noRoom, LaneTotals()), .stopping,
        ]
        _ = try bench.post(
            bench.body(events.enumerated().map { makeRecord($0.element, sequence: UInt64($0.offset + 1), at: .max) }))
        let lines = try bench.get("/v1/records").text.split(separator: "\n")
        #expect(lines.count == events.count)
        for line in lines { #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil, "\(line)") }
        for path in ["/v1/lanes", "/v1/tallies", "/healthz"] { #expect(try !bench.get(path).json.isEmpty) }
    }

    @Test("a bad record refuses its whole batch and names itself")
    func badRecord() throws {
        let bench = try ServiceBench()
        var body = bench.body((1...3).map { makeRecord(ended(), sequence: $0) })
        body[RecordBatch.headSize + JournalRecord.size + 40] ^= 0xFF
        let answer = try bench.post(body)
        #expect(answer.status == 400)
        #expect(answer.json["error"] as? String == "record 1 of the batch: the checksum does not match")
        #expect((answer.json["advice"] as? String)?.isEmpty == false)
        #expect((try bench.get("/v1/tallies").json["total"] as? [String: Any])?["stored"] as? Int == 0)
        #expect(try bench.post(makeBody([makeRecord()])).status == 403)
    }

    @Test("on one connection, a lane that skips what it was asked for does not hold it")
    func heard() throws {
        let bench = try ServiceBench()
        let wire = try bench.wire()
        let oldest = position(1, 1)
        _ = try bench.post(bench.body((1...5).map { makeRecord(sequence: $0) }), on: wire)
        let gap = bench.body((9...10).map { makeRecord(sequence: $0) }, oldestHeld: oldest)
        // A new connection may not have heard the last answer; the same one has.
        #expect(try bench.post(gap).text == position(1, 5).text)
        let other = try bench.wire()
        #expect(try bench.post(gap, on: other).text == position(1, 5).text)
        #expect(try bench.post(gap, on: other).text == position(1, 10).text)
        let lanes = try bench.get("/v1/lanes").json["lanes"] as? [[String: Any]]
        #expect(lanes?.first?["missing"] as? Int == 3)
        let holes = lanes?.first?["holes"] as? [[String: Any]]
        #expect(holes?.first?["first"] as? Int == 6)
        #expect(holes?.first?["last"] as? Int == 8)
        #expect(holes?.first?["expected"] as? Bool == false)
    }

    @Test("a lane says of itself how it is, of one that never did nothing is known, and what was said last stays")
    func laneWord() throws {
        let bench = try ServiceBench()
        func lane() throws -> [String: Any] {
            let lanes = try bench.get("/v1/lanes").json["lanes"] as? [[String: Any]]
            return try #require(lanes?.first)
        }
        _ = try bench.post(makeBody([makeRecord()], site: bench.site))
        let names = [
            "word_received", "word_received_ms", "wordless_since_ms", "word_as_of_ms", "mode_cause", "clock",
            "fire_alarm",
            "hangs", "devices", "image_version", "image_issued_ms", "change_number", "statement_as_of_ms",
            "statement_age_seconds", "freshness", "journal", "policy", "version", "started_ms",
        ]
        for name in names { #expect(try lane()[name] is NSNull, "\(name)") }

        var word = makeWord()
        (word.mode, word.cause, word.lostDevices) = (.outOfService, .readersLost, 2)
        (word.recordsHeld, word.journal, word.flags) = (850, .filling, .fireAlarm)
        _ = try bench.post(makeBody([], site: bench.site, oldestHeld: position(1, 1), word: word))
        for _ in 0..<2 {
            let said = try lane()
            #expect(said["mode"] as? String == "out-of-service" && said["mode_cause"] as? String == "readers-lost")
            #expect(said["clock"] as? String == "trusted" && said["freshness"] as? String == "fresh")
            #expect(said["fire_alarm"] as? Bool == true && said["hangs"] as? Bool == false)
            let devices = try #require(said["devices"] as? [[String: String]])
            #expect(devices.map { $0["device"] } == ["reader-0", "reader-1", "thermometer", "gate"])
            #expect(devices.map { $0["state"] } == ["present", "lost", "present", "present"])
            #expect(said["image_version"] as? Int == 7 && said["change_number"] as? Int == 3)
            #expect(try #require(said["statement_age_seconds"] as? Int) >= 4)
            let journal = try #require(said["journal"] as? [String: Any])
            #expect(
                journal["held"] as? Int == 850 && journal["room"] as? Int == 1000 && journal["percent"] as? Int == 85)
            #expect(journal["state"] as? String == "filling" && journal["fault"] as? Bool == false)
            #expect(said["version"] as? String == "1.0.0" && said["policy"] as? String == word.policyDigest.hex)
            #expect(said["wordless_since_ms"] is NSNull)
            try bench.restart()
        }
        _ = try bench.post(makeBody([], site: bench.site, oldestHeld: position(1, 1)))
        let silent = try lane()
        #expect(silent["wordless_since_ms"] is Int && silent["clock"] as? String == "trusted")
        #expect(silent["mode"] is NSNull, "its records told none")
        var nothing = makeWord()
        (nothing.imageVersion, nothing.statementAsOf, nothing.imageIssuedAt) = (0, nil, nil)
        nothing.flags = .hasNoJournal
        _ = try bench.post(makeBody([], site: bench.site, oldestHeld: position(1, 1), word: nothing))
        let bare = try lane()
        for name in [
            "image_version", "change_number", "statement_as_of_ms", "statement_age_seconds", "image_issued_ms",
        ] {
            #expect(bare[name] is NSNull, "\(name)")
        }
        #expect((bare["journal"] as? [String: Any])?["state"] as? String == "absent")
    }

    @Test("an import shows while the collector serves: image, ETag, ranges and a signed statement")
    func images() throws {
        let bench = try ServiceBench()
        #expect(try bench.get("/v1/image").status == 404)
        #expect(try bench.get("/v1/statement").status == 404)
        _ = try bench.publish((0..<300).map { "H\($0)" })
        bench.service.refresh()
        let whole = try bench.get("/v1/image")
        let file = try FileSystem.read(bench.data.imageFile(version: 1), limit: 1 << 20)
        #expect(whole.status == 200)
        #expect(whole.body == file)
        #expect(whole.headers["lanekeeper-image-version"] == "1")
        let header = try file.withUnsafeBytes { try ImageHeader($0) }
        let digest = try SHA256.hash(Array(file[..<header.headerLength]))
        let tag = try #require(whole.headers["etag"])
        #expect(tag == "\"\(Hexadecimal.text(digest))\"")
        #expect(try bench.get("/v1/image", "If-None-Match: \(tag)\r\n").status == 304)
        #expect(try bench.get("/v1/image", "If-None-Match: \"x\", W/\(tag)\r\n").status == 304)
        #expect(try bench.get("/v1/image", "If-None-Match: \"x\"\r\n").status == 200)
        let head = try bench.get("/v1/image", method: "HEAD")
        #expect(head.status == 200)
        #expect(head.headers["content-length"] == String(file.count))
        let part = try bench.get("/v1/image", "Range: bytes=100-\r\nIf-Range: \(tag)\r\n")
        #expect(part.status == 206)
        #expect(part.headers["content-range"] == "bytes 100-\(file.count - 1)/\(file.count)")
        #expect(part.body == Array(file[100...]))
        #expect(try bench.get("/v1/image", "Range: bytes=5-9\r\n").body == Array(file[5...9]))
        #expect(try bench.get("/v1/image", "Range: bytes=-7\r\n").body == Array(file.suffix(7)))
        #expect(try bench.get("/v1/image", "Range: bytes=5-9\r\nIf-Range: \"old\"\r\n").body == file)
        let beyond = try bench.get("/v1/image", "Range: bytes=\(file.count)-\r\n")
        #expect(beyond.status == 416)
        #expect(beyond.headers["content-range"] == "bytes */\(file.count)")
        for range in ["bytes=9-5", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=-"] {
            #expect(try bench.get("/v1/image", "Range: \(range)\r\n").status == 200, "\(range)")
        }
        let statement = try bench.get("/v1/statement")
        let (fields, signed, signature) = try Statement.parse(statement.body)
        let key = try Ed25519.VerifyingKey(try bench.data.key(.sitePublic, bench.data.publicKeyFile).key)
        #expect(try key.verify(signature, of: signed))
        #expect(fields.site == bench.site)
        #expect(fields.imageVersion == 1)
        #expect(fields.imageHeaderDigest == digest)
        #expect(abs(fields.asOf.milliseconds - SystemClock.wallMilliseconds()) < 60_000)
        // The next import is the next image, and the statement names it at once.
        _ = try bench.publish(["H1"])
        bench.service.refresh()
        #expect(try bench.get("/v1/image", "If-None-Match: \(tag)\r\n").headers["lanekeeper-image-version"] == "2")
        #expect(try Statement.parse(try bench.get("/v1/statement").body).statement.imageVersion == 2)
    }

    @Test("the page carries its words and a strict policy, and nothing that markup could break out of")
    func page() throws {
        let bench = try ServiceBench()
        let page = try bench.get("/")
        #expect(page.status == 200)
        #expect(page.headers["content-type"] == "text/html; charset=utf-8")
        let policy = try #require(page.headers["content-security-policy"])
        #expect(policy.contains("default-src 'none'"))
        #expect(!policy.contains("unsafe"))
        #expect(page.text.contains("模拟博览会"))
        #expect(page.text.contains("Expo &lt;1&gt;"))
        #expect(page.text.contains("当前在场人数"))
        #expect(page.text.contains("People on site now"))
        #expect(!page.text.contains("<script>"))
        #expect(!page.text.contains("style=\""))
        #expect(try bench.get("/page.css").headers["content-type"] == "text/css; charset=utf-8")
        #expect(try bench.get("/page.js").headers["content-type"] == "text/javascript; charset=utf-8")
    }

    struct Wrong: Sendable, CustomStringConvertible {
        var request: String
        var status: Int
        var description: String { String(request.prefix(60)) }
    }

    static let wrong: [Wrong] = [
        Wrong(request: "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 404),
        Wrong(request: "POST /v1/tallies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", status: 405),
        Wrong(request: "DELETE /v1/records HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 405),
        Wrong(request: "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 405),
        Wrong(request: ServiceBench.head(0, type: "text/plain"), status: 415),
        Wrong(request: "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", status: 415),
        Wrong(request: ServiceBench.head(0), status: 400),
        Wrong(request: ServiceBench.head(IntakeBatch.longestBody + 1), status: 413),
        Wrong(request: "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", status: 413),
        Wrong(request: "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", status: 421),
        Wrong(request: "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", status: 421),
        Wrong(request: "GET / HTTP/1.1\r\n\r\n", status: 400),
        Wrong(request: "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", status: 400),
        Wrong(
            request:
                "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
            status: 400),
        Wrong(
            request:
                "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
            status: 400),
        Wrong(
            request:
                "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            status: 400),
        Wrong(
            request: "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            status: 411),
        Wrong(
            request:
                "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\nContent-Length: 1\r\n\r\n0",
            status: 400),
        Wrong(request: "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", status: 400),
        Wrong(request: "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n", status: 400),
        Wrong(
            request: "GET /\(String(repeating: "x", count: 100_000)) HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 414),
    ]

    @Test(
        "what is wrong with a request has its status and says what to do, and the collector goes on", arguments: wrong)
    func wrongRequests(_ example: Wrong) throws {
        let bench = try ServiceBench()
        let wire = try bench.wire()
        try wire.send(example.request)
        let answer = try #require(try wire.answer())
        #expect(answer.status == example.status, "\(answer.text)")
        if answer.headers["content-type"] == "application/json" {
            #expect((answer.json["error"] as? String)?.isEmpty == false)
            #expect((answer.json["advice"] as? String)?.isEmpty == false)
        }
        if example.status == 405 { #expect(answer.headers["allow"] != nil) }
        #expect(try bench.get("/healthz").status == 200)
    }

    @Test("a smuggled second request is not answered")
    func smuggling() throws {
        let bench = try ServiceBench()
        let wire = try bench.wire()
        try wire.send(
            "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(RecordBatch.contentType)\r\n"
                + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                + "GET /v1/tallies HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try wire.answer()?.status == 400)
        #expect(try wire.isClosed())
    }

    @Test("a head, a body or a rest that takes too long is cut, however steadily it drips")
    func slow() throws {
        let limits = HTTPServer.Limits(
            connections: 64, headMilliseconds: 300, bodyMilliseconds: 300, restMilliseconds: 300)
        let bench = try ServiceBench(limits: limits)
        let heads = try (0..<3).map { _ in try bench.wire() }
        try heads[0].send("GET / HT")
        try heads[1].send(ServiceBench.head(1000) + "LKB")
        try heads[2].send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try heads[2].answer()?.status == 200)
        for wire in heads {
            let isCut = try eventually(within: 60_000) {
                bench.service.tick()
                _ = wire.takes(UInt8(ascii: "x"))
                return try wire.isClosed(within: 20)
            }
            #expect(isCut)
        }
        #expect(try bench.get("/healthz").status == 200)
    }

    @Test("bodies that are under way share a bound; beyond it a sender is told to come again")
    func bodyBudget() throws {
        let bench = try ServiceBench(limits: HTTPServer.Limits(bodyBytes: 5000))
        let slow = try bench.wire()
        try slow.send(ServiceBench.head(4000) + "LK")
        let small = bench.body([makeRecord()])
        #expect(try eventually { try bench.post(small).status == 200 })
        let large = bench.body((1...10).map { makeRecord(sequence: $0) })
        let refused = try bench.wire()
        try refused.send(ServiceBench.head(large.count))
        let answer = try #require(try refused.answer())
        #expect(answer.status == 503)
        #expect(answer.headers["retry-after"] == "1")
    }

    @Test("a database that cannot be written answers 503, shows in the health, and all is well when it can again")
    func failingDatabase() throws {
        let bench = try ServiceBench()
        let saboteur = try Database(bench.data.intakeDatabase, .readWrite)
        try saboteur.execute(
            "CREATE TRIGGER sabotage BEFORE INSERT ON block BEGIN SELECT raise(ABORT, 'the disk is gone'); END")
        let body = bench.body([makeRecord()])
        let answer = try bench.post(body)
        #expect(answer.status == 503)
        #expect(answer.headers["retry-after"] == "2")
        let health = try bench.get("/healthz")
        #expect(health.status == 503)
        #expect((health.json["failure"] as? String)?.contains("the disk is gone") == true)
        try saboteur.execute("DROP TRIGGER sabotage")
        #expect(try bench.post(body).text == position(1, 1).text)
        #expect(try bench.get("/healthz").status == 200)
    }

    @Test("a reader that takes nothing of an image does not hold others up, and is cut when the collector stops")
    func slowReader() throws {
        let bench = try ServiceBench()
        _ = try bench.publish((0..<60_000).map { "H\($0)" }.map { $0 })
        bench.service.refresh()
        let wire = try bench.wire()
        try wire.send("GET /v1/image HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try bench.post(bench.body([makeRecord()])).status == 200)
        let start = SystemClock.monotonicNanoseconds()
        bench.service.stop()
        // It did not wait for the client, who has this long.
        #expect(SystemClock.monotonicNanoseconds() - start < UInt64(HTTPServer.Limits().headMilliseconds) * 1_000_000)
    }

    @Test("many lanes at once are all answered, each with its own place")
    func manyLanes() async throws {
        let bench = try ServiceBench()
        let port = bench.service.port
        let site = bench.site
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<32 {
                group.addTask {
                    let wire = try Wire(port: port)
                    for round in 0..<5 as Range<UInt64> {
                        let records = (1...20).map {
                            makeRecord(
                                ended(), epoch: UInt64(lane + 1), sequence: round * 20 + $0, lane: "lane-\(lane)")
                        }
                        let body = makeBody(
                            records, site: site, lane: "lane-\(lane)", oldestHeld: position(UInt64(lane + 1), 1))
                        try wire.send(ServiceBench.head(body.count))
                        try wire.send(body)
                        let answer = try #require(try wire.answer())
                        #expect(answer.text == position(UInt64(lane + 1), round * 20 + 20).text)
                    }
                }
            }
            try await group.waitForAll()
        }
        let total = try bench.get("/v1/tallies").json["total"] as? [String: Any]
        #expect(total?["stored"] as? Int == 32 * 100)
        #expect(total?["passed"] as? Int == 32 * 100)
        #expect(total?["missing"] as? Int == 0)
    }

    @Test(
        "it refuses to listen beyond this machine and says what must come first",
        arguments: ["0.0.0.0", "::", "192.0.2.7"])
    func beyondLoopback(_ address: String) throws {
        #expect {
            _ = try ListeningSocket(address: address, port: 0)
        } throws: {
            (($0 as? CollectorFailure)?.reason.contains("TLS and client authentication must come first")) == true
        }
        let directory = try TemporaryDirectory()
        #expect(throws: (any Error).self) {
            _ = try ServiceBench.settings(SiteDirectory(directory.path), address: address)
        }
    }

    @Test("loopback in both families is listened at")
    func loopback() throws {
        #expect(try ListeningSocket(address: "127.0.0.1", port: 0).port > 0)
        #expect(try ListeningSocket(address: "::1", port: 0).port > 0)
        #expect(LoopbackAddress.isHost("[::1]:8480"))
        #expect(LoopbackAddress.isHost("LOCALHOST"))
        #expect(!LoopbackAddress.isHost("localhost.evil.example"))
        #expect(!LoopbackAddress.isHost("[::1"))
    }

    @Test("two collectors over one data directory do not mix")
    func twoCollectors() throws {
        let bench = try ServiceBench()
        #expect(throws: CollectorFailure.self) { _ = try CollectorService(try ServiceBench.settings(bench.data)) }
    }

    @Test("stopping answers what was taken in")
    func stopping() throws {
        let bench = try ServiceBench()
        let wire = try bench.wire()
        try wire.send(ServiceBench.head(1000) + "LKB")
        _ = try bench.post(bench.body([makeRecord()]))
        let start = SystemClock.monotonicNanoseconds()
        bench.service.stop()
        // It did not wait for the client, who has this long.
        #expect(SystemClock.monotonicNanoseconds() - start < UInt64(HTTPServer.Limits().headMilliseconds) * 1_000_000)
        #expect(try wire.isClosed())
        bench.service.stop()
    }
}
