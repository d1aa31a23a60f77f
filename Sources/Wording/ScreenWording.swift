/// Every text of the wall screen, in both languages: Chinese large, English beside it.
public enum ScreenWording: String, CaseIterable, Sendable {
    case title, inToday, outToday, peopleOnSite, vehiclesOnSite, vehiclesInToday, vehiclesOutToday, allDays,
        distinctHoldersToday, refusedToday, lanes
    case lane, admitted, passed, refused, lastSeen, missing, secondsAgo, minutesAgo, hoursAgo, updated, staleSince
    case noLanes, needsScript, tampered, insideWithoutKeys, insideNotKnown

    public var wording: Bilingual {
        switch self {
        case .title: Bilingual("入场总览", "Admission overview")
        case .inToday: Bilingual("今日入场人次", "In today")
        case .outToday: Bilingual("今日离场人次", "Out today")
        case .peopleOnSite: Bilingual("当前在场人数", "People on site now")
        case .vehiclesOnSite: Bilingual("当前在场车辆", "Vehicles on site now")
        case .vehiclesInToday: Bilingual("今日入场车次", "in today")
        case .vehiclesOutToday: Bilingual("今日离场车次", "out today")
        case .allDays: Bilingual("累计", "in all")
        case .distinctHoldersToday: Bilingual("今日不同持证人", "different holders today")
        case .refusedToday: Bilingual("今日未放行", "refused today")
        case .lanes: Bilingual("通道", "Lanes")
        case .lane: Bilingual("通道", "Lane")
        case .admitted: Bilingual("放行", "Admitted")
        case .passed: Bilingual("通过", "Passed")
        case .refused: Bilingual("未放行", "Refused")
        case .lastSeen: Bilingual("最近上报", "Last seen")
        case .missing: Bilingual("缺失记录", "Missing")
        case .secondsAgo: Bilingual("秒前", "s ago")
        case .minutesAgo: Bilingual("分钟前", "min ago")
        case .hoursAgo: Bilingual("小时前", "h ago")
        case .updated: Bilingual("实时更新", "live")
        case .staleSince: Bilingual("数据已停止更新，自", "NOT UPDATED SINCE")
        case .noLanes: Bilingual("尚无通道上报", "No lane has reported yet")
        case .tampered: Bilingual("机箱或读卡器被打开", "COVER OPEN")
        case .insideWithoutKeys: Bilingual("在场人员证件条件已失效", "on site whose keys no longer turn")
        case .insideNotKnown: Bilingual("在场人员证件条件：暂时未知", "whose keys turn on site is not known just now")
        case .needsScript: Bilingual("此页面需要启用 JavaScript", "This page needs JavaScript")
        }
    }
}
