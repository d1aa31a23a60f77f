/// Prometheus' text format, version 0.0.4.
///
///     # HELP name what it is
///     # TYPE name counter|gauge
///     name{label="value"} 7
struct MetricsText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    enum Kind: String { case counter, gauge }

    struct Sample {
        var labels: [(name: String, value: String)] = []
        /// As it is written.
        var value: String

        init(_ value: some BinaryInteger, _ labels: (name: String, value: String)...) {
            self.value = String(value)
            self.labels = labels
        }

        /// Of thousandths: an instant or a span in ms becomes seconds.
        init(milliseconds: Int64, _ labels: (name: String, value: String)...) {
            let (seconds, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
            let fraction = String(rest)
            value =
                "\(milliseconds < 0 ? "-" : "")\(seconds)."
                + String(repeating: "0", count: 3 - fraction.count) + fraction
            self.labels = labels
        }
    }

    private(set) var bytes: [UInt8] = []

    /// Nothing is written of a family without samples.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
        for sample in samples {
            bytes += name.utf8
            if !sample.labels.isEmpty {
                let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
                bytes += "{\(labels.joined(separator: ","))}".utf8
            }
            bytes += " \(sample.value)\n".utf8
        }
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
