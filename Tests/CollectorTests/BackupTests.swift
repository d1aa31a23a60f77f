import Admission
import Framing
import Posix
import Synchronization
import TestSupport
import Testing

@testable import Collector

@Suite("A backup") struct BackupTests {
    private func visits(_ numbers: ClosedRange<UInt64>) -> [JournalRecord] {
        numbers.flatMap { number in
            [
                makeRecord(decided(holder: UInt32(number)), sequence: 2 * number - 1, to: "ring"),
                makeRecord(
                    ended(holder: UInt32(number), of: 2 * number - 1), sequence: 2 * number, to: "ring"),
            ]
        }
    }

    private func restored(_ folder: String, _ bench: StoreBench, keys: String? = nil) throws -> SiteDirectory {
        let data = SiteDirectory(bench.directory.file("restored"))
        _ = try Restore(folder, to: data, keys: keys).run(by: "operator")
        return data
    }

    private func makeImage(_ bench: StoreBench) throws {
        let feed = bench.directory.file("feed.csv")
        let text = [feedHeader, line("a", chip: "01020301")].map { $0 + "\r\n" }.joined()
        try FileSystem.replace(feed, with: Array(text.utf8), mode: 0o600)
        _ = try FeedImport(data: bench.data, feed: feed, options: unguarded).run { _ in }
    }

    @Test(
        "made while records stream in, it is whole; restored, stored through goes back and what comes again counts once"
    )
    func streaming() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        let all = visits(1...400)
        let oldest = position(1, 1)
        try store.store(try bench.batch(Array(all[..<4]), oldestHeld: oldest))
        // One thread takes in, as `serve` does, another backs up meanwhile.
        let isMade = Mutex(false)
        let folder = bench.directory.file("backup")
        let data = bench.data
        let maker = try NamedThread.start(name: "backup") {
            let made = (try? Backup(data, to: folder, withKeys: true).run()) != nil
            isMade.withLock { $0 = made }
        }
        for start in stride(from: 4, to: all.count, by: 4) {
            try store.store(try bench.batch(Array(all[start..<start + 4]), oldestHeld: oldest))
        }
        maker.join()
        #expect(isMade.withLock { $0 })
        let whole = try #require(store.lanes[name("north-07")])

