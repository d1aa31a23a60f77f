/// The blocks of `intake.sqlite` in the order in which they came, of all lanes or of one: their ids alone, so that nothing is
/// sorted, and a page costs the same whatever is stored.
struct BlockOrder {
    static let any = "SELECT id FROM block WHERE id >= ? ORDER BY id LIMIT 1"
    static let ofEpoch = "SELECT id FROM block WHERE epoch = ? AND id >= ? ORDER BY id LIMIT 1"

    private let select: SQLStatement
    /// Of a lane: the next block of each of its epochs, the last one the next of all.
    private var waiting: [(id: Int64, epoch: Int64)]?
    private var from: Int64

    /// From the block on that holds `row`, or the first behind it.
    init(_ intake: Database, lane: String?, from row: Int64) throws(CollectorFailure) {
        let holding = try intake.prepare("SELECT coalesce(max(id), 0) FROM block WHERE id <= ?")
        holding.bind(1, row)
        from = try holding.step() ? holding.integer(0) : 0
        holding.reset()
        guard let lane else {
            select = try intake.prepare(Self.any)
            return
        }
        select = try intake.prepare(Self.ofEpoch)
        let epochs = try intake.prepare(
            "SELECT epoch.id FROM epoch JOIN lane ON lane.id = epoch.lane WHERE lane.name = ?")
        epochs.bind(1, lane)
        var waiting: [(id: Int64, epoch: Int64)] = []
        while try epochs.step() {
            let epoch = epochs.integer(0)
            if let id = try next(of: epoch, from: from) { waiting.append((id, epoch)) }
        }
        self.waiting = waiting.sorted { $0.id > $1.id }
    }

    /// nil: there are no more.
    mutating func next() throws(CollectorFailure) -> Int64? {
        guard let (id, epoch) = waiting?.popLast() else {
            guard waiting == nil else { return nil }
            select.bind(1, from)
            defer { select.reset() }
            guard try select.step() else { return nil }
            let id = select.integer(0)
            from = id + 1
            return id
        }
        if let following = try next(of: epoch, from: id + 1) {
            // Descending: behind all that come later.
            var (low, high) = (0, waiting?.count ?? 0)
            while low < high {
                let middle = (low + high) / 2
                if let other = waiting?[middle], other.id > following { low = middle + 1 } else { high = middle }
            }
            waiting?.insert((following, epoch), at: low)
        }
        return id
    }

    private func next(of epoch: Int64, from id: Int64) throws(CollectorFailure) -> Int64? {
        select.bind(1, epoch)
        select.bind(2, id)
        defer { select.reset() }
        return try select.step() ? select.integer(0) : nil
    }
}
