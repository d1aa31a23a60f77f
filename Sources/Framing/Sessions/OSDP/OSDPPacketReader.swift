import Admission

/// Cuts packets out of the bytes of a line. What begins like a packet and is none gives up its first byte only: a good
/// packet right behind noise is not lost.
struct OSDPPacketReader: Sendable {
    private var bytes = InlineBytes<512>()

    /// Whether a packet has begun.
    var isInside: Bool { !bytes.isEmpty }

    mutating func removeAll() { bytes.removeAll() }

    enum Found {
        case nothing
        case noise
        case packet(OSDPPacket)
        case fault(FrameFault)
    }

    mutating func receive(_ byte: UInt8) -> Found {
        if bytes.isEmpty, byte != OSDPPacket.startOfMessage { return byte == OSDPPacket.mark ? .nothing : .noise }
        bytes.append(byte)
        var found = Found.nothing
        while let length = declaredLength, bytes.count >= length {
            do {
                let packet = try take(length)
                return .packet(packet)
            } catch {
                found = .fault(error)
                dropToNextStart()
            }
        }
        return found
    }

    /// nil before it is known; 0 when no packet can have it.
    private var declaredLength: Int? {
        guard bytes.count >= 4 else { return nil }
        let length = Int(bytes[2]) | Int(bytes[3]) << 8
        return (OSDPPacket.headerBytes + 2...OSDPPacket.longest).contains(length) ? length : 0
    }

    private mutating func take(_ length: Int) throws(FrameFault) -> OSDPPacket {
        var whole = InlineBytes<512>()
        for index in 0..<length { whole.append(bytes[index]) }
        let packet = try OSDPPacket(whole)
        bytes.removeFirst(length)
        if !bytes.isEmpty, bytes[0] != OSDPPacket.startOfMessage { dropToNextStart() }
        return packet
    }

    private mutating func dropToNextStart() {
        var index = 1
        while index < bytes.count, bytes[index] != OSDPPacket.startOfMessage { index += 1 }
        bytes.removeFirst(index)
    }
}
