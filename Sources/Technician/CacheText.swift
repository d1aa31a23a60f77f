import Admission
import Control
import Posix
import Wording

/// `lanectl cache …` for people.
enum CacheText {
    static func info(_ it: CacheReply) -> String {
        var table = TextTable()
        table.add("asked", source(it.source))
        func ago(_ instant: Int64) -> String { self.ago(instant, it.nowMilliseconds) }
        if let image = it.image {
            let load = image.slots == 0 ? 0 : image.identifiers * 100 / image.slots
            table.add("image", "\(image.version), issued \(ago(image.issuedAtMilliseconds))")
            table.add("", "digest \(image.digest)")
            table.add("", "site \(image.site)")
            table.add(
                "",
                "\(image.identifiers) identifiers of \(image.holders) holders in \(image.slots) places (\(load) %), "
                    + "\(image.bytes) bytes, changes up to \(image.changeNumber) taken in")
            if let why = image.notLocked { table.add("", "NOT LOCKED IN MEMORY: \(why)") }
        } else {
            table.add("image", "NONE: nobody is admitted")
        }
        if let overlay = it.overlay {
            table.add(
                "changes",
                "up to \(overlay.changeNumber); \(overlay.identifiers) identifiers differ from the image, "
                    + "room for \(overlay.room)"
                    + (overlay.issuedAtMilliseconds.map { "; the newest list was issued \(ago($0))" } ?? ""))
            if let number = overlay.differsAt {
                table.add("", "NOT THE COLLECTOR'S up to \(number): its statement does not count (cache compare)")
            }
        }
        if let statement = it.statement {
            table.add(
                "statement",
                "image \(statement.imageVersion), change \(statement.changeNumber), as of "
                    + ago(statement.asOfMilliseconds))
        } else {
            table.add("statement", "none yet")
        }
        if let fresh = it.freshness {
            table.add(
                "freshness",
                "\(fresh.state == "fresh" ? "fresh" : fresh.state.uppercased()); when stale: \(fresh.whenStale)")
            table.add(
                "",
                limits(
                    "statement", fresh.statementAgeMilliseconds, fresh.statementWarnMilliseconds,
                    fresh.statementLimitMilliseconds))
            table.add(
                "",
                limits("image", fresh.imageAgeMilliseconds, fresh.imageWarnMilliseconds, fresh.imageLimitMilliseconds))
        } else if it.source == "files", it.image != nil {
            table.add("freshness", "not judged: lanekeeperd knows the policy")
        }
        for (place, kept) in it.kept.enumerated() {
            table.add(
                place == 0 ? "kept" : "",
                "image \(kept.version), \(kept.bytes) bytes, fetched \(ago(kept.fetchedAtMilliseconds))")
        }
        if it.source == "daemon" {
            if it.refused.isEmpty { table.add("refused", "nothing that lies in uplink/incoming") }
        } else {
            table.add("refused", "not known: lanekeeperd judges what lies in uplink/incoming")
        }
        for (place, refused) in it.refused.enumerated() {
            table.add(place == 0 ? "refused" : "", "\(refused.file), \(ago(refused.atMilliseconds)): \(refused.reason)")
        }
        return table.text + notes(it.notes)
    }

    static func lookup(_ it: CacheLookupReply, badge: String) -> String {
        var text = "\(it.type) \(badge), asked \(source(it.source))\n"
        text += it.imageVersion == 0 ? "no image\n" : "image \(it.imageVersion), change \(it.changeNumber)\n"
        text += "\nimage\(it.decides == "image" ? " (decides)" : "")\n" + held(it.image, it.nowMilliseconds)
        guard let overlay = it.overlay else { return text + "\nchanges: none is about this badge\n" }
        return text + "\nchanges (decide)\n" + held(overlay, it.nowMilliseconds)
    }

    static func comparison(_ it: CacheComparison, notes: [String]) -> String {
        var table = TextTable()
        table.add(it.state == .equal ? "equal" : it.state.rawValue.uppercased(), it.text)
        table.add(
            "lane",
            it.imageVersion == 0
                ? "no image" : "image \(it.imageVersion), change \(it.changeNumber), asked \(source(it.source))")
        if let statement = it.statement {
            table.add(
                "collector",
                "image \(statement.imageVersion), change \(statement.changeNumber), as of "
                    + ago(statement.asOfMilliseconds, it.nowMilliseconds))
        }
        return table.text + self.notes(notes)
    }

    private static func held(_ it: CacheLookupReply.Held, _ now: Int64) -> String {
        var table = TextTable(indent: 2)
        switch it.state {
        case "found": break
        case "conflict": table.add("claimed by two holders: nobody's")
        case "no-image": table.add("there is none")
        default: table.add("not known: nobody's")
        }
        func instant(_ what: String, _ instant: Int64?) -> String {
            instant.map { "\(what) \(ago($0, now))" } ?? "never \(what)"
        }
        if let holder = it.holder { table.add("holder", "\(holder)") }
        if let kind = it.kind {
            table.add("kind", HolderKind.allCases.first { "\($0.name)" == kind }?.wording.english ?? kind)
        }
        if let name = it.vaccine {
            table.add("vaccine", VaccineState.allCases.first { "\($0)" == name }?.wording.english ?? name)
        }
        if let name = it.healthCode {
            table.add(
                "green code", HealthCode.allCases.first { "\($0)" == name }?.wording.english ?? name,
                instant("assessed", it.assessedAtMilliseconds))
        }
        if let name = it.test {
            table.add(
                "48 h test", TestResult.allCases.first { "\($0)" == name }?.wording.english ?? name,
                instant("sampled", it.sampledAtMilliseconds))
        }
        if let name = it.activation {
            let from = it.validFromMilliseconds.map { "from \(Timestamp.format($0))" }
            let until = it.validUntilMilliseconds.map { "until \(Timestamp.format($0))" }
            let dates = [from, until].compactMap { $0 }.joined(separator: " ")
            table.add(
                "activated badge", Activation.allCases.first { "\($0)" == name }?.wording.english ?? name,
                dates.isEmpty ? "no dates" : dates)
        }
        if let zones = it.zones { table.add("zones", zones.isEmpty ? "none" : zones.joined(separator: ", ")) }
        return table.text
    }

    private static func source(_ name: String) -> String {
        name == "daemon"
            ? "lanekeeperd" : "the lane's files, because lanekeeperd does not run: what it would begin with"
    }

    private static func limits(_ what: String, _ age: Int64, _ warn: Int64, _ limit: Int64) -> String {
        "\(what) \(Figures.duration(milliseconds: age)) old; warns after \(Figures.duration(milliseconds: warn)), "
            + "stale after \(Figures.duration(milliseconds: limit))"
    }

    private static func ago(_ instant: Int64, _ now: Int64) -> String {
        let age = now.subtractingReportingOverflow(instant).partialValue
        let duration = Figures.duration(milliseconds: age.magnitude > UInt64(Int64.max) ? 0 : Int64(age.magnitude))
        return "\(Timestamp.format(instant)) (\(age < 0 ? "in \(duration)" : "\(duration) ago"))"
    }

    private static func notes(_ notes: [String]) -> String {
        notes.isEmpty ? "" : "\n" + notes.map { "  \($0)\n" }.joined()
    }
}
