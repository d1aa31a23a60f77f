import Admission
import Framing
import Posix
import Storage

/// What comparing the changes on one image with statements has come to, and when they may be fetched once more. Every
/// attempt waits twice as long as the one before: a fault of the collector must not make every lane fetch for ever.
struct ChainComparison {
    private(set) var disagreement: Disagreement?
    private var agreedAsOf: WallTime?
    /// The change up to which that statement was about what is in force.
    private var agreedNumber: UInt64 = 0
    /// On the monotonic clock, ns.
    private var earliestAttempt: UInt64 = 0
    private var attempts: UInt64 = 0

    /// How far what is fetched once more had come by which statement, and since when newer ones find it there.
    private var standstill: (number: UInt64, asOf: WallTime, since: UInt64?)?

    private static let firstWaitSeconds: UInt64 = 60
    private static let mostDoublings: UInt64 = 4

    mutating func found(_ agrees: Bool, _ statement: Statement, on image: CredentialImage) {
        if agrees {
            if disagreement != nil { Log.notice("changes: they are those of the collector's statement again") }
            agreedAsOf = statement.asOf
            agreedNumber = statement.changeNumber
            (disagreement, attempts, earliestAttempt) = (nil, 0, 0)
            return
        }
        if disagreement == nil {
            Log.error(
                "changes up to \(statement.changeNumber): they are not those that the collector's statement names, which "
                    + "therefore does not count; they are fetched once more. Was the collector restored from a backup?")
        }
        disagreement = Disagreement(
            imageDigest: image.headerDigest, changeNumber: statement.changeNumber, agreedAsOf: agreedAsOf)
    }

    /// On one image numbers never fall: a later statement with a lower one comes from a collector that was restored from a
    /// backup, and will give the numbers above it to other changes.
    func wentBack(_ statement: Statement) -> Bool {
        guard let agreedAsOf else { return false }
        return statement.changeNumber < agreedNumber && statement.asOf > agreedAsOf
    }

    /// That statement was dated ahead, and is not believed any more.
    mutating func forgetAgreement() {
        agreedAsOf = nil
        agreedNumber = 0
        disagreement?.agreedAsOf = nil
    }

    /// When to look again; nil while nothing is to be fetched.
    var nextAttempt: UInt64? { disagreement == nil ? nil : earliestAttempt }

    /// Whether it may begin now; then it has.
    mutating func beginsAttempt(now: UInt64) -> Bool {
        guard now >= earliestAttempt else { return false }
        earliestAttempt = now + (Self.firstWaitSeconds << min(attempts, Self.mostDoublings)) * 1_000_000_000
        attempts += 1
        standstill = nil
        return true
    }

    /// Whether what is fetched once more has come no further than `number` for so long, while statements came: then it is
    /// to be given up, and the next attempt waits. Meanwhile the uplink does not bring what is new.
    mutating func standsStill(
        at number: UInt64, _ statement: Statement, now: UInt64, milliseconds: UInt64
    ) -> Bool {
        guard let still = standstill, still.number == number else {
            standstill = (number, statement.asOf, nil)
            return false
        }
        // A lane without its collector waits on: nobody brings it what is new either.
        if still.since == nil, statement.asOf > still.asOf { standstill?.since = now }
        guard let since = standstill?.since, now - since >= milliseconds * 1_000_000 else { return false }
        standstill = nil
        earliestAttempt = max(earliestAttempt, now + Self.firstWaitSeconds * 1_000_000_000)
        return true
    }
}
