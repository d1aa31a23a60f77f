import Framing
import Posix

/// The answer to a request for the image: 200, 206 (Range, RFC 9110 section 14), 304, 404 or 416.
struct ImageAnswer {
    let response: HTTPResponse

    init(_ head: HTTPHead, _ image: Publisher.Image?) {
        guard let image else {
            self.init(response: Self.none)
            return
        }
        self.init(
            head, path: image.path, bytes: image.bytes, tag: image.tag,
            headers: [("Lanekeeper-Image-Version", String(image.version)), ("Cache-Control", "no-cache")])
    }

    private init(response: HTTPResponse) { self.response = response }

    /// Of any file. `tag`: what stands in it, in quotes.
    init(_ head: HTTPHead, path: String, bytes: Int64, tag: String, headers own: [(String, String)]) {
        let headers = [("ETag", tag), ("Accept-Ranges", "bytes")] + own
        if let held = head.header("if-none-match"), Self.matches(held, tag) {
            response = HTTPResponse(304, Self.type, [], headers: headers)
            return
        }
        let file: Descriptor
        do { file = try Descriptor.open(path, [.read, .noFollow]) } catch {
            Log.error(error.description)
            response = .error(500, error.description, advice: error.advice)
            return
        }
        let range = Self.isCurrent(head.header("if-range"), tag) ? Self.range(head, bytes) : .whole
        var answer: HTTPResponse
        switch range {
        case .whole:
            answer = HTTPResponse(200, Self.type, [], headers: headers)
            answer.body = .file(file, offset: 0, count: bytes)
        case .part(let part):
            answer = HTTPResponse(
                206, Self.type, [],
                headers: headers + [
                    ("Content-Range", "bytes \(part.lowerBound)-\(part.upperBound)/\(bytes)")
                ])
            answer.body = .file(file, offset: part.lowerBound, count: part.upperBound - part.lowerBound + 1)
        case .beyond:
            answer = .error(
                416, "it has \(bytes) bytes", advice: "ask for it from the beginning",
                headers: headers + [("Content-Range", "bytes */\(bytes)")])
        }
        // 5,000,000 identifiers are 213 MB.
        answer.patienceMilliseconds = 600_000
        response = answer
    }

    static let none = HTTPResponse.error(
        404, "no image has been published yet", advice: "run lanekeeper-collector import --data DIR FEED.csv")
    private static let type = "application/octet-stream"

    enum Part: Equatable {
        case whole
        /// First and last byte.
        case part(ClosedRange<Int64>)
        case beyond
    }

    /// A single range; a list of them, or what is no range of bytes, is passed over as RFC 9110 allows.
    static func range(_ head: HTTPHead, _ size: Int64) -> Part {
        guard head.method == "GET", let text = head.header("range"), text.hasPrefix("bytes="), !text.contains(",")
        else { return .whole }
        let ends = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
            return .whole
        }
        let (first, last) = (Int64(ends[0]), Int64(ends[1]))
        switch (first, last) {
        case (let first?, let last?) where first > last: return .whole
        case (let first?, let last): return first < size ? .part(first...min(last ?? size - 1, size - 1)) : .beyond
        case (nil, let count?) where ends[0].isEmpty:
            return count == 0 || size == 0 ? .beyond : .part(max(0, size - count)...size - 1)
        default: return .whole
        }
    }

    private static func matches(_ held: String, _ tag: String) -> Bool {
        held.split(separator: ",").contains {
            let bare = String($0.filter { $0 != " " && $0 != "\t" })
            return bare == "*" || bare == tag || bare == "W/\(tag)"
        }
    }

    /// If-Range compares strongly; a date never matches, since no Last-Modified is sent.
    private static func isCurrent(_ condition: String?, _ tag: String) -> Bool {
        condition.map { $0 == tag } ?? true
    }
}
