import Admission
import Configuration
import Cryptography
import Devices
import Framing
import Posix

/// What the configuration file of a lane says. Every value is checked; Config/lanekeeperd.yaml shows all of them.
struct LaneSettings: Sendable {
    struct Line: Sendable {
        var name: String
        var type: DeviceType
        var port: String
        var baud: Int?
        var options = DeviceOptions()
        /// Where an OSDP reader's key is, and whether a new reader may be given it; nil without secure channel.
        var readerKey: ReaderKeySetting?
        /// Of a reader in a two-way lane: its badges go out.
        var isOutward = false
    }

    enum GateWiring: Sendable {
        case simulated(socket: String)
        case gpio(GPIOGateSettings, GPIOFireSettings?)
    }

    var id: ShortName
    var name: String
    var servicePoint: String
    var site: SiteID
    var publicKeyFile: String
    var badgeKeyFile: String
    var stateDirectory: String
    var runDirectory: String
    var readers: [Line]
    var thermometer: Line?
    var gate: GateWiring
    var onStop: GateRest
    var lane: LaneConfiguration
    var policy: AdmissionPolicy
    var journalCapacityRecords: Int
    var journalReserveRecords: Int
    var journalRecordsPerSegment: Int
    /// The lane's own file as it was read.
    var configurationContents: [UInt8]
    /// The file that the policy stands in, as it was read; kept under its digest so that an old decision can be
    /// recomputed.
    var policyContents: [UInt8]
    /// That file when it is one of its own; nil when the policy stands in the lane's configuration.
    var policyFile: String?

    /// All that the lane has.
    var devices: [Device] {
        readers.indices.map { .reader(UInt8(clamping: $0)) } + (thermometer == nil ? [] : [.thermometer]) + [.gate]
    }

    var gateType: String {
        switch gate {
        case .simulated: "simulated"
        case .gpio: "gpio"
        }
    }

    var gateLine: String {
        switch gate {
        case .simulated(let socket): socket
        case .gpio(let gate, _): gate.chip
        }
    }
}

extension LaneSettings {
    init(path: String) throws {
        try self.init(finishing: try ConfigurationReader(path: path))
    }

    /// Throws everything that is wrong with the file, and with the policy's own one, at once.
    init(finishing reader: ConfigurationReader) throws {
        let policy = PolicySource(reader.root)
        let settings = try LaneSettings(reader, policy)
        var failures: [ConfigurationFailure] = []
        do throws(ConfigurationFailure) { try reader.finish() } catch { failures.append(error) }
        do throws(ConfigurationFailure) { try policy.finish() } catch { failures.append(error) }
        if let failure = ConfigurationFailure.joined(failures) { throw failure }
        self = settings
    }

    /// For a program that only holds the gate and opens it in a fire. What is wrong with the gate's settings is thrown;
    /// what is wrong elsewhere comes back as the second, and only `gate` and `onStop` may be relied on then.
    static func gateAlone(path: String) throws -> (settings: LaneSettings, elsewhere: ConfigurationFailure?) {
        let reader = try ConfigurationReader(path: path)
        let policy = PolicySource(reader.root)
        let settings = try LaneSettings(reader, policy)
        var elsewhere: [ConfigurationFailure] = []
        if let failure = try reader.finish(needing: ["gate", "lane.kind"]) { elsewhere.append(failure) }
        do throws(ConfigurationFailure) { try policy.finish() } catch { elsewhere.append(error) }
        return (settings, .joined(elsewhere))
    }

    private enum KindName: String, CaseIterable {
        case entry, exit
        case twoWay = "two-way"
        var kind: LaneKind {
            switch self {
            case .entry: .entry
            case .exit: .exit
            case .twoWay: .twoWay
            }
        }
    }
    private enum DirectionName: String, CaseIterable {
        case inward = "in"
        case outward = "out"
    }
    private enum ReleaseName: String, CaseIterable { case level, pulse }
    private enum TrafficName: String, CaseIterable { case people, vehicles }
    private enum PassageName: String, CaseIterable {
        case contacts
        case twoBeams = "two-beams"
        case loop, none
        var sensor: PassageSensor {
            switch self {
            case .contacts: .contacts
            case .twoBeams: .beams
            case .loop: .loop
            case .none: .absent
            }
        }
    }
    private enum SecondBadgeName: String, CaseIterable { case wait, refuse }

