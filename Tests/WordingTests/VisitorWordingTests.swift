import Admission
import Testing

@testable import Wording

@Suite("What visitors read")
struct VisitorWordingTests {
    static let messages: [LaneMessage] =
        [
            .presentBadge, .holdStill, .measureAgain, .admitted, .emergency, .walkThrough, .heldOpen, .locked,
            .maintenance,
        ]
        + Reasons.ordered.map { .refused($0) } + ModeCause.allCases.map { .outOfService($0) } + [.refused([])]

    @Test("every message has both languages and fits its line", arguments: messages, ["N2", nil])
    func complete(message: LaneMessage, servicePoint: String?) {
        let text = VisitorWording.text(message, servicePoint: servicePoint)
        #expect(isChinese(text.chinese))
        #expect(isEnglish(text.english))
        #expect(Columns.count(text.chinese) <= VisitorWording.widestColumns, "\(text.chinese)")
        #expect(Columns.count(text.english) <= VisitorWording.widestColumns, "\(text.english)")
    }

    @Test("every reason has one row, and every row is a reason that is told")
    func table() {
        #expect(ReasonWording.table.map(\.reason.rawValue) == Reasons.ordered.map(\.rawValue).sorted())
        for row in ReasonWording.table {
            #expect(isChinese(row.name.chinese), "\(row.reason.name)")
            #expect(isEnglish(row.name.english), "\(row.reason.name)")
        }
        #expect(ReasonWording.of([.codeRed, .testExpired]) == nil)
    }

    @Test(
        "a refusal says what to do, the desk before all else",
        arguments: [
            (.testExpired, "请到N2服务台：核酸检测", "Go to desk N2: test"),
            ([.testMissing, .testInFuture], "请到N2服务台：核酸检测", "Go to desk N2: test"),
            ([.testExpired, .codeTooOld], "请到N2服务台：核酸检测、健康码", "Go to desk N2: test, health code"),
            ([.testMissing, .vaccineIncomplete], "请到N2服务台：核酸检测、疫苗", "Go to desk N2: test, vaccine"),
            ([.temperatureMissing, .notActivated], "请到N2服务台：证件激活", "Go to desk N2: activation"),
            ([.temperatureMissing, .laneBusy], "请对准测温仪，再刷一次证件", "Face the thermometer, try again"),
            ([.temperatureMissing, .clockNotTrusted], "请走其他通道", "Please use another lane"),
            (.kindNotAdmitted, "请走其他通道", "Please use another lane"),
        ] as [(Reasons, String, String)])
    func refusal(reasons: Reasons, chinese: String, english: String) {
        #expect(VisitorWording.refusal(reasons, servicePoint: "N2") == Bilingual(chinese, english))
    }

    @Test(
        "what is nobody else's business only sends to the desk",
        arguments: [Reasons.codeRed, .codeYellow, .testPositive, .temperatureHigh, .suspended, .revoked, .conflict])
    func discreet(reason: Reasons) {
        let quiet = Bilingual("请到N2服务台", "Please go to desk N2")
        #expect(VisitorWording.refusal(reason, servicePoint: "N2") == quiet)
        // Not even by its absence: beside another reason it changes nothing.
        #expect(
            VisitorWording.refusal([reason, .testExpired], servicePoint: "N2")
                == VisitorWording.refusal(.testExpired, servicePoint: "N2"))
    }

    @Test("topics that do not fit are left out, the first is told all the same")
    func narrow() {
        let all = VisitorWording.refusal(
            [.testMissing, .codeUnknown, .notActivated, .vaccineNotRecorded], servicePoint: "N2")
        #expect(all.english == "Go to desk N2: test, health code")
        #expect(all.chinese == "请到N2服务台：核酸检测、健康码")
        let long = VisitorWording.refusal(.testMissing, servicePoint: "北登录厅二楼东侧")
        #expect(long.chinese == "请到北登录厅二楼东侧服务台：核酸检测")
    }

    @Test("a kind's Chinese name is the one on the badge")
    func kinds() {
        let names = HolderKind.allCases.map { $0.wording.chinese }
        #expect(names == ["特邀嘉宾证", "参展证", "观展证", "媒体证", "工作人员证", "安保证", "车辆证"])
    }

    @Test("every name of a mode, cause, lamp, clock, journal, key and state has both languages")
    func names() {
        var names: [Bilingual] = HolderKind.allCases.map(\.wording) + Key.allCases.map(\.wording)
        names += LaneMode.allCases.map(\.wording) + ModeCause.allCases.map(\.wording)
        names += ClockTrust.allCases.map(\.wording)
        names += (0...6).compactMap { LampState(rawValue: $0)?.wording }
        names += (0...4).compactMap { JournalState(rawValue: $0)?.wording }
        names += [Verdict.admitted.wording, Verdict.refused.wording]
        names += VaccineState.allCases.map(\.wording) + HealthCode.allCases.map(\.wording)
        names += TestResult.allCases.map(\.wording) + Activation.allCases.map(\.wording)
        for name in names {
            #expect(isChinese(name.chinese), "\(name.line)")
            #expect(isEnglish(name.english), "\(name.line)")
        }
        #expect(Set(names.map(\.chinese)).count > 30)
    }

    @Test("the four keys' reasons are told apart and cover all key bits")
    func keys() {
        var seen: Reasons = []
        for key in Key.allCases {
            #expect(seen.isDisjoint(with: key.reasons))
            seen.formUnion(key.reasons)
        }
        #expect(KeySet(Key.allCases.map(\.member)) == .all)
    }

    @Test(
        "columns count Chinese twice",
        arguments: [("", 0), ("N2", 2), ("北登录厅-07", 11), ("：", 2), ("°C", 2), ("e\u{301}", 1)])
    func columns(text: String, width: Int) {
        #expect(Columns.count(text) == width)
        #expect(Columns.count(Columns.padded(text, to: 12)) == 12)
    }
}

func isChinese(_ text: String) -> Bool {
    text.unicodeScalars.contains { (0x4E00...0x9FFF).contains($0.value) }
}

/// At least a word of ASCII letters and no Chinese.
func isEnglish(_ text: String) -> Bool {
    text.unicodeScalars.contains { $0.isASCII && $0.properties.isAlphabetic } && !isChinese(text)
}
