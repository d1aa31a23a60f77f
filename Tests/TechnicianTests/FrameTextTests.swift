import Control
import Testing

@testable import Technician

@Suite("Frames in words")
struct FrameTextTests {
    // The frames of protocols.md and of Tests/FramingTests/Vectors.
    @Test(
        "a frame is named by its own bytes",
        arguments: [
            ("osdp", "ff536508000460" + "6090", "POLL to 101, sequence 0"),
            ("osdp", "5381080007405b53", "ACK from 1, sequence 3"),
            ("osdp", "ff53010e000f02156015887ffa0b3d", "POLL to 1, sequence 3, SCS_15"),
            ("osdp", "5381090005410650a6", "NAK from 1, sequence 1"),
            ("osdp", "00ff53", ""), ("osdp", "53", ""),
            ("pn532", "55550000000000000000000000000000ff03fdd414011700", "SAMConfiguration"),
            ("pn532", "0000ff00ff000000ff02fed5151600", "ACK, SAMConfiguration answered"),
            ("pn532", "0000ff0cf4d54b01010004080424d34f592f00", "InListPassiveTarget answered"),
            ("pn532", "0000ff01ff7f8100", "error frame"), ("pn532", "0000ffff0000", "NACK"),
            ("pn532", "0000ff", ""),
            ("uhf", "bb00270003" + "22ffff4a7e", "poll many rounds"), ("uhf", "bb01ff000115167e", "no tag"),
            ("uhf", "bb02220011c9340030751feb705c5904e3d50d703a76ef7e", "tag"),
            ("uhf", "bb01b6000100b87e", "power answered"), ("uhf", "bb02", ""),
            ("modbus", "01040012000191cf", "unit 1, function 4"), ("modbus", "018402c2c1", "unit 1, exception 2"),
            ("rdm6300", "02", ""), ("osdp", "", ""),
        ])
    func words(type: String, hex: String, expected: String) {
        let frame = TapReply.Frame(
            device: "chip", direction: .fromDevice, atMicroseconds: 0, wallMilliseconds: 0, hex: hex, said: [])
        #expect(FrameText.text(frame, type: type) == expected)
    }
}
