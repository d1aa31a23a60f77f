import Admission
import Testing

@testable import Wording

@Suite("What the page of all lanes says")
struct FleetWordingTests {
    @Test("every text stands in both languages", arguments: FleetWording.allCases)
    func texts(word: FleetWording) {
        #expect(isChinese(word.wording.chinese), "\(word)")
        #expect(isEnglish(word.wording.english), "\(word)")
    }

    @Test(
        "every trouble has a name of its own, and what to do about it at this lane", arguments: TroubleWording.allCases)
    func troubles(kind: TroubleWording) {
        let advice = kind.advice(lane: "north-07")
        for text in [kind.title, advice] {
            #expect(isChinese(text.chinese), "\(kind)")
            #expect(isEnglish(text.english), "\(kind)")
        }
        // Commands are the same in both languages.
        #expect(commands(advice.chinese).sorted() == commands(advice.english).sorted(), "\(kind)")
        for command in commands(advice.chinese) where command.contains("lane") && command.contains("--lane") {
            #expect(command.contains("north-07"), "\(command)")
        }
        #expect(isChinese(kind.chinese("北登录厅") { _ in 5 }), "\(kind)")
        #expect(TroubleWording.allCases.filter { $0.title == kind.title } == [kind])
    }

    @Test("the Chinese text is told of the alert's figures")
    func figures() {
        let figures: [String: Int64] = ["missing": 12, "awaited": 3, "vehicles": 90, "limit": 100, "percent": 90]
        #expect(TroubleWording.holes.chinese("") { figures[$0] } == "缺 12 条记录，其中 3 条仍可能补传")
        #expect(TroubleWording.zoneNearLimit.chinese("外环") { figures[$0] } == "外环：90 辆车，上限 100（90%）")
        #expect(TroubleWording.statementOld.chinese("") { _ in nil } == "没有可用的签名声明")
        #expect(TroubleWording.statementOld.chinese("") { _ in 400 } == "判定所依据的声明已有 400 秒")
    }

    @Test("every device and cover has a name in both languages")
    func devices() {
        let devices = (UInt8(0)..<32).compactMap { Device(code: $0)?.wording }
        let covers = (UInt8(0)..<32).compactMap { TamperContact(code: $0)?.wording }
        #expect(devices.count == 18 && covers.count == 17)
        for name in devices + covers {
            #expect(isChinese(name.chinese))
            #expect(isEnglish(name.english))
        }
    }

    /// What stands between backquotes.
    private func commands(_ text: String) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().compactMap {
            $0.offset % 2 == 1 ? String($0.element) : nil
        }
    }
}
