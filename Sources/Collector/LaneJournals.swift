import Admission
import Framing

/// The epochs of a lane, sorted into the journals that they belong to.
///
/// A lane opens its journal anew at each start: the new epoch names the one before. So one controller with one disk is one
/// chain of epochs, and what begins another chain is worth a look.
struct LaneJournals {
    /// How a chain begins.
    enum Beginning: String, CaseIterable, Sendable {
        /// The first that was heard of the lane.
        case first
        /// It follows no other.
        case new
        /// It follows an epoch that another one follows, too.
        case branched
        /// Its first record is not stored.
        case notKnown = "not-known"

        var words: String {
            switch self {
            case .first: "the lane's first journal"
            case .new: "it follows no other: the controller was swapped, or its disk wiped"
            case .branched:
                "it goes on from a place at which another one went on, too: the disk was put back from a copy, or two "
                    + "controllers have the same one"
            case .notKnown: "its first record is not stored: it may be on its way, or was lost with a disk"
            }
        }
    }

    struct Epoch {
        var id: Admission.Epoch
        var state: StoredThroughLedger.EpochState
        /// Grows with the order in which they were heard of.
        var order: Int64
    }

    struct Journal {
        var beginning: Beginning
        /// Where it left the other one; of `branched` alone.
        var branchesFrom: StoredThrough?
        /// In the order of the journal.
        var epochs: [Epoch]
    }

    let journals: [Journal]

    init(_ epochs: [Epoch]) {
        let sorted = epochs.sorted { $0.order < $1.order }
        var byID: [Admission.Epoch: Epoch] = [:]
        for epoch in sorted { byID[epoch.id] = epoch }
        // Who was heard of first goes on with the epoch that both name.
        var next: [Admission.Epoch: Admission.Epoch] = [:]
        var branched: [Admission.Epoch: StoredThrough] = [:]
        var starts: [Epoch] = []
        for epoch in sorted {
            let before = epoch.state.previous ?? epoch.state.neighbours.last
            guard let before, byID[before.epoch] != nil, before.epoch != epoch.id else {
                starts.append(epoch)
                continue
            }
            if next[before.epoch] == nil {
                next[before.epoch] = epoch.id
            } else {
                branched[epoch.id] = before
                starts.append(epoch)
            }
        }
        var seen: Set<Admission.Epoch> = []
        var found: [Journal] = []
        // What is left after all that have a start is a ring, which only a sender that lies can make.
        for start in starts + sorted {
            var chain: [Epoch] = []
            var place: Epoch? = start
            while let epoch = place, seen.insert(epoch.id).inserted {
                chain.append(epoch)
                place = next[epoch.id].flatMap { byID[$0] }
            }
            guard !chain.isEmpty else { continue }
            let beginning: Beginning =
                branched[start.id] != nil
                ? .branched : !start.state.stored.contains(1) ? .notKnown : found.isEmpty ? .first : .new
            found.append(Journal(beginning: beginning, branchesFrom: branched[start.id], epochs: chain))
        }
        journals = found
    }
}

extension StoredThroughLedger {
    /// How the journal begins whose first record came just now; nil: it goes on with the one that is known, or is the first.
    func beginning(of epoch: Epoch, after previous: Epoch) -> LaneJournals.Beginning? {
        guard epochs.contains(where: { $0.key != epoch && !$0.value.stored.isEmpty }) else { return nil }
        if previous == .none { return .new }
        let isTaken = epochs.contains { $0.key != epoch && $0.value.previous?.epoch == previous }
        return isTaken ? .branched : nil
    }
}
