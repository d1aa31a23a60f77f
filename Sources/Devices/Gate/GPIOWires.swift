import Admission
import CGPIO
import Glibc
import Posix

/// A gate's levels on GPIO lines through libgpiod. Contacts are debounced: in the kernel where the library can (2.x),
/// else here, with the same period. The kernel gives no first edge, so levels are read after the request; and once a
/// second all are read again, which finds a chip that is gone and an edge that was lost in a flood.
final class GPIOWires: Wires {
    static let firstRetryMilliseconds: Int64 = 100
    static let longestRetryMilliseconds: Int64 = 1000
    static let lookMilliseconds: Int64 = 1000
    /// An edge's own instant is believed when it is at most so old: before Linux 5.7 it was of another clock.
    static let oldestEdgeMilliseconds: Int64 = 10_000

    private let chipName: String
    private let outputs: [GPIOLine?]
    private let contacts: [GPIOLine?]
    private let debounceMilliseconds: Int64
    private let consumer: String
    /// Levels that outputs are left at.
    private let restLevels: [Bool]
    /// Line of a request by the place of its name; -1 for what is not wired.
    private let outputLine: [Int]
    private let contactPlaces: [Int]

    private var held: (inputs: GPIORequest, outputs: GPIORequest)?
    private var debouncers: [Debouncer] = []
    private var places: [Int] = []
    private var retryAt: MonotonicTime
    private var lookAt = MonotonicTime.never
    private var backoff = Backoff(
        firstMilliseconds: firstRetryMilliseconds, longestMilliseconds: longestRetryMilliseconds)
    private var failure: DeviceFailure?
    private let edges = UnsafeMutablePointer<lane_gpio_edge>.allocate(capacity: Int(LANE_GPIO_EDGES))

    /// - Parameters:
    ///   - outputs: and `contacts` in the order of their `WireNames`, nil for what is not wired.
    ///   - restLevels: of the outputs, which `close` leaves them at; inactive when there are none.
    init(
        chip: String, outputs: [GPIOLine?], contacts: [GPIOLine?], debounceMilliseconds: Int64,
        consumer: String = "lanekeeper", restLevels: [Bool] = [], at now: MonotonicTime
    ) {
        chipName = chip
        self.consumer = consumer
        self.restLevels = restLevels
        self.outputs = outputs
        self.contacts = contacts
        self.debounceMilliseconds = debounceMilliseconds
        var next = 0
        outputLine = outputs.map { line in
            guard line != nil else { return -1 }
            defer { next += 1 }
            return next
        }
        contactPlaces = contacts.indices.filter { contacts[$0] != nil }
        retryAt = now
        places.reserveCapacity(Int(LANE_GPIO_LINES))
    }

    deinit { edges.deallocate() }

    func hasContact(_ index: Int) -> Bool { contacts[index] != nil }

    var nextDeadline: MonotonicTime {
        if failure != nil { return MonotonicTime(nanoseconds: 0) }
        guard held != nil else { return retryAt }
        var deadline = lookAt
        for index in debouncers.indices { deadline = min(deadline, debouncers[index].nextDeadline) }
        return deadline
    }

    func add(to set: PollSet) {
        places.removeAll(keepingCapacity: true)
        guard let held else { return }
        for index in contactPlaces.indices { places.append(set.add(held.inputs.descriptor(index), .readable)) }
    }

    func service(_ set: PollSet, at now: MonotonicTime, report: (WireEvent) -> Void) {
        if let held { readEdges(held.inputs, set, at: now, report) }
        places.removeAll(keepingCapacity: true)
        if let held, failure == nil { settle(held.inputs, at: now, report) }
        if now >= lookAt { look(at: now, report) }
        if held == nil, failure == nil, now >= retryAt { open(at: now, report) }
        if let lost = failure {
            failure = nil
            report(.lost(lost))
        }
    }

    func drive(_ output: Int, _ level: Bool, at now: MonotonicTime) {
        guard let held, outputLine[output] >= 0 else { return }
        if !held.outputs.set(outputLine[output], level) {
            fail(held.outputs.failure("set", outputLine[output]), at: now)
        }
    }

    func close() {
        // Outputs go to rest while the lines are still ours: what the kernel does with a line that nobody holds is the
        // driver's affair.
        if let held {
            for (output, index) in outputLine.enumerated() where index >= 0 {
                _ = held.outputs.set(index, restLevels.indices.contains(output) && restLevels[output])
            }
        }
        drop()
    }

    // MARK: -

    private func drop() {
        held = nil
        debouncers.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        lookAt = .never
    }

