import CommandLine
import LaneDaemon
import Posix

let configuration = Flag.path("config", "FILE", help: "the lane's configuration; Config/lanekeeperd.yaml shows it")
let checkOnly = Flag.present("check-config", help: "check the configuration, say it in sentences, and end")
let rest = Flag.present(
    "rest",
    help: "hold the gate as gate.on_stop says until SIGTERM, for the time in which the lane's program does not run")
let program = Program(
    name: "lanekeeperd", summary: "decides at one lane who passes, drives its gate and keeps its records",
    flags: [configuration, checkOnly, rest])

let arguments = program.parseOrExit()
do {
    if arguments[checkOnly] {
        try StandardOutput.write(try LaneProgram.check(configuration: arguments[configuration]))
    } else if arguments[rest] {
        try RestProgram.run(configuration: arguments[configuration])
    } else {
        try LaneProgram.run(configuration: arguments[configuration], version: lanekeeperVersion)
    }
} catch {
    program.fail("\(error)", LaneProgram.isConfigurationFault(error) ? .configuration : .failure)
}
