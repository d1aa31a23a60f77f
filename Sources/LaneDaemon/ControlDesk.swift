import Admission
import Control
import Framing
import Posix
import Storage
import Wording

/// Answers `lanectl`. Runs on the control thread; the lane's thread only copies itself and looks up what was asked.
struct ControlDesk {
    let settings: LaneSettings
    let version: String
    let startedAtMilliseconds: Int64
    let questions: Mailbox<LaneQuestion>
    let orders: Mailbox<LaneOrder>
    let orderKeeper: OrderKeeper
    let reload: RulesReload
    let tap: FrameTap
    let progress: LaneProgress
    let fire: FireThread
    let refused: RefusedFiles

    /// The lane turns in well under a millisecond; this is for one that hangs in a disk.
    static let patienceMilliseconds = 2000

    /// - Parameter user: who asks, and may ask this.
    func reply(_ request: ControlRequest, user: UInt32) -> ControlReply {
        switch request {
        case .status: return status()
        case .explain(let question): return explain(question)
        case .reloadConfiguration: return reloadConfiguration()
        case .forgetPassages(let badge): return forgetPassages(badge)
        case .mode(let order): return self.order(order, user)
        case .gateTest(let test): return move(test, user)
        case .cache: return ask(nil) { .cache(CacheAnswer.info($0, refused: refused.all)) }
        case .cacheLookup(let badge):
            let identifier: Identifier
            do { identifier = try self.identifier(badge.type, badge.identifierHex) } catch { return .error(error) }
            return ask(identifier) { .cacheLookup(CacheAnswer.lookup($0, type: badge.type)) }
        case .confirmClock: return act(TechnicianAct(.confirmedClock, user: user)) { done($0) }
        case .tap(let request):
            tap.want()
            // Who begins is answered when the lane listens: what comes after that is not missed.
            if request.after == nil { return ask(nil) { _ in .tap(tap.frames(after: nil)) } }
            return .tap(tap.frames(after: request.after))
        }
    }

    /// A lane that hangs is told as that, with what was known of it last.
    private func status() -> ControlReply {
        let answer = StatusAnswer(
            lane: settings, version: version, startedAtMilliseconds: startedAtMilliseconds, refused: refused.all)
        let reply = ask(nil) { .status(answer.reply($0)) }
        guard case .error = reply, let hang = progress.hang(), let snapshot = progress.snapshot else { return reply }
        return .status(
            answer.reply(
                snapshot, hanging: hang, now: SystemClock.wallMilliseconds(),
                fireAlarm: fire.isAlarm.load(ordering: .acquiring)))
    }

    private func reloadConfiguration() -> ControlReply {
        do {
            let outcome = try reload.reload()
            return .reloaded(
                ReloadReply(
                    policy: outcome.digest.hex, isNew: outcome.isNew, isScheduleNew: outcome.isScheduleNew,
                    needRestart: outcome.needRestart))
        } catch let failure as RulesReload.Failure where failure.passes {
            return .error(
                ErrorReply(code: .unavailable, message: "\(failure)", advice: "look at lanectl status, then ask again"))
        } catch {
            return .error(
                ErrorReply(
                    code: .badConfiguration, message: "\(error)",
                    advice: "the rules in force stay; correct this and ask again"))
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
        orders.carryOut(.give(.forgetPassages(holder)))
            ? .done : .error(silence("what you ordered may still be carried out then"))
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
            let (machine, now) = (snapshot.machine, snapshot.moment)
            let instant = question.atMilliseconds.map { WallTime(milliseconds: $0) }
            let (mode, cause) = instant.map { machine.laneMode(at: $0, now: now) } ?? machine.mode
            var explanation = Explanation(
                lane: ExplainedLane(
                    id: settings.id.text, name: settings.name, servicePoint: settings.servicePoint,
                    configuration: settings.lane),
                policy: machine.policy, credentials: machine.credentialsInForce, zones: snapshot.image?.zones ?? [],
                mode: mode, cause: cause, thermometerIsLost: machine.isLost(.thermometer))
            if instant != nil { explanation.modeNow = machine.mode.mode }
            // By then the lane may have forgotten who passed.
            let later = max(0, instant?.milliseconds(since: now.wall) ?? 0)
            // What is known now is older by then, and says nothing of an instant before.
            let then = Moment(
                monotonic: now.monotonic.advanced(byMilliseconds: later), wall: instant ?? now.wall, clock: now.clock)
            explanation.antiPassback = machine.antiPassback(presentation, then)
            explanation.occupancy = machine.occupancy(presentation, then)
            return .explain(explanation.reply(presentation, question, now: now))
        }
    }

