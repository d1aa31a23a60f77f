import Admission
import Control
import Framing
import Posix

/// Answers `lanectl`. Runs on the control thread; the lane's thread only copies itself and looks up what was asked.
struct ControlDesk {
    let settings: LaneSettings
    let version: String
    let startedAtMilliseconds: Int64
    let questions: Mailbox<LaneQuestion>

    /// The lane turns in well under a millisecond; this is for one that hangs in a disk.
    static let patienceMilliseconds = 2000

    func reply(_ request: ControlRequest) -> ControlReply {
        switch request {
        case .status:
            return ask(nil) { snapshot in
                .status(
                    StatusAnswer(
                        lane: settings, version: version, startedAtMilliseconds: startedAtMilliseconds
                    ).reply(snapshot))
            }
        case .explain(let question): return explain(question)
        }
    }

    private func explain(_ question: ExplainRequest) -> ControlReply {
        let type: IdentifierType? =
            switch question.type {
            case "chip": .chip
            case "code": .code
            case "epc": .epc
            default: nil
            }
        guard let type else {
            return refused("type '\(question.type.prefix(20))' is not known", "give chip, code or epc")
        }
        guard let bytes = Hexadecimal.bytes(question.identifierHex), let identifier = Identifier(type, bytes: bytes)
        else {
            return refused(
                "the identifier is not 1 to \(Identifier.longest) bytes in hexadecimal", "give its canonical bytes")
        }
        return ask(identifier) { snapshot in
            guard let presentation = snapshot.presentation else {
                return refused("the lane did not look the badge up", "ask again")
            }
            let (mode, cause) = snapshot.machine.mode
            var explanation = Explanation(
                lane: ExplainedLane(
                    id: settings.id.text, name: settings.name, servicePoint: settings.servicePoint,
                    configuration: settings.lane),
                policy: snapshot.machine.policy, credentials: snapshot.machine.credentialsInForce,
                zones: snapshot.image?.zones ?? [], mode: mode, cause: cause,
                thermometerIsLost: snapshot.machine.isLost(.thermometer))
            explanation.antiPassback = snapshot.machine.antiPassback(presentation, snapshot.moment.monotonic)
            return .explain(explanation.reply(presentation, question, now: snapshot.moment))
        }
    }

    private func ask(_ identifier: Identifier?, _ answer: (LaneSnapshot) -> ControlReply) -> ControlReply {
        guard let question = try? LaneQuestion(identifier: identifier), questions.post(question),
            let snapshot = question.wait(milliseconds: Self.patienceMilliseconds)
        else {
            return .error(
                ErrorReply(
                    code: .unavailable, message: "the lane did not answer within \(Self.patienceMilliseconds / 1000) s",
                    advice: "look at its log (journalctl -u lanekeeperd@\(settings.id.text)) and its disk"))
        }
        return answer(snapshot)
    }

    private func refused(_ message: String, _ advice: String) -> ControlReply {
        .error(ErrorReply(code: .badArgument, message: message, advice: advice))
    }
}
