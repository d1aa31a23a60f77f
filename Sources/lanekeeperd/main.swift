import CommandLine
import LaneDaemon
import Posix

let configuration = Flag.path("config", "FILE", help: "the lane's configuration; Config/lanekeeperd.yaml shows it")
let checkOnly = Flag.present("check-config", help: "check the configuration, say it in sentences, and end")
let program = Program(
    name: "lanekeeperd", summary: "decides at one lane who passes, drives its gate and keeps its records",
    flags: [configuration, checkOnly])

let arguments = program.parseOrExit()
do {
    if arguments[checkOnly] {
        try StandardOutput.write(try LaneProgram.check(configuration: arguments[configuration]))
    } else {
        try LaneProgram.run(configuration: arguments[configuration], version: lanekeeperVersion)
    }
} catch {
    program.fail("\(error)", LaneProgram.isConfigurationFault(error) ? .configuration : .failure)
}
