import Admission

// The words that JSON and the feed use for values. They are part of the API: they do not change.

extension VaccineState {
    var name: String {
        switch self {
        case .unknown: "unknown"
        case .none: "none"
        case .partial: "partial"
        case .full: "full"
        }
    }
}

extension HealthCode {
    var name: String {
        switch self {
        case .unknown: "unknown"
        case .green: "green"
        case .yellow: "yellow"
        case .red: "red"
        }
    }
}

extension TestResult {
    var name: String {
        switch self {
        case .unknown: "unknown"
        case .none: "none"
        case .negative: "negative"
        case .positive: "positive"
        }
    }
}

extension Activation {
    var name: String {
        switch self {
        case .inactive: "inactive"
        case .activated: "activated"
        case .suspended: "suspended"
        case .revoked: "revoked"
        }
    }
}

extension IdentifierType {
    var name: String {
        switch self {
        case .chip: "chip"
        case .code: "code"
        case .epc: "epc"
        }
    }
}

extension AntiPassbackFinding {
    var name: String {
        switch self {
        case .off: "off"
        case .notPassed: "not_passed"
        case .reported: "reported"
        case .refused: "refused"
        case .notKnown: "not_known"
        case .reportedInside: "reported_inside"
        case .refusedInside: "refused_inside"
        }
    }
}

extension OccupancyFinding {
    var name: String {
        switch self {
        case .off: "off"
        case .below: "below"
        case .reported: "reported"
        case .refused: "refused"
        case .notKnown: "not_known"
        }
    }
}

extension Company {
    var names: [String] {
        [
            (Company.escort, "escort"), (.secondIdentifier, "second_identifier"), (.guardsButton, "guards_button"),
            (.driver, "driver"), (.vehicle, "vehicle"),
        ].filter { contains($0.0) }.map(\.1)
    }
}

extension PassageDirection {
    var name: String {
        switch self {
        case .forward: "forward"
        case .backward: "backward"
        }
    }
}

extension ReleaseEnd {
    var name: String {
        switch self {
        case .passed: "passed"
        case .annulled: "annulled"
        case .interrupted: "interrupted"
        }
    }
}

extension UnreleasedPulse {
    var name: String {
        switch self {
        case .tailgating: "tailgating"
        case .forced: "forced"
        case .wrongWay: "wrong_way"
        case .anonymous: "anonymous"
        case .maintenance: "maintenance"
        }
    }
}

extension TemperatureOutcome {
    var name: String {
        switch self {
        case .notRequired: "not_required"
        case .measured: "measured"
        case .missing: "missing"
        case .ambiguous: "ambiguous"
        case .admittedWithout: "admitted_without"
        case .thermometerLost: "thermometer_lost"
        case .notTaken: "not_taken"
        }
    }
}

extension Releaser {
    var name: String {
        switch self {
        case .guardButton: "guard_button"
        }
    }
}

extension TamperContact {
    var name: String {
        switch self {
        case .reader(let index): "reader-\(index)"
        case .cabinet: "cabinet"
        }
    }
}

extension Device {
    var name: String {
        switch self {
        case .reader(let index): "reader-\(index)"
        case .thermometer: "thermometer"
        case .gate: "gate"
        }
    }
}
