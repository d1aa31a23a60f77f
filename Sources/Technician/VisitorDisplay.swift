import Admission
import Control
import Posix
import Wording

/// `lanectl display`: what visitors read at a lane, for a screen over it. The whole terminal in the lamp's colour with
/// the words in its middle, in both languages; in a pipe, or with --json, one line whenever they change.
///
/// It only asks; the lane does not know that it is there. While nobody answers it sends people to another lane: a
/// screen must not go on saying that a gate is ready.
struct VisitorDisplay {
    /// How often the lane is asked. What it says stays for seconds.
    static let askMilliseconds = 100
    /// An answer takes a millisecond; a lane that hangs is not there for visitors.
    static let patienceMilliseconds = 1000
    /// While nobody answers.
    static let retryMilliseconds = 1000

    struct Shown: Equatable {
        var lamps: String
        var words: Bilingual

        static let noAnswer = Shown(
            lamps: LampState.outOfService.name, words: VisitorWording.text(.outOfService(.none)))
    }

    private let client: ControlClient
    private let asJSON: Bool

    init(_ location: LaneLocation, asJSON: Bool) {
        client = ControlClient(path: location.controlSocket, deadlineMilliseconds: Self.patienceMilliseconds)
        self.asJSON = asJSON
    }

    /// Until Ctrl-C or SIGTERM, or until nobody reads any more. Who may not ask is told so at once.
    func run() throws {
        let stop = try SignalWatch([.interrupt, .terminate])
        let isWhole = !asJSON && StandardOutput.isTerminal
        if isWhole { try StandardOutput.write(Self.enter) }
        defer { if isWhole { _ = try? StandardOutput.write(Self.leave) } }
        var shown: Shown?
        var shownSize = (columns: 0, rows: 0)
        while true {
            let answer = try ask()
            let now = answer ?? .noAnswer
            let size = StandardOutput.terminalSize ?? (80, 24)
            if now != shown || (isWhole && size != shownSize) {
                let text = isWhole ? Self.screen(now, columns: size.columns, rows: size.rows) : line(now)
                guard try StandardOutput.write(text) else { return }
                shown = now
                shownSize = size
            }
            let wait = answer == nil ? Self.retryMilliseconds : Self.askMilliseconds
            if try stop.descriptor.wait(for: .readable, until: SystemClock.deadline(milliseconds: wait)) { return }
        }
    }

    /// nil when nobody answers.
    private func ask() throws -> Shown? {
        do throws(ControlFailure) {
            guard case .status(let status) = try client.ask(.status), let words = status.display else {
                throw .malformed(path: client.path, problem: "it does not say what visitors read; update lanekeeperd")
            }
            return Shown(lamps: status.lamps, words: Bilingual(words.chinese, words.english))
        } catch {
            switch error {
            case .unreachable, .timedOut, .refused: return nil
            case .notPermitted, .malformed: throw error
            }
        }
    }

    private func line(_ shown: Shown) -> String {
        guard asJSON else { return shown.words.line + "\n" }
        return JSONLine.text([
            "lamps": shown.lamps, "chinese": shown.words.chinese, "english": shown.words.english,
        ]) + "\n"
    }

    // MARK: The whole terminal (ECMA-48: SGR, CUP, ED; xterm's alternate screen)

    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private static let leave = "\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l"

    static func screen(_ shown: Shown, columns: Int, rows: Int) -> String {
        let top = max(1, rows / 2 - 1)
        return "\u{1B}[\(colours(shown.lamps))m\u{1B}[2J" + centred(shown.words.chinese, row: top, columns: columns)
            + centred(shown.words.english, row: min(rows, top + 2), columns: columns)
    }

    private static func centred(_ text: String, row: Int, columns: Int) -> String {
        "\u{1B}[\(row);\(max(0, (columns - Columns.count(text)) / 2) + 1)H\(text)"
    }

    /// Bold white or black on the colour of the lamp.
    private static func colours(_ lamps: String) -> String {
        switch lamps {
        case LampState.ready.name: "1;37;44"
        case LampState.working.name: "1;30;43"
        case LampState.admitted.name, LampState.emergency.name: "1;30;42"
        case LampState.refused.name: "1;37;41"
        default: "1;37;40"
        }
    }
}
