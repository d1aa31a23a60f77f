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
        throw HTTPRefusal(
            .error(400, "'\(unknown)' is not known here", advice: "known: " + known.joined(separator: ", ")))
    }
}
