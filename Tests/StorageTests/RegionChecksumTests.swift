import Framing
import TestSupport
import Testing

@testable import Storage

@Suite struct RegionChecksumTests {
    @Test("the processor's instruction and the table give the same checksum, at every length and alignment")
    func sameAsTable() {
        // Where the processor has none, the table stands for both.
        var random = SeededGenerator()
        let bytes = random.bytes(1 << 16)
        bytes.withUnsafeBytes { all in
            for _ in 0..<2000 {
                let start = Int.random(in: 0...64, using: &random)
                let length = Int.random(in: 0...(Bool.random(using: &random) ? 40 : all.count - start), using: &random)
                let part = UnsafeRawBufferPointer(rebasing: all[start..<min(start + length, all.count)])
                let table = CRC32C.checksum(part)
                #expect(RegionChecksum.of(part) == table, "\(start), \(length), seed \(random.seed)")
                if RegionChecksum.hasInstruction {
                    #expect(RegionChecksum.byInstruction(part) == table, "\(start), \(length), seed \(random.seed)")
                }
            }
        }
    }

    @Test("the published check value comes out either way")
    func published() {
        Array("123456789".utf8).withUnsafeBytes { #expect(RegionChecksum.of($0) == 0xE306_9283) }
        [UInt8](repeating: 0, count: 32).withUnsafeBytes { #expect(RegionChecksum.of($0) == 0x8A91_36AA) }
        #expect(RegionChecksum.of(UnsafeRawBufferPointer(start: nil, count: 0)) == 0)
    }
}
