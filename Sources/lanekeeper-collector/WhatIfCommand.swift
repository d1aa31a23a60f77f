import Collector
import CommandLine
import Posix

/// `whatif`: the table, and the list of those whose outcome changes.
struct WhatIfCommand {
    /// The list for people goes no farther; `--csv` gives all.
    static let mostLines = 100

    let program: Program
    let settings: CollectorSettings
    let policy: String
    let then: String?
    let day: String
    let isCSV: Bool

    func run() {
        do {
            if isCSV {
                try say(WhatIf.Change.csvHead)
                let found = try WhatIf(settings, policy: policy, then: then, day: day) { try say($0.csv) }
                _ = try? StandardOutput.writeError(found.text)
                return
            }
            var lines: [String] = []
            let found = try WhatIf(settings, policy: policy, then: then, day: day) {
                if lines.count < Self.mostLines { lines.append($0.line) }
            }
            var text = found.text
            if !lines.isEmpty { text += "\nROW  AT  LANE  HOLDER  KIND  BEFORE → AFTER\n\(lines.joined())" }
            if found.changed > lines.count { text += "and \(found.changed - lines.count) more: --csv gives all\n" }
            try say(text)
        } catch let failure as SystemFailure {
            program.fail(failure.description, .inputOutput)
        } catch { program.fail("\(error)") }
    }

    private func say(_ text: String) throws {
        // Whoever reads has seen enough.
        if try !StandardOutput.write(text) { Exit.now(.success) }
    }
}
