import Admission
import Cryptography
import Framing
import Posix
import Synchronization

/// Who may ask for what. Lanes show a certificate of the site's own authority; people and programs a token.
///
/// | | without TLS (this machine only) | with TLS |
/// |---|---|---|
/// | what lanes use | open | a lane's certificate |
/// | page, counts | open while there is no token; then a viewer's | a viewer's token |
/// | records of single persons, changes | open while there is no token; then an operator's | an operator's token |
final class Gatekeeper: Sendable {
    let authority: SiteAuthority
    let register: EnrolmentRegister
    let isEncrypted: Bool
    private let known = Mutex<[[UInt8]: Shown]>([:])
    private let failures = Mutex(FailureLimit())

    /// A certificate whose every part but the register and the clock was looked at.
    struct Shown: Sendable {
        var identity: LaneIdentity
        var notBefore: Int64
        var notAfter: Int64
    }

    static let mostKnown = 4096

    init(_ authority: SiteAuthority, _ register: EnrolmentRegister, isEncrypted: Bool) {
        self.authority = authority
        self.register = register
        self.isEncrypted = isEncrypted
    }

    enum Answer {
        case may
        case mayNot(HTTPResponse)
    }

    // MARK: Lanes

    enum LaneAnswer {
        /// nil: nobody is asked who he is, on this machine without TLS.
        case lane(LaneIdentity?)
        case mayNot(HTTPResponse)
    }

    /// Which lane this is.
    func lane(_ head: HTTPHead, now: Int64) -> LaneAnswer {
        guard isEncrypted else { return .lane(nil) }
        guard let shown = head.peer.certificate else {
            return refuse(
                401, "\(head.path) is for lanes, which show a certificate",
                "enrol the lane: `lanekeeper-collector lane add ID --name NAME --data DIR`, then `lanectl enrol FILE`")
        }
        let certificate: Shown
        do throws(Foreign) { certificate = try look(shown) } catch {
            return refuse(403, "this certificate is not of a lane of this site: \(error.reason)", Self.again)
        }
        let identity = certificate.identity
        let name = identity.lane.text
        guard certificate.notBefore <= now, now <= certificate.notAfter else {
            return refuse(
                403,
                "the certificate of lane \(name) \(now > certificate.notAfter ? "expired" : "begins") "
                    + Timestamp.format(now > certificate.notAfter ? certificate.notAfter : certificate.notBefore)
                    + ", it is \(Timestamp.format(now)) here", Self.again)
        }
        guard let lane = register.current().lanes[identity.lane] else {
            return refuse(403, "lane \(name) is not enrolled here", Self.again)
        }
        guard lane.removedMilliseconds == nil else { return refuse(403, "lane \(name) was removed", Self.again) }
        guard lane.enrolment == identity.enrolment else {
            return refuse(403, "lane \(name) was enrolled anew, for another controller", Self.again)
        }
        guard identity.issue >= lane.issue else {
            return refuse(
                403, "this certificate of lane \(name) was renewed, and the new one was used already", Self.again)
        }
        register.used(identity, expires: certificate.notAfter, now: now)
        return .lane(identity)
    }

    private static let again = "enrol the lane anew with `lanekeeper-collector lane add` and `lanectl enrol`"

    /// A kept connection goes on showing what it showed first: it is closed, so that the next one shows the newest.
    private func refuse(_ status: Int, _ error: String, _ advice: String) -> LaneAnswer {
        .mayNot(.error(status, error, advice: advice, headers: [("Connection", "close")]))
    }

    private struct Foreign: Error { var reason: String }

    private func look(_ der: [UInt8]) throws(Foreign) -> Shown {
        if let seen = known.withLock({ $0[der] }) { return seen }
        let certificate: Certificate
        do throws(CryptographyFailure) { certificate = try Certificate(der: der) } catch {
            throw Foreign(reason: error.reason)
        }
        guard certificate.isSigned(by: authority.authority.certificate) else {
            throw Foreign(reason: "another authority signed it")
        }
        guard certificate.isForClient,
            let identity = LaneIdentity(
                organisation: certificate.subject.organisation, commonName: certificate.subject.commonName,
                serialNumber: certificate.subject.serialNumber), identity.site == authority.site
        else { throw Foreign(reason: "it names none") }
        let shown = Shown(
            identity: identity, notBefore: certificate.notBeforeMilliseconds,
            notAfter: certificate.notAfterMilliseconds)
        known.withLock {
            if $0.count >= Self.mostKnown { $0.removeAll() }
            $0[der] = shown
        }
        return shown
    }

