import Admission
import Framing

/// What one uplink is told: whose records it carries, between which directories and which collector.
public struct UplinkSettings: Sendable {
    public var site: SiteID
    public var lane: ShortName
    /// The lane directory, such as `/var/lib/lanekeeper/north-07`. The uplink writes below its `uplink/` only.
    public var stateDirectory: String
    /// Where the daemon's `look.sock` is, such as `/run/lanekeeper/north-07`.
    public var runDirectory: String
    public var collector: CollectorSettings
    /// Whoever gives out a copy of the collector's `published/`: statements, images and change lists come from there.
    public var mirror: CollectorSettings?
    /// Records in one batch at most, 1…10000.
    public var batchRecords: Int
    public var uploadIntervalMilliseconds: Int
    /// A batch without records is sent when nothing else was for so long.
    public var probeIntervalMilliseconds: Int
    /// The cursor file is written at most so often: each time is a sync of the disk. What is lost of it costs sending
    /// again, nothing else.
    public var cursorIntervalMilliseconds: Int
    public var statementIntervalMilliseconds: Int
    public var imageIntervalMilliseconds: Int
    public var largestImageBytes: Int64
    /// A download leaves so much of the disk free: the journal is on it too.
    public var diskReserveBytes: Int64

    public init(
        site: SiteID, lane: ShortName, stateDirectory: String, runDirectory: String,
        collector: CollectorSettings,
        mirror: CollectorSettings? = nil, batchRecords: Int = 500,
        uploadIntervalMilliseconds: Int = 200, probeIntervalMilliseconds: Int = 10_000,
        cursorIntervalMilliseconds: Int = 1000,
        statementIntervalMilliseconds: Int = 10_000, imageIntervalMilliseconds: Int = 60_000,
        largestImageBytes: Int64 = 512 << 20, diskReserveBytes: Int64 = 64 << 20
    ) {
        self.site = site
        self.lane = lane
        self.stateDirectory = stateDirectory
        self.runDirectory = runDirectory
        self.collector = collector
        self.mirror = mirror
        self.batchRecords = batchRecords
        self.uploadIntervalMilliseconds = uploadIntervalMilliseconds
        self.probeIntervalMilliseconds = probeIntervalMilliseconds
        self.cursorIntervalMilliseconds = cursorIntervalMilliseconds
        self.statementIntervalMilliseconds = statementIntervalMilliseconds
        self.imageIntervalMilliseconds = imageIntervalMilliseconds
        self.largestImageBytes = largestImageBytes
        self.diskReserveBytes = diskReserveBytes
    }
}
