import Posix
import TestSupport
import Testing

@testable import Technician

@Suite("Finding a lane")
struct LaneLocationTests {
    private func choose(
        config: String? = nil, lane: String? = nil, run: String? = nil, state: String? = nil,
        roots: String = "/nowhere"
    ) throws -> LaneLocation {
        try LaneLocation.choose(
            config: config, lane: lane, run: run, state: state, stateRoot: "\(roots)/lib", runRoot: "\(roots)/run")
    }

    private func place(_ lane: String?, _ state: String, _ run: String) -> LaneLocation {
        LaneLocation(lane: lane, stateDirectory: state, runDirectory: run)
    }

    @Test("a lane's id means the usual directories, and directories that are named stand before them")
    func byID() throws {
        #expect(try choose(lane: "a-1") == place("a-1", "/nowhere/lib/a-1", "/nowhere/run/a-1"))
        #expect(try choose(lane: "a-1", state: "/s") == place("a-1", "/s", "/nowhere/run/a-1"))
        #expect(try choose(run: "/r") == place(nil, "/r", "/r"))
        #expect(try choose(run: "/r").controlSocket == "/r/control.sock")
    }

    @Test("with nothing given the only lane of the machine is meant")
    func onlyLane() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: LocationFailure.self) { try choose(roots: directory.path) }
        try FileSystem.makeDirectories(directory.file("lib/north-07"))
        try FileSystem.makeDirectories(directory.file("run/north-07"))
        #expect(try choose(roots: directory.path).lane == "north-07")
        try FileSystem.makeDirectories(directory.file("lib/north-08"))
        let failure = #expect(throws: LocationFailure.self) { try choose(roots: directory.path) }
        #expect(failure?.description.contains("north-07, north-08") == true)
    }

    @Test("a configuration file's places are read, whatever else is wrong in it")
    func configuration() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lane.yaml")
        func write(_ text: String) throws { try FileSystem.replace(path, with: Array(text.utf8), mode: 0o600) }
        try write("lane: { id: hall-4-02 }\ndirectories: { state: /s, run: run }\nnonsense: 7\n")
        #expect(try choose(config: path) == place("hall-4-02", "/s", directory.file("run")))
        try write("lane: { id: hall-4-02 }\n")
        #expect(try choose(config: path).stateDirectory == "/var/lib/lanekeeper/hall-4-02")
        try write("lane: { id: Not An Id }\n")
        #expect(throws: LocationFailure.self) { try choose(config: path) }
        #expect(throws: (any Error).self) { try choose(config: directory.file("none.yaml")) }
        #expect(throws: LocationFailure.self) { try choose(config: path, lane: "x") }
    }
}

@Suite("A badge as it is typed")
struct BadgeTextTests {
    @Test(
        "a chip's digits, with whatever stands between them",
        arguments: [
            ("6f007b3972", "6f007b3972"), ("6F:00:7B:39:72", "6f007b3972"), ("24 D3 4F 59", "24d34f59"),
            ("04a1b2c3d4e5f6", "04a1b2c3d4e5f6"), ("0x0012345678", "0012345678"), ("6f007b39", "6f007b39"),
            ("0A1B2C3D4E5F60718293", "0a1b2c3d4e5f60718293"),
        ])
    func chips(text: String, expected: String) throws {
        #expect(hex(try BadgeText.identifier(text, type: .chip).bytes) == expected)
    }

    @Test(
        "what is no chip says what to type instead",
        arguments: [
            ("123,14706", "only three of the chip's five bytes"), ("0008075634", "only four of the chip's five bytes"),
            ("6f007b", "is 3 bytes"), ("6f007b397", "hexadecimal digits"), ("", "hexadecimal digits"),
            ("visitor", "--type code"),
        ])
    func refused(text: String, part: String) {
        let failure = #expect(throws: BadgeFailure.self) { try BadgeText.identifier(text, type: .chip) }
        #expect(failure?.description.contains(part) == true, "\(failure?.description ?? "")")
    }

    @Test("a code is its text, a vehicle's tag its digits")
    func others() throws {
        #expect(try BadgeText.identifier("EXPO-1 展", type: .code).bytes == Array("EXPO-1 展".utf8))
        let tag = try BadgeText.identifier("30751FEB705C5904E3D50D70", type: .epc)
        #expect(hex(tag.bytes) == "30751feb705c5904e3d50d70")
        #expect(throws: BadgeFailure.self) { try BadgeText.identifier("", type: .code) }
        #expect(throws: BadgeFailure.self) { try BadgeText.identifier(String(repeating: "x", count: 65), type: .code) }
    }

    @Test(
        "a temperature is degrees, in hundredths inside",
        arguments: [("36.5", 3650), ("37", 3700), ("37.34", 3734)] as [(String, Int32)])
    func temperatures(text: String, centidegrees: Int32) throws {
        #expect(try Lanectl.centidegrees(text) == centidegrees)
    }

    @Test("a temperature that is none is refused", arguments: ["", "abc", "1e2", "-3", "99", "nan", "37,3"])
    func wrongTemperatures(text: String) {
        #expect(throws: (any Error).self) { try Lanectl.centidegrees(text) }
    }
}
