import Admission
import Framing
import Posix
import Storage
import TestSupport
import Testing

@testable import Collector

/// A site whose holders are all ready but for what their names say.
private struct OfficeBench {
    let imports: ImportBench
    let office: ActivationOffice
    private let codes: [String: (String, String)]

    init(activations: [String: String] = [:]) throws {
        imports = try ImportBench()
        let now = SystemClock.wallMilliseconds()
        let fresh = "green,\(Timestamp.format(now - 3_600_000))"
        let sampled = "negative,\(Timestamp.format(now - 47 * 3_600_000))"
        codes = [
            "red": ("red,", sampled), "late": (fresh, "negative,\(Timestamp.format(now - 49 * 3_600_000))"),
            "": (fresh, sampled),
        ]
        try OfficeBench.feed(imports, codes, activations)
        office = try ActivationOffice(imports.data)
    }

    static let names = ["a", "b", "red", "late", "suspended", "revoked"]

    func feed(_ activations: [String: String] = [:], options: FeedImport.Options = unguarded) throws {
        try Self.feed(imports, codes, activations, options)
    }

    private static func feed(
        _ imports: ImportBench, _ codes: [String: (String, String)], _ activations: [String: String],
        _ options: FeedImport.Options = unguarded
    ) throws {
        try imports.publish(
            names.enumerated().map { index, name in
                let (health, test) = codes[name] ?? codes[""] ?? ("", "")
                let activation = activations[name] ?? (["suspended", "revoked"].contains(name) ? name : "inactive")
                return line(
                    name, chip: hex([1, 2, 3, UInt8(index)]), code: "E-\(name)", health: health, test: test,
                    activation: activation)
            }, options: options)
    }

    /// What lanes say of him, by both identifiers the same: the image in force, and the changes on top of it.
    func state(_ name: String) throws -> Activation? {
        let store = try ChangeStore(imports.data)
        // As `serve` does within a second.
        try store.layOnImage(now: SystemClock.wallMilliseconds())
        let image = try imports.image(try #require(imports.inForce))
        var overlay = ChangeOverlay(on: image.header)
        while let list = try store.cut(after: overlay.changeNumber) {
            overlay = try #require(ChangeOverlay(overlay, with: list))
        }
        let badge = try #require(BadgeKey(bytes: try imports.data.key(.badge, imports.data.badgeKeyFile).key))
        let index = try #require(Self.names.firstIndex(of: name))
        let said = try [(IdentifierType.chip, [1, 2, 3, UInt8(index)]), (.code, Array("E-\(name)".utf8))].map {
            let identifier = try #require(Identifier($0.0, bytes: $0.1))
            return BadgeTable(image: image, overlay: overlay).lookup(badge.tag(of: identifier))
        }
        #expect(said[0] == said[1])
        guard case .found(let credential) = said[0] else { return nil }
        return credential.activation
    }

    var unpublished: Int64 {
        get throws { try imports.data.openSite().database.integer("SELECT count(*) FROM unpublished") }
    }

    var states: [Activation?] { get throws { try Self.names.map { try state($0) } } }
}

private let untouched: [Activation?] = [.inactive, .inactive, .inactive, .inactive, .suspended, .revoked]
private let ready: [Activation?] = [.activated, .activated, .inactive, .inactive, .suspended, .revoked]

@Suite("The credential office")
struct ActivationOfficeTests {
    @Test("the fourth key turns for all whose other three stand, for nobody else, as changes that lanes trust")
    func readyOnes() throws {
        let bench = try OfficeBench()
        #expect(try bench.states == untouched)
        let trial = try bench.office.activateReady(by: "alice", isDryRun: true)
        #expect(trial.turned == 2 && trial.publication == nil && bench.imports.inForce == 1)
        let outcome = try bench.office.activateReady(by: "alice")
        #expect(outcome.turned == 2)
        #expect(outcome.publication == .changes(first: 1, last: 4))
        #expect(outcome.text.contains("changes 1 to 4, `serve` gives them to the lanes at once"))
        #expect(try bench.states == ready && bench.unpublished == 0)
        let again = try bench.office.activateReady(by: "alice")
        #expect(again.turned == 0 && again.publication == nil && bench.imports.inForce == 1)
        let audit = try AuditTrail.lines(bench.imports.data, count: 10)
        #expect(audit.count == 1)
        #expect(audit[0].hasPrefix("1\t"))
        #expect(audit[0].contains("\talice\tactivate --ready\t2 badges activated, changes 1 to 4"))
    }

