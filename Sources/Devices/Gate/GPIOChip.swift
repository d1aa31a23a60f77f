import CGPIO
import Glibc
import Posix

/// A GPIO chip while lines are looked up and requested. libgpiod 1.6 ties its lines to it: it stays open as long as they.
final class GPIOChip {
    let name: String
    private let chip: OpaquePointer

    /// - Parameter name: a path, or a chip's name or label, which is then looked for among `/dev/gpiochip*`.
    init(_ name: String) throws(DeviceFailure) {
        self.name = name
        if name.hasPrefix("/") {
            guard let opened = gpiod_chip_open(name) else {
                let code = errno
                guard code == ENOTTY else { throw DeviceFailure("open", name, code: code) }
                throw DeviceFailure("open", name, reason: "it is no GPIO chip", advice: "see `gpiodetect`")
            }
            chip = opened
            return
        }
        let entries = (try? FileSystem.list("/dev")) ?? []
        for entry in entries.filter({ $0.hasPrefix("gpiochip") }).sorted() {
            guard let opened = gpiod_chip_open("/dev/\(entry)") else { continue }
            if lane_gpio_chip_is(opened, name) != 0 {
                chip = opened
                return
            }
            gpiod_chip_close(opened)
        }
        throw DeviceFailure(
            "find", "GPIO chip \(name)", reason: "no chip has this name or label", advice: "see `gpiodetect`")
    }

    deinit { gpiod_chip_close(chip) }

    /// Takes the lines as inputs with both edges.
    func requestInputs(
        _ lines: [GPIOLine], debounceMilliseconds: Int64, as consumer: String
    ) throws(DeviceFailure) -> GPIORequest {
        try request(lines) { taken, offsets, activeLow in
            lane_gpio_request_inputs(
                chip, taken, offsets, UInt32(lines.count), consumer, activeLow,
                UInt32(clamping: debounceMilliseconds * 1000))
        }
    }

    /// Takes the lines as outputs, all inactive.
    func requestOutputs(_ lines: [GPIOLine], as consumer: String) throws(DeviceFailure) -> GPIORequest {
        try request(lines) { taken, offsets, activeLow in
            lane_gpio_request_outputs(chip, taken, offsets, UInt32(lines.count), consumer, activeLow)
        }
    }

    private func request(
        _ lines: [GPIOLine],
        _ take: (UnsafeMutablePointer<lane_gpio_lines>, UnsafePointer<UInt32>, UInt32) -> Int32
    ) throws(DeviceFailure) -> GPIORequest {
        guard lines.count <= Int(LANE_GPIO_LINES) else {
            throw DeviceFailure("take", "lines of \(name)", reason: "more than \(LANE_GPIO_LINES) in one request")
        }
        var offsets: [UInt32] = []
        var activeLow: UInt32 = 0
        for (index, line) in lines.enumerated() {
            offsets.append(try offset(of: line))
            if line.isActiveLow { activeLow |= 1 << UInt32(index) }
        }
        let request = GPIORequest(self, lines)
        guard lines.isEmpty || take(request.lines, offsets, activeLow) == 0 else {
            let code = errno
            throw busy(lines, offsets) ?? DeviceFailure("take", lines.map(\.name).joined(separator: ", "), code: code)
        }
        return request
    }

    private func offset(of line: GPIOLine) throws(DeviceFailure) -> UInt32 {
        let found = lane_gpio_find(chip, line.name)
        if found >= 0 { return UInt32(found) }
        if let number = UInt32(line.name), number < UInt32(clamping: lane_gpio_line_count(chip)) { return number }
        throw DeviceFailure(
            "find", "GPIO line \(line.name)", reason: "chip \(name) has no line of this name or number",
            advice: "see `gpioinfo`")
    }

    /// Who holds one of the lines, if somebody does.
    private func busy(_ lines: [GPIOLine], _ offsets: [UInt32]) -> DeviceFailure? {
        for (line, offset) in zip(lines, offsets) {
            var holder = [CChar](repeating: 0, count: 64)
            guard lane_gpio_holder(chip, offset, &holder, holder.count) == 1 else { continue }
            let name = String(decoding: holder.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return DeviceFailure(
                "take", "GPIO line \(line.name) of \(self.name)",
                reason: name.isEmpty ? "somebody holds it" : "\(name) holds it",
                advice: "stop that one first, or name another line; see `gpioinfo`")
        }
        return nil
    }
}

/// Lines that are ours until this goes.
final class GPIORequest {
    /// Keeps the chip open.
    private let chip: GPIOChip
    let names: [GPIOLine]
    fileprivate let lines: UnsafeMutablePointer<lane_gpio_lines>

    fileprivate init(_ chip: GPIOChip, _ names: [GPIOLine]) {
        self.chip = chip
        self.names = names
        lines = .allocate(capacity: 1)
        lines.initialize(to: lane_gpio_lines())
    }

    deinit {
        lane_gpio_release(lines)
        lines.deallocate()
    }

    /// For poll(2), of inputs; -1 where the index has none of its own.
    func descriptor(_ index: Int) -> Int32 { lane_gpio_descriptor(lines, UInt32(index)) }

    /// The level now; nil when the line is gone.
    func level(_ index: Int) -> Bool? {
        let level = lane_gpio_get(lines, UInt32(index))
        return level < 0 ? nil : level == 1
    }

    /// False when the line is gone.
    func set(_ index: Int, _ level: Bool) -> Bool { lane_gpio_set(lines, UInt32(index), level ? 1 : 0) == 0 }

    /// The edges that wait at the descriptor of `index`: their number, -1 when the line is gone. Never blocks.
    func read(_ index: Int, _ edges: UnsafeMutablePointer<lane_gpio_edge>) -> Int {
        Int(lane_gpio_read(lines, UInt32(index), edges))
    }

    func failure(_ operation: String, _ index: Int, code: Int32 = errno) -> DeviceFailure {
        DeviceFailure(
            operation, "GPIO line \(names[index].name) of \(chip.name)", code: code,
            advice: "the chip may have been unplugged or its driver stopped; it is taken again when it is back")
    }
}
