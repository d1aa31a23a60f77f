// Many lanes that send what they recorded in a day: `intake-bench PORT SITE LANES RECORDS BATCH HOLDERS START`.
//
//   PORT SITE   of a collector on this machine, without TLS; its site id, 32 hex digits
//   LANES       each with a connection of its own
//   RECORDS     of each lane; every second one a passage
//   BATCH       records a request
//   HOLDERS     whoever passes is one of so many
//   START       ms since 1970-01-01 UTC: when the day began
//
// Prints one line of JSON on stdout when everything is stored. What is not answered is sent again, for as long as anything
// is answered within a minute. Tests/Benchmarks/Intake/run starts it, and judges. Exit status: 0 all stored, 1 not.

import Framing
import Glibc
import Posix

func load(_ words: [String]) throws -> Load {
    guard words.count == 7, let port = UInt16(words[0]), let site = SiteID(hex: words[1]), let lanes = Int(words[2]),
        let records = Int(words[3]), let batch = Int(words[4]), let holders = UInt32(words[5]),
        let start = Int64(words[6]),
        (1...10_000).contains(lanes), records > 0, (1...RecordBatch.mostRecords).contains(batch), holders > 0
    else { throw Mistake("expected PORT SITE LANES RECORDS BATCH HOLDERS START") }
    return Load(
        port: port, site: site, lanes: lanes, recordsEach: records, batch: batch, holders: holders, start: start)
}

do {
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    print(try CrowdOfLanes(load(Invocation.arguments)).run().json)
} catch {
    _ = try? StandardOutput.writeError("intake-bench: \(error)\n")
    exit(1)
}
