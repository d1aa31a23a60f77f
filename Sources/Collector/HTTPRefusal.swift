import Admission

/// A request that is not accepted, with the answer that says why.
struct HTTPRefusal: Error {
    var response: HTTPResponse

    init(_ response: HTTPResponse) { self.response = response }

    /// 400 for a parameter of the query.
    init(_ name: String, _ value: String, expected: String) {
        self.init(.error(400, "\(name)=\(value) is not accepted", advice: "expected \(expected)"))
    }
}

extension HTTPHead {
    /// 400 when the query names something else.
    func refuseUnknown(but known: [String]) throws(HTTPRefusal) {
        guard let unknown = query.keys.sorted().first(where: { !known.contains($0) }) else { return }
        let advice = known.isEmpty ? "ask for \(path) alone" : "known: " + known.joined(separator: ", ")
        throw HTTPRefusal(.error(400, "'\(unknown)' is not known here", advice: advice))
    }

    /// The parameter `lane`; nil: it is not given.
    func laneOfQuery() throws(HTTPRefusal) -> String? {
        guard let lane = query["lane"] else { return nil }
        guard ShortName(lane).map(IntakeBatch.isLaneID) == true else {
            throw HTTPRefusal("lane", lane, expected: "a lane's id: 1 to 31 of a-z, 0-9 and -")
        }
        return lane
    }

    /// The parameter `day`, as its number at the site.
    func dayOfQuery(_ calendar: SiteCalendar, now: Int64) throws(HTTPRefusal) -> Int64 {
        guard let text = query["day"] else { return calendar.day(ofMilliseconds: now) }
        guard let day = SiteCalendar.day(text) else {
            throw HTTPRefusal("day", text, expected: "a day such as 2026-11-21")
        }
        return day
    }

    /// A parameter that is a number within these bounds.
    func number<Number: FixedWidthInteger>(
        _ name: String, in bounds: ClosedRange<Number>, expected: String
    ) throws(HTTPRefusal) -> Number? {
        guard let text = query[name] else { return nil }
        guard let number = Number(text), bounds.contains(number) else {
            throw HTTPRefusal(name, text, expected: expected)
        }
        return number
    }

    /// A parameter that is one of these words.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String
    ) throws(HTTPRefusal) -> Choice? where Choice.RawValue == String {
        guard let text = query[name] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw HTTPRefusal(name, text, expected: Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// The parameter `limit`: how many at most.
    func limitOfQuery(most: Int, otherwise: Int) throws(HTTPRefusal) -> Int {
        try number("limit", in: 1...most, expected: "1 to \(most)") ?? otherwise
    }
}
