import Testing

@testable import Collector

private let lane = Alert.Subject(kind: .lane, id: "north-07")

private func condition(
    _ kind: Alert.Kind = .laneOffline, _ subject: Alert.Subject = lane, since: Int64? = nil, hold: Int64 = 0,
    release: Int64 = 0, _ certainty: AlertBook.Condition.Certainty = .holds, text: String = "so"
) -> AlertBook.Condition {
    AlertBook.Condition(
        kind: kind, subject: subject, sinceMilliseconds: since, holdMilliseconds: hold,
        releaseMilliseconds: release, certainty: certainty, text: text, advice: "do that")
}

@Suite("The book of alerts")
struct AlertBookTests {
    @Test("an alert begins after its condition held for its time, with the beginning of the condition")
    func begins() throws {
        var book = AlertBook()
        #expect(book.step([condition(hold: 1000)], now: 5000).isEmpty)
        #expect(book.step([condition(hold: 1000)], now: 5999).isEmpty && book.standing.isEmpty)
        guard case .begin(let alert) = try #require(book.step([condition(hold: 1000)], now: 6000).first) else {
            Issue.record("it did not begin")
            return
        }
        #expect(alert.sinceMilliseconds == 5000 && alert.untilMilliseconds == nil && book.standing == [alert])
        // The same again is no news; another word is.
        #expect(book.step([condition(hold: 1000)], now: 7000).isEmpty)
        #expect(book.step([condition(hold: 1000, text: "worse")], now: 7000).count == 1)
        #expect(book.standing.first?.text == "worse" && book.standing.first?.id == alert.id)
    }

    @Test("a condition that comes and goes within its time is no alert")
    func flaps() {
        var book = AlertBook()
        for second: Int64 in 0..<100 {
            let now = second * 1000
            #expect(book.step(second % 2 == 0 ? [condition(hold: 2000)] : [], now: now).isEmpty)
        }
    }

    @Test("a state that is known to be old begins at once, and says since when")
    func old() {
        var book = AlertBook()
        #expect(book.step([condition(since: 100, hold: 1000)], now: 60_000).count == 1)
        #expect(book.standing.first?.sinceMilliseconds == 100)
        // A clock ahead says nothing of the future.
        #expect(book.step([condition(), condition(.holes, since: 90_000)], now: 61_000).count == 1)
        #expect(book.standing.first { $0.kind == .holes }?.sinceMilliseconds == 61_000)
    }

    @Test("an alert of which nothing is known stands on, and ends when it is known")
    func unknown() {
        var book = AlertBook()
        _ = book.step([condition()], now: 0)
        #expect(
            book.step([], now: 1000, isUnknown: { kind, subject in kind == .laneOffline && subject == lane }).isEmpty)
        #expect(book.step([], now: 2000, isUnknown: { kind, _ in kind == .holes }).count == 1)
    }

    @Test("it ends when the condition did not hold for its time, at the moment at which it ceased")
    func ends() {
        var book = AlertBook()
        _ = book.step([condition(release: 2000)], now: 0)
        #expect(book.step([], now: 1000).isEmpty && book.standing.count == 1)
        // Back again: it stands on, and the time begins anew.
        #expect(book.step([condition(release: 2000)], now: 2000).isEmpty)
        #expect(book.step([], now: 3000).isEmpty && book.step([], now: 4999).isEmpty)
        #expect(book.step([], now: 5000).count == 1)
        #expect(book.standing.isEmpty && book.ended.map(\.untilMilliseconds) == [3000])
        #expect(book.ended.map(\.sinceMilliseconds) == [0])
    }

    @Test("near the threshold, and when nothing is known, an alert neither begins nor ends")
    func lingers() {
        for certainty in [AlertBook.Condition.Certainty.lingers, .unknown] {
            var book = AlertBook()
            #expect(book.step([condition(.laneOffline, lane, certainty)], now: 0).isEmpty && book.standing.isEmpty)
            _ = book.step([condition()], now: 1000)
            _ = book.step([condition(.laneOffline, lane, certainty, text: "near")], now: 99_000)
            #expect(book.standing.count == 1)
            #expect(book.standing.first?.text == (certainty == .lingers ? "near" : "so"))
            #expect(book.step([], now: 100_000).count == 1)
        }
    }

    @Test("what was noticed is not forgotten while nothing is known of it")
    func noticed() {
        var book = AlertBook()
        _ = book.step([condition(hold: 3000)], now: 0)
        _ = book.step([condition(hold: 3000, .unknown)], now: 1000)
        #expect(book.step([condition(hold: 3000)], now: 3000).count == 1)
        #expect(book.standing.first?.sinceMilliseconds == 0)
    }

    @Test("a clock that goes back neither ends an alert before it began nor holds one up")
    func back() {
        var book = AlertBook()
        _ = book.step([condition(hold: 1000)], now: 100_000)
        _ = book.step([condition(hold: 1000)], now: 50_000)
        #expect(book.step([condition(hold: 1000)], now: 51_000).count == 1)
        _ = book.step([], now: 40_000)
        #expect(book.ended.first.map { $0.untilMilliseconds == $0.sinceMilliseconds } == true)
    }

    @Test("one alert for each kind and subject; the worst first, then the oldest")
    func order() {
        var book = AlertBook()
        var trouble = condition(.deviceLost, Alert.Subject(kind: .device, id: "a/gate"))
        trouble.severity = .trouble
        _ = book.step([condition(.holes), condition(.holes)], now: 0)
        _ = book.step([condition(.holes), condition(.clockNotTrusted), trouble], now: 1000)
        #expect(book.standing.map(\.kind) == [.deviceLost, .holes, .clockNotTrusted])
        #expect(Set(book.standing.map(\.id)).count == 3)
    }

    @Test("as many as there is room for stand, and the oldest that ended are forgotten first")
    func bounds() {
        var book = AlertBook()
        let many = (0...AlertBook.mostStanding).map { condition(.holes, Alert.Subject(kind: .lane, id: "l\($0)")) }
        #expect(book.step(many, now: 0).count == AlertBook.mostStanding)
        #expect(book.step([], now: 1).count == AlertBook.mostStanding)
        #expect(book.ended.count == AlertBook.mostEnded)
        #expect(book.ended.last?.ending == Int64(AlertBook.mostStanding))
        #expect(zip(book.ended, book.ended.dropFirst()).allSatisfy { ($0.ending ?? 0) < ($1.ending ?? 0) })
    }

    @Test("numbers of ids and of endings go on after a restart")
    func goesOn() {
        var first = AlertBook()
        _ = first.step([condition(.holes), condition(.tailgating)], now: 0)
        _ = first.step([condition(.holes)], now: 1)
        var second = AlertBook(standing: first.standing, ended: first.ended, nextID: 3)
        #expect(second.step([condition(.holes)], now: 5).isEmpty)
        _ = second.step([condition(.deviceLost)], now: 6)
        #expect(second.standing.map(\.id) == [3])
        #expect(second.ended.map(\.kind) == [.tailgating, .holes] && second.ended.map(\.ending) == [1, 2])
        #expect(second.ended.map(\.sinceMilliseconds) == [0, 0])
    }
}