    private func open(at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        do throws(DeviceFailure) {
            let chip = try GPIOChip(chipName)
            let outputs = try chip.requestOutputs(self.outputs.compactMap { $0 }, as: consumer)
            let inputs = try chip.requestInputs(
                contacts.compactMap { $0 }, debounceMilliseconds: debounceMilliseconds, as: consumer)
            for index in contactPlaces.indices {
                guard let level = inputs.level(index) else { throw inputs.failure("read", index) }
                let period = lane_gpio_debounces() != 0 ? 0 : debounceMilliseconds
                debouncers.append(Debouncer(milliseconds: period, level: level))
            }
            held = (inputs, outputs)
        } catch { return fail(error, at: now) }
        backoff.succeeded()
        lookAt = now.advanced(byMilliseconds: Self.lookMilliseconds)
        report(.opened)
        for index in contactPlaces.indices where index < debouncers.count {
            report(.level(contactPlaces[index], debouncers[index].level))
        }
    }

    private func readEdges(_ inputs: GPIORequest, _ set: PollSet, at now: MonotonicTime, _ report: (WireEvent) -> Void)
    {
        for (index, place) in places.enumerated() where failure == nil && !set[place].isEmpty {
            // A contact that floods gets its turn again at the next wait; what the kernel drops, `look` finds.
            for _ in 0..<4 {
                let count = inputs.read(index, edges)
                guard count >= 0 else { return fail(inputs.failure("read", index), at: now) }
                for edge in 0..<count { take(edges[edge], at: now, report) }
                if count == 0, !set[place].isDisjoint(with: [.failed, .hungUp, .invalid]) {
                    return fail(inputs.failure("read", index, code: ENODEV), at: now)
                }
                if count < Int(LANE_GPIO_EDGES) { break }
            }
        }
    }

    private func take(_ edge: lane_gpio_edge, at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        let index = Int(edge.index)
        guard debouncers.indices.contains(index) else { return }
        let own = MonotonicTime(nanoseconds: edge.nanoseconds)
        let believed = own <= now && now.milliseconds(since: own) <= Self.oldestEdgeMilliseconds
        if debouncers[index].edge(edge.active != 0, at: believed ? own : now) { tell(index, report) }
    }

    private func settle(_ inputs: GPIORequest, at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        for index in debouncers.indices where now >= debouncers[index].nextDeadline {
            // The line is back already: by an edge that came just now, or by one that was lost in a flood.
            if inputs.level(index) == debouncers[index].level {
                let count = inputs.read(index, edges)
                for edge in 0..<max(0, count) { take(edges[edge], at: now, report) }
                if count == 0 { debouncers[index].dropUnsettled() }
            }
            if debouncers.indices.contains(index), debouncers[index].timePassed(at: now) { tell(index, report) }
        }
    }

    /// Reads every line again.
    private func look(at now: MonotonicTime, _ report: (WireEvent) -> Void) {
        lookAt = now.advanced(byMilliseconds: Self.lookMilliseconds)
        guard let held else { return }
        for index in held.outputs.names.indices where held.outputs.level(index) == nil {
            return fail(held.outputs.failure("read", index), at: now)
        }
        for index in debouncers.indices {
            guard let level = held.inputs.level(index) else { return fail(held.inputs.failure("read", index), at: now) }
            let unsettled = debouncers[index].nextDeadline != .never
            if !unsettled, level != debouncers[index].level, debouncers[index].edge(level, at: now) {
                tell(index, report)
            }
        }
    }

    private func tell(_ index: Int, _ report: (WireEvent) -> Void) {
        report(.level(contactPlaces[index], debouncers[index].level))
    }

    private func fail(_ why: DeviceFailure, at now: MonotonicTime) {
        drop()
        failure = why
        retryAt = now.advanced(byMilliseconds: backoff.failed())
    }
}

extension Gate {
    /// A gate on GPIO lines.
    public static func gpio(_ settings: GPIOGateSettings, at now: MonotonicTime) -> Gate {
        Gate(
            wires: GPIOWires(
                chip: settings.chip, outputs: GateOutput.allCases.map { settings.outputs[$0] },
                contacts: GateContact.allCases.map { settings.contacts[$0] },
                debounceMilliseconds: settings.debounceMilliseconds, consumer: settings.consumer,
                restLevels: GateOutput.allCases.map { $0.isRelease && settings.onStop == .open }, at: now))
    }
}

extension FireLine {
    /// The fire loop on a GPIO line.
    public static func gpio(_ settings: GPIOFireSettings, at now: MonotonicTime) -> FireLine {
        FireLine(
            wires: GPIOWires(
                chip: settings.chip, outputs: [settings.emergency], contacts: [settings.fire],
                debounceMilliseconds: settings.debounceMilliseconds, consumer: settings.consumer,
                restLevels: [settings.onStop == .open], at: now), at: now)
    }
}