    private func ask(
        _ identifier: Identifier?, _ act: TechnicianAct? = nil, _ answer: (LaneSnapshot) -> ControlReply
    ) -> ControlReply {
        let undone = act == nil ? "" : "nothing was ordered; give it again then"
        // Not even asked: it would find the questions of everybody who looked at it meanwhile.
        guard progress.hang() == nil, let question = try? LaneQuestion(identifier: identifier, act: act),
            questions.post(question)
        else { return .error(silence(undone)) }
        guard let snapshot = question.wait(milliseconds: Self.patienceMilliseconds) else {
            let isDoubtful = act != nil && !question.isGivenUp
            return .error(silence(isDoubtful ? "what you ordered may still be carried out then" : undone))
        }
        return answer(snapshot)
    }

    /// - Parameter consequence: for what was asked.
    private func silence(_ consequence: String) -> ErrorReply {
        let advice = "look at its log (journalctl -u lanekeeperd@\(settings.id.text)) and its disk"
        return ErrorReply(
            code: .unavailable,
            message: progress.hang()?.text(settings.stateDirectory)
                ?? "the lane did not answer within \(Self.patienceMilliseconds / 1000) s",
            advice: consequence.isEmpty ? advice : "\(consequence); \(advice)")
    }

    // MARK: Commands

    private func act(_ act: TechnicianAct, _ answer: (LaneSnapshot) -> ControlReply) -> ControlReply {
        ask(nil, act, answer)
    }

    private func order(_ order: ModeRequest, _ user: UInt32) -> ControlReply {
        guard let mode = OrderedMode.allCases.first(where: { $0.laneMode.name == order.mode }) else {
            return refused(
                "mode '\(order.mode.prefix(20))' is not one that can be ordered",
                "give \(OrderedMode.allCases.map(\.laneMode.name).joined(separator: ", "))")
        }
        guard (1...ControlProtocol.mostMinutes).contains(order.minutes ?? 1) else {
            return refused("\(order.minutes ?? 0) minutes", "give 1 to \(ControlProtocol.mostMinutes), or none")
        }
        let what = TechnicianAct.What.ordered(mode, minutes: UInt32(order.minutes ?? 0))
        return act(TechnicianAct(what, user: user, remark: Remark(order.reason ?? ""))) { snapshot in
            var notes: [String] = []
            if snapshot.machine.mode.mode != mode.laneMode, snapshot.machine.standingOrder != nil {
                notes.append("\(order.mode) holds as soon as that is over")
            }
            if let fault = orderKeeper.keep(snapshot.machine.standingOrder) {
                notes.append("this is in force now, but a restart of the daemon forgets it: \(fault)")
            }
            return done(snapshot, notes)
        }
    }

    private func move(_ test: GateTestRequest, _ user: UInt32) -> ControlReply {
        guard let what = GateTest.allCases.first(where: { $0.name == test.output }) else {
            return refused(
                "the gate has no '\(test.output.prefix(20))' that can be moved",
                "give \(GateTest.allCases.map(\.name).joined(separator: ", "))")
        }
        return act(TechnicianAct(.tested(what), user: user)) { snapshot in
            guard snapshot.machine.testing == what else {
                return .error(
                    ErrorReply(
                        code: .notNow,
                        message: snapshot.machine.hasRelease
                            ? "somebody may still walk through" : "the lane is \(snapshot.machine.mode.mode.name)",
                        advice: snapshot.machine.mode.mode == .maintenance
                            ? "try again in some seconds" : "order it first: lanectl mode maintenance --for 30"))
            }
            return done(snapshot)
        }
    }

    private func done(_ snapshot: LaneSnapshot, _ notes: [String] = []) -> ControlReply {
        let (mode, cause) = snapshot.machine.mode
        return .commanded(
            CommandReply(mode: mode.name, modeCause: cause.name, clock: snapshot.moment.clock.name, notes: notes))
    }

    private func refused(_ message: String, _ advice: String) -> ControlReply {
        .error(ErrorReply(code: .badArgument, message: message, advice: advice))
    }
}
