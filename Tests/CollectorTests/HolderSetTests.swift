import TestSupport
import Testing

@testable import Collector

@Suite("Sets of holders")
struct HolderSetTests {
    @Test(
        "a set holds what a set holds, sparse or dense, and reads back from its bytes", arguments: [40, 6000, 70_000])
    func random(range: UInt32) throws {
        var random = SeededGenerator()
        var (holders, model) = (HolderSet(), Set<UInt32>())
        for _ in 0..<9000 {
            let number = 65_000 + UInt32.random(in: 0..<range, using: &random)
            if Int.random(in: 0..<8, using: &random) == 0 {
                holders.remove(number)
                model.remove(number)
            } else {
                let isNew = holders.insert(number)
                #expect(isNew == model.insert(number).inserted)
            }
        }
        var again = HolderSet()
        for (number, part) in holders.parts {
            let bytes = part.encoded
            #expect(bytes.count == part.byteCount)
            again.set(number, to: try #require(bytes.withUnsafeBytes { HolderPart(encoded: $0) }))
        }
        for number in 65_000..<65_000 + range {
            #expect(holders.contains(number) == model.contains(number))
            #expect(again.contains(number) == model.contains(number))
        }
    }

    @Test("the least and the greatest number fit, and all holders of a large site take 8 KiB for each 65,536")
    func bounds() {
        var holders = HolderSet()
        for number: UInt32 in [0, 65_535, 65_536, .max] {
            let first = holders.insert(number)
            let second = holders.insert(number)
            #expect(first && !second)
            #expect(holders.contains(number))
        }
        var all = HolderSet()
        for number: UInt32 in 1...502_000 { _ = all.insert(number) }
        #expect(all.parts.values.reduce(0) { $0 + $1.byteCount } <= 8 * 8192)
    }

    @Test(
        "bytes that are no part are refused",
        arguments: [
            [1], [2, 0, 1, 0], [1, 0, 1, 0], [UInt8](repeating: 0, count: 8190), [UInt8](repeating: 0, count: 8194),
        ])
    func damaged(bytes: [UInt8]) {
        #expect(bytes.withUnsafeBytes { HolderPart(encoded: $0) } == nil)
    }
}
