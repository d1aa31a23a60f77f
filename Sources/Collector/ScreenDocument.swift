import Admission
import Wording

/// The document: its words from `ScreenWording`, the site's name from the configuration.
struct ScreenDocument {
    private let settings: CollectorSettings

    init(_ settings: CollectorSettings) { self.settings = settings }

    /// `page`: names this version of the page (`Screen.tag`).
    func document(page: String) -> String {
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
        <script src="/chart.js" defer></script>
        <script src="/page.js" defer></script>
        </head>
        <body class="wall" data-page="\(escape(page))" data-words="\(escape(words))">
        <header>
        <h1>\(both(settings.siteName))</h1>
        <a id="lanes" class="note" href="/fleet"></a>
        <p id="clock"></p>
        <p id="state" role="status">…</p>
        </header>
        <noscript><p class="alarm">\(both(.needsScript))</p></noscript>
        <ul id="alerts" role="alert" hidden></ul>
        <main>
        \(figure("people", .peopleOnSite, [], isMain: true))
        \(figure("in", .inToday, [("holders", .distinctHolders), ("out", .outToday)]))
        \(figure("vehicles-in", .vehiclesInToday, [("distinct-vehicles", .distinctVehicles), ("vehicles-out", .outToday)]))
        \(figure("vehicles", .vehiclesOnSite, []))
        <section class="flow">
        <h2><a href="/history">\(both(.flowToday))</a><span class="legend"><i class="in"></i>\(both(.flowIn))<i class="out"></i>\(both(.flowOut))</span></h2>
        <div class="chart"><canvas id="flow"></canvas></div>
        <p id="no-chart" class="empty" hidden>\(both(.noChart))</p>
        </section>
        <section class="entrances">
        <h2>\(both(.entrances))</h2>
        <table>
        <thead><tr><th></th><th></th>\(column(.entriesRecent))\(column(.entriesToday))</tr></thead>
        <tbody id="entrances"></tbody>
        </table>
        <p id="more-entrances" class="more" hidden></p>
        <p id="no-entrances" class="empty" hidden>\(both(.noEntrances))</p>
        </section>
        <section class="zones">
        <h2>\(both(.zones))<span class="legend">\(both(.peopleOfLimit))</span></h2>
        <ul id="zones"></ul>
        <p id="more-zones" class="more" hidden></p>
        <p id="no-zones" class="empty" hidden>\(both(.noZones))</p>
        </section>
        <section class="refusals">
        <h2>\(both(.refusals))<output id="refused">–</output></h2>
        <dl>\(refusals)</dl>
        </section>
        <section class="badges">
        <table>
        <thead><tr><th scope="col">\(both(.badges))</th>\(column(.issued))\(column(.activated))\(column(.used))</tr></thead>
        <tbody id="badges">\(kinds)</tbody>
        </table>
        <p id="no-badges" class="empty" hidden>\(both(.noBadges))</p>
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
        return
            "<section class=\"figure\(isMain ? " main" : "")\"><h2>\(both(title))</h2><output id=\"\(id)\">–</output>"
            + (rows.isEmpty ? "" : "<ul>\(rows)</ul>") + "</section>"
    }

    private func column(_ word: ScreenWording) -> String { "<th scope=\"col\">\(both(word))</th>" }

    /// By the names of `refusals_today_by_key`.
    private var refusals: String {
        let keys = Key.allCases.map { ($0.name, $0.wording) }
        let others = [("temperature", ScreenWording.temperature.wording), ("other", ScreenWording.other.wording)]
        return (keys + others).map { "<div><dt>\(both($0.1))</dt><dd id=\"refused-\($0.0)\">–</dd></div>" }.joined()
    }

    private var kinds: String {
        HolderKind.allCases.map { kind in
            let cells = ["issued", "activated", "used"].map { "<td id=\"\(kind.name)-\($0)\">–</td>" }.joined()
            let colour = settings.lanyardColours[kind].map { " data-colour=\"\(escape($0))\"" } ?? ""
            return "<tr><th scope=\"row\"><i class=\"lanyard\"\(colour)></i>\(both(kind.wording))</th>\(cells)</tr>"
        }.joined()
    }

    /// What the script writes itself, as JSON: name → [Chinese, English].
    private var words: String {
        let used: [ScreenWording] = [
            .live, .staleSince, .connecting, .corrected, .lanes, .lanesSilent, .missing, .more, .full, .nearLimit,
            .vehicles, .insideWithoutKeys, .insideNotKnown, .tampered, .notStoring,
        ]
        let pairs = used.map { word in
            (word.rawValue, JSONText.array([.text(word.wording.chinese), .text(word.wording.english)]))
        }
        return String(decoding: JSONText.object(pairs).bytes, as: UTF8.self)
    }

    private func both(_ word: ScreenWording) -> String { both(word.wording) }

    private func both(_ text: Bilingual) -> String { HTML.both(text) }

    private func escape(_ text: String) -> String { HTML.escaped(text) }
}
