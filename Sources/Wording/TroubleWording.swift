/// What can be wrong with a lane or the site: its name, what is so and what to do, in both languages. The first are the
/// collector's alerts under the names that they have there.
///
/// The English text with every figure and instant is the alert's own; the Chinese one here is told of the same figures.
public enum TroubleWording: String, CaseIterable, Sendable {
    case laneOffline = "lane-offline"
    case daemonSilent = "daemon-silent"
    case laneHangs = "lane-hangs"
    case statementOld = "statement-old"
    case deviceLost = "device-lost"
    case journalFilling = "journal-filling"
    case holes
    case clockNotTrusted = "clock-not-trusted"
    case tailgating
    case zoneNearLimit = "zone-near-limit"
    case insideWithoutKeys = "inside-without-keys"
    case insideNotKnown = "inside-not-known"
    case flowAboveCapacity = "flow-above-capacity"
    case doubleUse = "double-use"

    // What a lane says of itself, and what the collector knows of it beside its alerts.
    case fireAlarm = "fire-alarm"
    case emergency
    case outOfService = "out-of-service"
    case coverOpen = "cover-open"
    case freeExit = "free-exit"
    case credentialsOld = "credentials-old"
    case imageBehind = "image-behind"
    case neverHeard = "never-heard"
    case byOrder = "by-order"
    case notStoring = "not-storing"

    public var title: Bilingual {
        switch self {
        case .laneOffline: Bilingual("通道失联", "lane silent")
        case .statementOld: Bilingual("声明过旧", "statement old")
        case .deviceLost: Bilingual("设备失联", "device lost")
        case .journalFilling: Bilingual("记录存储告急", "journal filling")
        case .holes: Bilingual("记录缺失", "records missing")
        case .clockNotTrusted: Bilingual("时钟不可信", "clock not trusted")
        case .tailgating: Bilingual("尾随偏多", "tailgating")
        case .zoneNearLimit: Bilingual("区域将满", "zone near its limit")
        case .insideWithoutKeys: Bilingual("在场人员条件失效", "inside without keys")
        case .insideNotKnown: Bilingual("在场人员条件未知", "inside not known")
        case .flowAboveCapacity: Bilingual("客流超出通行能力", "flow above capacity")
        case .doubleUse: Bilingual("证件重复使用", "badges used twice")
        case .fireAlarm: Bilingual("消防报警", "fire alarm")
        case .emergency: Bilingual("紧急开放", "emergency")
        case .laneHangs: Bilingual("通道程序卡死", "lane hangs")
        case .daemonSilent: Bilingual("通道程序无响应", "daemon silent")
        case .outOfService: Bilingual("暂停服务", "out of service")
        case .coverOpen: Bilingual("机箱或读卡器被打开", "cover open")
        case .freeExit: Bilingual("自由出口", "free exit")
        case .credentialsOld: Bilingual("证件数据过旧", "credentials old")
        case .imageBehind: Bilingual("名单版本落后", "image behind")
        case .neverHeard: Bilingual("从未上报", "never heard")
        case .byOrder: Bilingual("人工或定时模式", "by order")
        case .notStoring: Bilingual("记录无法入库", "records cannot be stored")
        }
    }

