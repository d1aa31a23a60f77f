/// CRC-16 over polynomial 1021, most significant bit first: OSDP begins with 1D0F, EPC Gen2 with FFFF and inverts.
enum CRC16 {
    static func appending(_ byte: UInt8, to crc: UInt16) -> UInt16 {
        var crc = crc ^ UInt16(byte) << 8
        for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        return crc
    }
}
