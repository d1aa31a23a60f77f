/// Every text of the page of all lanes, in both languages. What may be wrong with one is `TroubleWording`.
public enum FleetWording: String, CaseIterable, Sendable {
    case title
    case lanesInAll, inTrouble, silent, outOfService, byOrder, devicesLost, imageInForce, changeNumber
    case filter, onlyTrouble, shown, wholeSite, allWell, noLanes, noneMatch, lanesTable
    case lane, mode, devices, image, statement, journal, clock, lastWord
    case since, ago, neverSpoke, notKnown, behind, ofRoom, missing, daemonOld
    case details, entrance, allThere, lost, covers, closed, epochs, storedThrough, lastRecord, imageIssued
    case version, policy, startedAt, lanesClockSaid, historyOfLane
    case freshNone = "fresh-none"
    case fresh = "fresh-fresh"
    case freshWarn = "fresh-warn"
    case freshStale = "fresh-stale"
    case journalAbsent = "journal-absent"
    case severityTrouble = "severity-trouble"
    case severityWarning = "severity-warning"
    case severityNotice = "severity-notice"
    case severityNone = "severity-none"

    public var wording: Bilingual {
        switch self {
        case .title: Bilingual("通道状态", "Lanes")
        case .lanesInAll: Bilingual("通道", "lanes")
        case .inTrouble: Bilingual("需处理", "in trouble")
        case .silent: Bilingual("失联", "silent")
        case .outOfService: Bilingual("暂停服务", "out of service")
        case .byOrder: Bilingual("人工模式", "by order")
        case .devicesLost: Bilingual("失联设备", "devices lost")
        case .imageInForce: Bilingual("现行名单", "image in force")
        case .changeNumber: Bilingual("变更号", "change")
        case .filter: Bilingual("筛选编号、名称、入口", "filter by id, name, entrance")
        case .onlyTrouble: Bilingual("只看需处理", "only trouble")
        case .shown: Bilingual("已显示", "shown")
        case .wholeSite: Bilingual("全场", "Whole site")
        case .allWell: Bilingual("所有通道正常", "All lanes are well")
        case .noLanes: Bilingual("尚无通道", "No lanes yet")
        case .noneMatch: Bilingual("没有符合条件的通道", "No lane matches")
        case .lanesTable: Bilingual("全部通道，需处理的在前", "All lanes, those in trouble first")
        case .lane: Bilingual("通道", "lane")
        case .mode: Bilingual("模式", "mode")
        case .devices: Bilingual("设备", "devices")
        case .image: Bilingual("名单 · 变更", "image · change")
        case .statement: Bilingual("声明", "statement")
        case .journal: Bilingual("未入库记录", "backlog")
        case .clock: Bilingual("时钟", "clock")
        case .lastWord: Bilingual("最近上报", "last word")
        case .since: Bilingual("自", "since")
        case .ago: Bilingual("前", "ago")
        case .neverSpoke: Bilingual("从未", "never")
        case .notKnown: Bilingual("未知", "not known")
        case .behind: Bilingual("落后", "behind")
        case .ofRoom: Bilingual("占空间", "of the room")
        case .missing: Bilingual("缺失记录", "records missing")
        case .daemonOld: Bilingual("通道程序", "daemon")
        case .details: Bilingual("详情", "details")
        case .entrance: Bilingual("入口", "entrance")
        case .allThere: Bilingual("正常", "there")
        case .lost: Bilingual("失联", "lost")
        case .covers: Bilingual("被打开的外壳", "open covers")
        case .closed: Bilingual("无", "none")
        case .epochs: Bilingual("记录本数", "journals so far")
        case .storedThrough: Bilingual("已入库至", "stored through")
        case .lastRecord: Bilingual("最新记录", "newest record")
        case .imageIssued: Bilingual("名单签发", "image issued")
        case .version: Bilingual("程序版本", "program")
        case .policy: Bilingual("策略摘要", "policy digest")
        case .startedAt: Bilingual("程序启动", "started")
        case .lanesClockSaid: Bilingual("通道自述时间", "said at, lane's clock")
        case .historyOfLane: Bilingual("该通道历史客流", "history of this lane")
        case .freshNone: Bilingual("无证件数据", "no credentials")
        case .fresh: Bilingual("证件数据新", "fresh")
        case .freshWarn: Bilingual("证件数据将过期", "near its limit")
        case .freshStale: Bilingual("证件数据已过期", "beyond its limit")
        case .journalAbsent: Bilingual("没有记录日志", "no journal")
        case .severityTrouble: Bilingual("紧急", "trouble")
        case .severityWarning: Bilingual("警告", "warning")
        case .severityNotice: Bilingual("提示", "notice")
        case .severityNone: Bilingual("正常", "well")
        }
    }
}
