import Foundation
import Testing

@testable import Collector

@Suite("The OpenAPI document")
struct OpenAPITests {
    @Test("it has every path and method that is served, and no other")
    func routes() {
        var described: [String: [String]] = [:]
        for (path, methods) in OpenAPIDocument.collector.methods {
            // `/v1/images/{digest}` is served by the family `/v1/images`.
            described[path.hasSuffix("/{digest}") ? String(path.dropLast("/{digest}".count)) : path] = methods
        }
        #expect(described == CollectorRoutes.methods.mapValues { $0.sorted() })
    }

    @Test("it is served to anybody, and every schema that it refers to is in it")
    func served() throws {
        let answer = try ServiceBench().get("/openapi.json")
        #expect(answer.status == 200)
        #expect(answer.headers["content-type"] == "application/json")
        #expect((answer.json["openapi"] as? String)?.hasPrefix("3.1") == true)
        let schemas = (answer.json["components"] as? [String: Any])?["schemas"] as? [String: Any] ?? [:]
        let parts = answer.text.components(separatedBy: "\"#/components/schemas/").dropFirst()
        #expect(parts.count > 50)
        for part in parts { #expect(schemas[String(part.prefix { $0 != "\"" })] != nil, "\(part.prefix(20))") }
    }

    @Test("every operation names its answers, with a body that says what is wrong")
    func answers() throws {
        let paths = try #require(
            try ServiceBench().get("/openapi.json").json["paths"] as? [String: [String: [String: Any]]])
        for (path, operations) in paths {
            for (method, operation) in operations {
                let answers = try #require(operation["responses"] as? [String: Any], "\(method) \(path)")
                #expect(answers["400"] != nil && answers["503"] != nil, "\(method) \(path)")
                #expect(!((operation["summary"] as? String) ?? "").isEmpty)
                #expect(operation["security"] != nil, "\(method) \(path)")
            }
        }
    }
}
