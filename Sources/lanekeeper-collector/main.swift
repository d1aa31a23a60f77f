import Collector
import CommandLine
import Posix

// lanekeeper-collector: parse, assemble, run.

SignalWatch.ignoreBrokenPipe()

let data = Flag.path("data", "DIR", help: "the collector's data directory")
let config = Flag.path("config", "FILE", help: "the collector's configuration")
let checkConfig = Flag.present("check-config", help: "read the configuration, say what is wrong with it, and end")
let name = Flag.text("name", "NAME", help: "what people read for the lane, in any language").optional
let url = Flag.text(
    "url", "URL", help: "https:// where the lane finds the collector; left out: what `serve` listens at"
).optional
let out = Flag.path("out", "FILE", help: "the enrolment file to make; left out: ID.enrol").optional
let role = Flag.choice("role", Enrolment.roles, help: "viewer: page and counts; operator: all").optional
let days = Flag.integer(
    "days", "N", in: 1...3650,
    help: "valid for so long; left out: a lane's certificate \(Enrolment.laneDays) days (it "
        + "is renewed by itself), a token until it is removed"
).optional
let importData = Flag.path("data", "DIR", help: "the collector's data directory; or --config").optional
let importConfig = Flag.path(
    "config", "FILE",
    help: "the collector's configuration: its data directory, its sections `import` and `keys`, its time zone"
).optional
let dryRun = Flag.present("dry-run", help: "say what would happen and change nothing")
let mostLosing = Flag.integer(
    "most-losing", "PERCENT", in: 0...100,
    help: "hold a feed that takes keys from more than so many of the holders in force; left out: what --config "
        + "says, or \(FeedGuard.defaultMostLosingPercent)"
).optional
let ready = Flag.present("ready", help: "everybody whose other three keys stand and whose badge is inactive")
let entry = Flag.integer(
    "entry", "N", in: 1...Int(Int32.max), help: "what the entry N of `audit` activated, as far as it still stands"
).optional
let holderOperand = Operand(
    "HOLDER", required: false, help: "as the feed's column holder has it, or # and the site's own number")
let count = Flag.integer("count", "N", in: 1...100_000, default: 100, help: "so many of the newest entries")
let watched = Flag.path(
    "watch", "DIR",
    help: "import each *.csv that is renamed into DIR, until SIGTERM; it goes on to DIR/done, DIR/held or DIR/refused"
).optional
let day = Flag.text("day", "DATE", help: "only this day at the site, such as 2026-11-21; left out: all").optional
let lane = Flag.text("lane", "ID", help: "only this lane; left out: all").optional
let by = Flag.integer(
    "by", "N", in: -Correction.greatest...Correction.greatest, help: "what is to be added; --by=-2 takes two away")
let zone = Flag.text("zone", "ZONE", help: "how many are in this zone now; left out: a count").optional
let reason = Flag.text("reason", "TEXT", help: "why, in a line")
let policy = Flag.path("policy", "FILE", help: "the other rules: a file as a lane's `policy:` names it")
let then = Flag.path(
    "then", "FILE",
    help:
        "the rules that were in force then, for decisions on who was inside or beside; left out: these are not recomputed"
).optional
let judgedDay = Flag.text("day", "DATE", help: "the day at the site, such as 2026-11-21")
let csv = Flag.present("csv", help: "CSV of every decision whose outcome changes; the figures go to stderr")
let target = Flag.path("to", "FOLDER", help: "the backup to make; it must not be there yet")
let source = Flag.path("from", "FOLDER", help: "the backup")
let withKeys = Flag.present(
    "with-keys", help: "with the site's secret keys; left out: without them, and `restore` needs a copy of keys/")
let keysCopy = Flag.path("keys", "DIR", help: "a copy of the site's keys/, for a backup without the secret ones")
    .optional
let feed = Operand(
    "FEED.csv", required: false,
    help: "UTF-8 CSV: holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,…")

