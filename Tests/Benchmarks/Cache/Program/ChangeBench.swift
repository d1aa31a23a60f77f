import Admission
import Framing
import Glibc
import LaneDaemon
import Posix
import Storage

struct ChangeFigures: Codable {
    var changes: Int
    /// A list of so many, from a complete download to a table that has them, on disk; each on top of those before.
    var live: TimesTaken
    /// As many bytes written and synced behind those in a plain file.
    var control: TimesTaken
    /// Identifiers that differ from the image at the end.
    var overlaid: Int
}

extension LaneBench {
    /// Installs the image, and lays lists of 5,000 changes on it until no more fit.
    func changes(to feed: FeedIdentifiers) throws -> (CredentialImage, ChangeFigures) {
        let image = try ImageInstaller(directory, trusting: site.trust).install(
            from: source, newerThan: 0, at: site.moment)
        var standing = StandingChanges(directory, trusting: site.trust)
        try standing.lie(on: image)
        let lists = min(ChangeOverlay.mostIdentifiers, feed.count / 2) / ChangeList.mostChanges
        guard lists > 0 else { throw Mistake("the feed is too small for 5,000 changes") }
        var all: [TimeTaken] = []
        var control: [TimeTaken] = []
        let plain = try Descriptor.open("\(directory.path)/control", [.readWrite, .create, .truncate], mode: 0o600)
        // What was written before is not to be waited for by the syncs that are measured.
        sync()
        for number in 0..<lists {
            let first = image.header.changeNumber + UInt64(number * ChangeList.mostChanges) + 1
            let bytes = try list(number, first: first, on: image, feed)
            let last = first + UInt64(ChangeList.mostChanges) - 1
            try FileSystem.replace(
                directory.incomingChanges(first: first, last: last), with: bytes, mode: LaneDirectory.fileMode)
            let (outcome, taken) = TimeTaken.measure { standing.takeIncoming(at: site.moment) }
            guard case .changed = outcome, standing.overlay?.changeNumber == last else {
                throw Mistake("changes \(first) to \(last) were not taken over")
            }
            all.append(taken)
            control.append(
                try TimeTaken.measure {
                    try bytes.withUnsafeBytes { try plain.writeAll($0) }
                    try plain.sync()
                }.1)
        }
        return (
            image,
            ChangeFigures(
                changes: ChangeList.mostChanges, live: TimesTaken(all), control: TimesTaken(control),
                overlaid: standing.overlay?.identifiers ?? 0)
        )
    }

    /// The holders of these badges turn red. Lists take every second identifier: none stands in two.
    private func list(
        _ number: Int, first: UInt64, on image: CredentialImage, _ feed: FeedIdentifiers
    ) throws -> [UInt8] {
        let header = image.header
        var changes: [ImageSlot] = []
        for place in 0..<ChangeList.mostChanges {
            let tag = feed.tag(LookupBench.changed(number * ChangeList.mostChanges + place))
            guard case .found(var credential) = image.lookup(tag) else { throw Mistake("a badge of the feed is lost") }
            credential.healthCode = .red
            guard let set = header.zoneSets.firstIndex(of: credential.zones),
                let slot = ImageSlot(
                    tag: tag, credential: credential, zoneSet: set, validityBaseSeconds: header.validityBaseSeconds)
            else { throw Mistake("a change does not fit") }
            changes.append(slot)
        }
        let list = ChangeList(
            site: site.id, first: first, issuedAt: site.moment.wall, validityBaseSeconds: header.validityBaseSeconds,
            badgeKeyFingerprint: site.badgeKey.fingerprint, zones: header.zones, zoneSets: header.zoneSets,
            changes: changes)
        return list.signedPart + (try site.signing.sign(list.signedPart))
    }
}
