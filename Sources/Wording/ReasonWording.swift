import Admission

/// Where a reason sends the visitor.
public enum VisitorStep: Sendable, Hashable {
    /// Something to do here and now, at this lane.
    case here(Bilingual)
    /// To the lane's service point, for this. The word stands on a display that everybody can read.
    case desk(Bilingual)
    /// To the service point, and the display does not say why: a red code is nobody's business but the visitor's.
    case deskQuietly
    /// The lane's own trouble: through another one.
    case otherLane
}

/// What is said of one reason: the whole table of words, one row a reason.
public struct ReasonWording: Sendable {
    public var reason: Reasons
    public var step: VisitorStep
    /// What a technician calls it, without figures; both languages.
    public var name: Bilingual

    private init(_ reason: Reasons, _ step: VisitorStep, _ chinese: String, _ english: String) {
        self.reason = reason
        self.step = step
        name = Bilingual(chinese, english)
    }

    /// The row of a single reason. nil for a set of several or none, or a bit that this program does not know.
    public static func of(_ reason: Reasons) -> ReasonWording? { table.first { $0.reason == reason } }

    /// In the order of the reasons' bits.
    public static let table: [ReasonWording] = [
        .init(.vaccineNotRecorded, .desk(vaccine), "无疫苗接种记录", "no vaccination recorded"),
        .init(.vaccineIncomplete, .desk(vaccine), "疫苗接种未完成", "vaccination incomplete"),
        .init(.codeYellow, .deskQuietly, "健康码为黄码", "health code is yellow"),
        .init(.codeRed, .deskQuietly, "健康码为红码", "health code is red"),
        .init(.codeTooOld, .desk(healthCode), "健康码需要更新", "health code assessed too long ago"),
        .init(.codeUnknown, .desk(healthCode), "健康码未知", "health code unknown"),
        .init(.codeInFuture, .desk(healthCode), "健康码评估时间晚于现在", "health code assessed in the future"),
        .init(.testPositive, .deskQuietly, "核酸检测阳性", "test positive"),
        .init(.testExpired, .desk(test), "核酸检测已过期", "test expired"),
        .init(.testMissing, .desk(test), "无核酸检测记录", "no test recorded"),
        .init(.testInFuture, .desk(test), "核酸采样时间晚于现在", "sample dated in the future"),
        .init(.notActivated, .desk(activation), "证件未激活", "badge not activated"),
        .init(.suspended, .deskQuietly, "证件已暂停", "badge suspended"),
        .init(.revoked, .deskQuietly, "证件已注销", "badge revoked"),
        .init(.notYetValid, .desk(dates), "证件尚未生效", "badge not valid yet"),
        .init(.noLongerValid, .desk(dates), "证件已过有效期", "badge no longer valid"),
        .init(.unknownBadge, .desk(badge), "证件未登记", "badge unknown"),
        .init(.conflict, .deskQuietly, "证件号重复登记", "badge claimed by two holders"),
        .init(.zoneNotGranted, .desk(zone), "证件无本区域权限", "zone not granted"),
        .init(.kindNotAdmitted, .otherLane, "本通道不适用此类证件", "kind of badge not admitted here"),
        .init(.temperatureHigh, .deskQuietly, "体温超过限值", "temperature too high"),
        .init(.temperatureAmbiguous, .here(holdStill), "体温读数不一致", "temperature readings differ"),
        .init(.temperatureMissing, .here(faceThermometer), "未测到体温", "no temperature measured"),
        .init(.thermometerLost, .otherLane, "测温设备故障", "thermometer lost"),
        .init(.twoHolders, .here(oneByOne), "同时有两张证件", "two badges at once"),
        .init(.laneBusy, .here(wait), "通道正在使用", "lane busy"),
        .init(.outOfService, .otherLane, "通道暂停服务", "lane out of service"),
        .init(.noImage, .otherLane, "通道尚无证件数据", "no credential image"),
        .init(.statementTooOld, .otherLane, "证件数据状态过旧", "statement too old"),
        .init(.imageTooOld, .otherLane, "证件数据过旧", "credential image too old"),
        .init(.clockNotTrusted, .otherLane, "通道时钟不可信", "clock not trusted"),
        .init(.laneLocked, .otherLane, "通道已锁闭", "lane locked"),
        .init(.outsideHours, .here(closedNow), "不在开放时段", "outside the opening hours"),
        .init(.passedAlready, .desk(badge), "该证件刚刚入场", "passed here shortly before"),
        .init(.escortMissing, .here(withEscort), "无陪同人员", "no escort came"),
        .init(.identityNotConfirmed, .here(confirmIdentity), "身份未确认", "identity not confirmed"),
        .init(.driverMissing, .desk(driver), "无驾驶员证件", "no driver's badge came"),
        .init(.passMissing, .desk(pass), "无车辆证", "no vehicle's pass came"),
        .init(.otherHalfRefused, .here(bothAgain), "同行的另一证件未通过", "the badge beside it was refused"),
        .init(.zoneFull, .here(full), "区域人数已满", "zone full"),
        .init(.insideAlready, .desk(badge), "该证件已在场内", "inside already"),
    ]

    // What the service point is asked for, in a word or two: two of them fit one display line.
    private static let vaccine = Bilingual("疫苗", "vaccine")
    private static let healthCode = Bilingual("健康码", "health code")
    private static let test = Bilingual("核酸检测", "test")
    private static let activation = Bilingual("证件激活", "activation")
    private static let dates = Bilingual("证件有效期", "badge dates")
    private static let badge = Bilingual("证件登记", "badge")
    private static let zone = Bilingual("区域权限", "zone")
    private static let driver = Bilingual("驾驶员证件", "driver's badge")
    private static let pass = Bilingual("车辆证", "vehicle pass")

    private static let holdStill = Bilingual("请站稳，重新测温", "Please hold still and try again")
    private static let faceThermometer = Bilingual("请对准测温仪，再刷一次证件", "Face the thermometer, try again")
    private static let oneByOne = Bilingual("请逐一刷证通过", "One person at a time, please")
    private static let withEscort = Bilingual("请与陪同人员一起刷证", "Come with your escort, please")
    private static let confirmIdentity = Bilingual("请重新刷证并确认身份", "Try again; show who you are")
    private static let bothAgain = Bilingual("请重新出示两张证件", "Show pass and badge again")
    private static let full = Bilingual("场内人数已满，请稍候", "Full now. Please wait")
    private static let closedNow = Bilingual("当前时段不开放", "Not open for you at this hour")
    private static let wait = Bilingual("请稍候再刷证件", "Please wait, then try again")
}
