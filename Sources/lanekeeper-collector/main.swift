import Collector
import CommandLine
import Posix

// lanekeeper-collector: parse, assemble, run.

SignalWatch.ignoreBrokenPipe()

let data = Flag.path("data", "DIR", help: "the collector's data directory")
let config = Flag.path("config", "FILE", help: "the collector's configuration")
let checkConfig = Flag.present("check-config", help: "read the configuration, say what is wrong with it, and end")
let feed = Operand(
    "FEED.csv", help: "UTF-8 CSV: holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,…")

let program = Program(
    name: "lanekeeper-collector",
    summary: "takes in what lanes record, publishes credentials, shows the site on a page",
    subcommands: [
        Subcommand("init", summary: "make a new site: its id, keys and databases", flags: [data]),
        Subcommand(
            "import",
            summary: "read a feed and publish it as the next credential image; ends well when one was published, "
                + "also when rows were refused (they are counted, and listed in FEED.csv.refused.csv)",
            flags: [data], operands: [feed]),
        Subcommand("serve", summary: "run the collector until SIGTERM or SIGINT", flags: [config, checkConfig]),
    ])

let arguments = program.parseOrExit()
switch arguments.subcommand {
case "init": found(SiteDirectory(arguments[data]))
case "import": publish(arguments.operand("FEED.csv") ?? "", in: SiteDirectory(arguments[data]))
default: serve()
}

func say(_ text: String) {
    do { try StandardOutput.write(text) } catch { program.fail(error.description, .inputOutput) }
}

func found(_ directory: SiteDirectory) {
    do {
        let site = try SiteFounding.found(in: directory)
        say(
            """
            site \(site.hex)
            Every lane needs copies of these, the second one with mode 0600:
              \(directory.publicKeyFile)
              \(directory.badgeKeyFile)
            Keep a backup of \(directory.keys): without it no lane accepts another image.
            Next:
              lanekeeper-collector import --data \(directory.path) FEED.csv
              lanekeeper-collector serve --config FILE     (an example: Config/lanekeeper-collector.yaml)

            """)
    } catch { program.fail(error.description) }
}

func publish(_ feed: String, in directory: SiteDirectory) {
    do {
        let summary = try FeedImport(data: directory, feed: feed).run { line in
            _ = try? StandardOutput.writeError("\(feed): \(line)\n")
        }
        var text =
            "image \(summary.version) published: \(summary.rows) rows, \(summary.holders) holders, "
            + "\(summary.identifiers) identifiers, \(summary.conflicts) conflicts, \(summary.refused) rows refused\n"
        if let report = summary.report { text += "what is wrong stands in \(report)\n" }
        if !summary.unusedColumns.isEmpty {
            text += "not looked at: \(summary.unusedColumns.joined(separator: ", "))\n"
        }
        say(text)
    } catch { program.fail(error.description) }
}

func serve() {
    let settings: CollectorSettings
    do { settings = try CollectorSettings(path: arguments[config]) } catch {
        program.fail(error.description, .configuration)
    }
    if arguments[checkConfig] {
        say("\(arguments[config]) is right\n")
        return
    }
    do {
        try CollectorRun(settings).untilStopped()
    } catch { program.fail(error.description) }
}
