import Admission

// Names of things in both languages. The Chinese names of the kinds are those printed on the badges.

extension HolderKind {
    public var wording: Bilingual {
        switch self {
        case .specialGuest: Bilingual("特邀嘉宾证", "special guest")
        case .exhibitor: Bilingual("参展证", "exhibitor")
        case .visitor: Bilingual("观展证", "visitor")
        case .media: Bilingual("媒体证", "media")
        case .staff: Bilingual("工作人员证", "staff")
        case .security: Bilingual("安保证", "security")
        case .vehicle: Bilingual("车辆证", "vehicle")
        }
    }
}

/// One of the four keys.
public enum Key: CaseIterable, Sendable {
    case vaccine, greenCode, test, activated

    /// As records, JSON and the configuration write it.
    public var name: String {
        switch self {
        case .vaccine: "vaccine"
        case .greenCode: "green_code"
        case .test: "test"
        case .activated: "activated"
        }
    }

    public var wording: Bilingual {
        switch self {
        case .vaccine: Bilingual("疫苗", "vaccine")
        case .greenCode: Bilingual("绿码", "green code")
        case .test: Bilingual("48小时核酸", "48 h test")
        case .activated: Bilingual("证件激活", "activated badge")
        }
    }

    public var member: KeySet {
        switch self {
        case .vaccine: .vaccine
        case .greenCode: .greenCode
        case .test: .test
        case .activated: .activated
        }
    }

    public var reasons: Reasons {
        switch self {
        case .vaccine: Reasons.vaccineKey
        case .greenCode: Reasons.greenCodeKey
        case .test: Reasons.testKey
        case .activated: Reasons.activationKey
        }
    }
}

extension LaneKind {
    /// As JSON and the configuration write it.
    public var name: String {
        switch self {
        case .entry: "entry"
        case .exit: "exit"
        case .twoWay: "two-way"
        }
    }
}

extension LaneMode {
    public var wording: Bilingual {
        switch self {
        case .normal: Bilingual("正常", "normal")
        case .freeExit: Bilingual("自由出口", "free exit")
        case .emergency: Bilingual("紧急开放", "emergency")
        case .outOfService: Bilingual("暂停服务", "out of service")
        case .locked: Bilingual("已锁闭", "locked")
        case .heldOpen: Bilingual("常开", "held open")
        case .maintenance: Bilingual("检修", "maintenance")
        }
    }

    /// As JSON writes it.
    public var name: String {
        switch self {
        case .locked: "locked"
        case .heldOpen: "held-open"
        case .maintenance: "maintenance"
        case .normal: "normal"
        case .freeExit: "free-exit"
        case .emergency: "emergency"
        case .outOfService: "out-of-service"
        }
    }
}

extension ModeCause {
    public var wording: Bilingual {
        switch self {
        case .none: Bilingual("无", "none")
        case .gateLost: Bilingual("闸机失联", "gate lost")
        case .readersLost: Bilingual("读卡器失联", "readers lost")
        case .thermometerLost: Bilingual("测温仪失联", "thermometer lost")
        case .journalFull: Bilingual("记录已满", "journal full")
        case .journalFault: Bilingual("记录写入失败", "journal cannot be written")
        case .fire: Bilingual("消防报警", "fire alarm")
        case .technician: Bilingual("技术员指令", "ordered by a technician")
        case .schedule: Bilingual("按时间表", "by the schedule")
        }
    }

    /// As JSON writes it.
    public var name: String {
        switch self {
        case .none: "none"
        case .gateLost: "gate-lost"
        case .readersLost: "readers-lost"
        case .thermometerLost: "thermometer-lost"
        case .journalFull: "journal-full"
        case .journalFault: "journal-fault"
        case .fire: "fire"
        case .technician: "technician"
        case .schedule: "schedule"
        }
    }
}

extension LampState {
    public var wording: Bilingual {
        switch self {
        case .ready: Bilingual("待机", "ready")
        case .working: Bilingual("判定中", "working")
        case .admitted: Bilingual("通行", "admitted")
        case .refused: Bilingual("拒绝", "refused")
        case .outOfService: Bilingual("暂停服务", "out of service")
        case .emergency: Bilingual("紧急开放", "emergency")
        case .locked: Bilingual("已锁闭", "locked")
        case .stale: Bilingual("数据过旧", "data too old")
        }
    }

