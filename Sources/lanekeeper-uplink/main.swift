import CommandLine
import Posix
import Uplink

// Before any other thread: see SignalWatch.
SignalWatch.ignoreBrokenPipe()

let configuration = Flag.path("config", "FILE", help: "the uplink's configuration")
let checkOnly = Flag.present("check-config", help: "read the configuration, say what is wrong with it, and end")
let program = Program(
    name: "lanekeeper-uplink",
    summary: "carries a lane's records to the collector, and credentials back",
    flags: [configuration, checkOnly])
let arguments = program.parseOrExit()

let settings: UplinkSettings
do {
    settings = try UplinkConfiguration.read(path: arguments[configuration])
} catch {
    program.fail("the configuration is not accepted\n\(error)", .configuration)
}
if arguments[checkOnly] { Exit.now(.success) }

do {
    let signals = try SignalWatch([.terminate, .interrupt])
    try UplinkRunner(settings, signals: signals, notifier: ServiceNotifier()).run()
} catch {
    program.fail("\(error)")
}
