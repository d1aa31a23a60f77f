import Admission
import Wording

/// `GET /history`: the document of days gone by; its numbers come from `/v1/history` (Page/history.js, desk.js).
struct HistoryDocument {
    private let settings: CollectorSettings

    init(_ settings: CollectorSettings) { self.settings = settings }

    var text: String {
        """
        <!doctype html>
        <html lang="zh-Hans" class="desk">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(HTML.escaped(settings.siteName.chinese)) · \(HTML.escaped(HistoryWording.title.wording.line))</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/page.css">
        <link rel="stylesheet" href="/desk.css">
        <script src="/chart.js" defer></script>
        <script src="/desk.js" defer></script>
        <script src="/history.js" defer></script>
        </head>
        <body data-time-zone="\(HTML.escaped(settings.calendar.zone.identifier))" data-words="\(HTML.escaped(words))">
        <header>
        <h1>\(both(.title)) · \(HTML.both(settings.siteName))</h1>
        <nav><a href="/">\(both(.toScreen))</a> <a href="/fleet">\(HTML.both(FleetWording.title.wording))</a></nav>
        </header>
        <noscript><p class="alarm">\(HTML.both(ScreenWording.needsScript.wording))</p></noscript>
        <form id="question">
        <label><span>\(both(.day))</span><input type="date" name="day" required></label>
        <label><span>\(both(.compareWith))</span><input type="date" name="compare"></label>
        <label><span>\(both(.hourOfDay))</span><select name="hour"><option value="">\(line(.wholeDay))</option>\(hours)</select></label>
        <label><span>\(both(.lane))</span><select name="lane"><option value="">\(line(.allLanes))</option></select></label>
        <label><span>\(both(.groupedBy))</span><select name="by">\(groupings)</select></label>
        <button type="submit">\(both(.show))</button>
        <a id="download" class="download" href="/v1/history.csv" download>\(both(.download))</a>
        </form>
        <p id="told" role="status" hidden></p>
        <main>
        <section hidden><h2>\(both(.chart))</h2><div class="chart"><canvas id="chart"></canvas></div></section>
        <section class="scroll"><table id="table" hidden><thead id="head"></thead><tbody id="rows"></tbody><tfoot id="sum"></tfoot></table></section>
        </main>
        </body>
        </html>

        """
    }

    private func both(_ word: HistoryWording) -> String { HTML.both(word.wording) }
    private func line(_ word: HistoryWording) -> String { HTML.escaped(word.wording.line) }

    private var hours: String {
        (0..<HistoryQuery.mostHours).map { hour in
            let text = "\(hour < 10 ? "0" : "")\(hour):00"
            return "<option value=\"\(hour)\">\(text)</option>"
        }.joined()
    }

    private var groupings: String {
        HistoryQuery.Grouping.allCases.map {
            "<option value=\"\($0.rawValue)\">\(line($0.wording))</option>"
        }.joined()
    }

    /// What the script writes itself, as JSON: name → [Chinese, English].
    private var words: String {
        func pair(_ text: Bilingual) -> JSONText { .array([.text(text.chinese), .text(text.english)]) }
        let used: [HistoryWording] = [
            .sum, .difference, .nothingThere, .loading, .failed, .countedSince,
        ]
        let counts: [(String, HistoryWording)] = [
            ("in", .peopleIn), ("out", .peopleOut), ("vehicles_in", .vehiclesIn), ("vehicles_out", .vehiclesOut),
            ("presented", .presented), ("admitted", .admitted), ("refused", .refused), ("passed", .passed),
            ("tailgating", .tailgating), ("by_hand", .byHand), ("annulled", .annulled), ("interrupted", .interrupted),
            ("forced", .forced), ("wrong_way", .wrongWay), ("anonymous", .anonymous),
            ("people_change", .peopleChange), ("vehicle_change", .vehicleChange),
        ]
        var pairs = used.map { ($0.rawValue, pair($0.wording)) }
        pairs += HistoryQuery.Grouping.allCases.map { ("by-\($0.rawValue)", pair($0.wording.wording)) }
        pairs += counts.map { ("count-\($0.0)", pair($0.1.wording)) }
        pairs += HolderKind.allCases.map { ("kind-\($0.name)", pair($0.wording)) }
        pairs.append(("kind-unknown", pair(HistoryWording.unknownHolder.wording)))
        pairs += Reasons.ordered.compactMap { reason in
            ReasonWording.of(reason).map { ("reason-\(reason.name)", pair($0.name)) }
        }
        return String(decoding: JSONText.object(pairs).bytes, as: UTF8.self)
    }
}

extension HistoryQuery.Grouping {
    var wording: HistoryWording {
        switch self {
        case .hour: .byHour
        case .lane: .byLane
        case .entrance: .byEntrance
        case .kind: .byKind
        case .zone: .byZone
        case .reason: .byReason
        }
    }
}
