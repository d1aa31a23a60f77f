// Measures one credential image, as the site published it: `cache-bench SITE IMAGE LANE HOLDERS IDENTIFIERS REPEATS`.
//
//   SITE         the collector's data directory, for its keys
//   IMAGE        what it published of a feed of Tests/Benchmarks/feed.py
//   LANE         a lane's directory on the disk that is to be measured; made when it is missing
//   HOLDERS, IDENTIFIERS   how many the feed has, and how many of each
//   REPEATS      how often what is slow is repeated
//
// Prints one line of JSON on stdout. Tests/Benchmarks/Cache/run starts it, and judges. Exit status: 0 measured, 1 not.

import Foundation
import Posix
import Storage

struct Figures: Codable {
    var identifiers: Int
    var imageBytes: Int
    var clockNanoseconds: Latency
    var live: LiveFigures
    var changes: ChangeFigures
    var lookups: LookupFigures
}

func measure(_ arguments: [String]) throws -> Figures {
    guard arguments.count == 6, let holders = Int(arguments[3]), let each = Int(arguments[4]),
        let repeats = Int(arguments[5]), holders > 0, (1...2).contains(each), repeats > 0
    else { throw Mistake("expected SITE IMAGE LANE HOLDERS IDENTIFIERS REPEATS") }
    let site = try SiteUnderTest(arguments[0])
    let feed = FeedIdentifiers(holders: holders, each: each, key: site.badgeKey)
    let bench = LaneBench(site: site, source: arguments[1], directory: LaneDirectory(arguments[2]))
    try bench.prepare()
    // What is timed on a disk comes first: later this process holds gigabytes of other tables.
    let live = try bench.live(repeats: repeats)
    let (image, changes) = try bench.changes(to: feed)
    let lookups = try LookupBench(image: image, feed: feed, site: site, folder: arguments[2]).run()
    return Figures(
        identifiers: image.header.identifiers, imageBytes: image.header.headerLength + image.header.bodyLength,
        clockNanoseconds: Latency.ofTheClock(), live: live, changes: changes, lookups: lookups)
}

do {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = .sortedKeys
    let figures = try measure(Invocation.arguments)
    print(String(decoding: try encoder.encode(figures), as: UTF8.self))
} catch {
    FileHandle.standardError.write(Data("cache-bench: \(error)\n".utf8))
    exit(1)
}
