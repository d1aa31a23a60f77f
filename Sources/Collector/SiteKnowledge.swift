import Admission
import Framing
import Posix

/// What the collector knows of where people are, and since when it knows it.
enum SiteKnowledge {
    /// A lane that was silent for so long is taken to be switched off: what is known waits for it no longer.
    static let switchedOffMilliseconds: Int64 = 3_600_000

    /// Until when every lane has told what happened at it, ms since 1970-01-01 UTC: nothing later than that is known,
    /// since somebody may have left by a lane that has not told yet. A lane with nothing to tell says so every 10 s.
    static func asOf(_ lanes: some Sequence<LaneBook>, now: Int64) -> Int64 {
        var earliest = now
        for lane in lanes where now - lane.lastSeenMilliseconds < switchedOffMilliseconds {
            earliest = min(earliest, lane.heardThroughMilliseconds)
        }
        return earliest
    }

    /// What is said now, `asOf`, after something was said as of `before`: a lane that comes back after long makes that no
    /// less true. But lanes believe no date ahead of their clocks: what was said while this machine's clock was ahead is
    /// let go of as soon as it is right again.
    static func asOf(_ asOf: Int64, after before: Int64?, now: Int64) -> Int64 {
        guard let before, before - now <= ClockKeeper.aheadMilliseconds else { return asOf }
        return max(before, asOf)
    }
}

extension Intake {
    /// Whether what comes is stored.
    var isWhole: Bool { failure == nil && silenceMilliseconds < 10_000 }

    /// As `SiteKnowledge.asOf`; nil while what comes is not stored: then what is known grows old.
    var knownThrough: Int64? {
        isWhole ? SiteKnowledge.asOf(snapshot.lanes.values, now: SystemClock.wallMilliseconds()) : nil
    }
}

extension Intake.Snapshot {
    /// How full the zones are, as counted and corrected, those with most in them where there are more than a statement names. More may have left a
    /// zone than were counted coming: then nobody is known to be in it.
    func occupancy(now: Int64, corrections: [Correction]) -> ZoneOccupancy {
        let zones = corrections.added(to: site.balances).filter { $0.key != .outside }.map {
            ZoneOccupancy.Zone(
                name: $0.key, people: UInt32(clamping: max(0, $0.value.people)),
                vehicles: UInt32(clamping: max(0, $0.value.vehicles)))
        }.sorted { ($1.people, $0.name.text) < ($0.people, $1.name.text) }
        return ZoneOccupancy(
            asOf: WallTime(milliseconds: SiteKnowledge.asOf(lanes.values, now: now)), zones: zones)
    }
}
