import Admission
import Wording

/// `GET /fleet`: the document of all lanes; what stands in it comes from `/v1/fleet` (Page/fleet.js, desk.js).
struct FleetDocument {
    private let settings: CollectorSettings

    init(_ settings: CollectorSettings) { self.settings = settings }

    /// `page`: names this version of the page (`Screen.fleetTag`).
    func text(page: String) -> String {
        """
        <!doctype html>
        <html lang="zh-Hans" class="desk">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(HTML.escaped(settings.siteName.chinese)) · \(HTML.escaped(FleetWording.title.wording.line))</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/page.css">
        <link rel="stylesheet" href="/desk.css">
        <link rel="stylesheet" href="/fleet.css">
        <script src="/desk.js" defer></script>
        <script src="/fleet.js" defer></script>
        </head>
        <body class="fleet" data-page="\(HTML.escaped(page))" data-words="\(HTML.escaped(words))">
        <header>
        <h1>\(both(.title)) · \(HTML.both(settings.siteName))</h1>
        <nav><a href="/">\(HTML.both(HistoryWording.toScreen.wording))</a> <a href="/history">\(HTML.both(HistoryWording.title.wording))</a></nav>
        <p id="clock"></p>
        <p id="state" role="status">…</p>
        </header>
        <noscript><p class="alarm">\(HTML.both(ScreenWording.needsScript.wording))</p></noscript>
        <main>
        <dl id="summary">\(summary)</dl>
        <section id="site" hidden aria-labelledby="site-title"><h2 id="site-title">\(both(.wholeSite))</h2><ul id="site-troubles" class="troubles"></ul></section>
        <form id="choice" role="search">
        <label><span>\(both(.filter))</span><input type="search" name="q" maxlength="64" autocomplete="off" spellcheck="false"></label>
        <label class="tick"><input type="checkbox" name="only"><span>\(both(.onlyTrouble))</span></label>
        <p id="count" role="status"></p>
        </form>
        <table id="table" role="table">
        <caption>\(both(.lanesTable))</caption>
        <thead role="rowgroup"><tr role="row">\(columns)</tr></thead>
        </table>
        <p id="told" class="empty" hidden></p>
        </main>
        </body>
        </html>

        """
    }

    private func both(_ word: FleetWording) -> String { HTML.both(word.wording) }

    /// By the names of `summary` in `/v1/fleet`, and of the image.
    private var summary: String {
        let counts: [(String, FleetWording)] = [
            ("in_trouble", .inTrouble), ("silent", .silent), ("out_of_service", .outOfService),
            ("devices_lost", .devicesLost), ("by_order", .byOrder), ("lanes", .lanesInAll),
        ]
        let image: [(String, FleetWording)] = [("image", .imageInForce), ("change", .changeNumber)]
        return (counts + image).map { id, word in
            "<div><dt>\(both(word))</dt><dd id=\"sum-\(id)\">–</dd></div>"
        }.joined()
    }

    private var columns: String {
        let titles: [FleetWording] = [.lane, .mode, .devices, .image, .statement, .journal, .clock, .lastWord]
        return titles.map { "<th scope=\"col\" role=\"columnheader\">\(both($0))</th>" }.joined()
    }

    /// What the script writes itself, as JSON: name → [Chinese, English].
    private var words: String {
        func pair(_ text: Bilingual) -> JSONText { .array([.text(text.chinese), .text(text.english)]) }
        var pairs = FleetWording.allCases.map { ($0.rawValue, pair($0.wording)) }
        let screen: [ScreenWording] = [.live, .staleSince, .connecting]
        pairs += screen.map { ($0.rawValue, pair($0.wording)) }
        pairs += LaneMode.allCases.map { ("mode-\($0.name)", pair($0.wording)) }
        pairs += ModeCause.allCases.map { ("cause-\($0.name)", pair($0.wording)) }
        pairs += ClockTrust.allCases.map { ("clock-\($0.name)", pair($0.wording)) }
        pairs += (UInt8(0)..<32).compactMap { JournalState(rawValue: $0) }.map {
            ("journal-\($0.name)", pair($0.wording))
        }
        pairs += (UInt8(0)..<32).compactMap { Device(code: $0) }.map { ("device-\($0.name)", pair($0.wording)) }
        pairs.append(("device-\(TamperContact.cabinet.name)", pair(TamperContact.cabinet.wording)))
        return String(decoding: JSONText.object(pairs).bytes, as: UTF8.self)
    }
}
