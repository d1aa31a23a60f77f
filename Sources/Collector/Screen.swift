import Cryptography
import Framing
import Posix

/// The page at `/`, that of all lanes at `/fleet` (FleetDocument.swift) and that of days gone by at `/history`
/// (HistoryDocument.swift): documents, style sheets and scripts (Sources/Collector/Page), all of it from here, and the chart
/// of Debian's libjs-chart.js from where that is installed. A document holds the words and no numbers; its script gets those
/// from `/v1/live`, `/v1/fleet` or `/v1/history`.
struct Screen: Sendable {
    static let chartFile = "/usr/share/javascript/chart.js/chart.min.js"
    private static let longestChart = 4 << 20

    /// Names what is shown: a screen that runs an older page loads it anew.
    let tag: String
    /// The same of the page of all lanes.
    let fleetTag: String
    private let document: HTTPResponse
    private let style: HTTPResponse
    private let script: HTTPResponse
    private let chart: HTTPResponse
    /// Those for a desk, and what they are made of.
    private let desk: [String: HTTPResponse]

    /// Without the chart's file the page shows its numbers, and the log says what is missing.
    init(_ settings: CollectorSettings, chartFile: String = Self.chartFile) throws(CollectorFailure) {
        // Nothing but what this server sends may run, load or be sent to; nobody may frame it.
        let policy =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        let text = ScreenDocument(settings)
        let parts = [Array(text.document(page: "").utf8), PackageResources.page_css, PackageResources.page_js]
        tag = try Self.tag(parts)
        let fleet = FleetDocument(settings)
        fleetTag = try Self.tag([
            Array(fleet.text(page: "").utf8), PackageResources.page_css, PackageResources.desk_css,
            PackageResources.desk_js, PackageResources.fleet_css, PackageResources.fleet_js,
        ])
        func own(_ type: String, _ bytes: [UInt8]) -> HTTPResponse {
            HTTPResponse(200, "\(type); charset=utf-8", bytes, headers: [("Cache-Control", "no-cache")])
        }
        func page(_ text: String) -> HTTPResponse {
            var response = own("text/html", Array(text.utf8))
            response.headers.append(("Content-Security-Policy", policy))
            return response
        }
        document = page(text.document(page: tag))
        style = own("text/css", parts[1])
        script = own("text/javascript", parts[2])
        chart = Self.chart(chartFile)
        desk = [
            "/desk.css": own("text/css", PackageResources.desk_css),
            "/desk.js": own("text/javascript", PackageResources.desk_js),
            "/fleet": page(fleet.text(page: fleetTag)),
            "/fleet.css": own("text/css", PackageResources.fleet_css),
            "/fleet.js": own("text/javascript", PackageResources.fleet_js),
            "/history": page(HistoryDocument(settings).text),
            "/history.js": own("text/javascript", PackageResources.history_js),
        ]
    }

    private static func tag(_ parts: [[UInt8]]) throws(CollectorFailure) -> String {
        do throws(CryptographyFailure) {
            return String(Hexadecimal.text(try SHA256.hash(parts.flatMap { $0 })).prefix(16))
        } catch { throw CollectorFailure("name", "the page", error.reason) }
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
        default: desk[path]
        }
    }
}
