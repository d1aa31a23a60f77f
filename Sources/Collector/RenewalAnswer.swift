import Cryptography
import Framing
import Posix

/// The answer to a lane that asks for its next certificate with the one it has.
struct RenewalAnswer {
    static let contentType = "application/pkcs10"
    static let longestRequest = 8192
    let response: HTTPResponse

    init(_ request: HTTPRequest, _ gate: Gatekeeper, now: Int64) {
        switch gate.lane(request.head, now: now) {
        case .mayNot(let refusal): response = refusal
        case .lane(nil):
            response = .error(
                403, "without TLS there is no certificate to renew", advice: "enrol the lane at a collector with TLS")
        case .lane(let identity?):
            var next = identity
            next.issue += 1
            let days = gate.register.current().lanes[identity.lane]?.days ?? SiteAuthority.laneDays
            do throws(CryptographyFailure) {
                let asked = try CertificateRequest(pem: request.takeBody())
                let certificate = try gate.authority.renew(next, for: asked, days: days, now: now)
                Log.notice("lane \(identity.lane.text): certificate \(next.issue) was issued")
                response = HTTPResponse(200, "application/x-pem-file", certificate)
            } catch {
                response = .error(400, error.description, advice: "send a PKCS #10 request in PEM for a P-256 key")
            }
        }
    }
}
