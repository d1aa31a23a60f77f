// Many lanes' uplinks in one process, for measurements with hundreds of lanes (Tests/Benchmarks/Changes): `UplinkRunner`, all
// that `lanekeeper-uplink` is, once a lane on a thread of its own, and beside them one stand-in for the lanes' daemons.
//
//     DIRECTORY/<lane id>/identity/{ca.pem,lane.pem}   from `lanekeeper-collector lane add`
//     DIRECTORY/<lane id>/{state,run}                  made here
//
// It says on stdout, a line each, `lanes N` when all were started; `image LANE VERSION NS` and `changes LANE LAST NS` when
// a lane's bell has rung and what waits in its `incoming` was verified (CLOCK_MONOTONIC). SIGTERM ends it.

import Admission
import CommandLine
import Framing
import Glibc
import Posix
import Storage
import Uplink

SignalWatch.ignoreBrokenPipe()

let directory = Flag.path("directory", "DIR", help: "a directory for each lane")
let url = Flag.text("url", "URL", help: "of the collector")
let keys = Flag.path("keys", "DIR", help: "site.pub and badge.key of the site")
let spread = Flag.integer(
    "spread", "MS", in: 0...600_000, default: 0, help: "the uplinks start evenly within so many milliseconds")
let program = Program(
    name: "uplink-crowd", summary: "the uplinks of many lanes in one process", flags: [directory, url, keys, spread])
let arguments = program.parseOrExit()

do {
    // Before any thread. One for all: whoever reads the signal ends the process.
    let signals = try SignalWatch([.terminate, .interrupt])
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    let trust = try siteTrust(arguments[keys])
    let collector = try CollectorURL(arguments[url])
    let lanes = try FileSystem.list(arguments[directory]).sorted().compactMap { ShortName($0) }
    let crowd = try lanes.map { try CrowdLane($0, below: arguments[directory], trust, collector) }
    let daemons = StandInDaemons(crowd, trust)
    let listening = try NamedThread.start(name: "daemons") { daemons.run() }
    for lane in crowd {
        let settings = lane.settings
        _ = try NamedThread.start(name: lane.name.text) {
            do {
                try UplinkRunner(settings, signals: signals, notifier: ServiceNotifier()).run()
                exit(0)
            } catch {
                Log.error("\(settings.lane.text): \(error)")
                exit(1)
            }
        }
        if arguments[spread] > 0 { usleep(UInt32(arguments[spread] * 1000 / crowd.count)) }
    }
    say("lanes \(crowd.count)")
    listening.join()
} catch {
    program.fail("\(error)")
}

func siteTrust(_ directory: String) throws -> SiteTrust {
    func key(_ name: String, _ kind: KeyFile.Kind) throws -> KeyFile {
        let bytes = try FileSystem.read("\(directory)/\(name)", limit: 4096)
        return try KeyFile(text: String(decoding: bytes, as: UTF8.self), expecting: kind)
    }
    let site = try key("site.pub", .sitePublic)
    guard let badge = BadgeKey(bytes: try key("badge.key", .badge).key) else {
        throw FormatError("badge.key", "the key is not 16 bytes")
    }
    return try SiteTrust(site: site.site, publicKey: site.key, badgeKeyFingerprint: badge.fingerprint)
}

/// A line a call, whole: other threads may say something too.
func say(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(1, line, line.count)
}
