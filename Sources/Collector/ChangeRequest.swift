import Cryptography
import Foundation

/// The body of `POST /v1/changes`: a JSON array of objects whose members are texts, `ChangeFields`' names.
///
///     [{"holder":"V-200318","health_code":"red","assessed_at":"2026-11-21T12:00:00+08:00"}]
struct ChangeRequest {
    static let contentType = "application/json"
    static let longestBody = 2 << 20
    static let mostChanges = 5000
    static let longestName = 64
    private static let mostProblems = 100

    struct Problem: Error, Hashable, Sendable {
        /// Which change, from 0.
        var index: Int
        var field: String
        var reason: String
    }

    struct Malformed: Error { var reason: String }

    let changes: [[String: String]]
    /// Members that are no texts.
    private(set) var problems: [Problem] = []
    /// SHA-256 of the body.
    let digest: [UInt8]

    init(_ body: [UInt8]) throws(Malformed) {
        let parsed: Any
        do { parsed = try JSONSerialization.jsonObject(with: Data(body)) } catch {
            throw Malformed(reason: "the body is not JSON")
        }
        guard let array = parsed as? [Any] else { throw Malformed(reason: "the body is not an array") }
        guard (1...Self.mostChanges).contains(array.count) else {
            throw Malformed(reason: "\(array.count) changes; 1 to \(Self.mostChanges) are taken at once")
        }
        do { digest = try SHA256.hash(body) } catch { throw Malformed(reason: error.reason) }
        var changes: [[String: String]] = []
        for (index, element) in array.enumerated() {
            var texts: [String: String] = [:]
            if let object = element as? [String: Any] {
                for (name, value) in object {
                    if let text = value as? String {
                        texts[name] = text
                    } else {
                        problems.append(Problem(index: index, field: String(name.prefix(40)), reason: "is not a text"))
                    }
                }
            } else {
                problems.append(Problem(index: index, field: "", reason: "is not an object"))
            }
            changes.append(texts)
        }
        self.changes = changes
    }

    /// What is wrong, as the asker is told it.
    static func answer(_ status: Int, _ error: String, _ problems: [Problem], advice: String) -> HTTPResponse {
        let listed = problems.prefix(mostProblems).map { problem in
            JSONText.object([
                ("index", .number(problem.index)), ("field", .text(problem.field)), ("reason", .text(problem.reason)),
            ])
        }
        let body = JSONText.object([
            ("error", .text(error)), ("advice", .text(advice)), ("problems", .array(Array(listed))),
        ])
        return HTTPResponse(status, "application/json", body.bytes + [0x0A])
    }
}
