import Admission

extension Fate {
    /// A lane of some sort, with nobody at it yet.
    init(_ dice: Dice) {
        var random = dice
        func one<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }
        let readers = one([1, 1, 2, 3])
        let kind = readers > 1 ? one([LaneKind.entry, .exit, .twoWay]) : one([LaneKind.entry, .entry, .exit])
        var configuration = makeConfiguration(
            kind, readers: readers, hasThermometer: kind != .exit && one([true, true, true, false]),
            releaseMode: one([.level, .pulse]))
        if kind == .twoWay { configuration.outwardReaders = 1 << UInt16(readers - 1) }
        configuration.passageSensor = one(
            kind == .twoWay ? [.contacts, .contacts, .beams] : [.contacts, .contacts, .beams, .loop, .absent])
        if kind == .entry && configuration.passageSensor == .loop || one([1, 2, 3, 4, 5]) == 1 {
            configuration.traffic = .vehicles
        }
        configuration.schedule = one([[], [], Self.schedule(&random)])
        configuration.secondBadge = one([.wait, .refuse])
        configuration.releaseGapMilliseconds = one([0, 100, 100])
        let without = one([WithoutThermometer.refuse, .admitMarked, .outOfService])
        if without == .outOfService && kind != .exit { configuration.hasThermometer = true }
        let isForVehicles = configuration.traffic == .vehicles
        let policy = makePolicy {
            if isForVehicles { $0.admittedKinds = KindSet([.vehicle, .staff]) }
            $0.withoutThermometer = without
            $0.whenStale = one([.refuse, .refuse, .admit])
            $0.whenClockDistrusted = one([.refuse, .refuse, .admit])
            $0.statementLimitMilliseconds = one([6 * 3_600_000, 120_000])
            $0.hours = one([.always, .always, Self.hours(&random)])
            $0.kindRules[Int(HolderKind.visitor.rawValue)].hours = one([nil, nil, .always, Self.hours(&random)])
            $0.antiPassback.action = one([.off, .off, .report, .refuse])
            $0.antiPassback.forgetMilliseconds = one([1000, 60_000, 600_000])
            $0.kindRules[Int(HolderKind.media.rawValue)].escort = one([
                nil, nil, EscortRule(kinds: KindSet([.staff, .visitor]), windowMilliseconds: 5000),
                EscortRule(kinds: KindSet([.media]), windowMilliseconds: 10_000),
            ])
            let proofs: [Company] = [.guardsButton, .secondIdentifier, [.guardsButton, .secondIdentifier]]
            $0.kindRules[Int(HolderKind.staff.rawValue)].identity = one([
                nil, nil, IdentityRule(accepts: one(proofs), windowMilliseconds: 5000),
            ])
            // Nothing is drawn for the sort of lane that seed 1879 lives (LaneRandomTests): it is to live as it did.
            let isKept = configuration.passageSensor == .absent && $0.antiPassback.action == .refuse
            if isForVehicles, !isKept, one([true, false]) {
                $0.admittedKinds = KindSet([.vehicle, .staff, .visitor])
                $0.kindRules[Int(HolderKind.vehicle.rawValue)].driver = DriverRule(
                    windowMilliseconds: one([3000, 5000, 20_000]))
            }
        }
        self.init(
            random: dice, lane: WatchedLane(configuration, policy: policy, random: dice.next), readers: readers)
        if one([true, false, false]) { lines = NoisyLines() }
    }

    /// Windows of the first hours, and daily ones that begin or end in them.
    static func hours(_ random: inout Dice) -> OpeningHours {
        let begin = noon.milliseconds
        let from = begin + Int64.random(in: -30...60, using: &random) * 60_000
        let dated = OpeningHours.Dated(
            from: WallTime(milliseconds: from),
            until: WallTime(milliseconds: from + Int64.random(in: 1...90, using: &random) * 60_000))
        let daily = OpeningHours.Daily(
            fromMilliseconds: (from + 5_400_000) % 86_400_000,
            lengthMilliseconds: Int64.random(in: 1...1440, using: &random) * 60_000)
        return OpeningHours(daily: Bool.random(using: &random) ? [daily] : [], dated: [dated])
    }

    static func schedule(_ random: inout Dice) -> [ScheduledMode] {
        (0..<Int.random(in: 1...4, using: &random)).map { _ in
            ScheduledMode(
                OrderedMode.allCases[Int.random(in: 0...3, using: &random)], hours(&random))
        }
    }
}
