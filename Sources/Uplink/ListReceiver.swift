/// Takes a signed list into memory as it arrives, as long as one may be.
final class ListReceiver: BodyReceiver {
    private let name: String
    private let longest: Int
    private(set) var bytes: [UInt8] = []

    /// - Parameters:
    ///   - name: what it takes, for people.
    ///   - longest: bytes.
    init(_ name: String, longest: Int) {
        self.name = name
        self.longest = longest
    }

    func begin(_ head: AnswerHead) throws(TransferFailure) {}

    func take(_ part: UnsafeRawBufferPointer) throws(TransferFailure) {
        guard bytes.count + part.count <= longest else {
            throw TransferFailure(.tooLarge, "a \(name) of more than \(longest) bytes")
        }
        bytes.append(contentsOf: part)
    }
}
