import Cryptography
import Testing

@Suite struct RandomBytesTests {
    @Test("random bytes have the length that was asked for, and differ", arguments: [0, 1, 16, 100_000])
    func lengths(count: Int) throws {
        #expect(try RandomBytes.make(count).count == count)
        #expect(try RandomBytes.secret(count).count == count)
        if count >= 16 { #expect(try RandomBytes.make(count) != RandomBytes.make(count)) }
    }

    @Test("equality in constant time is equality")
    func equality() {
        #expect(equalInConstantTime([], []))
        #expect(equalInConstantTime([1, 2, 3], [1, 2, 3]))
        #expect(!equalInConstantTime([1, 2, 3], [1, 2, 4]))
        #expect(!equalInConstantTime([1, 2, 3], [0, 2, 3]))
        #expect(!equalInConstantTime([1, 2, 3], [1, 2]))
    }
}
