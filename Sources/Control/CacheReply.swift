import Admission
import Framing

/// What a lane holds of credentials: the image, the changes on top of it, and how old its knowledge is. Instants are ms
/// since 1970-01-01 UTC. No identifier and no holder is in it.
public struct CacheReply: Codable, Sendable, Equatable {
    public struct Image: Codable, Sendable, Equatable {
        public var version: UInt64
        /// SHA-256 of its header, 64 hexadecimal digits: what statements name it by.
        public var digest: String
        /// 32 hexadecimal digits.
        public var site: String
        public var issuedAtMilliseconds: Int64
        public var holders: Int
        public var identifiers: Int
        /// Places of its table; `identifiers / slots` is its load.
        public var slots: Int
        /// Of its file.
        public var bytes: Int
        /// The change up to which it has taken changes in.
        public var changeNumber: UInt64
        /// Why it is not locked in memory; nil when it is, or when nobody tried.
        public var notLocked: String?

        public init(_ header: ImageHeader, digest: [UInt8], notLocked: String? = nil) {
            version = header.version
            self.digest = Hexadecimal.text(digest)
            site = header.site.hex
            issuedAtMilliseconds = header.issuedAt.milliseconds
            holders = header.holders
            identifiers = header.identifiers
            slots = header.slots
            bytes = header.headerLength + header.bodyLength
            changeNumber = header.changeNumber
            self.notLocked = notLocked
        }
    }

    /// The urgent changes on top of the image.
    public struct Overlay: Codable, Sendable, Equatable {
        /// The newest change in force; without any on top, the image's.
        public var changeNumber: UInt64
        /// Identifiers of which something else is known than the image says.
        public var identifiers: Int
        /// So many there is room for.
        public var room: Int
        /// When the newest list was issued; nil without any.
        public var issuedAtMilliseconds: Int64?
        /// The newest statement on this image names other changes up to this one; nil: none that is known.
        public var differsAt: UInt64?

        public init(
            changeNumber: UInt64, identifiers: Int, room: Int, issuedAtMilliseconds: Int64?, differsAt: UInt64? = nil
        ) {
            self.differsAt = differsAt
            self.changeNumber = changeNumber
            self.identifiers = identifiers
            self.room = room
            self.issuedAtMilliseconds = issuedAtMilliseconds
        }
    }

    /// The newest that the site signed and the lane has verified.
    public struct Statement: Codable, Sendable, Equatable {
        public var imageVersion: UInt64
        public var changeNumber: UInt64
        public var asOfMilliseconds: Int64
        /// Of that image, as in `Image`.
        public var imageDigest: String

        public init(_ statement: Framing.Statement) {
            imageVersion = statement.imageVersion
            changeNumber = statement.changeNumber
            asOfMilliseconds = statement.asOf.milliseconds
            imageDigest = Hexadecimal.text(statement.imageHeaderDigest)
        }
    }

    /// How old what is in force is, and what the policy says to that.
    public struct Freshness: Codable, Sendable, Equatable {
        /// fresh, warn or stale.
        public var state: String
        /// Since what is in force was last said to be current.
        public var statementAgeMilliseconds: Int64
        public var statementWarnMilliseconds: Int64
        public var statementLimitMilliseconds: Int64
        public var imageAgeMilliseconds: Int64
        public var imageWarnMilliseconds: Int64
        public var imageLimitMilliseconds: Int64
        /// refuse or admit: what the policy does beyond a limit.
        public var whenStale: String

        public init(
            state: String, statementAgeMilliseconds: Int64, statementWarnMilliseconds: Int64,
            statementLimitMilliseconds: Int64, imageAgeMilliseconds: Int64, imageWarnMilliseconds: Int64,
            imageLimitMilliseconds: Int64, whenStale: String
        ) {
            self.state = state
            self.statementAgeMilliseconds = statementAgeMilliseconds
            self.statementWarnMilliseconds = statementWarnMilliseconds
            self.statementLimitMilliseconds = statementLimitMilliseconds
            self.imageAgeMilliseconds = imageAgeMilliseconds
            self.imageWarnMilliseconds = imageWarnMilliseconds
            self.imageLimitMilliseconds = imageLimitMilliseconds
            self.whenStale = whenStale
        }
    }

    /// An image that is kept, so that old decisions can be recomputed.
    public struct Kept: Codable, Sendable, Equatable {
        public var version: UInt64
        public var bytes: Int64
        public var fetchedAtMilliseconds: Int64

