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

    @Test("a reader yields only identifiers of its own type", arguments: ["rdm6300", "id-12la"])
    func yields(name: String) throws {
        let type = try #require(DeviceType.reader(named: name))
        let feed = fed(type.makeSession(DeviceOptions()), RDM6300SessionTests.first)
        #expect(feed.events.count == 1)
        for case .identifier(let identifier) in feed.events { #expect(identifier.type == type.identifiers) }
    }

    @Test("a thermometer's silence is noticed within two seconds")
    func silence() {
        for type in DeviceType.thermometers { #expect((500...2000).contains(type.longestSilenceMilliseconds ?? 0)) }
    }
}
