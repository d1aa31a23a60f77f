/// What was counted at the site as a whole: its lanes' counts added up, and different holders, which are no sum over lanes.
struct SiteCounts {
    var all: Tally
    var today: Tally
    /// Sequences that are known to have been written and are not stored.
    var missing: UInt64

    init(_ snapshot: Intake.Snapshot) {
        all = snapshot.site.all
        today = snapshot.site.today
        for lane in snapshot.lanes.values {
            all += lane.all.withoutDistinct
            today += lane.today.withoutDistinct
        }
        missing = StoredThroughLedger.sum(snapshot.lanes.values.lazy.map(\.ledger.missing))
    }
}

extension Tally {
    /// People who came in less those who went. Who left uncounted may make it negative.
    var onSitePeople: Int64 { self[.peopleIn] - self[.peopleOut] }
    var onSiteVehicles: Int64 { self[.vehiclesIn] - self[.vehiclesOut] }

    /// People and vehicles that came in, that went.
    var entries: Int64 { Tally.bounded(self[.peopleIn] &+ self[.vehiclesIn]) }
    var exits: Int64 { Tally.bounded(self[.peopleOut] &+ self[.vehiclesOut]) }

    var withoutDistinct: Tally {
        var tally = self
        tally[.distinctHolders] = 0
        tally[.distinctVehicles] = 0
        return tally
    }
}

extension Intake.Snapshot {
    /// The counts of who crossed the site's boundary, and no other.
    var crossings: Tally {
        var sum = Tally()
        for lane in lanes.values {
            for counter in [Counter.peopleIn, .peopleOut, .vehiclesIn, .vehiclesOut] {
                sum[counter] = Tally.bounded(sum[counter] &+ lane.all[counter])
            }
        }
        return sum
    }
}