    /// `lane`: the id that commands take.
    public func advice(lane: String) -> Bilingual {
        switch self {
        case .laneOffline:
            Bilingual(
                "通道仍自行判定并保存记录；检查电源、网络和上传程序：`lanectl --lane \(lane) status`、"
                    + "`journalctl -u lanekeeper-uplink@\(lane)`；通道已拆除时：`lanekeeper-collector lane remove \(lane)`",
                "it decides by itself and keeps its records; look at its power, network and uplink: "
                    + "`lanectl --lane \(lane) status`, `journalctl -u lanekeeper-uplink@\(lane)`; "
                    + "a lane that was taken away: `lanekeeper-collector lane remove \(lane)`")
        case .statementOld:
            Bilingual(
                "上传程序每 30 秒取一次声明：`journalctl -u lanekeeper-uplink@\(lane)`；未被采信的原因见 "
                    + "`lanectl --lane \(lane) status`",
                "its uplink fetches one every 30 s: `journalctl -u lanekeeper-uplink@\(lane)`; "
                    + "`lanectl --lane \(lane) status` says why it was not believed")
        case .deviceLost:
            Bilingual(
                "检查线缆和电源；端口见 `lanectl --lane \(lane) status`；接好后自动恢复",
                "its cable and power; `lanectl --lane \(lane) status` names the port; it comes back by itself")
        case .journalFilling:
            Bilingual(
                "检查与汇聚服务器的连接和控制器磁盘：`lanectl --lane \(lane) status`、`df`",
                "the connection to the collector, and the disk of the controller: "
                    + "`lanectl --lane \(lane) status`, `df`")
        case .holes:
            Bilingual(
                "缺失区段见 /v1/lanes；无法补传的已损坏或随磁盘丢失：`lanekeeper-collector reconcile --lane \(lane)` "
                    + "说明对计数的影响",
                "/v1/lanes names them; what cannot come was damaged or lost with a disk: "
                    + "`lanekeeper-collector reconcile --lane \(lane)` says what it changes in the counts")
        case .clockNotTrusted:
            Bilingual(
                "此间入口不放行（策略另有规定除外）：检查控制器的时间同步；时间正确后执行 "
                    + "`lanectl --lane \(lane) clock confirm`",
                "entrances refuse while it is so, unless the policy says otherwise: time synchronisation of the "
                    + "controller; `lanectl --lane \(lane) clock confirm` when its time is right")
        case .tailgating:
            Bilingual(
                "派人到现场；被尾随者见 GET /v1/records?lane=\(lane)",
                "somebody should stand there; who was followed says GET /v1/records?lane=\(lane)")
        case .zoneNearLimit:
            Bilingual(
                "引导人员去往别处，或关闭其入口；只有策略规定时通道才会因满员拒绝",
                "send people elsewhere, or close its entrances; lanes refuse at a limit only where their policy says so"
            )
        case .insideWithoutKeys:
            Bilingual(
                "人员及入场位置凭操作员令牌查询 GET /v1/inside 或 /v1/inside.csv；离场或条件恢复后告警结束",
                "who they are and where they came in says GET /v1/inside or /v1/inside.csv, with an operator's token; "
                    + "the alert ends when they have left, or their keys turn again")
        case .insideNotKnown:
            Bilingual(
                "是否已发布名单？`lanekeeper-collector images`；否则原因见汇聚服务器日志中的 `who is inside: …`",
                "is an image published? `lanekeeper-collector images`; else the collector's log says what fails: "
                    + "`who is inside: …`")
        case .flowAboveCapacity:
            Bilingual(
                "增开通道，或引导人员去往其他入口：正在排队",
                "open more lanes there, or send people to another entrance: a queue is growing")
        case .doubleUse:
            Bilingual(
                "详情凭操作员令牌查询 GET /v1/double-use 或 /v1/double-use.csv",
                "who says GET /v1/double-use or /v1/double-use.csv, with an operator's token")
        case .fireAlarm, .emergency:
            Bilingual(
                "闸门保持开放，人员不经判定直接通行；先处置现场，消防触点复位后自动恢复",
                "the gate stays open and people walk through unjudged: see to the place first; it ends by itself when "
                    + "the fire contact is back")
        case .laneHangs:
            Bilingual(
                "控制器磁盘：`lanectl --lane \(lane) status`，以及那里的内核日志",
                "the disk of the controller: `lanectl --lane \(lane) status`, and the kernel's log there")
        case .daemonSilent:
            Bilingual(
                "通道程序未运行，闸机按 `gate.on_stop` 动作，或磁盘无法写入：`systemctl status lanekeeperd@\(lane)`、"
                    + "`journalctl -u lanekeeperd@\(lane)`、`df`",
                "its program does not run, and its gate stands as `gate.on_stop` says, or its disk takes nothing: "
                    + "`systemctl status lanekeeperd@\(lane)`, `journalctl -u lanekeeperd@\(lane)`, `df`")
        case .outOfService:
            Bilingual(
                "不放行入场；原因消除后自动恢复：`lanectl --lane \(lane) status`",
                "entrances let nobody in; it comes back by itself when its cause is gone: "
                    + "`lanectl --lane \(lane) status`")
        case .coverOpen:
            Bilingual(
                "立即派人查看；是否有人在检修？装好后自动消除",
                "send somebody at once: is a technician at work there? It ends when the cover is on again")
        case .freeExit:
            Bilingual(
                "出口不经判定放行，人数仍计；`lanectl --lane \(lane) status` 说明原因",
                "people leave unjudged and are counted; `lanectl --lane \(lane) status` says why")
        case .credentialsOld:
            Bilingual(
                "策略规定的期限已近或已过，过期后入口不放行：检查上传程序 `journalctl -u lanekeeper-uplink@\(lane)`",
                "a limit of its policy is near or was passed, behind which entrances refuse: its uplink, "
                    + "`journalctl -u lanekeeper-uplink@\(lane)`")
        case .imageBehind:
            Bilingual(
                "检查通道到汇聚服务器的网络和控制器磁盘空间：`lanectl --lane \(lane) status`、"
                    + "`journalctl -u lanekeeper-uplink@\(lane)`",
                "its network to the collector and the room on its disk: `lanectl --lane \(lane) status`, "
                    + "`journalctl -u lanekeeper-uplink@\(lane)`")
        case .neverHeard:
            Bilingual(
                "通道已登记但尚未上报：检查安装与登记 `lanectl enrol`、上传程序 `journalctl -u lanekeeper-uplink@\(lane)`",
                "it is known here and said nothing yet: was it installed and enrolled (`lanectl enrol`), does its uplink "
                    + "run: `journalctl -u lanekeeper-uplink@\(lane)`")
        case .byOrder:
            Bilingual(
                "结束时执行 `lanectl --lane \(lane) mode normal`",
                "`lanectl --lane \(lane) mode normal` ends it")
        case .notStoring:
            Bilingual(
                "检查汇聚服务器的磁盘和日志；通道自行保存记录，稍后补传",
                "the collector's disk and log; lanes keep their records and send them later")
        }
    }

