import Cryptography
import Framing
import Posix

/// The page of days gone by at `/history` (HistoryDocument.swift), and the page at `/`: one document, one style sheet, one script (Sources/Collector/Page), all of it from here, and the chart
/// of Debian's libjs-chart.js from where that is installed. The document holds the words and no numbers; the script gets
/// those from `/v1/live`.
struct Screen: Sendable {
    static let chartFile = "/usr/share/javascript/chart.js/chart.min.js"
    private static let longestChart = 4 << 20

    /// Names what is shown: a screen that runs an older page loads it anew.
    let tag: String
    private let document: HTTPResponse
    private let style: HTTPResponse
    private let script: HTTPResponse
    private let chart: HTTPResponse
    /// Of days gone by.
    private let history: [String: HTTPResponse]

    /// Without the chart's file the page shows its numbers, and the log says what is missing.
    init(_ settings: CollectorSettings, chartFile: String = Self.chartFile) throws(CollectorFailure) {
        // Nothing but what this server sends may run, load or be sent to; nobody may frame it.
        let policy =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        let text = ScreenDocument(settings)
        let parts = [Array(text.document(page: "").utf8), PackageResources.page_css, PackageResources.page_js]
        do throws(CryptographyFailure) {
            tag = String(Hexadecimal.text(try SHA256.hash(parts.flatMap { $0 })).prefix(16))
        } catch { throw CollectorFailure("name", "the page", error.reason) }
        document = HTTPResponse(
            200, "text/html; charset=utf-8", Array(text.document(page: tag).utf8),
            headers: [("Content-Security-Policy", policy), ("Cache-Control", "no-cache")])
        style = HTTPResponse(200, "text/css; charset=utf-8", parts[1], headers: [("Cache-Control", "no-cache")])
        script = HTTPResponse(200, "text/javascript; charset=utf-8", parts[2], headers: [("Cache-Control", "no-cache")])
        chart = Self.chart(chartFile)
        history = [
            "/history": HTTPResponse(
                200, "text/html; charset=utf-8", Array(HistoryDocument(settings).text.utf8),
                headers: [("Content-Security-Policy", policy), ("Cache-Control", "no-cache")]),
            "/history.css": HTTPResponse(
                200, "text/css; charset=utf-8", PackageResources.history_css, headers: [("Cache-Control", "no-cache")]),
            "/history.js": HTTPResponse(
                200, "text/javascript; charset=utf-8", PackageResources.history_js,
                headers: [("Cache-Control", "no-cache")]),
        ]
    }

    private static func chart(_ file: String) -> HTTPResponse {
        do throws(SystemFailure) {
            return HTTPResponse(
                200, "text/javascript; charset=utf-8", try FileSystem.read(file, limit: longestChart),
                headers: [("Cache-Control", "public, max-age=86400")])
        } catch {
            let advice = "install Debian's libjs-chart.js and start the collector again"
            Log.warning("the page has no chart: \(error.description); \(advice)")
            return .error(404, "the chart is not installed", advice: advice)
        }
    }

    func answer(_ path: String) -> HTTPResponse? {
        switch path {
        case "/": document
        case "/page.css": style
        case "/page.js": script
        case "/chart.js": chart
        default: history[path]
        }
    }
}