        let back = try restored(folder, bench)
        let again = try IntakeStore(back.intakeDatabase, site: bench.site, calendar: bench.calendar, now: morning)
        let before = try #require(again.lanes[name("north-07")])
        let stored = Int(before.ledger.storedThrough?.sequence ?? 0)
        #expect(stored >= 4 && stored <= all.count)
        #expect(Int(before.all[.stored]) == stored)
        // A lane goes back to what is said to be stored, and sends from a little before that as well.
        for start in stride(from: max(0, stored / 4 * 4 - 8), to: all.count, by: 4) {
            try again.store(try bench.batch(Array(all[start..<start + 4]), oldestHeld: oldest))
        }
        let after = try #require(again.lanes[name("north-07")])
        for counter in [Counter.stored, .presented, .admitted, .passed, .distinctHolders] {
            #expect(after.all[counter] == whole.all[counter], "\(counter)")
        }
        #expect(after.ledger.storedThrough == whole.ledger.storedThrough)
        #expect(again.site.balances == store.site.balances)
        #expect(again.site.all == store.site.all)
    }

    @Test(
        "without the secret keys none is in it, and it is restored with a copy of them; all of it is its owner's alone")
    func keys() throws {
        let bench = try StoreBench()
        try makeImage(bench)
        let folder = bench.directory.file("backup")
        let said = try Backup(bench.data, to: folder, withKeys: false).run()
        #expect(said.contains("not in it"))
        #expect(try FileSystem.list("\(folder)/keys") == ["ca.pem", "site.pub"])
        #expect(try FileSystem.list("\(folder)/images") == ["00000000000000000001.img"])
        for name in ["", "/intake.sqlite", "/site.sqlite", "/manifest", "/keys/site.pub", "/images", "/keys"] {
            #expect(try FileSystem.status(folder + name).mode & 0o077 == 0, "\(name)")
        }
        #expect(throws: CollectorFailure.self) { _ = try restored(folder, bench) }
        let other = try StoreBench()
        #expect(throws: CollectorFailure.self) { _ = try restored(folder, bench, keys: other.data.keys) }
        #expect(try FileSystem.list(bench.directory.file("restored")) == [])
        let back = try restored(folder, bench, keys: bench.data.keys)
        let settings = try ServiceBench.settings(back)
        let service = try CollectorService(settings)
        #expect(service.status.contains("image 1"))
        service.stop()
    }

    @Test("what is there is never overwritten, by a backup nor by a restore")
    func neverOverwrites() throws {
        let bench = try StoreBench()
        let folder = bench.directory.file("backup")
        _ = try Backup(bench.data, to: folder, withKeys: true).run()
        #expect(throws: CollectorFailure.self) { _ = try Backup(bench.data, to: folder, withKeys: true).run() }
        #expect(throws: CollectorFailure.self) { _ = try Restore(folder, to: bench.data, keys: nil).run(by: "me") }
        _ = try restored(folder, bench)
        #expect(throws: CollectorFailure.self) { _ = try restored(folder, bench) }
    }

    @Test(
        "a file that is damaged, missing or not named in the manifest is refused, and nothing is left of the restore",
        arguments: ["intake.sqlite", "site.sqlite", "changes.sqlite", "enrolment.sqlite", "keys/site.key", "manifest"])
    func damaged(_ name: String) throws {
        let bench = try StoreBench()
        let folder = bench.directory.file("backup")
        _ = try Backup(bench.data, to: folder, withKeys: true).run()
        var bytes = try FileSystem.read("\(folder)/\(name)", limit: 1 << 24)
        bytes[bytes.count / 2] ^= 0x40
        try FileSystem.replace("\(folder)/\(name)", with: bytes, mode: 0o600)
        #expect(throws: CollectorFailure.self) { _ = try restored(folder, bench) }
        try FileSystem.unlink("\(folder)/\(name)")
        #expect(throws: CollectorFailure.self) { _ = try restored(folder, bench) }
        #expect((try? FileSystem.list(bench.directory.file("restored"))) ?? [] == [])
    }

    @Test(
        "while a slow target takes it, records are stored, changes and images published, and nothing of that is in it")
    func slow() throws {
        let bench = try StoreBench()
        try makeImage(bench)
        let store = try bench.open()
        for number: UInt64 in 1...100 {
            try store.store(try bench.batch(visits(number...number), oldestHeld: position(1, 1)))
        }
        var stored: UInt64 = 100
        var (during, published, imported) = (0, 0, 0)
        let folder = bench.directory.file("backup")
        let backup = Backup(bench.data, to: folder, withKeys: true) { copied in
            if copied == "intake.sqlite", during < 5 {
                stored += 1
                let batch = try? bench.batch(visits(stored...stored), oldestHeld: position(1, 1))
                if let batch, (try? store.store(batch)) != nil { during += 1 }
            }
            // Of those three the last ones are copied after it.
            guard copied == "changes.sqlite" else { return }
            let change = HolderChange(HolderNumber(1), activation: .suspended)
            if (try? ChangeStore(bench.data).publish([change], now: morning)) != nil { published += 1 }
            if (try? makeImage(bench)) != nil { imported += 1 }
        }
        _ = try backup.run()
        #expect(during == 5)
        #expect(published == 1)
        #expect(imported == 1)
        #expect(try Database(bench.data.siteDatabase, .readOnly).integer("SELECT max(version) FROM image") == 2)
        let back = try restored(folder, bench)
        #expect(try Database(back.intakeDatabase, .readOnly).integer("SELECT max(id) FROM block") == 199)
        #expect(try Database(back.changeDatabase, .readOnly).integer("SELECT count(*) FROM change") == 0)
        #expect(try Database(back.siteDatabase, .readOnly).integer("SELECT max(version) FROM image") == 1)
        #expect(try FileSystem.list(back.images) == ["00000000000000000001.img"])
    }

    /// As `kind subject since`.
    private func standing(_ data: SiteDirectory, _ bench: StoreBench) throws -> [String] {
        try AlertStore(data, site: bench.site).book().standing.map {
            "\($0.kind.rawValue) \($0.subject.id) \($0.sinceMilliseconds)"
        }
    }

    @Test("alerts are in it, never read farther than what lanes sent; damaged or not there, they hold up no backup")
    func alerts() throws {
        let bench = try StoreBench()
        let store = try bench.open()
        try store.store(try bench.batch(visits(1...4), oldestHeld: position(1, 1)))
        let alerts = try AlertStore(bench.data, site: bench.site)
        var book = AlertBook()
        let condition = AlertBook.Condition(
            kind: .laneOffline, subject: Alert.Subject(kind: .lane, id: "north-07"))
        try alerts.write(book.step([condition], now: morning))
        // The desk reads on while the backup is made, and all that it has read is in the backup.
        let folder = bench.directory.file("backup")
        let backup = Backup(bench.data, to: folder, withKeys: true) { copied in
            guard copied == "alerts.sqlite" else { return }
            _ = try? store.store(try bench.batch(visits(5...8), oldestHeld: position(1, 1)))
            try? alerts.set(mark: 9, received: morning)
        }
        #expect(try !backup.run().contains("alerts.sqlite is not in it"))
        let back = try restored(folder, bench)
        #expect(try standing(back, bench) == ["lane-offline north-07 \(morning)"])
        let read = try Database(back.alertDatabase, .readOnly).integer("SELECT row FROM mark")
        let stored = try Database(back.intakeDatabase, .readOnly).integer("SELECT max(id) FROM block")
        #expect(read == 0 && stored == 9)

        for (name, content) in [("damaged", Array("no database".utf8)), ("gone", nil)] {
            for suffix in ["-wal", "-shm", ""] { try FileSystem.unlinkIfPresent(bench.data.alertDatabase + suffix) }
            if let content { try FileSystem.replace(bench.data.alertDatabase, with: content, mode: 0o600) }
            let folder = bench.directory.file(name)
            let said = try Backup(bench.data, to: folder, withKeys: true).run()
            #expect(said.contains("alerts.sqlite is not in it") == (content != nil))
            #expect(try FileSystem.statusIfPresent("\(folder)/alerts.sqlite") == nil)
            // As one that an earlier program made.
            let back = SiteDirectory(bench.directory.file("from-\(name)"))
            _ = try Restore(folder, to: back, keys: nil).run(by: "operator")
            #expect(try FileSystem.statusIfPresent(back.alertDatabase) == nil)
        }
    }

    @Test(
        "one of an older layout is backed up and restored, and taken over; one of a newer program is refused with what to do"
    )
    func layouts() throws {
        let bench = try StoreBench()
        var store: IntakeStore? = try bench.open()
        try store?.store(try bench.batch(visits(1...4), oldestHeld: position(1, 1)))
        store = nil
        let database = try Database(bench.data.intakeDatabase, .readWrite)
        try database.execute(
            """
            ALTER TABLE lane DROP COLUMN word; ALTER TABLE lane DROP COLUMN word_received;
            ALTER TABLE lane DROP COLUMN wordless_since; DROP TABLE zone_flow; DROP TABLE path;
            DROP TABLE zone_since; PRAGMA user_version=4;
            """)
        let folder = bench.directory.file("backup")
        _ = try Backup(bench.data, to: folder, withKeys: true).run()
        let back = try restored(folder, bench)
        let again = try IntakeStore(back.intakeDatabase, site: bench.site, calendar: bench.calendar, now: morning)
        #expect(again.lanes[name("north-07")]?.all[.stored] == 8)

        for (path, version) in [
            (bench.data.intakeDatabase, IntakeSchema.version), (bench.data.siteDatabase, SiteSchema.version),
        ] {
            // Taken by the program that made it, which is newer than this one.
            let newer = bench.directory.file("newer")
            _ = try? Backup.remove(newer)
            _ = try Backup(bench.data, to: newer, withKeys: true).run()
            let name = FileSystem.name(of: path)
            try Database("\(newer)/\(name)", .readWrite).execute("PRAGMA user_version=\(version + 1)")
            let sealed = try BackupManifest.seal("\(newer)/\(name)", as: name)
            let text = String(decoding: try FileSystem.read("\(newer)/manifest", limit: 1 << 20), as: UTF8.self)
            var manifest = try #require(BackupManifest(text: text))
            manifest.files = manifest.files.map { $0.name == name ? sealed : $0 }
            try FileSystem.replace("\(newer)/manifest", with: Array(manifest.text.utf8), mode: 0o600)
            let target = SiteDirectory(bench.directory.file("nowhere"))
            let failure = #expect(throws: CollectorFailure.self) {
                _ = try Restore(newer, to: target, keys: nil).run(by: "operator")
            }
            #expect(
                failure?.advice.contains("a newer program made the backup") == true, "\(failure?.description ?? "")")
            #expect(failure?.description.contains("layout is version \(version + 1)") == true)
        }
    }

    @Test("a manifest names only files of a backup", arguments: ["../x", "keys/../../x", "images/x.img", "serve.lock"])
    func names(_ name: String) throws {
        var manifest = BackupManifest(site: site, madeMilliseconds: morning, hasSecretKeys: true)
        let digest = String(repeating: "a", count: 64)
        for file in BackupManifest.databases + BackupManifest.publicKeys + BackupManifest.secretKeys {
            manifest.files.append(BackupManifest.File(name: file, bytes: 7, digestHex: digest))
        }
        #expect(BackupManifest(text: manifest.text) == manifest)
        manifest.files.append(BackupManifest.File(name: name, bytes: 7, digestHex: digest))
        #expect(BackupManifest(text: manifest.text) == nil)
    }

    @Test("a backup that was killed leaves nothing that looks like one, and the next one takes its place")
    func killed() throws {
        let bench = try StoreBench()
        let partial = bench.directory.file(".backup.partial")
        try FileSystem.makeDirectories("\(partial)/images")
        try FileSystem.replace("\(partial)/images/1.img", with: [1], mode: 0o600)
        try FileSystem.replace("\(partial)/intake.sqlite", with: [1], mode: 0o600)
        let folder = bench.directory.file("backup")
        _ = try Backup(bench.data, to: folder, withKeys: true).run()
        #expect(try FileSystem.statusIfPresent(partial) == nil)
        _ = try restored(folder, bench)
    }

    @Test("after a restore nobody gets a number that somebody else has in records since the backup")
    func holders() throws {
        let bench = try StoreBench()
        try makeImage(bench)
        let folder = bench.directory.file("backup")
        _ = try Backup(bench.data, to: folder, withKeys: true).run()
        let back = try restored(folder, bench)
        let database = try back.openSite().database
        try database.execute("INSERT INTO holder(id) VALUES('new')")
        #expect(database.lastInsertedRow == 1 + Restore.holderLeap + 1)
        #expect(try AuditTrail.lines(back, count: 1).first?.contains("operator\trestore") == true)
    }
}
