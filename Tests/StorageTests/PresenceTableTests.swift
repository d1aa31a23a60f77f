import Admission
import Framing
import Storage
import Testing

private let site = SiteID(low: 1, high: 2)
private let ring = ShortName("north-ring") ?? .outside
private let hall = ShortName("hall-4") ?? .outside

private func list(
    after: UInt64 = 0, _ number: UInt64, asOf: Int64 = 1000, numbering: UInt64 = 7, zones: [ShortName] = [ring, hall],
    _ holders: [(UInt32, UInt8)]
) -> PresenceList {
    PresenceList(
        site: site, numbering: Epoch(low: numbering, high: 1), after: after, number: number,
        asOf: WallTime(milliseconds: asOf), zones: zones,
        entries: holders.map { .init(holder: $0.0, passedAtSeconds: 100, zone: $0.1) })
}

private func place(_ table: PresenceTable, _ holder: UInt32) -> String {
    switch table.presence(of: HolderNumber(holder), at: ring).whereabouts {
    case .outside: "outside"
    case .destination(let since): "here since \(since.seconds)"
    case .elsewhere(let since): "elsewhere since \(since.seconds)"
    }
}

@Suite("Who is inside, as a lane knows it") struct PresenceTableTests {
    @Test("a whole list says where everybody is, seen from a lane")
    func whole() throws {
        let table = try PresenceTable(list(5, [(2, 1), (9, 2), (4_000_000_000, 1)]), over: nil)
        #expect(table.count == 3 && table.number == 5)
        #expect(
            [1, 2, 3, 9, 10, 4_000_000_000, UInt32.max].map { place(table, $0) } == [
                "outside", "here since 100", "outside", "elsewhere since 100", "outside", "here since 100", "outside",
            ])
    }

    @Test("a list of what changed brings who came, moves who went on, and takes out who left")
    func changes() throws {
        let first = try PresenceTable(list(5, [(2, 1), (4, 1), (6, 1), (8, 2)]), over: nil)
        let zones = [ring, hall, ShortName("hall-5") ?? .outside]
        let second = try PresenceTable(
            list(after: 5, 7, asOf: 2000, zones: zones, [(1, 1), (4, 0), (6, 3), (7, 0), (9, 2)]), over: first)
        #expect(second.count == 5)
        #expect(
            [1, 2, 4, 6, 7, 8, 9].map { place(second, $0) } == [
                "here since 100", "here since 100", "outside", "elsewhere since 100", "outside", "elsewhere since 100",
                "elsewhere since 100",
            ])
        // The same again, from farther back, changes nothing.
        let third = try PresenceTable(
            list(after: 4, 8, asOf: 2000, zones: zones, [(1, 1), (4, 0), (9, 2)]), over: second)
        #expect(third.count == 5 && third.number == 8)
    }

    @Test(
        "random lists behind each other come to the same as one whole list",
        arguments: [UInt64.random(in: 1...1_000_000)])
    func random(seed: UInt64) throws {
        var state = seed
        func below(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var model: [UInt32: UInt8] = [:]
        var table = try PresenceTable(list(1, []), over: nil)
        for number in 2...60 as ClosedRange<UInt64> {
            var changed: [UInt32: UInt8] = [:]
            for _ in 0..<below(40) { changed[UInt32(below(100)) + 1] = UInt8(below(3)) }
            for (holder, zone) in changed { model[holder] = zone == 0 ? nil : zone }
            table = try PresenceTable(
                list(
                    after: number - 1, number, asOf: 1000 + Int64(number),
                    changed.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }),
                over: table)
        }
        let whole = try PresenceTable(
            list(60, asOf: 5000, model.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }), over: nil)
        #expect(table.count == whole.count)
        for holder in 0...101 as ClosedRange<UInt32> { #expect(place(table, holder) == place(whole, holder)) }
    }

    @Test("what is older, replayed, of another numbering, or does not go on where the table ends is refused")
    func refused() throws {
        let table = try PresenceTable(list(5, asOf: 2000, [(2, 1)]), over: nil)
        func refusal(_ list: PresenceList) -> PresenceRefusal? {
            do throws(PresenceRefusal) {
                _ = try PresenceTable(list, over: table)
                return nil
            } catch { return error }
        }
        #expect(
            refusal(list(9, asOf: 1999, []))
                == .older(WallTime(milliseconds: 1999), inForce: WallTime(milliseconds: 2000)))
        #expect(refusal(list(5, asOf: 2000, [])) == .nothingNew(5, inForce: 5))
        #expect(refusal(list(4, asOf: 3000, [])) == .nothingNew(4, inForce: 5))
        #expect(refusal(list(after: 6, 7, asOf: 3000, [])) == .gap(after: 6, inForce: 5))
        #expect(refusal(list(after: 5, 7, asOf: 3000, numbering: 8, [])) == .otherNumbering)
        #expect(refusal(list(after: 5, 7, asOf: 3000, zones: [hall, ring], [])) == .otherZones)
        // Nothing changed, but it is known for longer; and a collector that numbers anew.
        #expect(refusal(list(after: 5, 5, asOf: 3000, [])) == nil)
        #expect(refusal(list(after: 5, 6, asOf: 2000, [])) == nil)
        #expect(refusal(list(1, asOf: 2000, numbering: 8, [])) == nil)
        #expect(throws: PresenceRefusal.otherNumbering) { try PresenceTable(list(after: 5, 7, []), over: nil) }
    }
}
