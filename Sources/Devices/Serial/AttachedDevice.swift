import Admission
import Framing
import Posix

/// What an attached device reports.
public enum DeviceReport: Sendable {
    case event(DeviceEvent)
    case lost(DeviceFailure)
    case back
}

/// A reader or thermometer on its line: opens it and opens it again, runs its session, and knows whether it is there.
///
/// Used by one thread, the lane's:
///
///     device.add(to: set)                          before each wait
///     try set.wait(until: … device.nextDeadline …)
///     device.service(set, at: now) { report in … } after each wait
///
/// Allocates nothing while the line is well.
public final class AttachedDevice {
    /// Names the device in messages.
    public let name: String
    public let type: DeviceType
    public let path: String
    public let baud: Int
    public let options: DeviceOptions
    public private(set) var supervision: Supervision
    /// Why it is lost; nil while it is not.
    public private(set) var failure: DeviceFailure?
    public var counters: FrameCounters { session.counters }
    public var conditions: DeviceConditions { session.conditions }

    /// What `failure` says of a silent device; nil when it speaks of the line.
    private var toldTrouble: DeviceTrouble??
    /// Who listens to the line; nobody, but for a technician's while.
    public var tap: (any LineTap)? {
        didSet { listener = tap == nil ? nil : LineListener(counted: session.counters) }
    }
    private var listener: LineListener?
    private var line: SerialLine?
    private var session: any DeviceSession
    private var output = SessionOutput()
    /// Bytes that the line did not take yet. A session says little: when it is full, the line is as good as dead and
    /// what more it says is dropped.
    private var unsent = InlineBytes<1024>()
    private var place: Int?
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 16)

    /// - Parameters:
    ///   - baud: bits per second; nil for what is usual for the type.
    public init(
        name: String, type: DeviceType, path: String, baud: Int? = nil, options: DeviceOptions = DeviceOptions(),
        at now: MonotonicTime
    ) {
        self.name = name
        self.type = type
        self.path = path
        self.baud = baud ?? type.usualBaud
        self.options = options
        session = type.makeSession(options)
        supervision = Supervision(longestSilenceMilliseconds: type.longestSilenceMilliseconds, at: now)
    }

    deinit { buffer.deallocate() }

    /// When `service` wants to be called although nothing is ready; `.never` when it does not.
    public var nextDeadline: MonotonicTime {
        line == nil ? supervision.nextDeadline : min(supervision.nextDeadline, session.nextDeadline)
    }

    public func add(to set: PollSet) {
        guard let line else {
            place = nil
            return
        }
        place = set.add(line.descriptor, unsent.isEmpty ? .readable : [.readable, .writable])
    }

    /// Does what is due: after each wait on the set it was added to, ready or not.
    public func service(_ set: PollSet, at now: MonotonicTime, report: (DeviceReport) -> Void) {
        let found = place.map { set[$0] } ?? []
        place = nil
        if !found.isEmpty { exchange(found, at: now, report) }
        if line != nil, now >= session.nextDeadline {
            session.timePassed(at: now, into: &output)
            if tap != nil { listenToStep(at: now) }
            carryOut(at: now, report)
        }
        supervise(at: now, report)
    }

    /// Closes the line and gives it free; the next `service` opens it again.
    public func close(at now: MonotonicTime) {
        closeLine()
        supervision.closedForReopening(at: now)
    }

    private func closeLine() {
        line = nil
        place = nil
    }

    private func supervise(at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        if supervision.wantsReopening(at: now) { close(at: now) }
        if supervision.wantsOpening(at: now) { open(at: now, report) }
        lookForChange(at: now, report)
        // What was told first may not be what is wrong now.
        if supervision.isSilent(at: now), toldTrouble != .some(session.trouble) {
            failure = whySilent(type.longestSilenceMilliseconds ?? 0)
        }
    }

    private func lookForChange(at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        switch supervision.look(at: now, lastFrame: session.lastFrame) {
        case nil: break
        case .back:
            failure = nil
            report(.back)
        case .silent(let milliseconds):
            tellLost(whySilent(milliseconds), report)
        }
    }

    private func whySilent(_ milliseconds: Int64) -> DeviceFailure {
        toldTrouble = .some(session.trouble)
        guard let trouble = session.trouble else {
            return DeviceFailure(
                "hear", "\(name) on \(path)", reason: "no valid frame for \(milliseconds) ms",
                advice: "check its power, its wires and the baud rate (\(baud))")
        }
        return DeviceFailure("use", "\(name) on \(path)", reason: trouble.reason, advice: trouble.advice)
    }

    /// What the device shall show from now on, when it is one that can.
    public func show(_ feedback: ReaderFeedback, at now: MonotonicTime) { session.show(feedback, at: now) }

    private func open(at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        do throws(DeviceFailure) {
            line = try SerialLine.open(path, baud: baud)
        } catch {
            lineFailed(error, at: now, report)
            return
        }
        supervision.opened(at: now)
        unsent.removeAll()
        session.start(at: now, into: &output)
        if tap != nil { listenToStep(at: now) }
        carryOut(at: now, report)
    }

    private func exchange(_ found: Readiness, at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        // A line that is flooded gets its turn again at the next wait: others must not starve.
        for _ in 0..<4 {
            guard let line else { return }
            switch line.read(into: buffer, hungUp: !found.isDisjoint(with: [.hungUp, .failed])) {
            case .nothing: return flush(at: now, report)
            case .lost(let failure): return lineFailed(failure, at: now, report)
            case .bytes(let count):
                for index in 0..<count {
                    if tap != nil { listen(to: buffer[index], at: now) }
                    session.receive(buffer[index], at: now, into: &output)
                    if tap != nil { listenToStep(at: now) }
                    carryOut(at: now, report)
                    if self.line == nil { return }
                }
                if count < buffer.count, found.isDisjoint(with: [.hungUp, .failed]) { return flush(at: now, report) }
            }
        }
    }

    // MARK: For who taps the line

    private func listen(to byte: UInt8, at now: MonotonicTime) {
        if let stale = listener?.stale(at: now) { tap?.heard(stale, on: self) }
        listener?.take(byte, at: now)
    }

    /// What the session made of the newest byte or deadline, and what it is about to say.
    private func listenToStep(at now: MonotonicTime) {
        if let frame = listener?.step(session.counters, output, at: now) { tap?.heard(frame, on: self) }
        guard !output.bytes.isEmpty else { return }
        tap?.heard(
            TappedFrame(direction: .toDevice, bytes: Array(output.bytes), events: [], at: now), on: self)
    }

    // MARK: -

    private func carryOut(at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        guard output.eventCount > 0 || !output.bytes.isEmpty else { return }
        // A device is back before what it said is told: the first badge must not meet a lane whose reader is lost.
        if output.eventCount > 0 { lookForChange(at: now, report) }
        for index in 0..<output.eventCount { report(.event(output.event(index))) }
        for byte in output.bytes { unsent.append(byte) }
        output.removeAll()
        flush(at: now, report)
    }

    private func flush(at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        guard let line, !unsent.isEmpty else { return }
        switch unsent.withBytes({ line.write($0) }) {
        case .taken(let taken): unsent.removeFirst(taken)
        case .lost(let failure): lineFailed(failure, at: now, report)
        }
    }

    private func lineFailed(_ failure: DeviceFailure, at now: MonotonicTime, _ report: (DeviceReport) -> Void) {
        closeLine()
        toldTrouble = nil
        if supervision.lineFailed(at: now) { tellLost(failure, report) } else { self.failure = failure }
    }

    private func tellLost(_ failure: DeviceFailure, _ report: (DeviceReport) -> Void) {
        self.failure = failure
        report(.lost(failure))
    }
}
