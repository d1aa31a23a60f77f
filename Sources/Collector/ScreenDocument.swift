import Wording

/// The document: its words from `ScreenWording`, the site's name from the configuration.
struct ScreenDocument {
    private let settings: CollectorSettings

    init(_ settings: CollectorSettings) { self.settings = settings }

    var text: String {
        """
        <!doctype html>
        <html lang="zh-Hans">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(escape(settings.siteName.chinese)) · \(escape(ScreenWording.title.wording.line))</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/page.css">
        <script src="/page.js" defer></script>
        </head>
        <body data-words="\(escape(words))">
        <header>
        <h1>\(both(settings.siteName))</h1>
        <p id="state" role="status">…</p>
        </header>
        <noscript><p class="alarm">\(both(.needsScript))</p></noscript>
        <main>
        <p id="alert" class="alarm" role="alert" hidden><b id="without-keys">–</b> \(both(.insideWithoutKeys))</p>
        <p id="not-known" class="trouble" role="status" hidden>\(both(.insideNotKnown))</p>
        <section class="figures">
        \(figure("in", .inToday, [("in-all", .allDays), ("holders", .distinctHoldersToday)]))
        \(figure("out", .outToday, [("out-all", .allDays), ("refused", .refusedToday)]))
        \(figure("people", .peopleOnSite, [], isMain: true))
        \(figure("vehicles", .vehiclesOnSite, [("vehicles-in", .vehiclesInToday), ("vehicles-out", .vehiclesOutToday)]))
        </section>
        <section>
        <h2>\(both(.lanes))</h2>
        <table>
        <thead><tr>\(columns)</tr></thead>
        <tbody id="lanes"></tbody>
        </table>
        <p id="empty" hidden>\(both(.noLanes))</p>
        </section>
        </main>
        </body>
        </html>

        """
    }

    private func figure(
        _ id: String, _ title: ScreenWording, _ small: [(String, ScreenWording)], isMain: Bool = false
    ) -> String {
        let rows = small.map { "<li>\(both($0.1)) <b id=\"\($0.0)\">–</b></li>" }.joined()
        return "<div class=\"figure\(isMain ? " main" : "")\"><h2>\(both(title))</h2><output id=\"\(id)\">–</output>"
            + (rows.isEmpty ? "" : "<ul>\(rows)</ul>") + "</div>"
    }

    private var columns: String {
        let words: [ScreenWording] = [.lane, .admitted, .passed, .refused, .missing, .lastSeen]
        return words.map { "<th scope=\"col\">\(both($0))</th>" }.joined()
    }

    /// What the script writes itself, as JSON: name → [Chinese, English].
    private var words: String {
        let used: [ScreenWording] = [.updated, .staleSince, .secondsAgo, .minutesAgo, .hoursAgo, .tampered]
        let pairs = used.map { word in
            (word.rawValue, JSONText.array([.text(word.wording.chinese), .text(word.wording.english)]))
        }
        return String(decoding: JSONText.object(pairs).bytes, as: UTF8.self)
    }

    private func both(_ word: ScreenWording) -> String { both(word.wording) }

    private func both(_ text: Bilingual) -> String {
        "<span lang=\"zh-Hans\">\(escape(text.chinese))</span> <span lang=\"en\">\(escape(text.english))</span>"
    }

    private func escape(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
