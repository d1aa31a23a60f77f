import Admission
import Control
import Framing
import Posix
import Storage
import Wording

/// Makes the answer to `lanectl status` of a snapshot. Runs on the control thread.
struct StatusAnswer {
    let lane: LaneSettings
    let version: String
    let startedAtMilliseconds: Int64
    /// In `uplink/incoming`.
    var refused: [CacheReply.Refused] = []

    func reply(_ snapshot: LaneSnapshot) -> StatusReply {
        let machine = snapshot.machine
        let (mode, cause) = machine.mode
        var reply = StatusReply(
            lane: StatusReply.Lane(
                id: lane.id.text, name: lane.name, kind: machine.configuration.kind.name,
                from: machine.configuration.from.text, to: machine.configuration.to.text),
            version: version, processId: Invocation.processID, startedAtMilliseconds: startedAtMilliseconds,
            nowMilliseconds: snapshot.moment.wall.milliseconds, mode: mode.name, modeCause: cause.name,
            fireAlarm: machine.isInAlarm, lamps: machine.display.lamps.name, clock: snapshot.moment.clock.name,
            devices: devices(snapshot), credentials: credentials(snapshot),
            journal: StatusReply.Journal(
                epoch: snapshot.journal.epoch.hex, nextSequence: snapshot.journal.nextSequence,
                recordsUsed: snapshot.journal.used, recordsTotal: UInt64(lane.journalCapacityRecords),
                state: snapshot.journal.state.name, unsynced: snapshot.journal.unsynced),
            hourStartMilliseconds: machine.hourStartSeconds * 1000, hour: counters(machine.hourTotals),
            sinceStart: counters(snapshot.total),
            lastDecisions: snapshot.recent.all.map { entry in
                StatusReply.LastDecision(
                    wallMilliseconds: entry.wall.milliseconds,
                    verdict: entry.verdict == .admitted ? "admitted" : "refused",
                    reasons: Reasons.ordered.filter(entry.reasons.contains).map { "\($0.name)" })
            },
            alarms: alarms(snapshot),
            order: machine.standingOrder.map {
                StatusReply.Order(
                    mode: $0.mode.laneMode.name, minutes: $0.minutes, user: $0.user,
                    givenAtMilliseconds: $0.givenAt.milliseconds, remark: $0.remark.text)
            })
        let words = VisitorWording.text(machine.display.message, servicePoint: lane.servicePoint)
        reply.policy = machine.policy.digest.hex
        reply.display = StatusReply.Display(chinese: words.chinese, english: words.english)
        return reply
    }

    /// Of a lane whose thread hangs: what was known last, what is known all the same, and that it hangs.
    ///
    /// - Parameters:
    ///   - now: the wall clock, in ms since 1970-01-01 UTC.
    ///   - fireAlarm: as the fire thread knows it, which does not hang.
    func reply(
        _ snapshot: LaneSnapshot, hanging hang: LaneProgress.Hang, now: Int64, fireAlarm: Bool
    ) -> StatusReply {
        let asOf = snapshot.moment.wall
        var snapshot = snapshot
        snapshot.moment.wall = WallTime(milliseconds: now)
        var reply = reply(snapshot)
        if fireAlarm { (reply.mode, reply.modeCause) = (LaneMode.emergency.name, ModeCause.fire.name) }
        reply.fireAlarm = fireAlarm
        reply.alarms.insert(
            "\(hang.text(lane.stateDirectory)). What else stands here is of \(Timestamp.format(asOf.milliseconds))",
            at: 0)
        return reply
    }

    private func devices(_ snapshot: LaneSnapshot) -> [StatusReply.Device] {
        var all = snapshot.readers
        if let thermometer = snapshot.thermometer { all.append(thermometer) }
        var devices = all.map { device in
            StatusReply.Device(
                name: device.name, type: device.type, line: device.path,
                state: device.isPresent ? "present" : "lost",
                sinceMilliseconds: device.since.milliseconds,
                lastWord: device.failure
                    ?? (["\(device.frames) frames", "\(device.rejected) rejected"] + device.conditions.words)
                    .joined(separator: ", "))
        }
        devices.append(
            StatusReply.Device(
                name: "gate", type: lane.gateType, line: lane.gateLine,
                state: snapshot.machine.isLost(.gate) ? "lost" : "present",
                sinceMilliseconds: snapshot.gateSince.milliseconds,
                lastWord: snapshot.gateFailure ?? ""))
        return devices
    }

    private func credentials(_ snapshot: LaneSnapshot) -> StatusReply.Credentials {
        let inForce = snapshot.machine.credentialsInForce
        let policy = snapshot.machine.policy
        let wall = snapshot.moment.wall
        let hasImage = inForce.imageVersion != 0
        let age = Freshness.statementAge(inForce, at: wall)
        return StatusReply.Credentials(
            imageVersion: inForce.imageVersion, changeNumber: inForce.changeNumber,
            imageIssuedAtMilliseconds: inForce.imageIssuedAt.milliseconds,
            identifiers: snapshot.image?.identifiers ?? 0,
            statementAsOfMilliseconds: inForce.statementAsOf?.milliseconds,
            statementAgeMilliseconds: hasImage ? age : nil, freshness: Self.freshness(inForce, policy, at: wall).name,
            knowsDestination: snapshot.machine.configuration.to == .outside || inForce.destinationZoneBit != 0)
    }

