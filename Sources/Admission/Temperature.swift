/// One reading of a thermometer, in hundredths of a degree Celsius.
public struct TemperatureSample: Sendable, Hashable {
    public var objectCentidegrees: Int32
    public var ambientCentidegrees: Int32
    public init(objectCentidegrees: Int32, ambientCentidegrees: Int32) {
        self.objectCentidegrees = objectCentidegrees
        self.ambientCentidegrees = ambientCentidegrees
    }

    /// A person stands there: 30–45 °C and at least 1 °C warmer than the surroundings (protocols.md B4).
    public var isPlausible: Bool {
        (3000...4500).contains(objectCentidegrees) && objectCentidegrees - 100 >= ambientCentidegrees
    }
}

/// How the temperature of a presentation came out. Raw values stand in records.
public enum TemperatureOutcome: UInt8, Sendable, CaseIterable {
    /// The kind or the lane asks for none.
    case notRequired = 0
    case measured = 1
    case missing = 2
    /// Samples more than 0.8 °C apart, twice: two people, or a hand and a face.
    case ambiguous = 3
    /// The thermometer is lost and the policy lets people through, marked.
    case admittedWithout = 4
    case thermometerLost = 5
    /// Not taken because the decision did not wait for it (an exit, a busy lane, two holders).
    case notTaken = 6
}

/// What a decision knew of the temperature. `celsius` figures are hundredths of a degree.
public struct TemperatureFinding: Sendable, Hashable {
    public var outcome: TemperatureOutcome
    public var sampleCount: UInt8
    /// Median of the samples as the thermometer said them, before the offset; 0 when none.
    public var medianCentidegrees: Int32
    public var ambientCentidegrees: Int32

    public init(
        outcome: TemperatureOutcome, sampleCount: UInt8 = 0, medianCentidegrees: Int32 = 0,
        ambientCentidegrees: Int32 = 0
    ) {
        self.outcome = outcome
        self.sampleCount = sampleCount
        self.medianCentidegrees = medianCentidegrees
        self.ambientCentidegrees = ambientCentidegrees
    }
}

/// The newest plausible samples with their instants. 32 of them: at 10 a second that is longer than any window.
struct TemperatureWindow: Sendable {
    static let capacity = 32
    static let fewestSamples = 3
    static let widestSpreadCentidegrees: Int32 = 80

    private var samples = InlineArray<32, TemperatureSample>(
        repeating: TemperatureSample(objectCentidegrees: 0, ambientCentidegrees: 0))
    private var instants = InlineArray<32, MonotonicTime>(repeating: MonotonicTime(nanoseconds: 0))
    private var next = 0
    private var count = 0
    /// When the thermometer last saw nobody.
    private var empty = MonotonicTime(nanoseconds: 0)

    /// The thermometer saw nobody, or nothing plausible: samples before this are of somebody who has gone.
    mutating func clear(at instant: MonotonicTime) { empty = instant }

    /// From when on samples are of whoever stands there now. Whoever stood there at the last decision may still stand
    /// there while the next badge is held up: only when the thermometer saw nobody in between do samples from before
    /// the presentation count.
    func start(of presented: MonotonicTime, atMost milliseconds: Int64, afterDecision decided: MonotonicTime)
        -> MonotonicTime
    {
        guard empty >= decided else { return presented }
        return max(presented.advanced(byMilliseconds: -milliseconds), empty)
    }

    /// What was measured so far is somebody's whose turn is over.
    mutating func removeAll() { count = 0 }

    mutating func append(_ sample: TemperatureSample, at instant: MonotonicTime) {
        samples[next] = sample
        instants[next] = instant
        next = (next + 1) % Self.capacity
        count = min(count + 1, Self.capacity)
    }

    /// The finding from the samples taken at `start` or later, oldest first (the ambient is the newest one's);
    /// `.missing` with fewer than three.
    func finding(since start: MonotonicTime) -> TemperatureFinding {
        var sorted = InlineArray<32, Int32>(repeating: 0)
        var used = 0
        var ambient: Int32 = 0
        for age in stride(from: count, to: 0, by: -1) {
            let index = (next - age + Self.capacity) % Self.capacity
            guard instants[index] >= start else { continue }
            let value = samples[index].objectCentidegrees
            ambient = samples[index].ambientCentidegrees
            var place = used
            while place > 0 && sorted[place - 1] > value {
                sorted[place] = sorted[place - 1]
                place -= 1
            }
            sorted[place] = value
            used += 1
        }
        guard used >= Self.fewestSamples else {
            return TemperatureFinding(outcome: .missing, sampleCount: UInt8(used))
        }
        let median = used % 2 == 1 ? sorted[used / 2] : (sorted[used / 2 - 1] + sorted[used / 2]) / 2
        let spread = sorted[used - 1] - sorted[0]
        return TemperatureFinding(
            outcome: spread > Self.widestSpreadCentidegrees ? .ambiguous : .measured, sampleCount: UInt8(used),
            medianCentidegrees: median, ambientCentidegrees: ambient)
    }
}
