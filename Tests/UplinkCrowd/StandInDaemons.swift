import Admission
import Framing
import Posix
import Storage

/// What a lane's daemon does with what its uplink brings, for many lanes on one thread: woken by `look`, it verifies
/// images and change lists as the daemon does and writes `applied`. It keeps no copy and decides nothing.
final class StandInDaemons: @unchecked Sendable {
    // Unchecked: handed to the one thread that runs it.
    private let lanes: [CrowdLane]
    private let trust: SiteTrust
    private var inForce: [AppliedMark?]

    init(_ lanes: [CrowdLane], _ trust: SiteTrust) {
        self.lanes = lanes
        self.trust = trust
        inForce = Array(repeating: nil, count: lanes.count)
    }

    func run() {
        let set = PollSet(capacity: max(1, lanes.count))
        for lane in lanes { set.add(lane.bell.raw, .readable) }
        while true {
            guard (try? set.wait(until: SystemClock.deadline(milliseconds: 60_000))) != nil else { continue }
            for place in lanes.indices where set[place].contains(.readable) {
                // All rings that wait are one.
                while (try? UnixSocket.accept(lanes[place].bell)) ?? nil != nil {}
                do { try look(place) } catch { Log.error("\(lanes[place].name.text): \(error)") }
            }
        }
    }

    private func look(_ place: Int) throws {
        let lane = lanes[place]
        var mark = inForce[place]
        var news: [String] = []
        if let path = try newestImage(lane, above: mark?.imageVersion ?? 0) {
            let image = try CredentialImage(
                path, trusting: trust,
                at: Moment(
                    monotonic: MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds()),
                    wall: WallTime(milliseconds: SystemClock.wallMilliseconds()), clock: .trusted))
            mark = image.mark
            news.append("image \(lane.name.text) \(image.version)")
        }
        for name in try FileSystem.list(lane.directory.incoming).sorted() {
            guard let before = mark, let numbers = LaneDirectory.incomingChanges(name: name),
                numbers.last > before.changeNumber, numbers.first <= before.changeNumber + 1
            else { continue }
            let bytes = try FileSystem.read("\(lane.directory.incoming)/\(name)", limit: ChangeList.longest)
            mark?.changeNumber = try ChangeList.verified(bytes, trusting: trust).last
            news.append("changes \(lane.name.text) \(mark?.changeNumber ?? 0)")
        }
        guard let mark, mark != inForce[place] else { return }
        let now = SystemClock.monotonicNanoseconds()
        inForce[place] = mark
        try AppliedFile.write(mark, to: lane.directory.applied)
        for line in news { say("\(line) \(now)") }
    }

    private func newestImage(_ lane: CrowdLane, above version: UInt64) throws -> String? {
        try FileSystem.list(lane.directory.incoming).compactMap { LaneDirectory.incomingImageVersion(name: $0) }
            .filter { $0 > version }.max().map { lane.directory.incomingImage(version: $0) }
    }
}
