import Framing
import Testing

@testable import Collector

@Suite("The journals of a lane")
struct JournalsTests {
    private func start(_ number: UInt64, after previous: UInt64? = nil, last: UInt64 = 0) -> JournalRecord {
        makeRecord(.epochStarted(previous: previous.map(epoch) ?? .none, lastSequence: last), epoch: number)
    }

    private func ask(_ bench: ServiceBench) throws -> [[String: Any]] {
        let answer = try bench.get("/v1/journals?lane=north-07")
        #expect(answer.status == 200, "\(answer.text)")
        return try #require(answer.json["journals"] as? [[String: Any]])
    }

    private func epochs(_ journal: [String: Any]) -> [String] {
        (journal["epochs"] as? [[String: Any]] ?? []).compactMap { $0["epoch"] as? String }
    }

    @Test(
        "starts are one journal; a wiped disk, a copied one and a lost beginning show as what they are, also after a restart"
    )
    func whatTheyAre() throws {
        let bench = try ServiceBench()
        let batches: [[JournalRecord]] = [
            [start(1), makeRecord(sequence: 2)],
            [start(2, after: 1, last: 2), makeRecord(epoch: 2, sequence: 2)],
            // A wiped disk or another controller.
            [start(3)],
            // Both go on from the same place.
            [start(4, after: 3, last: 1)], [start(5, after: 3, last: 1)],
            // Its first record never came.
            [makeRecord(epoch: 6, sequence: 8)],
        ]
        for batch in batches {
            #expect(
                try bench.post(
                    bench.body(batch, oldestHeld: StoredThrough(epoch: batch[0].epoch, sequence: batch[0].sequence))
                ).status == 200)
        }
        for _ in 0..<2 {
            let journals = try ask(bench)
            #expect(journals.map { $0["beginning"] as? String } == ["first", "new", "branched", "not-known"])
            #expect(
                journals.map(epochs) == [
                    [epoch(1).hex, epoch(2).hex], [epoch(3).hex, epoch(4).hex], [epoch(5).hex], [epoch(6).hex],
                ])
            let from = journals[2]["branches_from"] as? [String: Any]
            #expect(from?["epoch"] as? String == epoch(3).hex && from?["sequence"] as? Int == 1)
            let second = try #require((journals[0]["epochs"] as? [[String: Any]])?.last)
            #expect(second["previous_epoch"] as? String == epoch(1).hex && second["stored"] as? Int == 2)
            #expect((second["last_record"] as? [String: Any])?["sequence"] as? Int == 2)
            let late = try #require((journals[3]["epochs"] as? [[String: Any]])?.first)
            #expect(late["missing"] as? Int == 7)
            try bench.restart()
        }
    }

    @Test("who asks without a lane, or for one that nobody heard of, hears so")
    func refused() throws {
        let bench = try ServiceBench()
        for (query, status) in [("", 400), ("?lane=North", 400), ("?lane=a&x=1", 400), ("?lane=north-99", 404)] {
            let answer = try bench.get("/v1/journals" + query)
            #expect(answer.status == status, "\(query)")
            #expect((answer.json["advice"] as? String)?.isEmpty == false)
        }
    }

    @Test("a ring of epochs, which no journal can be, is told all the same")
    func ring() {
        var states: [LaneJournals.Epoch] = []
        for number in 1...3 as ClosedRange<UInt64> {
            var state = StoredThroughLedger.EpochState()
            state.stored.insert(1)
            state.previous = StoredThrough(epoch: epoch(number % 3 + 1), sequence: 1)
            states.append(LaneJournals.Epoch(id: epoch(number), state: state, order: Int64(number)))
        }
        let journals = LaneJournals(states).journals
        #expect(Set(journals.flatMap(\.epochs).map(\.id)) == Set((1...3).map { epoch($0) }))
    }

    @Test("the intake tells of a journal that begins beside the one that is known, once")
    func told() {
        var ledger = StoredThroughLedger()
        func take(_ number: UInt64, _ previous: UInt64?) -> LaneJournals.Beginning? {
            let before = previous.map(epoch) ?? .none
            let told = ledger.beginning(of: epoch(number), after: before)
            _ = ledger.take(
                [.init(epoch: epoch(number), sequence: 1, event: .epochStarted(previous: before, lastSequence: 1))],
                oldestHeld: nil, lost: nil, heard: nil)
            return told
        }
        #expect(take(1, nil) == nil)
        #expect(take(2, 1) == nil)
        #expect(take(3, nil) == .new)
        #expect(take(4, 2) == nil)
        #expect(take(5, 2) == .branched)
    }
}
