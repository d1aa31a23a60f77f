/// Where the collector is, and how long its answers may take. Times in milliseconds.
public struct CollectorSettings: Sendable, Hashable {
    public var url: CollectorURL
    /// Until a connection stands, name look-up and TLS included. A collector shakes some hundred hands a second: whoever
    /// gives up while a thousand lanes come back together only begins it all again.
    public var connectTimeoutMilliseconds: Int
    /// From the first byte sent to the last received, of a batch or a statement. However slowly it drips.
    public var answerTimeoutMilliseconds: Int
    /// The same for an image, which is up to hundreds of megabytes; what came before is kept and gone on with.
    public var imageTimeoutMilliseconds: Int
    /// Less than one byte a second for so many seconds ends a transfer.
    public var stallSeconds: Int
    public var encryption: Encryption

    /// PEM files for https://.
    public struct Encryption: Sendable, Hashable {
        /// The authorities a collector's certificate may come from; nil: those of the system.
        public var authorityFile: String?
        /// This lane's own certificate and its key, which the collector asks for.
        public var certificateFile: String?
        public var keyFile: String?
        /// Where `lanectl enrol` put `ca.pem` and `lane.pem`, and where the certificate is renewed.
        public var identityDirectory: String?

        /// What an enrolled lane has: certificate and key in one file, so that both change in one step.
        public init(identityDirectory: String) {
            self.identityDirectory = identityDirectory
            authorityFile = "\(identityDirectory)/ca.pem"
            certificateFile = "\(identityDirectory)/lane.pem"
            keyFile = certificateFile
        }

        public init(authorityFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) {
            self.authorityFile = authorityFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    public init(
        url: CollectorURL, connectTimeoutMilliseconds: Int = 15_000, answerTimeoutMilliseconds: Int = 30_000,
        imageTimeoutMilliseconds: Int = 600_000, stallSeconds: Int = 10, encryption: Encryption = Encryption()
    ) {
        self.url = url
        self.connectTimeoutMilliseconds = connectTimeoutMilliseconds
        self.answerTimeoutMilliseconds = answerTimeoutMilliseconds
        self.imageTimeoutMilliseconds = imageTimeoutMilliseconds
        self.stallSeconds = stallSeconds
        self.encryption = encryption
    }
}
