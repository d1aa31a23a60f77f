import Admission
import Wording

/// The page at `/`: one document, one style sheet, one script, all of it from here. The document holds the words and no
/// numbers; the script fetches `/v1/tallies` every second.
struct Screen: Sendable {
    private let document: HTTPResponse
    private let style: HTTPResponse
    private let script: HTTPResponse

    init(_ settings: CollectorSettings) {
        // Nothing but what this server sends may run, load or be sent to; nobody may frame it.
        let policy =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        document = HTTPResponse(
            200, "text/html; charset=utf-8", Array(ScreenDocument(settings).text.utf8),
            headers: [("Content-Security-Policy", policy), ("Cache-Control", "no-cache")])
        style = HTTPResponse(
            200, "text/css; charset=utf-8", Array(ScreenStyle.text.utf8), headers: [("Cache-Control", "no-cache")])
        script = HTTPResponse(
            200, "text/javascript; charset=utf-8", Array(ScreenScript.text.utf8),
            headers: [("Cache-Control", "no-cache")])
    }

    func answer(_ path: String) -> HTTPResponse? {
        switch path {
        case "/": document
        case "/page.css": style
        case "/page.js": script
        default: nil
        }
    }
}