    // MARK: People and programs

    /// Whether tokens are asked for at all.
    var asksForTokens: Bool { isEncrypted || !register.current().tokens.isEmpty }

    func person(_ head: HTTPHead, needs role: EnrolmentRegister.Role, now: Int64) -> Answer {
        guard asksForTokens else { return .may }
        guard let token = Self.token(head) else {
            return .mayNot(
                .error(
                    401, "\(head.path) needs the token of \(role.words)",
                    advice: "send `Authorization: Bearer TOKEN`, or log in at /login; "
                        + "`lanekeeper-collector token add` makes one",
                    headers: [("WWW-Authenticate", "Bearer")]))
        }
        switch check(token, from: head.peer.address, now: now) {
        case .unknown(let response): return .mayNot(response)
        case .known(let found):
            guard found.includes(role) else {
                return .mayNot(
                    .error(
                        403, "\(head.path) needs the token of \(role.words), this is that of \(found.words)",
                        advice: "ask who runs the site for a token of that role"))
            }
            return .may
        }
    }

    enum TokenAnswer {
        case known(EnrolmentRegister.Role)
        case unknown(HTTPResponse)
    }

    /// A right token always works: others behind the same address must not be shut out by one wrong program.
    func check(_ token: String, from address: String, now: Int64) -> TokenAnswer {
        let hash = token.utf8.count <= AccessToken.longest ? try? AccessToken.hash(token) : nil
        if let hash {
            var found: EnrolmentRegister.Token?
            // All are compared, each in constant time: how long it takes tells nothing.
            for token in register.current().tokens where equalInConstantTime(token.hash, hash) { found = token }
            if let found, found.expiresMilliseconds.map({ now <= $0 }) ?? true { return .known(found.role) }
        }
        guard failures.withLock({ $0.count(address, now: now) }) else {
            return .unknown(
                .error(
                    429, "too many wrong tokens from \(address)", advice: "send a right one, or wait a minute",
                    headers: [("Retry-After", "60"), ("Connection", "close")]))
        }
        return .unknown(
            .error(
                401, "this token is not valid here: unknown, expired or removed",
                advice: "ask for a new one: `lanekeeper-collector token add NAME --role viewer|operator`",
                headers: [("WWW-Authenticate", "Bearer error=\"invalid_token\"")]))
    }

    private static func token(_ head: HTTPHead) -> String? {
        if let value = head.header("authorization") {
            let parts = value.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
            return String(parts[1])
        }
        for cookie in (head.header("cookie") ?? "").split(separator: ";") {
            let parts = cookie.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].filter({ $0 != " " }) == LoginPage.cookie { return String(parts[1]) }
        }
        return nil
    }
}

/// Wrong tokens of each address within a minute.
struct FailureLimit {
    static let most = 20
    static let windowMilliseconds: Int64 = 60_000
    static let mostAddresses = 1024

    private var addresses: [String: (count: Int, since: Int64)] = [:]

    /// Counts one; false when there were too many.
    mutating func count(_ address: String, now: Int64) -> Bool {
        var entry = addresses[address] ?? (0, now)
        // The wall clock may have been set back.
        if now - entry.since >= Self.windowMilliseconds || now < entry.since { entry = (0, now) }
        entry.count = min(entry.count + 1, Self.most + 1)
        if addresses[address] == nil, addresses.count >= Self.mostAddresses {
            addresses = addresses.filter { abs(now - $0.value.since) < Self.windowMilliseconds }
            if addresses.count >= Self.mostAddresses { addresses.removeAll() }
        }
        addresses[address] = entry
        if entry.count == Self.most + 1 { return false }
        if entry.count == 1 { Log.warning("\(address): a wrong token") }
        return true
    }
}