let program = Program(
    name: "lanekeeper-collector",
    summary: "takes in what lanes record, publishes credentials, shows the site on a page",
    subcommands: [
        Subcommand("init", summary: "make a new site: its id, keys and databases", flags: [data]),
        Subcommand(
            "import",
            summary: "read a feed and publish it as the next credential image; ends well when one was published, "
                + "also when rows were refused (they are counted, and listed in FEED.csv.refused.csv), and with status 3 "
                + "when it is held for `publish`",
            flags: [importData, importConfig, dryRun, mostLosing, watched], operands: [feed]),
        Subcommand(
            "publish", summary: "put an image into force that `import` holds; who did it stands in `audit`",
            flags: [data], operands: [Operand("VERSION", help: "the held image's number: see `held`")]),
        Subcommand("held", summary: "images that wait for `publish`, and why", flags: [data]),
        Subcommand("images", summary: "every image that was made, and which is in force", flags: [data]),
        Subcommand(
            "activate",
            summary: "the credential office turns the fourth key: of all for whom the other three stand, or of one "
                + "holder; the lanes have it with the next look",
            flags: [importData, importConfig, ready, dryRun], operands: [holderOperand]),
        Subcommand(
            "deactivate", summary: "turns it back: of one holder, or of all that one `activate` turned",
            flags: [importData, importConfig, entry, dryRun], operands: [holderOperand]),
        Subcommand("audit", summary: "who published what, or turned whose key, and when", flags: [data, count]),
        Subcommand(
            "changes",
            summary: "publish urgent changes from a file, all or none: lanes have them within two seconds; columns: "
                + "holder and some of health_code,assessed_at,test_result,sampled_at,vaccine,activation",
            flags: [data], operands: [Operand("FILE.csv", help: "UTF-8 CSV; an empty field changes nothing")]),
        Subcommand(
            "lane",
            summary:
                "lane add ID --name NAME: make the file that enrols a controller (`lanectl enrol`), also a new one "
                + "in place of a broken one; lane remove ID: refuse its certificate from now on; lane list",
            flags: [data, name, url, out, days],
            operands: [
                Operand("ACTION", help: "add, list or remove"),
                Operand("ID", required: false, help: "the lane: 1 to 31 of a-z, 0-9 and -"),
            ]),
        Subcommand(
            "token",
            summary: "token add NAME --role viewer|operator: a token for a person or a program, shown once; "
                + "token remove NAME; token list",
            flags: [data, role, days],
            operands: [
                Operand("ACTION", help: "add, list or remove"),
                Operand("NAME", required: false, help: "whose it is"),
            ]),
        Subcommand(
            "reconcile",
            summary:
                "compare what is counted of each closed hour with the lane's own totals of it; ends with status 4 when "
                + "a count differs, and says which and by how much, and with 5 when it cannot be said of every hour",
            flags: [config, day, lane]),
        Subcommand(
            "correct",
            summary:
                "put a count right: it stays as it was counted, and the correction is shown beside it with who made it "
                + "and why, also in `audit`",
            flags: [config, by, reason, day, lane, zone],
            operands: [
                Operand(
                    "COUNT",
                    help: Correction.counters.joined(separator: ", ") + "; with --zone "
                        + Correction.zoneCounters.joined(separator: " or "))
            ]),
        Subcommand(
            "whatif",
            summary:
                "judge a day's decisions again under another policy, each from its record, its image and its changes; "
                + "says whose outcome changes, and what cannot be recomputed",
            flags: [config, policy, then, judgedDay, csv]),
        Subcommand(
            "prune",
            summary:
                "remove what is older than the configuration's `keep` and `images` say; `serve` does it once a day",
            flags: [config, dryRun]),
        Subcommand(
            "backup",
            summary: "copy all that the site needs into a folder, while `serve` and `import` run",
            flags: [data, target, withKeys]),
        Subcommand(
            "restore",
            summary: "make a data directory of a backup, in an empty place; everything is checked first",
            flags: [source, data, keysCopy]),
        Subcommand("serve", summary: "run the collector until SIGTERM or SIGINT", flags: [config, checkConfig]),
    ])

let arguments = program.parseOrExit()
switch arguments.subcommand {
case "init": found(SiteDirectory(arguments[data]))
case "import": bring(arguments.operand("FEED.csv"))
case "publish": publish(arguments.operand("VERSION") ?? "")
case "images": listImages(heldOnly: false)
case "held": listImages(heldOnly: true)
case "audit": listAudit()
case "activate", "deactivate": turn(arguments.operand("HOLDER"))
case "changes": change(arguments.operand("FILE.csv") ?? "", in: SiteDirectory(arguments[data]))
case "lane": changeLanes(arguments.operand("ACTION") ?? "", arguments.operand("ID"))
case "reconcile": reconcile()
case "whatif":
    WhatIfCommand(
        program: program, settings: configured(), policy: arguments[policy], then: arguments[then],
        day: arguments[judgedDay], isCSV: arguments[csv]
    ).run()
case "backup": backUp()
case "prune": prune()
case "restore": restore()
case "correct": correct(arguments.operand("COUNT") ?? "")
case "token": changeTokens(arguments.operand("ACTION") ?? "", arguments.operand("NAME"))
default: serve()
}