        public init(version: UInt64, bytes: Int64, fetchedAtMilliseconds: Int64) {
            self.version = version
            self.bytes = bytes
            self.fetchedAtMilliseconds = fetchedAtMilliseconds
        }
    }

    /// A file that the uplink brought and the daemon does not take.
    public struct Refused: Codable, Sendable, Equatable {
        /// In `uplink/incoming`.
        public var file: String
        public var reason: String
        public var atMilliseconds: Int64

        public init(file: String, reason: String, atMilliseconds: Int64) {
            self.file = file
            self.reason = reason
            self.atMilliseconds = atMilliseconds
        }
    }

    /// daemon: what it decides by now. files: what the lane's files say, and a daemon would begin with.
    public var source: String
    public var nowMilliseconds: Int64
    /// nil: there is none.
    public var image: Image?
    public var overlay: Overlay?
    public var statement: Statement?
    /// nil without an image, or where the policy is not known.
    public var freshness: Freshness?
    /// Newest first, the one in force among them.
    public var kept: [Kept]
    /// The newest refusal first.
    public var refused: [Refused]
    /// What could not be said, and why, in English.
    public var notes: [String]

    public init(
        source: String, nowMilliseconds: Int64, image: Image?, overlay: Overlay?, statement: Statement?,
        freshness: Freshness?, kept: [Kept] = [], refused: [Refused] = [], notes: [String] = []
    ) {
        self.source = source
        self.nowMilliseconds = nowMilliseconds
        self.image = image
        self.overlay = overlay
        self.statement = statement
        self.freshness = freshness
        self.kept = kept
        self.refused = refused
        self.notes = notes
    }
}

/// What the image and the changes on top of it hold for one badge. The identifier is not in it: whoever asked has it.
public struct CacheLookupReply: Codable, Sendable, Equatable {
    /// What one of the two says.
    public struct Held: Codable, Sendable, Equatable {
        /// found, unknown, conflict (claimed by two holders), or no-image.
        public var state: String
        public var holder: UInt32?
        /// The states by their names in the feed.
        public var kind: String?
        public var vaccine: String?
        public var healthCode: String?
        /// nil: never.
        public var assessedAtMilliseconds: Int64?
        public var test: String?
        /// nil: no sample.
        public var sampledAtMilliseconds: Int64?
        public var activation: String?
        public var zones: [String]?
        /// nil: since ever, for ever.
        public var validFromMilliseconds: Int64?
        public var validUntilMilliseconds: Int64?

        /// - Parameter zones: the image's, bit n of a credential's zones being zone n.
        public init(_ lookup: BadgeLookup, zones names: [ShortName]) {
            guard case .found(let credential) = lookup else {
                state =
                    switch lookup {
                    case .conflict: "conflict"
                    case .noImage: "no-image"
                    default: "unknown"
                    }
                return
            }
            func instant(_ seconds: UInt32) -> Int64? { seconds == 0 ? nil : Int64(seconds) * 1000 }
            state = "found"
            holder = credential.holder.number
            kind = "\(credential.kind.name)"
            vaccine = "\(credential.vaccine)"
            healthCode = "\(credential.healthCode)"
            assessedAtMilliseconds = instant(credential.assessedAtSeconds)
            test = "\(credential.test)"
            sampledAtMilliseconds = instant(credential.sampledAtSeconds)
            activation = "\(credential.activation)"
            zones = names.enumerated().filter { credential.zones >> UInt64($0.offset) & 1 == 1 }.map(\.element.text)
            validFromMilliseconds = credential.validFromSeconds.map { $0 * 1000 }
            validUntilMilliseconds = credential.validUntilSeconds.map { $0 * 1000 }
        }
    }

    /// As in `CacheReply`.
    public var source: String
    public var nowMilliseconds: Int64
    /// chip, code or epc.
    public var type: String
    /// 0: none.
    public var imageVersion: UInt64
    public var changeNumber: UInt64
    public var image: Held
    /// nil: no change is about this badge.
    public var overlay: Held?
    /// overlay or image: which of the two decides; none without an image.
    public var decides: String

    public init(
        source: String, nowMilliseconds: Int64, type: String, imageVersion: UInt64, changeNumber: UInt64, image: Held,
        overlay: Held?
    ) {
        self.source = source
        self.nowMilliseconds = nowMilliseconds
        self.type = type
        self.imageVersion = imageVersion
        self.changeNumber = changeNumber
        self.image = image
        self.overlay = overlay
        decides = overlay != nil ? "overlay" : image.state == "no-image" ? "none" : "image"
    }
}