    /// By the policy's limits; none without an image.
    static func freshness(
        _ inForce: CredentialsInForce, _ policy: AdmissionPolicy, at wall: WallTime
    ) -> LaneWord.Freshness {
        let age = Freshness.statementAge(inForce, at: wall)
        let imageAge = wall.milliseconds(since: inForce.imageIssuedAt)
        return if inForce.imageVersion == 0 {
            .none
        } else if age > policy.statementLimitMilliseconds || imageAge > policy.imageLimitMilliseconds {
            .stale
        } else if age > policy.statementWarnMilliseconds || imageAge > policy.imageWarnMilliseconds {
            .warn
        } else {
            .fresh
        }
    }

    private func counters(_ totals: LaneTotals) -> StatusReply.Counters {
        var counters = StatusReply.Counters()
        counters.presented = UInt64(totals.presented)
        counters.admitted = UInt64(totals.admitted)
        counters.refused = UInt64(totals.refused)
        counters.passed = UInt64(totals.passed)
        counters.annulled = UInt64(totals.annulled)
        counters.interrupted = UInt64(totals.interrupted)
        counters.tailgating = UInt64(totals.tailgating)
        counters.forced = UInt64(totals.forced)
        counters.wrongWay = UInt64(totals.wrongWay)
        counters.anonymousForward = UInt64(totals.anonymousForward)
        counters.anonymousBackward = UInt64(totals.anonymousBackward)
        counters.byHand = UInt64(totals.byHand)
        return counters
    }

    /// What is wrong and what to do, worst first.
    private func alarms(_ snapshot: LaneSnapshot) -> [String] {
        var alarms: [String] = []
        let machine = snapshot.machine
        if machine.isInAlarm {
            alarms.append(
                snapshot.fireFailure.map { "fire alarm: the loop cannot be read: \($0)" }
                    ?? "fire alarm: the fire loop is open")
        }
        if let failure = snapshot.gateFailure { alarms.append("gate: \(failure)") }
        if machine.isTampered(.cabinet) {
            alarms.append("cabinet: tampered with: it is open; go and look")
        }
        for device in snapshot.readers + (snapshot.thermometer.map { [$0] } ?? []) {
            if let failure = device.failure { alarms.append("\(device.name): \(failure)") }
            alarms += device.conditions.alarms.map { "\(device.name): \($0)" }
        }
        if machine.hasJournalFault {
            alarms.append("journal: \(snapshot.journal.faults.text ?? "a record could not be written"); check the disk")
        }
        if let why = snapshot.journal.absence {
            alarms.append("NO JOURNAL: \(why); what happens is counted and not recorded until it can be opened")
        }
        if let text = snapshot.journal.faults.text, !machine.hasJournalFault { alarms.append("journal: \(text)") }
        if machine.journalRoom != .roomy, snapshot.journal.absence == nil {
            alarms.append("journal is \(machine.journalRoom.name): the uplink does not deliver; check the network")
        }
        if machine.credentialsInForce.imageVersion == 0 {
            alarms.append("no credential image: start lanekeeper-uplink, or copy an image into uplink/incoming")
        } else if machine.configuration.to != .outside && machine.credentialsInForce.destinationZoneBit == 0 {
            alarms.append(
                "no badge has the zone \(machine.configuration.to.text): check lane.to against the feed's zones")
        }
        if let number = snapshot.cache?.differsAt {
            alarms.append(
                "the changes up to \(number) are not those that the collector's statement names, which therefore does not "
                    + "count; they are fetched once more. If this stays, import a feed: the next image takes all in")
        }
        if machine.forgetsPassagesEarly(at: snapshot.moment.monotonic) {
            alarms.append(
                "anti-passback: more than 2048 people passed within its time; the oldest passages are forgotten early")
        }
        alarms += KnowledgeAlarms.texts(machine, insideAsOf: snapshot.presenceAsOf, at: snapshot.moment.wall)
        // The others lie there until they are replaced, and what is in force is as good as before.
        let dated = ["statement", "presence"]
        alarms += refused.filter { dated.contains($0.file) }.map {
            "uplink/incoming/\($0.file) is refused: \($0.reason); look at lanectl cache info and the collector"
        }
        if snapshot.moment.clock != .trusted {
            alarms.append(
                "wall clock not trusted (\(snapshot.moment.clock.name)): check time synchronisation (chronyc, timedatectl)"
            )
        }
        let age = Freshness.statementAge(machine.credentialsInForce, at: snapshot.moment.wall)
        if machine.credentialsInForce.imageVersion != 0 && age > machine.policy.statementWarnMilliseconds {
            alarms.append("the last statement is \(age / 1000) s old: the uplink does not deliver; check the network")
        }
        return alarms
    }
}

extension JournalFaults {
    fileprivate var text: String? {
        let all = [sync?.description, room?.description, cursor].compactMap { $0 }
        return all.isEmpty ? nil : all.joined(separator: "; ")
    }
}