/// What an action needs must be there, and nothing may be given that it does not use.
func check(_ action: String, _ operand: String?, _ name: String, unused: [(String, Bool)]) -> String {
    let command = "\(arguments.subcommand) \(action)"
    guard ["add", "list", "remove"].contains(action) else {
        program.fail("'\(action)' is not known. Allowed here: add, list, remove", .usage)
    }
    if let flag = unused.first(where: \.1) { program.fail("--\(flag.0) is of no use with '\(command)'", .usage) }
    if action == "list" {
        guard operand == nil else { program.fail("'\(command)' takes no \(name)", .usage) }
        return ""
    }
    guard let operand else { program.fail("'\(command)' needs \(name)", .usage) }
    return operand
}

func changeLanes(_ action: String, _ id: String?) {
    let isAdd = action == "add"
    let given: [(String, Bool)] = [
        ("name", arguments[name] != nil && !isAdd), ("url", arguments[url] != nil && !isAdd),
        ("out", arguments[out] != nil && !isAdd), ("days", arguments[days] != nil && !isAdd),
    ]
    let id = check(action, id, "ID", unused: given)
    do {
        let enrolment = try Enrolment(SiteDirectory(arguments[data]))
        switch action {
        case "list": say(try enrolment.lanes().map { $0 + "\n" }.joined())
        case "remove":
            let isNews = try enrolment.removeLane(id)
            say(isNews ? "lane \(id) is refused from now on\n" : "lane \(id) was removed already\n")
        default:
            guard let name = arguments[name] else { program.fail("'lane add' needs --name NAME", .usage) }
            let file = arguments[out] ?? "\(id).enrol"
            let added = try enrolment.addLane(
                id, name: name, url: arguments[url], days: arguments[days] ?? Enrolment.laneDays, file: file)
            say(
                (added.replacesAnother ? "The controller that was lane \(id) until now is refused from now on.\n" : "")
                    + "\(file) enrols lane \(id) at \(added.url); its certificate is good until "
                    + "\(Timestamp.format(added.expiresMilliseconds)) and renewed by itself.\n"
                    + "It is secret. On the controller, as root: lanectl enrol \(file)     then delete it everywhere.\n"
            )
        }
    } catch { program.fail(error.description) }
}

