/// What a person can do about anything that the site signs, an image, a statement, a list, and that is refused here.
enum SignedAdvice {
    static let notReadable = "use a collector of this version"
    static let otherSite = "check the collector's address and `site.id` in both configurations"
    static let foreignSignature =
        "compare `site.pub` with the collector's; if they are the same, treat this as an attack"
    static let issuedInFuture = "compare the clocks of lane and collector; it is looked at again and again"
    /// libcrypto could not be used at all.
    static let notVerifiable = "check the installation of libcrypto (openssl)"
}
