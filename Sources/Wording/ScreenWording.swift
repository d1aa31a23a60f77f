/// Every text of the wall screen, in both languages: Chinese large, English beside it. A visitor of an expo reads signs
/// that have both at once, so nothing alternates.
public enum ScreenWording: String, CaseIterable, Sendable {
    case title, peopleOnSite, inToday, vehiclesOnSite, vehiclesInToday, distinctHolders, distinctVehicles, outToday
    case flowToday, flowIn, flowOut, noChart
    case entrances, entriesToday, entriesRecent, noEntrances
    case zones, peopleOfLimit, vehicles, full, nearLimit, noZones
    case refusals, temperature, other
    case badges, issued, activated, used, noBadges
    case lanes, lanesSilent, missing, more
    case live, staleSince, connecting, corrected
    case insideWithoutKeys, insideNotKnown, tampered, notStoring
    case needsScript

    public var wording: Bilingual {
        switch self {
        case .title: Bilingual("入场总览", "Admission overview")
        case .peopleOnSite: Bilingual("当前在场人数", "People on site now")
        case .inToday: Bilingual("今日入场人次", "Entries today")
        case .vehiclesOnSite: Bilingual("当前在场车辆", "Vehicles on site now")
        case .vehiclesInToday: Bilingual("今日入场车次", "Vehicles in today")
        case .distinctHolders: Bilingual("入场人数", "different people")
        case .distinctVehicles: Bilingual("不同车辆", "different vehicles")
        case .outToday: Bilingual("今日离场", "out today")
        case .flowToday: Bilingual("今日客流 · 每5分钟", "Flow today, per 5 minutes")
        case .flowIn: Bilingual("入场", "in")
        case .flowOut: Bilingual("离场", "out")
        case .noChart: Bilingual("此服务器未安装图表", "The chart is not installed on this server")
        case .entrances: Bilingual("入口客流排名", "Entrances by flow")
        case .entriesToday: Bilingual("今日", "today")
        case .entriesRecent: Bilingual("近15分钟", "last 15 min")
        case .noEntrances: Bilingual("尚无人员入场", "Nobody has come in yet")
        case .zones: Bilingual("区域在场", "Zones now")
        case .peopleOfLimit: Bilingual("人数 / 上限", "people / limit")
        case .vehicles: Bilingual("车辆", "vehicles")
        case .full: Bilingual("已满", "FULL")
        case .nearLimit: Bilingual("将满", "NEARLY FULL")
        case .noZones: Bilingual("尚无区域数据", "No zones yet")
        case .refusals: Bilingual("今日未放行", "Not admitted today")
        case .temperature: Bilingual("体温", "temperature")
        case .other: Bilingual("其他", "other")
        case .badges: Bilingual("证件", "Badges")
        case .issued: Bilingual("已制发", "issued")
        case .activated: Bilingual("已激活", "activated")
        case .used: Bilingual("已使用", "used")
        case .noBadges: Bilingual("尚无证件数据", "No badges yet")
        case .lanes: Bilingual("通道", "lanes")
        case .lanesSilent: Bilingual("通道无上报", "lanes silent")
        case .missing: Bilingual("缺失记录", "records missing")
        case .more: Bilingual("另有", "more")
        case .live: Bilingual("实时", "live")
        case .staleSince: Bilingual("数据已停止更新", "NOT UPDATED SINCE")
        case .connecting: Bilingual("正在连接", "connecting")
        case .corrected: Bilingual("含人工更正", "with corrections")
        case .insideWithoutKeys: Bilingual("在场人员证件条件已失效", "on site whose keys no longer turn")
        case .insideNotKnown: Bilingual("在场人员证件条件：暂时未知", "whose keys turn on site is not known just now")
        case .tampered: Bilingual("机箱或读卡器被打开", "COVER OPEN")
        case .notStoring: Bilingual("记录暂时无法入库，数字不完整", "RECORDS CANNOT BE STORED, THE NUMBERS ARE NOT WHOLE")
        case .needsScript: Bilingual("此页面需要启用 JavaScript", "This page needs JavaScript")
        }
    }
}
