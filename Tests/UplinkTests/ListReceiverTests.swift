import Testing

@testable import Uplink

@Suite struct ListReceiverTests {
    @Test("a list is taken as long as one may be, and not a byte longer, in however many parts")
    func bounded() throws {
        let receiver = ListReceiver("list", longest: 5)
        func take(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try receiver.take($0) } }
        try take([1, 2, 3])
        try take([4, 5])
        #expect(throws: TransferFailure(.tooLarge, "a list of more than 5 bytes")) { try take([6]) }
        #expect(receiver.bytes == [1, 2, 3, 4, 5])
    }
}
