import CCurl
import Posix

/// Speaks HTTP with the collector: several exchanges at a time on one thread, through one multi handle of libcurl.
///
///     let exchange = try client.start(request)
///     let ready = try client.wait(until: deadline, alsoFor: [signals.raw])
///     while let (exchange, outcome) = client.nextFinished() { … }
///
/// Nothing here waits but `wait`, and that ends at its deadline, when one of the other descriptors is readable, or when
/// an exchange has got on.
///
/// Until a connection stands, and again when none does any more, one exchange goes alone: a thousand lanes that come back at
/// once shake hands a thousand times at first, and not once for each thing that each of them wants.
public final class CollectorClient {
    /// A batch, a statement, an image, changes, who is inside, the next certificate.
    public static let mostExchanges = 6

    public let settings: CollectorSettings
    private let multi: UnsafeMutableRawPointer
    private var underWay: [UnsafeMutableRawPointer: Exchange] = [:]
    /// Of those under way, which do not ask the collector.
    private var elsewhere: Set<UnsafeMutableRawPointer> = []
    /// Until the one that is under way has its connection. Their time does not run.
    private var heldBack: [Exchange] = []
    private var isConnected = false
    /// Monotonic ns.
    private var identityChange: UInt64?
    private var finished: [(Exchange, ExchangeOutcome)] = []

    public init(_ settings: CollectorSettings) throws(TransferFailure) {
        guard libraryIsReady, let multi = curl_multi_init() else {
            throw TransferFailure(
                .local, "libcurl cannot be used: not enough memory, or its TLS library does not start")
        }
        self.settings = settings
        self.multi = multi
    }

    deinit {
        for exchange in underWay.values { curl_multi_remove_handle(multi, exchange.handle) }
        underWay.removeAll()
        heldBack.removeAll()
        finished.removeAll()
        curl_multi_cleanup(multi)
    }

    /// `receiver` takes the body of a 200 or 206; without one the body is kept in memory. `other`: whom to ask instead of
    /// the collector; it waits for no connection of the collector's, and says nothing of one.
    public func start(
        _ request: Request, receiver: (any BodyReceiver)? = nil, at other: CollectorSettings? = nil
    ) throws(TransferFailure) -> Exchange {
        guard underWay.count + heldBack.count < Self.mostExchanges else {
            throw TransferFailure(.local, "more than \(Self.mostExchanges) requests at once")
        }
        let seconds = identityChange.map { Int((SystemClock.monotonicNanoseconds() &- $0) / 1_000_000_000) }
        let exchange = try Exchange(request, to: other ?? settings, receiver: receiver, youngerThan: seconds)
        if other != nil {
            elsewhere.insert(exchange.handle)
            try begin(exchange)
        } else if mayBegin {
            try begin(exchange)
        } else {
            heldBack.append(exchange)
        }
        return exchange
    }

    /// Of those that ask the collector.
    private var mayBegin: Bool { isConnected || atCollector.isEmpty }
    private var atCollector: [UnsafeMutableRawPointer] { underWay.keys.filter { !elsewhere.contains($0) } }

    private func begin(_ exchange: Exchange) throws(TransferFailure) {
        let code = curl_multi_add_handle(multi, exchange.handle)
        guard code == CURLM_OK else { throw Self.failure(code) }
        underWay[exchange.handle] = exchange
    }

    private func letGo() throws(TransferFailure) {
        while !heldBack.isEmpty, mayBegin { try begin(heldBack.removeFirst()) }
    }

    /// The certificate file holds another certificate from now on: connections that stand have shown the old one, and
    /// are not used again.
    public func identityChanged() { identityChange = SystemClock.monotonicNanoseconds() }

    /// Ends it at once; it will not be among the finished ones.
    public func cancel(_ exchange: Exchange) {
        heldBack.removeAll { $0 === exchange }
        guard underWay.removeValue(forKey: exchange.handle) != nil else { return }
        elsewhere.remove(exchange.handle)
        curl_multi_remove_handle(multi, exchange.handle)
    }

    /// Works on the exchanges and waits for what comes first. `deadline`: monotonic ns. Returns for each of the other
    /// descriptors, at most eight, whether it is readable (or its peer is gone).
    public func wait(until deadlineNanoseconds: UInt64, alsoFor others: [Int32] = []) throws(TransferFailure) -> [Bool]
    {
        try perform()
        var entries = others.prefix(8).map { curl_waitfd(fd: $0, events: Int16(CURL_WAIT_POLLIN), revents: 0) }
        let now = SystemClock.monotonicNanoseconds()
        let rest = deadlineNanoseconds > now ? (deadlineNanoseconds - now + 999_999) / 1_000_000 : 0
        let milliseconds = finished.isEmpty ? Int32(min(rest, 60_000)) : 0
        // libcurl shortens this by its own deadlines.
        let code = curl_multi_poll(multi, &entries, UInt32(entries.count), milliseconds, nil)
        guard code == CURLM_OK else { throw Self.failure(code) }
        try perform()
        return entries.map { $0.revents != 0 }
    }

    public func nextFinished() -> (Exchange, ExchangeOutcome)? {
        finished.isEmpty ? nil : finished.removeFirst()
    }

    private func perform() throws(TransferFailure) {
        try letGo()
        var running: Int32 = 0
        let code = curl_multi_perform(multi, &running)
        guard code == CURLM_OK else { throw Self.failure(code) }
        var waiting: Int32 = 0
        while let message = curl_multi_info_read(multi, &waiting) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let result = ccurl_message_result(message)
            guard let exchange = underWay.removeValue(forKey: handle) else { continue }
            // The message is gone once the handle is taken out (curl_multi_info_read(3)).
            curl_multi_remove_handle(multi, handle)
            if elsewhere.remove(handle) == nil {
                if result == CURLE_OK { isConnected = true } else if atCollector.isEmpty { isConnected = false }
            }
            finished.append((exchange, exchange.outcome(result)))
        }
        if !isConnected { isConnected = atCollector.contains { ccurl_is_connected($0) } }
        try letGo()
    }

    private static func failure(_ code: CURLMcode) -> TransferFailure {
        TransferFailure(.local, "libcurl: \(String(cString: curl_multi_strerror(code)))")
    }
}

/// Once a process, before any other thread uses libcurl.
private let libraryIsReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
