import Admission
import Framing
import Storage
import TestSupport
import Testing

@Suite("The chain of changes") struct ChangeChainTests {
    private let start = ChangeChain(
        changeNumber: 0, imageHeaderDigest: [UInt8](repeating: 9, count: 32))

    @Test("lists that are cut differently, or overlap, come to the same")
    func cuts() throws {
        let fixture = try ImageFixture()
        var whole = start
        #expect(try whole.append(fixture.changes(first: 1, chips: [1, 2, 3, 4, 5])))
        var parts = start
        #expect(try parts.append(fixture.changes(first: 1, chips: [1, 2])))
        #expect(try parts.append(fixture.changes(first: 1, chips: [1, 2, 3])))
        #expect(try parts.append(fixture.changes(first: 3, chips: [3, 4, 5])))
        #expect(whole == parts && whole.number == 5)
        var cut = start
        #expect(try cut.append(fixture.changes(first: 1, chips: [1, 2, 3, 4, 5]), through: 2))
        #expect(cut.number == 2 && cut.digest != whole.digest)
        #expect(try cut.append(fixture.changes(first: 2, chips: [2, 3, 4, 5])))
        #expect(cut == whole)
    }

    @Test("the tables of a list do not matter, what they say of a change does")
    func tables() throws {
        let fixture = try ImageFixture()
        func chain(
            _ zones: [String], _ sets: [UInt64], set: UInt64 = 0, base: Int64 = ImageFixture.base
        ) throws -> ChangeChain {
            var list = try fixture.changes(
                first: 1, chips: [1], zones: try zones.map { try #require(ShortName($0)) }, base: base)
            list.zoneSets = sets
            list.changes[0].validityAndZones |= set << 54
            var chain = start
            _ = try chain.append(list)
            return chain
        }
        let first = try chain(["hall-1", "hall-2"], [0b11])
        #expect(try chain(["hall-2", "hall-1", "hall-3"], [0, 0b011], set: 1) == first)
        #expect(try chain(["hall-1", "hall-2"], [0b01]) != first)
        #expect(try chain(["hall-1", "hall-3"], [0b11]) != first)
        #expect(try chain(["hall-1", "hall-2"], [0b11], base: ImageFixture.base - 1) != first)
    }

    @Test("what leaves a gap is not taken in, another image or another change is another chain")
    func differences() throws {
        let fixture = try ImageFixture()
        var gapped = start
        #expect(try !gapped.append(fixture.changes(first: 2, chips: [1])))
        #expect(gapped == start)
        var one = start
        var other = ChangeChain(changeNumber: 0, imageHeaderDigest: [UInt8](repeating: 8, count: 32))
        _ = try one.append(fixture.changes(first: 1, chips: [1]))
        _ = try other.append(fixture.changes(first: 1, chips: [1]))
        #expect(one.digest != other.digest)
        var third = start
        _ = try third.append(fixture.changes(first: 1, chips: [2]))
        #expect(third.digest != one.digest)
    }
}
