import Collector
import CommandLine
import Posix

/// `import`: what it is told, and what it says of what came of it.
struct ImportCommand {
    let program: Program
    let data: SiteDirectory
    let options: FeedImport.Options

    func run(_ feed: String) -> ExitStatus {
        let meter = ProgressMeter()
        do {
            let summary = try FeedImport(data: data, feed: feed, options: options).run(
                note: { line in
                    meter.clear()
                    _ = try? StandardOutput.writeError("\(feed): \(line)\n")
                }, progress: meter.show)
            meter.clear()
            say(Self.text(of: summary, data))
            if case .held = summary.fate { return .held }
            return .success
        } catch {
            meter.clear()
            program.fail(error.description)
        }
    }

    func watch(_ directory: String) {
        do {
            try FeedWatch(data: data, directory: directory, options: options) { summary, feed in
                for line in Self.text(of: summary, data).split(separator: "\n") { Log.notice("\(feed): \(line)") }
            }.untilStopped()
        } catch { program.fail(error.description) }
    }

    private func say(_ text: String) {
        do { try StandardOutput.write(text) } catch { program.fail(error.description, .inputOutput) }
    }

    static func text(of summary: FeedImport.Summary, _ data: SiteDirectory) -> String {
        let figures =
            "\(summary.rows) rows, \(summary.holders) holders, \(summary.identifiers) identifiers, "
            + "\(summary.conflicts) conflicts, \(summary.refused) rows refused\n"
        var text: String
        switch (summary.fate, summary.isDryRun) {
        case (.published, false): text = "image \(summary.version) published: \(figures)"
        case (.published, true):
            text = "dry run, nothing was changed; it would be published as image \(summary.version): \(figures)"
        case (.held, false): text = "image \(summary.version) is HELD, it is not published: \(figures)"
        case (.held, true):
            text = "dry run, nothing was changed; it would be HELD as image \(summary.version): \(figures)"
        }
        if let changes = summary.changes {
            text += "against image \(changes.version), which is in force"
            if case .published = summary.fate, !summary.isDryRun { text += " no more" }
            let share = (changes.losingPercent * 100).rounded() / 100
            text += ": \(changes.losing) of its \(changes.holdersBefore) holders lose a key (\(share) %)\n"
            text += changes.lines.map { $0 + "\n" }.joined()
        }
        if case .held(let reasons) = summary.fate {
            text += "held because\n" + reasons.map { "  - \($0)\n" }.joined()
            if !summary.isDryRun {
                text +=
                    (summary.changes.map { "Image \($0.version) stays in force. " } ?? "")
                    + "When the feed is right in spite of it: lanekeeper-collector publish \(summary.version) --data "
                    + "\(data.path)\nWhen it is not: import a better one; nothing to undo.\n"
            }
        }
        if let report = summary.report { text += "what is wrong stands in \(report)\n" }
        if !summary.unusedColumns.isEmpty {
            text += "not looked at: \(summary.unusedColumns.joined(separator: ", "))\n"
        }
        return text
    }
}

/// One line on a person's terminal that says how far a reading has come; nothing where stderr is no terminal.
final class ProgressMeter {
    private let isShown = StandardOutput.isErrorTerminal
    private let begin = SystemClock.monotonicNanoseconds()
    private var shown: UInt64 = 0
    private var isDrawn = false

    func show(_ progress: FeedImport.Progress) {
        let now = SystemClock.monotonicNanoseconds()
        guard isShown, now - shown > 200_000_000 else { return }
        shown = now
        isDrawn = true
        let percent = progress.ofBytes > 0 ? progress.bytes * 100 / progress.ofBytes : 100
        let rate = UInt64(progress.rows) * 1_000_000_000 / max(1, now - begin)
        let text = percent < 100 ? "reading: \(percent) %, \(progress.rows) rows, \(rate) a second" : "making the image"
        _ = try? StandardOutput.writeError("\r\u{1B}[K\(text)")
    }

    func clear() {
        if isDrawn { _ = try? StandardOutput.writeError("\r\u{1B}[K") }
        isDrawn = false
    }
}