    @Test("what the office turned stands over the next feeds, until the feed has news")
    func overFeeds() throws {
        let bench = try OfficeBench()
        _ = try bench.office.activateReady(by: "alice")
        try bench.feed()
        #expect(try bench.states == ready)
        // The feed agrees with the office, and goes on as before; then it knows something new.
        try bench.feed(["a": "activated"])
        #expect(try bench.states == ready)
        try bench.feed(["a": "suspended"])
        #expect(try bench.state("a") == .suspended)
        try bench.feed()
        #expect(try bench.state("a") == .inactive, "the decision was forgotten")
        #expect(try bench.state("b") == .activated)
    }

    @Test("one holder is activated by name or number, also before his other keys stand, which is said")
    func one() throws {
        let bench = try OfficeBench()
        let late = try bench.office.turn(.activated, "late", by: "alice")
        #expect(late.turned == 1)
        #expect(late.notes.first?.contains("test does not stand") == true)
        #expect(try bench.state("late") == .activated)
        let number = try #require(try bench.imports.holder([1, 2, 3, 0], version: 1))
        #expect(try bench.office.turn(.activated, "#\(number)", by: "alice").notes == [])
        #expect(try bench.state("a") == .activated)
        #expect(try bench.office.turn(.activated, "a", by: "alice").turned == 0)
        for unknown in ["nobody", "#0", "#x", "#99"] {
            #expect(throws: CollectorFailure.self) { try bench.office.turn(.activated, unknown, by: "alice") }
        }
        for barred in ["suspended", "revoked"] {
            #expect {
                try bench.office.turn(.activated, barred, by: "alice")
            } throws: {
                ($0 as? CollectorFailure)?.reason == "the badge is \(barred)"
            }
        }
    }

    @Test("a decision is turned back: one holder's, or all of an entry but what was decided otherwise since")
    func backwards() throws {
        let bench = try OfficeBench()
        let entry = try #require(try bench.office.activateReady(by: "alice").entry)
        #expect(try bench.office.turn(.inactive, "a", by: "bob").turned == 1)
        #expect(try bench.office.turn(.activated, "a", by: "carol").turned == 1)
        #expect(try bench.office.reverse(entry, by: "bob").turned == 1)
        #expect(try bench.state("a") == .activated && bench.state("b") == .inactive)
        #expect(throws: CollectorFailure.self) { try bench.office.reverse(entry, by: "bob") }
        #expect(throws: CollectorFailure.self) { try bench.office.reverse(99, by: "bob") }
        #expect(try AuditTrail.lines(bench.imports.data, count: 10).count == 4)
        // An office that takes its word back leaves the key to the feed.
        try bench.feed(["b": "activated"])
        #expect(try bench.state("b") == .activated)
        // And one that says no stands against a feed that goes on saying yes.
        _ = try bench.office.turn(.inactive, "b", by: "bob")
        try bench.feed(["b": "activated"])
        #expect(try bench.state("b") == .inactive)
    }