    /// What is so. `subject`: what it is about, in Chinese, such as a device or a zone; `figure`: of the alert, by its name.
    public func chinese(_ subject: String, _ figure: (String) -> Int64?) -> String {
        func number(_ name: String) -> String { figure(name).map(String.init) ?? "？" }
        switch self {
        case .laneOffline: return "此后没有任何上报；正常通道每 10 秒上报一次"
        case .statementOld:
            return figure("age_seconds").map { "判定所依据的声明已有 \($0) 秒" } ?? "没有可用的签名声明"
        case .deviceLost: return "失联设备：\(subject)"
        case .journalFilling:
            return figure("percent").map { "未入库记录已占记录空间的 \($0)%" } ?? "记录空间已满，或记录无法写入"
        case .holes: return "缺 \(number("missing")) 条记录，其中 \(number("awaited")) 条仍可能补传"
        case .clockNotTrusted: return "时钟不可信：\(subject)"
        case .tailgating:
            return "近 15 分钟 \(number("passages")) 次通行，尾随 \(number("tailgating")) 次（\(number("percent"))%）"
        case .zoneNearLimit:
            let count =
                figure("people").map { "\($0) 人" } ?? figure("vehicles").map { "\($0) 辆车" } ?? "人数"
            return "\(subject)：\(count)，上限 \(number("limit"))（\(number("percent"))%）"
        case .insideWithoutKeys: return "\(number("count")) 名在场人员的证件条件已失效"
        case .insideNotKnown: return "在场人员的证件条件此后未能核对"
        case .flowAboveCapacity:
            return "\(subject)：近 5 分钟每分钟 \(number("persons_per_minute")) 人，可用通道每分钟可通行 "
                + "\(number("capacity_per_minute")) 人（\(number("percent"))%）"
        case .doubleUse: return "发现证件重复使用 \(number("count")) 次：同一证件在场内再次入场，或在两处通行快于步行"
        case .fireAlarm: return "消防触点报警"
        case .emergency: return "通道处于紧急开放：\(subject)"
        case .laneHangs: return "判定线程没有响应，多因磁盘：此处不放行、不计数；消防触点仍可开闸"
        case .daemonSilent: return "上传程序仍在上报，通道程序此后没有消息"
        case .outOfService: return "暂停服务：\(subject)"
        case .coverOpen: return "被打开：\(subject)"
        case .freeExit: return "出口不经判定放行：\(subject)"
        case .credentialsOld: return subject
        case .imageBehind: return "通道使用版本 \(number("version"))，现行版本 \(number("in_force"))"
        case .neverHeard: return "汇聚服务器从未收到该通道的上报"
        case .byOrder: return subject
        case .notStoring: return "汇聚服务器暂时无法保存通道的上报，计数不完整"
        }
    }
}
