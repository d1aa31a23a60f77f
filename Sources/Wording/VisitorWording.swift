import Admission

/// What the display over a lane shows a visitor: one line a language, at most 32 columns each with a service point of
/// up to four columns. It says what to do, and no more of a person's health than that needs.
public enum VisitorWording {
    public static let widestColumns = 32

    /// `servicePoint`: what the site calls the desk near this lane (`N2`); nil or empty when it has no name.
    public static func text(_ message: LaneMessage, servicePoint: String? = nil) -> Bilingual {
        switch message {
        case .presentBadge: Bilingual("请刷证件", "Please present your badge")
        case .holdStill: Bilingual("请站稳，正在测温", "Please hold still")
        case .awaiting(let company): awaiting(company)
        case .measureAgain: Bilingual("请站稳，再测一次体温", "Please hold still, once more")
        case .admitted, .walkThrough: Bilingual("请通行", "Please walk through")
        case .refused(let reasons): refusal(reasons, servicePoint: servicePoint)
        case .outOfService, .maintenance, .stale: otherLane
        case .locked: Bilingual("通道已关闭，请走其他通道", "Closed. Please use another lane")
        case .heldOpen: Bilingual("请刷证后通行", "Present your badge, walk through")
        case .emergency: Bilingual("紧急情况：请直接通行", "Emergency: walk straight through")
        }
    }

    /// What is still to come beside the badge.
    private static func awaiting(_ company: Company) -> Bilingual {
        if company.contains(.driver) { return Bilingual("请驾驶员刷证", "Driver's badge, please") }
        if company.contains(.vehicle) { return Bilingual("请出示车辆证", "The vehicle's pass, please") }
        if company.contains(.escort) { return Bilingual("请陪同人员刷证", "Your escort's badge, please") }
        switch (company.contains(.secondIdentifier), company.contains(.guardsButton)) {
        case (true, true): return Bilingual("请出示另一证件或等候确认", "Other badge, or wait for guard")
        case (true, false): return Bilingual("请再出示另一种证件", "Now show your other badge")
        default: return Bilingual("请等候工作人员确认", "Please wait for the guard")
        }
    }

    /// What a visitor does about several reasons at once. The desk comes before all: trying again or another lane would
    /// help with none of what is missing. Of the topics as many as fit, in the order of telling.
    public static func refusal(_ reasons: Reasons, servicePoint: String? = nil) -> Bilingual {
        var here: Bilingual?
        var topics: [Bilingual] = []
        var needsDesk = false
        var needsOtherLane = false
        for reason in Reasons.ordered where reasons.contains(reason) {
            switch ReasonWording.of(reason)?.step {
            case .here(let text): here = here ?? text
            case .desk(let topic):
                needsDesk = true
                if !topics.contains(topic) { topics.append(topic) }
            case .deskQuietly: needsDesk = true
            case .otherLane: needsOtherLane = true
            case nil: break
            }
        }
        if needsDesk { return desk(servicePoint, topics) }
        if needsOtherLane { return otherLane }
        return here ?? desk(servicePoint, [])
    }

    private static let otherLane = Bilingual("请走其他通道", "Please use another lane")

    private static func desk(_ servicePoint: String?, _ topics: [Bilingual]) -> Bilingual {
        let name = servicePoint.flatMap { $0.isEmpty ? nil : $0 }
        return Bilingual(
            fitting("请到\(name ?? "")服务台", "：", topics.map(\.chinese), "、"),
            topics.isEmpty
                ? name.map { "Please go to desk \($0)" } ?? "Please go to the service desk"
                : fitting(name.map { "Go to desk \($0)" } ?? "Go to the desk", ": ", topics.map(\.english), ", "))
    }

    private static func fitting(_ start: String, _ colon: String, _ topics: [String], _ comma: String) -> String {
        var text = start
        var separator = colon
        for topic in topics {
            let longer = text + separator + topic
            // The first topic is told even beside a desk with a long name.
            if Columns.count(longer) > widestColumns && separator == comma { continue }
            text = longer
            separator = comma
        }
        return text
    }
}
