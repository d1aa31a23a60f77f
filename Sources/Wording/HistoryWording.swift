/// Every text of the page of days gone by, in both languages.
public enum HistoryWording: String, CaseIterable, Sendable {
    case title, day, compareWith, hourOfDay, wholeDay, lane, allLanes, groupedBy, show, download
    case byHour, byLane, byEntrance, byKind, byZone, byReason
    case peopleIn, peopleOut, vehiclesIn, vehiclesOut, presented, admitted, refused, passed, tailgating, byHand
    case annulled, interrupted, forced, wrongWay, anonymous, peopleChange, vehicleChange
    case sum, difference, nothingThere, loading, failed, countedSince, unknownHolder, chart, toScreen

    public var wording: Bilingual {
        switch self {
        case .title: Bilingual("历史客流", "History")
        case .day: Bilingual("日期", "day")
        case .compareWith: Bilingual("对比日期", "compare with")
        case .hourOfDay: Bilingual("时段", "hour")
        case .wholeDay: Bilingual("全天", "whole day")
        case .lane: Bilingual("通道", "lane")
        case .allLanes: Bilingual("全部", "all")
        case .groupedBy: Bilingual("分组", "by")
        case .show: Bilingual("查看", "show")
        case .download: Bilingual("下载 CSV", "download CSV")
        case .byHour: Bilingual("小时", "hour")
        case .byLane: Bilingual("通道", "lane")
        case .byEntrance: Bilingual("入口", "entrance")
        case .byKind: Bilingual("证件种类", "badge kind")
        case .byZone: Bilingual("区域", "zone")
        case .byReason: Bilingual("未放行原因", "reason of refusal")
        case .peopleIn: Bilingual("入场人次", "people in")
        case .peopleOut: Bilingual("离场人次", "people out")
        case .vehiclesIn: Bilingual("入场车次", "vehicles in")
        case .vehiclesOut: Bilingual("离场车次", "vehicles out")
        case .presented: Bilingual("刷证", "presented")
        case .admitted: Bilingual("放行", "admitted")
        case .refused: Bilingual("未放行", "not admitted")
        case .passed: Bilingual("通过", "passed")
        case .tailgating: Bilingual("尾随", "tailgating")
        case .byHand: Bilingual("人工放行", "by hand")
        case .annulled: Bilingual("放行未通过", "not used")
        case .interrupted: Bilingual("中断", "interrupted")
        case .forced: Bilingual("强行通过", "forced")
        case .wrongWay: Bilingual("反向", "wrong way")
        case .anonymous: Bilingual("未识别通过", "anonymous")
        case .peopleChange: Bilingual("区内人数变化", "change of people in it")
        case .vehicleChange: Bilingual("区内车辆变化", "change of vehicles in it")
        case .sum: Bilingual("合计", "in all")
        case .difference: Bilingual("差", "difference")
        case .nothingThere: Bilingual("该时段没有记录", "Nothing was counted then")
        case .loading: Bilingual("正在读取", "reading")
        case .failed: Bilingual("读取失败", "Could not be read")
        case .countedSince: Bilingual("区域客流自此时起统计", "Zones are counted since")
        case .unknownHolder: Bilingual("未知证件", "unknown badge")
        case .chart: Bilingual("每小时客流", "Flow by hour")
        case .toScreen: Bilingual("实时总览", "live overview")
        }
    }
}