    /// As JSON writes it.
    public var name: String {
        switch self {
        case .locked: "locked"
        case .stale: "stale"
        case .ready: "ready"
        case .working: "working"
        case .admitted: "admitted"
        case .refused: "refused"
        case .outOfService: "out-of-service"
        case .emergency: "emergency"
        }
    }
}

extension GateTest {
    /// As JSON and the command line write it.
    public var name: String {
        switch self {
        case .release: "release"
        case .lampGreen: "green"
        case .lampRed: "red"
        case .lampAmber: "amber"
        case .buzzer: "buzzer"
        }
    }
}

extension ClockTrust {
    public var wording: Bilingual {
        switch self {
        case .trusted: Bilingual("时钟可信", "trusted")
        case .behindFloor: Bilingual("时钟落后", "not trusted: behind the newest signed time or record")
        case .aheadOfSignedTime: Bilingual("时钟超前", "not trusted: ahead of signed time")
        case .stepped: Bilingual("时钟跳变", "not trusted: it jumped")
        }
    }

    /// As JSON writes it.
    public var name: String {
        switch self {
        case .trusted: "trusted"
        case .behindFloor: "behind-floor"
        case .aheadOfSignedTime: "ahead-of-signed-time"
        case .stepped: "stepped"
        }
    }
}

extension Device {
    public var wording: Bilingual {
        switch self {
        case .reader(let index): Bilingual("读卡器 \(index)", "reader \(index)")
        case .thermometer: Bilingual("测温仪", "thermometer")
        case .gate: Bilingual("闸机", "gate")
        }
    }
}

extension TamperContact {
    public var wording: Bilingual {
        switch self {
        case .reader(let index): Device.reader(index).wording
        case .cabinet: Bilingual("机箱", "cabinet")
        }
    }
}

extension JournalState {
    public var wording: Bilingual {
        switch self {
        case .roomy: Bilingual("空间充足", "roomy")
        case .filling: Bilingual("已用八成", "filling: 80 % not stored by the collector")
        case .nearlyFull: Bilingual("已用九成", "nearly full: 90 % not stored by the collector")
        case .reserveOnly: Bilingual("仅剩预留空间", "full: only the reserve for exits and fire is left")
        case .full: Bilingual("已满", "full, the reserve too")
        }
    }

    /// As JSON writes it.
    public var name: String {
        switch self {
        case .roomy: "roomy"
        case .filling: "filling"
        case .nearlyFull: "nearly-full"
        case .reserveOnly: "reserve-only"
        case .full: "full"
        }
    }
}

extension Verdict {
    public var wording: Bilingual {
        switch self {
        case .admitted: Bilingual("通行", "admitted")
        case .refused: Bilingual("拒绝", "refused")
        }
    }

    /// As JSON writes it.
    public var name: String {
        switch self {
        case .admitted: "admitted"
        case .refused: "refused"
        }
    }
}

// The states of the keys, as `explain` tells them.

extension VaccineState {
    public var wording: Bilingual {
        switch self {
        case .unknown: Bilingual("未知", "unknown")
        case .none: Bilingual("未接种", "none")
        case .partial: Bilingual("未完成", "partial")
        case .full: Bilingual("全程接种", "full")
        }
    }
}

extension HealthCode {
    public var wording: Bilingual {
        switch self {
        case .unknown: Bilingual("未知", "unknown")
        case .green: Bilingual("绿码", "green")
        case .yellow: Bilingual("黄码", "yellow")
        case .red: Bilingual("红码", "red")
        }
    }
}

extension TestResult {
    public var wording: Bilingual {
        switch self {
        case .unknown: Bilingual("未知", "unknown")
        case .none: Bilingual("无", "none")
        case .negative: Bilingual("阴性", "negative")
        case .positive: Bilingual("阳性", "positive")
        }
    }
}

extension Activation {
    public var wording: Bilingual {
        switch self {
        case .inactive: Bilingual("未激活", "inactive")
        case .activated: Bilingual("已激活", "activated")
        case .suspended: Bilingual("已暂停", "suspended")
        case .revoked: Bilingual("已注销", "revoked")
        }
    }
}