    private init(_ reader: ConfigurationReader, _ source: PolicySource) throws {
        let root = reader.root
        let site = root.section("site")
        self.site = SiteID(hex: site.text("id", rule: .hex(digits: 32))) ?? SiteID(low: 0, high: 0)
        publicKeyFile = site.path("public_key_file")
        badgeKeyFile = site.path("badge_key_file")

        let lane = root.section("lane")
        let idText = lane.text("id", rule: .laneID)
        id = ShortName(idText) ?? .outside
        name = lane.text("name", rule: .displayName)
        servicePoint = lane.text("service_point", default: "", rule: Self.servicePointRule)
        let kindName: KindName = lane.choice("kind")
        let kind = kindName.kind
        let from = ShortName(lane.text("from", rule: .zoneOrOutside)) ?? .outside
        let to = ShortName(lane.text("to", rule: .zoneOrOutside)) ?? .outside
        if from == to { lane.refuse("to", "a lane leads from one zone to another; both are \(from.text)") }
        let isForVehicles = lane.choice("traffic", default: TrafficName.people) == .vehicles
        let secondBadge: SecondBadgeName = lane.choice("second_badge", default: .wait)

        let directories = root.optionalSection("directories")
        stateDirectory =
            directories?.path("state", default: "/var/lib/lanekeeper/\(idText)") ?? "/var/lib/lanekeeper/\(idText)"
        runDirectory = directories?.path("run", default: "/run/lanekeeper/\(idText)") ?? "/run/lanekeeper/\(idText)"

        let readerSections = root.sections("readers", count: 1...8)
        readers = readerSections.map {
            var line = Self.device($0, DeviceType.readers, name: $0.text("name", rule: .displayName))
            line.isOutward = Self.isOutward($0, kind)
            return line
        }
        if kind == .twoWay, readers.allSatisfy({ !$0.isOutward }) || readers.allSatisfy(\.isOutward) {
            lane.refuse("kind", "a two-way lane has readers of both directions: give each `direction: in` or `out`")
        }
        let thermometerSection = root.optionalSection("thermometer", orWord: "absent")
        thermometer = thermometerSection.map { Self.device($0, DeviceType.thermometers, name: "thermometer") }
        var sections = Array(zip(readerSections, readers))
        if let thermometerSection, let thermometer { sections.append((thermometerSection, thermometer)) }
        DeviceSettings.refuseDoubles(sections)
        if !root.has("thermometer") { root.refuse("thermometer", "is missing; without one write: thermometer: absent") }

        let gateSection = root.section("gate")
        let rest: GateRest = gateSection.choice("on_stop", default: .locked)
        onStop = rest
        let passage: PassageName = gateSection.choice("passage", default: isForVehicles ? .loop : .contacts)
        gate = Self.wiring(gateSection, kind, onStop: rest, passage.sensor)
        var configuration = LaneConfiguration(
            kind: kind, from: from, to: to, readerCount: readers.count,
            hasThermometer: thermometer != nil)
        configuration.traffic = isForVehicles ? .vehicles : .people
        configuration.passageSensor = passage.sensor
        if isForVehicles {
            // A lorry takes its time, on the loop too.
            configuration.tailgatingWindowMilliseconds = 5000
            configuration.stuckContactMilliseconds = 120_000
        }
        for (index, reader) in readers.enumerated() where reader.isOutward {
            configuration.outwardReaders |= 1 << UInt16(index)
        }
        let release: ReleaseName = gateSection.choice("release", default: .level)
        configuration.releaseMode = release == .level ? .level : .pulse
        configuration.secondBadge = secondBadge == .wait ? .wait : .refuse
        configuration.pulseMilliseconds = Int64(
            gateSection.integer("pulse_milliseconds", default: 500, in: 100...1000, unit: "milliseconds"))
        configuration.passageTimeoutMilliseconds = Int64(
            gateSection.integer(
                "passage_timeout_milliseconds", default: isForVehicles ? 20_000 : 5000,
                in: 1000...(isForVehicles ? 120_000 : 30_000), unit: "milliseconds"))
        configuration.releaseGapMilliseconds = Int64(
            gateSection.integer("release_gap_milliseconds", default: 100, in: 0...2000, unit: "milliseconds"))
        configuration.schedule = ScheduleSettings.read(root)
        self.lane = configuration

        let rules = source.rules(lane: idText, to: to, traffic: configuration.traffic)
        policy = rules.policy
        configurationContents = reader.contents
        policyContents = source.file?.contents ?? reader.contents
        policyFile = source.file?.path
        policy.digest = PolicyDigest(bytes: try SHA256.hash(policyContents)) ?? .none
        // The machine does as with a lost thermometer. Nobody should find out at the gate that this means: refuse.
        if kind != .exit, !isForVehicles, thermometer == nil, !rules.saysWithoutThermometer, root.has("thermometer") {
            root.refuse(
                "thermometer",
                "is absent, so write what becomes of people at policy.temperature.without_thermometer: "
                    + "admit-marked, refuse or out-of-service")
        }

        let journal = root.optionalSection("journal")
        journalCapacityRecords =
            journal?.integer("capacity_records", default: 1_000_000, in: 1000...100_000_000, unit: "records")
            ?? 1_000_000
        journalReserveRecords =
            journal?.integer("reserve_records", default: 20_000, in: 100...1_000_000, unit: "records") ?? 20_000
        journalRecordsPerSegment =
            journal?.integer("records_per_segment", default: 8192, in: 16...65_536, unit: "records") ?? 8192
    }

