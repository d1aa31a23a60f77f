import Admission
import Configuration
import Framing

/// Reads an uplink's configuration file; `Config/lanekeeper-uplink.yaml` is a commented example of it.
public enum UplinkConfiguration {
    public static func read(path: String) throws(ConfigurationFailure) -> UplinkSettings {
        try read(ConfigurationReader(path: path))
    }

    public static func read(_ reader: ConfigurationReader) throws(ConfigurationFailure) -> UplinkSettings {
        let root = reader.root
        let laneID = root.section("lane").text("id", rule: .laneID)
        let siteID = root.section("site").text("id", rule: .hex(digits: 32))
        let directories = root.optionalSection("directories")
        let stateDefault = "/var/lib/lanekeeper/\(laneID)"
        let runDefault = "/run/lanekeeper/\(laneID)"
        let state = directories?.path("state", default: stateDefault) ?? stateDefault
        let run = directories?.path("run", default: runDefault) ?? runDefault
        let collector = collector(root.section("collector"))
        let mirror = root.optionalSection("mirror").map { Self.mirror($0, beside: collector) }
        let batchRecords = root.integer(
            "batch_records", default: 500, in: 1...RecordBatch.mostRecords, unit: "records")
        let upload = root.integer(
            "upload_interval_milliseconds", default: 200, in: 10...60_000, unit: "milliseconds")
        let probe = root.integer("probe_interval_seconds", default: 10, in: 1...600, unit: "seconds")
        // A tenth later by chance is still within the 30 s in which a lane is to hear the collector's word.
        let statement = root.integer("statement_interval_seconds", default: 10, in: 1...27, unit: "seconds")
        let image = root.integer("image_interval_seconds", default: 60, in: 1...86_400, unit: "seconds")
        let largest = root.integer("largest_image_megabytes", default: 512, in: 1...4096, unit: "megabytes")
        let reserve = root.integer("disk_reserve_megabytes", default: 64, in: 0...1_048_576, unit: "megabytes")
        try reader.finish()
        // The stand-ins are never used: `finish` has thrown.
        let site = SiteID(hex: siteID) ?? SiteID(low: 0, high: 0)
        let lane = ShortName(laneID) ?? .outside
        return UplinkSettings(
            site: site, lane: lane, stateDirectory: state, runDirectory: run, collector: collector,
            mirror: mirror, batchRecords: batchRecords, uploadIntervalMilliseconds: upload,
            probeIntervalMilliseconds: probe * 1000,
            statementIntervalMilliseconds: statement * 1000, imageIntervalMilliseconds: image * 1000,
            largestImageBytes: Int64(largest) << 20, diskReserveBytes: Int64(reserve) << 20)
    }

    private static func collector(_ section: Section) -> CollectorSettings {
        let connect = section.integer(
            "connect_timeout_milliseconds", default: 15_000, in: 100...60_000, unit: "milliseconds")
        let answer = section.integer(
            "answer_timeout_milliseconds", default: 30_000, in: 100...300_000, unit: "milliseconds")
        let image = section.integer("image_timeout_seconds", default: 600, in: 1...86_400, unit: "seconds")
        let stall = section.integer("stall_seconds", default: 10, in: 1...600, unit: "seconds")
        let url = url(section)
        return CollectorSettings(
            url: url, connectTimeoutMilliseconds: connect, answerTimeoutMilliseconds: answer,
            imageTimeoutMilliseconds: image * 1000, stallSeconds: stall,
            encryption: encryption(section, url))
    }

    /// As patient as with the collector. It is shown no certificate: what it gives out is signed, and says nothing to others.
    private static func mirror(_ section: Section, beside collector: CollectorSettings)
        -> CollectorSettings
    {
        var mirror = collector
        mirror.url = url(section)
        mirror.encryption = CollectorSettings.Encryption(authorityFile: section.optionalPath("ca_file"))
        if section.has("ca_file"), !mirror.url.isEncrypted {
            section.refuse(
                "ca_file", "is of use with an https:// url only; leave it out, or use https://")
        }
        return mirror
    }

    private static func encryption(_ section: Section, _ url: CollectorURL)
        -> CollectorSettings.Encryption
    {
        if section.has("identity") {
            let directory = section.path("identity")
            for key in ["ca_file", "certificate_file", "key_file"] where section.has(key) {
                section.refuse(key, "identity has all of them; give identity, or the three files")
            }
            if !url.isEncrypted { section.refuse("identity", "is of use with an https:// url only") }
            return CollectorSettings.Encryption(identityDirectory: directory)
        }
        let encryption = CollectorSettings.Encryption(
            authorityFile: section.optionalPath("ca_file"),
            certificateFile: section.optionalPath("certificate_file"), keyFile: section.optionalPath("key_file"))
        for key in ["ca_file", "certificate_file", "key_file"] where section.has(key) && !url.isEncrypted {
            section.refuse(key, "is of use with an https:// url only; leave it out, or use https://")
        }
        if (encryption.certificateFile == nil) != (encryption.keyFile == nil) {
            let alone = encryption.keyFile == nil ? "certificate_file" : "key_file"
            section.refuse(alone, "certificate_file and key_file belong together; give both or neither")
        }
        return encryption
    }

    private static func url(_ section: Section) -> CollectorURL {
        let text = section.text("url")
        // A missing one is reported already.
        guard !text.isEmpty else { return .standIn }
        do throws(CollectorURL.Refusal) { return try CollectorURL(text) } catch {
            section.refuse("url", error.description)
            return .standIn
        }
    }
}