func changeTokens(_ action: String, _ holder: String?) {
    let isAdd = action == "add"
    let holder = check(
        action, holder, "NAME",
        unused: [("role", arguments[role] != nil && !isAdd), ("days", arguments[days] != nil && !isAdd)])
    do {
        let enrolment = try Enrolment(SiteDirectory(arguments[data]))
        switch action {
        case "list": say(try enrolment.tokens().map { $0 + "\n" }.joined())
        case "remove":
            try enrolment.removeToken(holder)
            say("the token of \(holder) is refused from now on\n")
        default:
            guard let role = arguments[role] else {
                program.fail("'token add' needs --role \(Enrolment.roles.joined(separator: "|"))", .usage)
            }
            say("\(try enrolment.addToken(holder, role: role, days: arguments[days]))\n")
        }
    } catch { program.fail(error.description) }
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
            Keep a backup of \(directory.keys) and \(directory.enrolmentDatabase): without them no lane accepts another
            image, or is believed.
            Next:
              lanekeeper-collector import --data \(directory.path) FEED.csv
              lanekeeper-collector serve --config FILE     (an example: Config/lanekeeper-collector.yaml)
              lanekeeper-collector lane add ID --name NAME --data \(directory.path)
              lanekeeper-collector token add NAME --role viewer --data \(directory.path)

            """)
    } catch { program.fail(error.description) }
}

func bring(_ feed: String?) {
    guard (feed == nil) != (arguments[watched] == nil) else {
        program.fail("'import' needs FEED.csv or --watch DIR, one of them", .usage)
    }
    var options = FeedImport.Options()
    var site: SiteDirectory?
    if let path = arguments[importConfig] {
        do {
            let settings = try CollectorSettings(path: path)
            options = FeedImport.Options(settings)
            site = settings.data
        } catch { program.fail(error.description, .configuration) }
    }
    if let path = arguments[importData] { site = SiteDirectory(path) }
    guard let site else { program.fail("'import' needs --data DIR or --config FILE", .usage) }
    if let percent = arguments[mostLosing] { options.rules.mostLosingPercent = percent }
    options.isDryRun = arguments[dryRun]
    let command = ImportCommand(program: program, data: site, options: options)
    if let feed { Exit.now(command.run(feed)) }
    guard !options.isDryRun else { program.fail("--dry-run is of no use with --watch", .usage) }
    if let directory = arguments[watched] { command.watch(directory) }
}

func publish(_ version: String) {
    guard let number = UInt64(version), number > 0 else {
        program.fail("'\(version)' is no version of an image; see `lanekeeper-collector images`", .usage)
    }
    do {
        let published = try ImageOffice(SiteDirectory(arguments[data])).publish(number, by: AuditTrail.operatorName)
        say(
            (published == number ? "image \(number)" : "image \(number), as image \(published),")
                + " is in force; `serve` gives it to the lanes within a second\n")
    } catch { program.fail(error.description) }
}

/// `activate` and `deactivate`.
func turn(_ holder: String?) {
    let isActivating = arguments.subcommand == "activate"
    let ways = [holder != nil, isActivating && arguments[ready], !isActivating && arguments[entry] != nil]
    guard ways.count(where: { $0 }) == 1 else {
        program.fail(
            isActivating ? "'activate' needs --ready or a HOLDER" : "'deactivate' needs --entry N or a HOLDER", .usage)
    }
    var windows = KeyWindows()
    var site: SiteDirectory?
    if let path = arguments[importConfig] {
        do {
            let settings = try CollectorSettings(path: path)
            windows = settings.windows
            site = settings.data
        } catch { program.fail(error.description, .configuration) }
    }
    if let path = arguments[importData] { site = SiteDirectory(path) }
    guard let site else {
        program.fail("'\(arguments.subcommand)' needs --data DIR or --config FILE", .usage)
    }
    do {
        let office = try ActivationOffice(site, windows: windows)
        let who = AuditTrail.operatorName
        let isTrial = arguments[dryRun]
        let done =
            if let holder {
                try office.turn(isActivating ? .activated : .inactive, holder, by: who, isDryRun: isTrial)
            } else if let number = arguments[entry] {
                try office.reverse(Int64(number), by: who, isDryRun: isTrial)
            } else { try office.activateReady(by: who, isDryRun: isTrial) }
        say(done.text)
    } catch { program.fail(error.description) }
}

func listImages(heldOnly: Bool) {
    do {
        let lines = try ImageOffice(SiteDirectory(arguments[data])).lines(heldOnly: heldOnly)
        say(lines.isEmpty ? (heldOnly ? "nothing is held\n" : "no image yet\n") : lines.map { $0 + "\n" }.joined())
    } catch { program.fail(error.description) }
}

func listAudit() {
    do {
        say(try AuditTrail.lines(SiteDirectory(arguments[data]), count: arguments[count]).map { $0 + "\n" }.joined())
    } catch { program.fail(error.description) }
}

func change(_ file: String, in directory: SiteDirectory) {
    do {
        let summary = try ChangeFile(data: directory, file: file).run { line in
            _ = try? StandardOutput.writeError("\(file): \(line)\n")
        }
        say("\(summary.text)\n")
    } catch { program.fail(error.description) }
}

/// What `--config` says.
func configured() -> CollectorSettings {
    do { return try CollectorSettings(path: arguments[config]) } catch {
        program.fail(error.description, .configuration)
    }
}

func prune() {
    let settings = configured()
    do {
        let removed = try Prune(settings, isDryRun: arguments[dryRun]).run(by: AuditTrail.operatorName)
        say((arguments[dryRun] ? "dry run, nothing was changed; it would remove " : "removed: ") + "\(removed.text)\n")
    } catch { program.fail(error.description) }
}

func backUp() {
    do {
        say(try Backup(SiteDirectory(arguments[data]), to: arguments[target], withKeys: arguments[withKeys]).run())
    } catch { program.fail(error.description) }
}

func restore() {
    do {
        say(
            try Restore(arguments[source], to: SiteDirectory(arguments[data]), keys: arguments[keysCopy]).run(
                by: AuditTrail.operatorName))
    } catch { program.fail(error.description) }
}

func correct(_ counter: String) {
    let settings: CollectorSettings
    do { settings = try CollectorSettings(path: arguments[config]) } catch {
        program.fail(error.description, .configuration)
    }
    do {
        say(
            try Correction.add(
                settings, counter, by: arguments[by], lane: arguments[lane], day: arguments[day], zone: arguments[zone],
                reason: arguments[reason], who: AuditTrail.operatorName))
    } catch { program.fail(error.description) }
}

func reconcile() {
    let settings: CollectorSettings
    do { settings = try CollectorSettings(path: arguments[config]) } catch {
        program.fail(error.description, .configuration)
    }
    do {
        let found = try Reconciliation(settings, day: arguments[day], lane: arguments[lane])
        say(found.text)
        if !found.agrees { Exit.now(.differs) }
        if !found.isWhole { Exit.now(.undecided) }
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
