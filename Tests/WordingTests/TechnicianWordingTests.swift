import Admission
import Testing

@testable import Wording

private let hour: Int64 = 3_600_000
private let minute: Int64 = 60_000
/// An instant for the tests; its value means nothing.
private let now = WallTime(milliseconds: 1_800_000_000_000)

private func seconds(before milliseconds: Int64) -> UInt32 {
    UInt32(truncatingIfNeeded: WallTime(milliseconds: now.milliseconds - milliseconds).seconds)
}

private func makeCredential(
    vaccine: VaccineState = .full, code: HealthCode = .green, assessed: Int64? = hour, test: TestResult = .negative,
    sampled: Int64? = hour, from: Int64? = nil, until: Int64? = nil
) -> Credential {
    Credential(
        holder: HolderNumber(7), kind: .visitor, vaccine: vaccine, healthCode: code,
        assessedAtSeconds: assessed.map { seconds(before: $0) } ?? 0, test: test,
        sampledAtSeconds: sampled.map { seconds(before: $0) } ?? 0, activation: .activated, zones: 1,
        validFromSeconds: from.map { Int64(seconds(before: $0)) },
        validUntilSeconds: until.map { Int64(seconds(before: $0)) })
}

private func makeCircumstances(
    _ credential: Credential? = makeCredential(), temperature: TemperatureFinding? = nil, offset: Int32 = 0,
    statement: Int64? = minute, image: Int64 = hour, clock: ClockTrust = .trusted, policy: AdmissionPolicy? = .init(),
    zoneBit: UInt64 = 1
) -> Circumstances {
    Circumstances(
        credential: credential,
        credentials: CredentialsInForce(
            imageVersion: 12, changeNumber: 0, imageIssuedAt: WallTime(milliseconds: now.milliseconds - image),
            statementAsOf: statement.map { WallTime(milliseconds: now.milliseconds - $0) }, destinationZoneBit: zoneBit),
        policy: policy, temperature: temperature, temperatureOffsetCentidegrees: offset,
        temperatureLimitCentidegrees: 3730, clock: clock, instant: now, destination: "north-ring")
}

@Suite("What technicians read")
struct TechnicianWordingTests {
    static let figures: [(Reasons, Circumstances, String)] = [
        (
            .vaccineIncomplete, makeCircumstances(makeCredential(vaccine: .partial)),
            "vaccination incomplete (partial); the full course is needed"
        ),
        (
            .vaccineNotRecorded, makeCircumstances(makeCredential(vaccine: .none)),
            "no vaccination recorded (none); the full course is needed"
        ),
        (.codeYellow, makeCircumstances(makeCredential(code: .yellow)), "health code is yellow, assessed 1 h ago"),
        (
            .codeRed, makeCircumstances(makeCredential(code: .red, assessed: 90 * minute)),
            "health code is red, assessed 1 h 30 min ago"
        ),
        (
            .codeTooOld, makeCircumstances(makeCredential(assessed: 25 * hour)),
            "health code assessed 25 h ago, limit 24 h"
        ),
        (.codeTooOld, makeCircumstances(makeCredential(assessed: nil)), "health code green but never assessed"),
        (.codeUnknown, makeCircumstances(makeCredential(code: .unknown)), "health code unknown"),
        (
            .codeInFuture, makeCircumstances(makeCredential(assessed: -10 * minute)),
            "health code assessed 10 min in the future"
        ),
        (.testPositive, makeCircumstances(makeCredential(test: .positive)), "test positive, sampled 1 h ago"),
        (
            .testExpired, makeCircumstances(makeCredential(sampled: 51 * hour + 12 * minute)),
            "test sampled 51 h 12 min ago, limit 48 h"
        ),
        (
            .testExpired, makeCircumstances(makeCredential(sampled: 48 * hour + 1000)),
            "test sampled 48 h 0 min 1 s ago, limit 48 h"
        ),
        (.testMissing, makeCircumstances(makeCredential(test: .none)), "no test recorded (none)"),
        (.testMissing, makeCircumstances(makeCredential(sampled: nil)), "test negative but without a sample time"),
        (
            .testInFuture, makeCircumstances(makeCredential(sampled: -(2 * hour + 3 * minute))),
            "sample dated 2 h 3 min in the future"
        ),
        (.notYetValid, makeCircumstances(makeCredential(from: -3 * hour)), "badge becomes valid in 3 h"),
        (.noLongerValid, makeCircumstances(makeCredential(until: 124 * hour)), "badge was valid until 5 d 4 h ago"),
        (.zoneNotGranted, makeCircumstances(), "zone north-ring not granted to this badge"),
        (
            .zoneNotGranted, makeCircumstances(zoneBit: 0),
            "zone north-ring is not known to the image, so nobody is granted it"
        ),
        (.kindNotAdmitted, makeCircumstances(), "kind visitor is not admitted at this lane"),
        (
            .temperatureHigh,
            makeCircumstances(
                temperature: .init(outcome: .measured, sampleCount: 5, medianCentidegrees: 3710), offset: 50),
            "temperature 37.6 °C with offset +0.5 °C, limit 37.3 °C"
        ),
        (
            .temperatureHigh,
            makeCircumstances(temperature: .init(outcome: .measured, sampleCount: 5, medianCentidegrees: 3730)),
            "temperature 37.3 °C, limit 37.3 °C"
        ),
        (
            .temperatureMissing, makeCircumstances(temperature: .init(outcome: .missing, sampleCount: 2)),
            "no temperature measured: 2 plausible samples, 3 are needed"
        ),
        (
            .temperatureAmbiguous, makeCircumstances(temperature: .init(outcome: .ambiguous, sampleCount: 6)),
            "temperature readings differ by more than 0.8 °C among 6 samples"
        ),
        (.statementTooOld, makeCircumstances(statement: 7 * hour, image: 8 * hour), "statement 7 h old, limit 6 h"),
        (
            .statementTooOld, makeCircumstances(statement: nil, image: 7 * hour),
            "no statement yet, image 7 h old, limit 6 h"
        ),
        (.imageTooOld, makeCircumstances(image: 30 * hour), "image 12 30 h old, limit 26 h"),
        (.clockNotTrusted, makeCircumstances(clock: .stepped), "clock not trusted: it jumped"),
        (.testExpired, makeCircumstances(makeCredential(sampled: 50 * hour), policy: nil), "test sampled 50 h ago"),
    ]

