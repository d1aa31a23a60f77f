import Admission
import Framing
import Testing

@Suite("The table of devices")
struct DeviceTypeTests {
    @Test("each name stands once and finds its own line")
    func names() {
        let all = DeviceType.readers + DeviceType.thermometers
        #expect(Set(all.map(\.name)).count == all.count)
        for type in DeviceType.readers {
            #expect(DeviceType.reader(named: type.name)?.name == type.name)
            #expect(type.identifiers != nil)
        }
        for type in DeviceType.thermometers {
            #expect(DeviceType.thermometer(named: type.name)?.name == type.name)
            #expect(type.identifiers == nil)
        }
        #expect(DeviceType.reader(named: "gy-mcu90615") == nil)
        #expect(DeviceType.thermometer(named: "rdm6300") == nil)
    }

    @Test(
        "a reader yields only identifiers of its own type",
        arguments: [
            ("rdm6300", RDM6300SessionTests.first), ("id-12la", RDM6300SessionTests.first),
            ("scanner", Array("010063E9AE25\r".utf8)), ("uhf", bytes(UHFSessionTests.notices[0].frame)),
        ])
    func yields(name: String, frame: [UInt8]) throws {
        let type = try #require(DeviceType.reader(named: name))
        let feed = fed(type.makeSession(DeviceOptions()), frame)
        #expect(feed.events.count == 1)
        for case .identifier(let identifier) in feed.events { #expect(identifier.type == type.identifiers) }
    }

    @Test("a thermometer's silence is noticed within two seconds")
    func silence() {
        for type in DeviceType.thermometers { #expect((500...2000).contains(type.longestSilenceMilliseconds ?? 0)) }
    }

    @Test(
        "a reader that answers all the time is missed within two seconds; one that only talks is never",
        arguments: [
            ("osdp", true), ("pn532", true), ("uhf", true), ("rdm6300", false), ("scanner", false),
        ])
    func readersSilence(name: String, answers: Bool) throws {
        let type = try #require(DeviceType.reader(named: name))
        #expect(type.longestSilenceMilliseconds.map { (500...2000).contains($0) } == (answers ? true : nil))
    }
}
