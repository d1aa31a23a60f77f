import Admission
import Cryptography
import Framing
import Posix

/// Gets this lane's next certificate before the one it has expires.
///
///     lane.pem has less than a third of its time left
///       └► a new key, made here ─► POST /v1/renewal with the certificate that is still good ─► next.pem
///            └► GET /v1/statement with next.pem ─► answered ─► next.pem becomes lane.pem, in one step
///
/// Until that answer both are good, at the collector too: whatever is cut short here is begun again.
final class CertificateRenewal: Errand {
    static let path = "/v1/renewal"
    private static let lookMilliseconds: Int64 = 3_600_000
    private static let retryMilliseconds: Int64 = 60_000

    private let settings: UplinkSettings
    private let client: CollectorClient
    private let current: String
    private let next: String
    private var due: MonotonicTime
    private var report = FailureReport("renewing the certificate")
    private var work = Work.none
    private var expires: Int64?

    private enum Work {
        case none
        /// The new key is kept nowhere else until its certificate is here.
        case asking(Exchange, PrivateKey, for: Certificate)
        case trying(Exchange)
    }

    init(_ settings: UplinkSettings, _ client: CollectorClient, identityDirectory: String, now: MonotonicTime) {
        self.settings = settings
        self.client = client
        current = "\(identityDirectory)/lane.pem"
        next = "\(identityDirectory)/next.pem"
        // Lanes that start together do not ask together.
        due = now.advanced(byMilliseconds: .random(in: 0...2000))
    }

    var summary: String { expires.map { "certificate until \(Timestamp.format($0))" } ?? "" }
    var complaints: [String] { [report.current].compactMap { $0 } }
    var nextDue: MonotonicTime { if case .none = work { due } else { .never } }

    func step(now: MonotonicTime) {
        guard case .none = work, now >= due else { return }
        due = now.advanced(byMilliseconds: Self.lookMilliseconds + .random(in: 0...Self.lookMilliseconds / 10))
        do throws(TransferFailure) {
            let held = try certificate(current)
            expires = held.notAfterMilliseconds
            if let waiting = try waiting(after: held) {
                work = .trying(try tryOut(waiting))
            } else if Self.isDue(held, at: SystemClock.wallMilliseconds()) {
                work = try ask(for: held)
            }
        } catch { failed(error, now) }
    }

    /// Less than a third of its time is left.
    static func isDue(_ certificate: Certificate, at wallMilliseconds: Int64) -> Bool {
        let whole = certificate.notAfterMilliseconds - certificate.notBeforeMilliseconds
        return certificate.notAfterMilliseconds - wallMilliseconds < whole / 3
    }

    func stop() {
        switch work {
        case .none: break
        case .asking(let exchange, _, _), .trying(let exchange): client.cancel(exchange)
        }
        work = .none
    }

    func take(_ exchange: Exchange, _ outcome: ExchangeOutcome, now: MonotonicTime) -> Bool {
        switch work {
        case .asking(let own, let key, let held) where own === exchange:
            work = .none
            do throws(TransferFailure) {
                try keep(try outcome.expecting([200]).body, key, after: held)
                due = now
            } catch { failed(error, now) }
        case .trying(let own) where own === exchange:
            work = .none
            do throws(TransferFailure) { try tried(outcome) } catch { failed(error, now) }
        default: return false
        }
        return true
    }

    // MARK: Steps

    private func ask(for held: Certificate) throws(TransferFailure) -> Work {
        let key: PrivateKey
        let request: [UInt8]
        do throws(CryptographyFailure) {
            key = try PrivateKey.generate()
            request = try CertificateRequest.make(for: key)
        } catch { throw TransferFailure(.local, error.description) }
        let exchange = try client.start(
            Request(
                path: Self.path, post: Request.Post(contentType: "application/pkcs10", body: request),
                timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds))
        return .asking(exchange, key, for: held)
    }

    private func keep(_ pem: [UInt8], _ key: PrivateKey, after held: Certificate) throws(TransferFailure) {
        let both: [UInt8]
        do throws(CryptographyFailure) {
            let certificate = try Certificate(pem: pem)
            guard key.belongs(to: certificate), isSuccessor(certificate, of: held) else {
                throw CryptographyFailure("use the new certificate", reason: "it is not this lane's next one")
            }
            both = try certificate.pem() + key.pem()
        } catch { throw TransferFailure(.nonsense, error.description) }
        try onDisk { () throws(SystemFailure) in try FileSystem.replace(next, with: both, mode: 0o600) }
    }

    private func isSuccessor(_ certificate: Certificate, of held: Certificate) -> Bool {
        certificate.subject.commonName == held.subject.commonName
            && certificate.subject.organisation == held.subject.organisation
            && certificate.notAfterMilliseconds > held.notAfterMilliseconds
    }

    /// What an earlier try left, when it is good.
    private func waiting(after held: Certificate) throws(TransferFailure) -> String? {
        let isThere = try onDisk { () throws(SystemFailure) in try FileSystem.statusIfPresent(next) != nil }
        guard isThere else { return nil }
        do throws(TransferFailure) {
            let certificate = try certificate(next)
            if isSuccessor(certificate, of: held) { return next }
        } catch { Log.warning("\(next): \(error.description)") }
        try onDisk { () throws(SystemFailure) in try FileSystem.unlink(next) }
        return nil
    }

    private func tryOut(_ file: String) throws(TransferFailure) -> Exchange {
        var request = Request(
            path: "/v1/statement", timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds)
        request.identityFile = file
        return try client.start(request)
    }

    private func tried(_ outcome: ExchangeOutcome) throws(TransferFailure) {
        do throws(TransferFailure) {
            // 404: it is believed, and no image was published yet.
            _ = try outcome.expecting([200, 404])
        } catch {
            // The old one is still good, and asks for another.
            if error.status == 401 || error.status == 403 {
                try onDisk { () throws(SystemFailure) in try FileSystem.unlink(next) }
            }
            throw error
        }
        try onDisk { () throws(SystemFailure) in
            try FileSystem.rename(next, to: current)
            try FileSystem.syncDirectory(FileSystem.parent(of: current))
        }
        client.identityChanged()
        expires = try certificate(current).notAfterMilliseconds
        if let line = report.succeeded() { Log.notice(line) }
        Log.notice("the certificate was renewed, it is good until \(Timestamp.format(expires ?? 0))")
    }

    private func certificate(_ path: String) throws(TransferFailure) -> Certificate {
        let pem = try onDisk { () throws(SystemFailure) in try FileSystem.read(path, limit: 64 << 10) }
        do throws(CryptographyFailure) {
            let certificate = try Certificate(pem: pem)
            guard try PrivateKey(pem: pem).belongs(to: certificate) else {
                throw CryptographyFailure("use \(path)", reason: "its key is another certificate's")
            }
            return certificate
        } catch { throw TransferFailure(.local, "\(path): \(error.description)") }
    }

    private func failed(_ failure: TransferFailure, _ now: MonotonicTime) {
        if let line = report.failed(key: "\(failure.kind)", failure.description, now: now) { Log.warning(line) }
        let wait = max(Self.retryMilliseconds, failure.retryAfterMilliseconds)
        due = now.advanced(byMilliseconds: wait + .random(in: 0...wait / 4))
    }
}
