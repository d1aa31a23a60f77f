import Testing

@testable import Collector

@Suite("What libmicrohttpd makes of requests that could be divided in two ways")
struct HTTPSelfCheckTests {
    @Test("the installed one is safe in one way of reading")
    func chosen() throws {
        let reading = try HTTPSelfCheck.chosen.get()
        #expect(try HTTPSelfCheck.problems(reading).isEmpty)
    }

    @Test("one that nothing looks after is found out by name, and not served with")
    func unsafe() throws {
        let reading = HTTPReading(isStrict: false, looksAtLines: false)
        let problems = try HTTPSelfCheck.problems(reading)
        for name in ["two blanks before the address", "a NUL in a header's value", "a line that ends with LF"] {
            #expect(problems.contains(name))
        }
        let failure = #expect(throws: CollectorFailure.self) { try HTTPSelfCheck.choose([reading]) }
        #expect(failure?.description.contains("libmicrohttpd 0.9") == true)
        #expect(failure?.description.contains("a folded line") == true)
    }
}
