/// Which frames of the lane's lines are asked for.
public struct TapRequest: Codable, Sendable, Equatable {
    /// The last frame that is already known; nil to begin.
    public var after: UInt64?

    public init(after: UInt64? = nil) { self.after = after }
}

/// Frames of readers and thermometer: they hold the numbers of badges.
public struct TapReply: Codable, Sendable, Equatable {
    public struct Frame: Codable, Sendable, Equatable {
        public enum Direction: String, Codable, Sendable {
            case fromDevice = "in"
            case toDevice = "out"
        }

        /// The device's name in the configuration.
        public var device: String
        public var direction: Direction
        /// On the lane's monotonic clock.
        public var atMicroseconds: Int64
        public var wallMilliseconds: Int64
        public var hex: String
        /// What the lane made of it, in English; empty when it is a frame that says nothing.
        public var said: [String]

        public init(
            device: String, direction: Direction, atMicroseconds: Int64, wallMilliseconds: Int64, hex: String,
            said: [String]
        ) {
            self.device = device
            self.direction = direction
            self.atMicroseconds = atMicroseconds
            self.wallMilliseconds = wallMilliseconds
            self.hex = hex
            self.said = said
        }
    }

    /// Oldest first.
    public var frames: [Frame]
    /// To be asked for next: what comes after this one.
    public var last: UInt64
    /// So many before the first of these were not kept until they were asked for.
    public var dropped: UInt64

    public init(frames: [Frame], last: UInt64, dropped: UInt64) {
        self.frames = frames
        self.last = last
        self.dropped = dropped
    }
}