    @Test("each reason with its figures", arguments: figures.indices)
    func figure(index: Int) {
        let (reason, circumstances, text) = Self.figures[index]
        #expect(TechnicianWording.text(reason, circumstances) == text)
    }

    @Test("every reason has a text, with and without what a record leaves out", arguments: Reasons.ordered)
    func complete(reason: Reasons) {
        for circumstances in [makeCircumstances(), makeCircumstances(nil, policy: nil)] {
            #expect(!TechnicianWording.text(reason, circumstances).isEmpty)
        }
    }

    @Test("several reasons come in the order of telling")
    func order() {
        let credential = makeCredential(vaccine: .none, code: .red, sampled: 60 * hour)
        let texts = TechnicianWording.texts(
            [.codeRed, .vaccineNotRecorded, .testExpired], makeCircumstances(credential))
        #expect(
            texts == [
                "test sampled 60 h ago, limit 48 h", "no vaccination recorded (none); the full course is needed",
                "health code is red, assessed 1 h ago",
            ])
    }

    @Test(
        "durations",
        arguments: [
            (0, "0 ms"), (430, "430 ms"), (12_999, "12 s"), (303_000, "5 min 3 s"), (48 * hour, "48 h"),
            (99 * hour + 59 * minute + 59_999, "99 h 59 min"), (148 * hour, "6 d 4 h"), (-2 * hour, "2 h"),
            (Int64.min, "106751991167 d 7 h"),
        ] as [(Int64, String)])
    func durations(milliseconds: Int64, text: String) {
        #expect(Figures.duration(milliseconds: milliseconds) == text)
    }

    @Test("a duration beyond its limit never reads as the limit", arguments: [1, 999, 1000, 59_999, 60_000] as [Int64])
    func besideLimit(beyond: Int64) {
        let text = Figures.duration(milliseconds: 48 * hour + beyond, besideLimit: 48 * hour)
        #expect(text != Figures.duration(milliseconds: 48 * hour))
        #expect(Figures.duration(milliseconds: 48 * hour, besideLimit: 48 * hour) == "48 h")
    }

    @Test(
        "temperatures",
        arguments: [(3730, "37.3 °C"), (3765, "37.65 °C"), (3705, "37.05 °C"), (-50, "-0.5 °C"), (0, "0.0 °C")]
            as [(Int32, String)])
    func temperatures(centidegrees: Int32, text: String) {
        #expect(Figures.temperature(centidegrees: centidegrees) == text)
    }
}
