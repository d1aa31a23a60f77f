import Posix
import Synchronization

/// `GET /v1/occupancy` and `/v1/occupancy/stream`: how many are on site and in each zone, for other systems of the venue.
///
/// The state has a revision, one for whoever asks and for all streams: it is compared with what was said before, and where it
/// differs the revision grows by one. It begins with the instant of the start, so that it grows over restarts too.
final class Occupancy: Sendable {
    /// All of it, as JSON with its instant.
    struct Document: Sendable {
        var revision: Int64
        var bytes: [UInt8]
        /// Until when every lane has told what happened at it; nil: nobody knows.
        var knownThroughMilliseconds: Int64?
    }

    /// Older knowledge than this is stale.
    static let staleMilliseconds = ScreenFigures.silentMilliseconds

    private struct Said: Sendable {
        var revision: Int64
        var state: [UInt8] = []
    }

    private let said: Mutex<Said>

    /// `now`: ms since 1970-01-01 UTC.
    init(now: Int64) { said = Mutex(Said(revision: now)) }

    func document(_ figures: ScreenFigures, now: Int64) -> Document {
        let known = figures.knownThrough(now: now)
        let state =
            [("is_stale", .truth(known.map { now - $0 > Self.staleMilliseconds } ?? true))]
            + figures.occupancy(now: now)
        let text = JSONText.object(state).bytes
        let revision = said.withLock { said in
            if said.state != text { said = Said(revision: said.revision + 1, state: text) }
            return said.revision
        }
        let head: [(String, JSONText)] = [
            ("as_of", .text(Timestamp.format(now))), ("as_of_ms", .number(now)), ("revision", .number(revision)),
            ("known_through", known.map { .text(Timestamp.format($0)) } ?? .null),
            ("known_through_ms", known.map { .number($0) } ?? .null),
        ]
        return Document(
            revision: revision, bytes: JSONText.object(head + state).bytes, knownThroughMilliseconds: known)
    }
}

extension Occupancy.Document {
    /// A browser whose stream ended asks again after `retry` ms.
    var event: [UInt8] {
        Array("event: occupancy\nid: \(revision)\nretry: 1000\ndata: ".utf8) + bytes + Array("\n\n".utf8)
    }

    /// What a stream says when nothing changes: that this is still so, and how far it is known.
    func beat(now: Int64) -> [UInt8] {
        let data = JSONText.object([
            ("as_of_ms", .number(now)), ("revision", .number(revision)),
            ("known_through_ms", knownThroughMilliseconds.map { .number($0) } ?? .null),
        ])
        return Array("event: beat\ndata: ".utf8) + data.bytes + Array("\n\n".utf8)
    }
}
