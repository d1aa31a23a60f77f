import CCurl

/// One request to the collector and what comes of it: one easy handle of libcurl.
///
/// Lives on the thread of its client. The answer is bounded: 32 KiB of headers, 64 KiB of body in memory; beyond that
/// the transfer ends as *too large*.
public final class Exchange {
    public static let mostHeaderBytes = 32 << 10
    public static let mostBodyBytes = 64 << 10
    private static let longestHeaderValue = 512

    let handle: UnsafeMutableRawPointer
    private var headers: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>
    private let receiver: (any BodyReceiver)?
    private var receiverHasBegun = false
    private var head = AnswerHead()
    private var headerBytes = 0
    private var headIsComplete = false
    private var body: [UInt8] = []
    /// Ours, found while bytes came in; libcurl only knows that a callback refused them.
    private var failure: TransferFailure?

    /// The URL it goes to.
    public let target: String

    /// `youngerThan`: a connection that is older, in seconds, is not used again.
    init(
        _ request: Request, to settings: CollectorSettings, receiver: (any BodyReceiver)?, youngerThan: Int? = nil
    ) throws(TransferFailure) {
        guard let handle = curl_easy_init() else { throw TransferFailure(.local, "not enough memory for a request") }
        self.handle = handle
        self.receiver = receiver
        target = settings.url.appending(request.path)
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        var options = CurlOptions(handle: handle)
        options.set(CURLOPT_ERRORBUFFER, pointer: errorText)
        options.set(CURLOPT_URL, text: target)
        Self.restrict(&options)
        Self.bound(&options, request, settings)
        if settings.url.isEncrypted {
            var encryption = settings.encryption
            if let file = request.identityFile {
                encryption.certificateFile = file
                encryption.keyFile = file
            }
            Self.encrypt(&options, encryption)
        }
        if let youngerThan {
            if youngerThan < 1 { options.set(CURLOPT_FRESH_CONNECT, 1) }
            options.set(CURLOPT_MAXLIFETIME_CONN, max(1, youngerThan))
        }
        for line in request.headers { append(line) }
        if let post = request.post {
            append("Content-Type: \(post.contentType)")
            // Otherwise libcurl asks for permission before long bodies, which costs a wait where nobody answers that.
            append("Expect:")
            options.set(CURLOPT_POST, 1)
            options.set(CURLOPT_POSTFIELDSIZE_LARGE, size: Int64(post.body.count))
            post.body.withUnsafeBytes { options.set(CURLOPT_COPYPOSTFIELDS, pointer: $0.baseAddress) }
        }
        options.set(CURLOPT_HTTPHEADER, list: headers)
        let context = Unmanaged.passUnretained(self).toOpaque()
        options.set(CURLOPT_HEADERDATA, pointer: context)
        options.set(CURLOPT_WRITEDATA, pointer: context)
        options.set(CURLOPT_HEADERFUNCTION, receiver: receiveHeader)
        options.set(CURLOPT_WRITEFUNCTION, receiver: receiveBody)
        if let refused = options.refusal { throw refused }
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
        errorText.deallocate()
    }

    /// What is never done, whoever answers: follow a redirect, speak another protocol, ask the environment for a proxy,
    /// raise a signal, wait for a name server that hangs when the transfer has ended (CURLOPT_QUICK_EXIT).
    private static func restrict(_ options: inout CurlOptions) {
        options.set(CURLOPT_PROTOCOLS_STR, text: "http,https")
        options.set(CURLOPT_FOLLOWLOCATION, 0)
        options.set(CURLOPT_PROXY, text: "")
        options.set(CURLOPT_NOPROXY, text: "*")
        options.set(CURLOPT_NOSIGNAL, 1)
        options.set(CURLOPT_QUICK_EXIT, 1)
        options.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        options.set(CURLOPT_USERAGENT, text: "lanekeeper-uplink")
    }

