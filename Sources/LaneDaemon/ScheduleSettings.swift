import Admission
import Configuration
import Wording

/// The `schedule` of a lane: modes by the clock. The first entry whose hours it is holds.
///
///     schedule:
///       - mode: locked            # or held-open, or normal: nothing is chosen in these hours
///         hours: [22:30-06:00+08:00]
enum ScheduleSettings {
    private enum ModeName: String, CaseIterable {
        case locked
        case heldOpen = "held-open"
        case normal
        var mode: OrderedMode {
            switch self {
            case .locked: .locked
            case .heldOpen: .heldOpen
            case .normal: .normal
            }
        }
    }

    static func read(_ root: Section) -> [ScheduledMode] {
        root.sections("schedule", count: 0...ScheduledMode.mostOfALane).map { entry in
            let name: ModeName = entry.choice("mode")
            guard let hours = OpeningHoursText.read(entry) else {
                entry.refuse("hours", "is missing: when is the lane \(name.rawValue)?")
                return ScheduledMode(name.mode, .always)
            }
            return ScheduledMode(name.mode, hours)
        }
    }

    /// One line an entry, for `--check-config`.
    static func sentences(_ schedule: [ScheduledMode]) -> [String] {
        schedule.map { "By the schedule it is \($0.mode.laneMode.name): \(OpeningHoursText.text($0.hours))." }
    }
}