    @Test(
        "an image held while the office works comes into force with what the office decided since",
        arguments: [false, true])
    func heldMeanwhile(asImage: Bool) throws {
        let bench = try OfficeBench()
        var strict = FeedImport.Options()
        strict.rules.mostLosingPercent = 0
        try bench.feed(["a": "suspended"], options: strict)
        #expect(bench.imports.inForce == 2, "nobody loses a key that had not turned")
        _ = try bench.office.activateReady(by: "alice")
        #expect(try bench.state("b") == .activated)
        try bench.feed(["b": "suspended"], options: strict)
        #expect(bench.imports.inForce == 2, "b would lose what the office gave him")
        let office = try ActivationOffice(bench.imports.data, mostChanged: asImage ? 0 : 40_000)
        let decision = try office.turn(.activated, "late", by: "alice")
        if asImage { #expect(decision.publication == .image(4)) }
        let images = try ImageOffice(bench.imports.data)
        #expect(try images.lines(heldOnly: true).first?.hasPrefix("3\tHELD") == true)
        // Behind a newer one it needs a number above that.
        #expect(try images.publish(3, by: "alice") == (asImage ? 5 : 3))
        #expect(bench.imports.inForce == (asImage ? 5 : 3))
        if asImage {
            guard case .found(let late) = try bench.imports.lookup(.chip, [1, 2, 3, 3], version: 5) else {
                Issue.record("late is gone")
                return
            }
            #expect(late.activation == .activated)
        }
        #expect(try bench.states == [.inactive, .suspended, .inactive, .activated, .suspended, .revoked])
    }

    @Test("what is more than lanes keep beside an image goes out as an image, which takes all changes in")
    func asImage() throws {
        let bench = try OfficeBench()
        let late = try #require(try bench.imports.holder([1, 2, 3, 3], version: 1))
        _ = try ChangeStore(bench.imports.data).publish(
            [HolderChange(HolderNumber(late), vaccine: VaccineState.none)], now: SystemClock.wallMilliseconds())
        let small = try ActivationOffice(bench.imports.data, mostChanged: 1)
        let outcome = try small.activateReady(by: "alice")
        #expect(outcome.publication == .image(2))
        #expect(outcome.text.contains("more than lanes keep beside an image, so image 2 is in force"))
        #expect(try bench.states == ready && bench.unpublished == 0)
        let (before, after) = (try bench.imports.image(1).header, try bench.imports.image(2).header)
        #expect(after.issuedAt == before.issuedAt && after.identifiers == before.identifiers)
        #expect(before.changeNumber == 0 && after.changeNumber == 2)
        guard case .found(let credential) = try bench.imports.lookup(.chip, [1, 2, 3, 3], version: 2) else {
            Issue.record("late is gone")
            return
        }
        #expect(credential.vaccine == VaccineState.none && credential.activation == .inactive)
        #expect(try AuditTrail.lines(bench.imports.data, count: 1)[0].hasSuffix("2 badges activated, image 2"))
        #expect(try bench.office.reverse(1, by: "bob").publication == .changes(first: 3, last: 6))
        #expect(try bench.states == untouched)
    }

    @Test("an urgent suspension stands over what the office decided before, through feeds", arguments: [false, true])
    func suspendedAfterwards(folded: Bool) throws {
        let bench = try OfficeBench()
        _ = try bench.office.activateReady(by: "alice")
        if folded { try bench.feed() }
        #expect(try bench.state("a") == .activated)
        let number = try #require(try bench.imports.holder([1, 2, 3, 0], version: 1))
        _ = try ChangeStore(bench.imports.data).publish(
            [HolderChange(HolderNumber(number), activation: .suspended)], now: SystemClock.wallMilliseconds())
        #expect(try bench.state("a") == .suspended)
        #expect(throws: CollectorFailure.self) { try bench.office.turn(.activated, "a", by: "alice") }
        for _ in 0..<3 {
            try bench.feed()
            #expect(try bench.state("a") == .suspended && bench.state("b") == .activated)
        }
    }

    @Test("whoever an urgent change suspended the office does not activate; what one turned off it turns on again")
    func urgentChanges() throws {
        let bench = try OfficeBench()
        func change(_ index: Int, _ state: Activation) throws {
            let number = try #require(try bench.imports.holder([1, 2, 3, UInt8(index)], version: 1))
            _ = try ChangeStore(bench.imports.data).publish(
                [HolderChange(HolderNumber(number), activation: state)], now: SystemClock.wallMilliseconds())
        }
        try change(0, .suspended)
        #expect(try bench.office.activateReady(by: "alice").turned == 1)
        #expect(throws: CollectorFailure.self) { try bench.office.turn(.activated, "a", by: "alice") }
        try bench.feed()
        #expect(try bench.state("a") == .suspended && bench.state("b") == .activated)
        try change(1, .inactive)
        #expect(try bench.office.turn(.activated, "b", by: "alice").turned == 1)
        try bench.feed()
        #expect(try bench.state("b") == .activated)
    }

    @Test("without an image in force there is nothing to activate")
    func noImage() throws {
        let imports = try ImportBench()
        #expect(throws: CollectorFailure.self) { try ActivationOffice(imports.data).activateReady(by: "alice") }
    }

    @Test("who is ready is judged as lanes do, by image and changes, when an older changes.sqlite came back")
    func restored() throws {
        let bench = try OfficeBench()
        func change(_ vaccine: VaccineState) throws {
            let number = try #require(try bench.imports.holder([1, 2, 3, 0], version: 1))
            _ = try ChangeStore(bench.imports.data).publish(
                [HolderChange(HolderNumber(number), vaccine: vaccine)], now: SystemClock.wallMilliseconds())
        }
        let copy = bench.imports.directory.file("copy.sqlite")
        try change(.partial)
        try Database(bench.imports.data.changeDatabase, .readWrite).execute("VACUUM INTO '\(copy)'")
        try change(.full)
        // The image has both changes; the copy knows of the first alone.
        try bench.feed()
        try ServiceBench.restore(bench.imports.data.changeDatabase, from: copy)
        #expect(try bench.office.activateReady(by: "alice", isDryRun: true).turned == 2)
        #expect(try bench.office.activateReady(by: "alice").turned == 2)
        #expect(try bench.states == ready)
    }

    @Test("an entry whose number comes again, when site.sqlite is restored, is another decision")
    func numberAgain() throws {
        let bench = try OfficeBench()
        #expect(try bench.office.turn(.activated, "a", by: "alice").entry == 1)
        // As a copy from before has it.
        try bench.imports.data.openSite().database.execute(
            """
            DELETE FROM audit; DELETE FROM activation; DELETE FROM unpublished;
            DELETE FROM sqlite_sequence WHERE name = 'audit'
            """)
        let decision = try bench.office.turn(.activated, "b", by: "bob")
        #expect(decision.entry == 1 && decision.publication == .changes(first: 3, last: 4))
        #expect(try bench.state("b") == .activated && bench.unpublished == 0)
    }

    @Test("a decision whose image was made before somebody was killed is in force by that image, once")
    func killedBehindImage() throws {
        let bench = try OfficeBench()
        let database = try bench.imports.data.openSite().database
        _ = try ActivationOffice(bench.imports.data, mostChanged: 1).activateReady(by: "alice")
        #expect(bench.imports.inForce == 2)
        // Killed when the image stood in the register, and not yet told that it was done.
        try database.execute(
            "INSERT INTO unpublished VALUES(1, 2); UPDATE audit SET detail = '2 badges activated' WHERE id = 1")
        try ActivationOffice.publishLeft(bench.imports.data, database)
        #expect(try bench.unpublished == 0 && bench.states == ready)
        #expect(bench.imports.inForce == 2)
        #expect(try AuditTrail.lines(bench.imports.data, count: 1)[0].hasSuffix("2 badges activated, image 2"))
        // Killed before: the image is made now.
        let other = try OfficeBench()
        let left = try other.imports.data.openSite().database
        try left.transaction { () throws(CollectorFailure) in
            try AuditTrail(left).add("alice", "activate --ready", "2 badges activated", at: 1)
            for holder in 1...2 {
                try left.execute("INSERT INTO activation(holder, state, feed, audit) VALUES(\(holder), 1, 0, 1)")
            }
            try left.execute("INSERT INTO unpublished VALUES(1, NULL)")
        }
        let done = try ActivationOffice(other.imports.data, mostChanged: 1).publishRecorded()
        #expect(done == [1: .image(2)])
        #expect(try other.unpublished == 0 && other.states == ready)
    }

    @Test("killed at any step, a decision published as changes is made by nobody or in force for every lane")
    func killed() throws {
        let program = try BuiltProgram.path("lanekeeper-collector")
        let library = "\(FileSystem.parent(of: program))/libFailingCalls.so"
        var (none, left, done, step) = (0, 0, 0, 1)
        while true {
            let bench = try OfficeBench()
            let run = try CollectorProgram(
                ["activate", "--ready", "--data", bench.imports.data.path],
                output: bench.imports.directory.file("said"),
                environment: [
                    "LD_PRELOAD": library, "FAIL_UNDER": bench.imports.data.path, "FAIL_AT": "\(step)",
                    "FAIL_HOW": "kill",
                ])
            let status = try #require(try run.status())
            if status == 0 {
                #expect(try bench.states == ready)
                break
            }
            #expect(status == 128 + 9, "step \(step): \(status) \(run.said)")
            let isLeft = try bench.unpublished > 0
            try ActivationOffice.publishLeft(bench.imports.data, bench.imports.data.openSite().database)
            #expect(try bench.unpublished == 0)
            let audit = try AuditTrail.lines(bench.imports.data, count: 10)
            if audit.isEmpty {
                none += 1
                #expect(try bench.states == untouched, "step \(step)")
            } else {
                left += isLeft ? 1 : 0
                done += 1
                #expect(audit.count == 1 && audit[0].hasSuffix("changes 1 to 4"), "step \(step): \(audit)")
                #expect(try bench.states == ready, "step \(step)")
            }
            step += 1
        }
        #expect(none > 0 && left > 0 && done > 0, "\(none) \(left) \(done), \(step) steps")
    }

    @Test("who is ready is judged by the site's own windows")
    func windows() throws {
        let bench = try OfficeBench()
        let wide = try ActivationOffice(bench.imports.data, windows: KeyWindows(testHours: 72))
        #expect(try wide.activateReady(by: "alice", isDryRun: true).turned == 3)
        let narrow = try ActivationOffice(bench.imports.data, windows: KeyWindows(testHours: 46))
        #expect(try narrow.activateReady(by: "alice", isDryRun: true).turned == 0)
    }
}