    private static let servicePointRule = TextRule(expected: "at most 16 characters") {
        $0.isEmpty || TextRule.characters(1...16).accepts($0)
    }

    private static func device(_ section: Section, _ types: [DeviceType], name: String) -> Line {
        let names = types.map(\.name)
        let rule = TextRule(expected: names.count == 1 ? names[0] : "one of \(names.joined(separator: ", "))") {
            names.contains($0)
        }
        let typeName = section.text("type", rule: rule)
        var line = Line(
            name: name, type: types.first { $0.name == typeName } ?? types[0], port: section.path("port"),
            baud: section.optionalInteger("baud", in: 1200...230_400, unit: "baud"))
        DeviceSettings.read(section, into: &line)
        return line
    }

    /// Only a two-way lane leaves a choice; elsewhere the word may stand for whoever reads the file.
    private static func isOutward(_ reader: Section, _ kind: LaneKind) -> Bool {
        let usual: DirectionName = kind == .exit ? .outward : .inward
        let direction: DirectionName =
            kind == .twoWay ? reader.choice("direction") : reader.choice("direction", default: usual)
        if kind != .twoWay && direction != usual {
            reader.refuse(
                "direction",
                "is `\(usual.rawValue)` for every reader of this kind of lane; `lane.kind: two-way` has both")
        }
        return kind == .twoWay && direction == .outward
    }

    private static func wiring(_ gate: Section, _ kind: LaneKind, onStop: GateRest, _ sensor: PassageSensor)
        -> GateWiring
    {
        let simulated = gate.optionalSection("simulated")
        let gpio = gate.optionalSection("gpio")
        if simulated != nil && gpio != nil {
            gate.refuse("gpio", "a gate is either simulated or on GPIO lines, not both")
        }
        if let gpio { return GPIOWiring.read(gpio, kind, onStop: onStop, sensor) }
        guard let simulated else {
            gate.refuse("simulated", "is missing; give either gate.simulated or gate.gpio")
            return .simulated(socket: "")
        }
        return .simulated(socket: simulated.path("socket"))
    }
}

/// The `gate.gpio` group.
private enum GPIOWiring {
    static func read(
        _ section: Section, _ kind: LaneKind, onStop: GateRest, _ sensor: PassageSensor
    ) -> LaneSettings.GateWiring {
        let chip = section.text("chip")
        let lines = section.section("lines")
        let inverted = Set(section.texts("active_low", count: 0...names.count, rule: lineName))
        let debounce = Int64(section.integer("debounce_milliseconds", default: 20, in: 1...100, unit: "milliseconds"))
        func line(_ name: String, required: Bool) -> GPIOLine? {
            guard required || lines.has(name) else {
                _ = lines.optionalText(name)
                return nil
            }
            return GPIOLine(lines.text(name, rule: wire), activeLow: inverted.contains(name))
        }
        var outputs: [GateOutput: GPIOLine] = [:]
        for output in GateOutput.allCases {
            outputs[output] = line(
                "\(output.name)", required: output == .release || (output == .releaseBackward && kind == .twoWay))
        }
        if outputs[.releaseBackward] != nil && kind != .twoWay {
            lines.refuse("release_backward", "is of a two-way lane's gate; this lane lets through one way")
        }
        var contacts: [GateContact: GPIOLine] = [:]
        for contact in GateContact.allCases {
            let isNeeded = contact == .passageForward && sensor != .absent
            contacts[contact] = line(
                "\(contact.name)",
                required: isNeeded
                    || (contact == .passageBackward && (sensor == .beams || (kind == .twoWay && sensor != .absent))))
        }
        if sensor == .absent, contacts[.passageForward] != nil || contacts[.passageBackward] != nil {
            lines.refuse("passage_forward", "has no use with `passage: none`; take one of the two out")
        }
        let fire = line("fire", required: false)
        let emergency = line("emergency", required: false)
        if fire == nil && emergency != nil { lines.refuse("emergency", "an emergency output without a fire input") }
        return .gpio(
            GPIOGateSettings(
                chip: chip, outputs: outputs, contacts: contacts, debounceMilliseconds: debounce, onStop: onStop),
            fire.map {
                GPIOFireSettings(
                    chip: chip, fire: $0, emergency: emergency, debounceMilliseconds: debounce, onStop: onStop)
            })
    }

    private static let names =
        GateOutput.allCases.map { "\($0.name)" } + GateContact.allCases.map { "\($0.name)" } + ["fire", "emergency"]
    private static let lineName = TextRule(expected: "one of \(names.joined(separator: ", "))") { names.contains($0) }
    private static let wire = TextRule.characters(1...31)
}
