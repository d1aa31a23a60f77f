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
    let orders: Mailbox<LaneOrder>
    let reload: PolicyReload
    let tap: FrameTap

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
        case .reloadConfiguration: return reloadConfiguration()
        case .forgetPassages(let badge): return forgetPassages(badge)
        case .tap(let request):
            tap.want()
            // Who begins is answered when the lane listens: what comes after that is not missed.
            if request.after == nil { return ask(nil) { _ in .tap(tap.frames(after: nil)) } }
            return .tap(tap.frames(after: request.after))
        }
    }

    private func reloadConfiguration() -> ControlReply {
        do {
            let outcome = try reload.reload()
            return .reloaded(
                ReloadReply(policy: outcome.digest.hex, isNew: outcome.isNew, needRestart: outcome.needRestart))
        } catch PolicyReload.Failure.laneBusy {
            return .error(ErrorReply(code: .unavailable, message: "\(PolicyReload.Failure.laneBusy)", advice: ""))
        } catch {
            return .error(
                ErrorReply(
                    code: .badConfiguration, message: "\(error)",
                    advice: "the policy in force stays; correct this and ask again"))
        }
    }

    private func forgetPassages(_ badge: BadgeRequest?) -> ControlReply {
        guard let badge else { return forgetPassages(of: .nobody) }
        let identifier: Identifier
        do { identifier = try self.identifier(badge.type, badge.identifierHex) } catch { return .error(error) }
        return ask(identifier) { snapshot in
            guard let holder = snapshot.presentation?.credential?.holder else {
                return refused("nobody has this badge in the image in force", "look with lanectl explain")
            }
            return forgetPassages(of: holder)
        }
    }

    private func forgetPassages(of holder: HolderNumber) -> ControlReply {
        orders.carryOut(.give(.forgetPassages(holder))) ? .done : .error(silence)
    }

    private func identifier(_ typeName: String, _ hexadecimal: String) throws(ErrorReply) -> Identifier {
        let type: IdentifierType? =
            switch typeName {
            case "chip": .chip
            case "code": .code
            case "epc": .epc
            default: nil
            }
        guard let type else {
            throw ErrorReply(
                code: .badArgument, message: "type '\(typeName.prefix(20))' is not known",
                advice: "give chip, code or epc")
        }
        guard let bytes = Hexadecimal.bytes(hexadecimal), let identifier = Identifier(type, bytes: bytes) else {
            throw ErrorReply(
                code: .badArgument, message: "the identifier is not 1 to \(Identifier.longest) bytes in hexadecimal",
                advice: "give its canonical bytes")
        }
        return identifier
    }

    private func explain(_ question: ExplainRequest) -> ControlReply {
        let identifier: Identifier
        do { identifier = try self.identifier(question.type, question.identifierHex) } catch { return .error(error) }
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
            return .error(silence)
        }
        return answer(snapshot)
    }

    private var silence: ErrorReply {
        ErrorReply(
            code: .unavailable, message: "the lane did not answer within \(Self.patienceMilliseconds / 1000) s",
            advice: "look at its log (journalctl -u lanekeeperd@\(settings.id.text)) and its disk")
    }

    private func refused(_ message: String, _ advice: String) -> ControlReply {
        .error(ErrorReply(code: .badArgument, message: message, advice: advice))
    }
}
