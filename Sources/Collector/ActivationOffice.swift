import Admission

/// The fourth key as the credential office turns it.
public struct ActivationOffice {
    /// What holds when the feed says one thing and the office another. Whoever the feed suspends or revokes stays so; else
    /// the office's word counts until it takes it back.
    static func settled(feed: Activation, office: Activation) -> Activation {
        switch feed {
        case .suspended, .revoked: feed
        case .inactive, .activated: office
        }
    }

    /// By holder number.
    static func decided(_ database: Database) throws(CollectorFailure) -> [UInt32: Activation] {
        let select = try database.prepare("SELECT holder, state FROM activation")
        var decided: [UInt32: Activation] = [:]
        while try select.step() {
            guard let holder = UInt32(exactly: select.integer(0)),
                let state = UInt8(exactly: select.integer(1)).flatMap(Activation.init)
            else { continue }
            decided[holder] = state
        }
        return decided
    }
}