    private static func bound(_ options: inout CurlOptions, _ request: Request, _ settings: CollectorSettings) {
        options.set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeoutMilliseconds)
        options.set(CURLOPT_TIMEOUT_MS, request.timeoutMilliseconds)
        options.set(CURLOPT_LOW_SPEED_LIMIT, 1)
        options.set(CURLOPT_LOW_SPEED_TIME, settings.stallSeconds)
        // A connection that a NAT box has forgotten meanwhile would cost a whole deadline.
        options.set(CURLOPT_MAXAGE_CONN, 60)
        options.set(CURLOPT_TCP_KEEPALIVE, 1)
    }

    private static func encrypt(_ options: inout CurlOptions, _ encryption: CollectorSettings.Encryption) {
        options.set(CURLOPT_SSL_VERIFYPEER, 1)
        options.set(CURLOPT_SSL_VERIFYHOST, 2)
        options.set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        if let file = encryption.authorityFile {
            options.set(CURLOPT_CAINFO, text: file)
            // Otherwise the system's authorities would be believed as well.
            options.set(CURLOPT_CAPATH, pointer: nil)
        }
        if let file = encryption.certificateFile { options.set(CURLOPT_SSLCERT, text: file) }
        if let file = encryption.keyFile { options.set(CURLOPT_SSLKEY, text: file) }
    }

    private func append(_ line: String) {
        if let longer = curl_slist_append(headers, line) { headers = longer }
    }

    // MARK: What comes in

    /// One header line, with its line end; also the status line, and the empty line at the end.
    fileprivate func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        headerBytes += bytes.count
        guard headerBytes <= Self.mostHeaderBytes else {
            failure = TransferFailure(.tooLarge, "\(target): more than \(Self.mostHeaderBytes) bytes of headers")
            return false
        }
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // A provisional answer (100) is followed by another head.
            head = AnswerHead(status: line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
            headIsComplete = false
            return true
        }
        if line == "\r\n" || line == "\n" { headIsComplete = true }
        guard let colon = line.firstIndex(of: ":") else { return true }
        let name = line[..<colon].lowercased()
        let value = trimmed(line[line.index(after: colon)...])
        if AnswerHead.wanted.contains(name), value.utf8.count <= Self.longestHeaderValue {
            head.add(name: name, value: value)
        }
        return true
    }

    private func trimmed(_ text: Substring) -> String {
        var text = text
        while let last = text.unicodeScalars.last, last.value <= 0x20 { text.unicodeScalars.removeLast() }
        while let first = text.unicodeScalars.first, first.value <= 0x20 { text.unicodeScalars.removeFirst() }
        return String(text)
    }

    private var goesToReceiver: Bool { head.status == 200 || head.status == 206 }

    private func beginReceiving(_ receiver: any BodyReceiver) throws(TransferFailure) {
        guard !receiverHasBegun else { return }
        receiverHasBegun = true
        try receiver.begin(head)
    }

    fileprivate func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if let receiver, goesToReceiver {
            do throws(TransferFailure) {
                try beginReceiving(receiver)
                try receiver.take(bytes)
                return true
            } catch {
                failure = error
                return false
            }
        }
        guard body.count + bytes.count <= Self.mostBodyBytes else {
            failure = TransferFailure(.tooLarge, "\(target): a body of more than \(Self.mostBodyBytes) bytes")
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    /// What became of it, once libcurl is done with it.
    func outcome(_ code: CURLcode) -> ExchangeOutcome {
        if let failure { return .failed(failure) }
        guard code == CURLE_OK else {
            return .failed(TransferFailure(kind(of: code), "\(target): \(words(for: code))"))
        }
        // libcurl takes a connection that closes within the headers for an answer without a body.
        guard headIsComplete else {
            return .failed(TransferFailure(.broken, "\(target): the connection was closed within the headers"))
        }
        if let receiver, goesToReceiver {
            do throws(TransferFailure) {
                try beginReceiving(receiver)
            } catch {
                return .failed(error)
            }
        }
        return .answered(Answer(head: head, body: body))
    }

    private func words(for code: CURLcode) -> String {
        let own = String(cString: errorText)
        return own.isEmpty ? String(cString: curl_easy_strerror(code)) : own
    }

    private func kind(of code: CURLcode) -> TransferFailure.Kind {
        switch code {
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST: .unreachable
        case CURLE_OPERATION_TIMEDOUT: .tooSlow
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
            .notTrusted
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT, CURLE_INTERFACE_FAILED: .local
        default: .broken
        }
    }
}

private let receiveHeader: ccurl_receive_function = { bytes, size, count, context in
    guard let context else { return 0 }
    let exchange = Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
    return exchange.takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

/// Any other count than the one it was given ends the transfer, so a body of no bytes needs a number of its own.
private let receiveBody: ccurl_receive_function = { bytes, size, count, context in
    guard let context else { return 0 }
    let exchange = Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
    let taken = exchange.takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
    return taken ? size * count : Int(CURL_WRITEFUNC_ERROR)
}

/// Sets options and keeps the first refusal.
private struct CurlOptions {
    let handle: UnsafeMutableRawPointer
    private(set) var refusal: TransferFailure?

    init(handle: UnsafeMutableRawPointer) { self.handle = handle }

    private mutating func note(_ code: CURLcode, _ option: CURLoption) {
        guard code != CURLE_OK, refusal == nil else { return }
        let why = String(cString: curl_easy_strerror(code))
        refusal = TransferFailure(.local, "libcurl does not take option \(option.rawValue): \(why)")
    }

    mutating func set(_ option: CURLoption, _ value: Int) { note(ccurl_set_long(handle, option, value), option) }
    mutating func set(_ option: CURLoption, size: Int64) { note(ccurl_set_size(handle, option, Int(size)), option) }
    mutating func set(_ option: CURLoption, text: String) { note(ccurl_set_text(handle, option, text), option) }
    mutating func set(_ option: CURLoption, pointer: UnsafeRawPointer?) {
        note(ccurl_set_pointer(handle, option, pointer), option)
    }
    mutating func set(_ option: CURLoption, list: UnsafeMutablePointer<curl_slist>?) {
        note(ccurl_set_list(handle, option, list), option)
    }
    mutating func set(_ option: CURLoption, receiver: ccurl_receive_function) {
        note(ccurl_set_receiver(handle, option, receiver), option)
    }
}
