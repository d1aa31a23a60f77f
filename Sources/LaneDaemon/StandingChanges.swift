import Admission
import Framing
import Posix
import Storage

/// The urgent changes on top of the image: their log on disk and the overlay in memory. Lives on the credential thread.
///
/// A list that the uplink brought is read once, verified, written to the log with fsync, and only then laid over what is
/// in force. One that is refused is said once, with the reason; what is in force stays.
package struct StandingChanges {
    private let directory: LaneDirectory
    private let trust: SiteTrust
    private var log: ChangeLog?
    /// nil until there is an image.
    private var laid: LaidChanges?
    package var overlay: ChangeOverlay? { laid?.overlay }
    /// The same fetched once more, from the image on, beside what is in force.
    private var anew: Anew?

    private struct Anew {
        var laid: LaidChanges
        /// As the site signed them.
        var lists: [[UInt8]] = []
    }
    /// Lists that were taken over or refused: not looked at again until the file changes.
    private var settled: [String: FileStatus] = [:]
    /// Refusals that a later look may take back, so that they are said once.
    private var said: [String: FileStatus] = [:]

    private static let mostRemembered = 256
    /// So many files are looked at each time, oldest first.
    private static let mostFiles = 1024

    private let refused: RefusedFiles

    package init(_ directory: LaneDirectory, trusting trust: SiteTrust, refused: RefusedFiles = RefusedFiles()) {
        self.refused = refused
        self.directory = directory
        self.trust = trust
    }

    /// The changes newer than `image`, to lie on it; those that it and the image before it have taken in are let go of.
    /// The rest is kept for a start that finds this image damaged. Throws when the log cannot be read, or the changes in
    /// it do not fit on this image: then nobody knows what would be lost with the image before.
    ///
    /// - Parameter former: the image in force until now, nil at a start.
    package mutating func lie(on image: CredentialImage, after former: CredentialImage? = nil) throws(StorageError) {
        log = nil
        anew = nil
        // A newer image behind the one in force: the site counts anew, and what was said before it counts no more.
        let isRewound = former.map { image.header.changeNumber < $0.header.changeNumber } ?? false
        let size = (try? FileSystem.statusIfPresent(directory.changes))??.size ?? 0
        let floor =
            size > ChangeLog.mostBytes / 2
            ? max(image.header.changeNumber, former?.header.changeNumber ?? 0) : former?.header.changeNumber
        var opened: ChangeLog.Opened
        do throws(StorageError) {
            opened =
                if let floor {
                    try ChangeLog.keep(above: floor, in: directory, trusting: trust)
                } else {
                    try ChangeLog.open(directory, trusting: trust)
                }
        } catch {
            Log.error("changes: \(error)")
            opened = try ChangeLog.open(directory, trusting: trust)
        }
        if opened.droppedBytes > 0 {
            Log.warning(
                "changes: \(opened.droppedBytes) bytes at the end of \(directory.changes) are dropped: "
                    + (opened.refusal.map { "\($0.reason); \($0.advice)" } ?? "they were being written at a cut"))
        }
        if let last = opened.lists.map(\.last).max(), last < image.header.changeNumber {
            // The image has more: what comes next would stand behind a gap.
            opened = try ChangeLog.keep(above: last, in: directory, trusting: trust)
        }
        let (made, stopped) = ChangeOverlay.laid(opened.lists, on: image.header)
        if let stopped {
            if former != nil, case .full = stopped { throw .changes(path: directory.changes, stopped) }
            Log.warning("changes: \(stopped.reason); they are fetched anew")
            if isRewound { opened = try ChangeLog.keep(above: .max, in: directory, trusting: trust) }
        }
        log = opened.log
        laid = LaidChanges(on: image, overlay: made, of: opened.lists)
    }

    /// Without the log: what a lane begins with whose disk does not let it be read.
    mutating func beginWithout(_ image: CredentialImage) {
        laid = LaidChanges(on: image)
        anew = nil
    }

    // MARK: The same changes as the site's?

    /// Whether these are the changes up to `number` that have this chain; nil: they are not all here, or later ones were
    /// compared already.
    mutating func agree(at number: UInt64, with chain: [UInt8]) -> Bool? {
        laid?.chain(at: number).map { $0 == chain }
    }

    /// The change up to which all that lies on the image was fetched once more; nil while that is not wanted.
    var numberAnew: UInt64? { anew?.laid.number }

    /// What lies on the image is to be fetched once more: what is in force stays until that is here.
    mutating func fetchAnew(on image: CredentialImage) {
        anew = Anew(laid: LaidChanges(on: image))
        // What came before lies there until the uplink has removed it, and is what is doubted.
        for (path, name) in incoming() where name.last <= laid?.number ?? 0 {
            if let status = try? FileSystem.statusIfPresent(path) { remember(status, of: path) }
        }
    }

    mutating func giveUpAnew() { anew = nil }

    /// As `agree`, of what was fetched once more.
    mutating func agreeAnew(at number: UInt64, with chain: [UInt8]) -> Bool? {
        anew?.laid.chain(at: number).map { $0 == chain }
    }

    /// What was fetched once more is in force instead, on disk first.
    mutating func adoptAnew() throws(StorageError) {
        guard let anew else { return }
        // No descriptor of the file that is replaced.
        log = nil
        log = try ChangeLog.replace(with: anew.lists, in: directory, trusting: trust).log
        laid = anew.laid
        self.anew = nil
    }

    private mutating func layAnew(_ list: ChangeList, _ bytes: [UInt8]) -> Bool {
        guard let number = numberAnew, list.last > number, list.first <= number + 1 else { return false }
        guard anew?.laid.lay(list) == true else {
            Log.error("changes: what is fetched once more is too much for a lane; what is in force stays")
            anew = nil
            return false
        }
        anew?.lists.append(bytes)
        return true
    }

    package enum Look {
        case nothing
        /// There is another overlay now.
        case changed
        /// The disk refused; to be tried again soon.
        case failed
    }

    /// Looks through `incoming`, oldest change first, and takes over what goes on where the overlay ends.
    package mutating func takeIncoming(at moment: Moment) -> Look {
        var result = Look.nothing
        for (path, name) in incoming() {
            let status: FileStatus?
            do { status = try FileSystem.statusIfPresent(path) } catch {
                Log.error("changes: \(error)")
                continue
            }
            guard let status, settled[path] != status else { continue }
            do {
                if try takeOver(path, name, at: moment) { result = .changed }
                remember(status, of: path)
                refused.forget(path)
            } catch {
                if case .changes(_, let refusal) = error {
                    // Without an image, or with another clock, it may be right.
                    let mayPass = Self.mayPass(refusal)
                    if !mayPass { remember(status, of: path) }
                    if said[path] == status { continue }
                    // Lists that are in force already lie there until the uplink removes them.
                    if case .nothingNew = refusal { refused.forget(path) } else { refused.add(path, refusal.reason) }
                    if said.count >= Self.mostRemembered { said = [:] }
                    said[path] = status
                    Log.write(Self.level(of: refusal), "changes refused, those in force stay: \(error)")
                } else {
                    Log.error("changes: \(error)")
                    return result == .changed ? .changed : .failed
                }
            }
        }
        return result
    }

    private static func mayPass(_ refusal: ChangeRefusal) -> Bool {
        switch refusal {
        case .issuedInFuture, .gap, .noImage, .full, .notVerifiable: true
        default: false
        }
    }

    private static func level(of refusal: ChangeRefusal) -> Log.Level {
        if case .nothingNew = refusal { .notice } else { .error }
    }

    private mutating func remember(_ status: FileStatus, of path: String) {
        if settled.count >= Self.mostRemembered { settled = [:] }
        settled[path] = status
    }

    private func incoming() -> [(path: String, name: (first: UInt64, last: UInt64))] {
        guard (try? FileSystem.statusIfPresent(directory.incoming)) != nil,
            let names = try? FileSystem.list(directory.incoming, limit: 10_000)
        else { return [] }
        // Names sort as their numbers do.
        return names.compactMap { name in
            LaneDirectory.incomingChanges(name: name).map { ("\(directory.incoming)/\(name)", $0) }
        }.prefix(Self.mostFiles).map { $0 }
    }

    /// False when what is in force has it already, and only what is fetched once more takes it.
    private mutating func takeOver(
        _ path: String, _ name: (first: UInt64, last: UInt64), at moment: Moment
    ) throws(StorageError) -> Bool {
        guard var next = laid else { throw .changes(path: path, .noImage) }
        let bytes: [UInt8]
        do {
            let file = try Descriptor.open(path, [.read, .nonblocking, .noFollow])
            guard try file.status().kind == .regular else {
                throw SystemFailure("read", path, code: 22, advice: "a change list is a regular file")
            }
            bytes = try file.readAll(limit: ChangeList.longest)
        } catch { throw .changes(path: path, .notAList(FormatError("change list", "\(error)"))) }
        let list: ChangeList
        do throws(ChangeRefusal) {
            list = try ChangeList.verified(bytes, trusting: trust)
            let ahead = list.issuedAt.milliseconds(since: moment.wall)
            if moment.clock == .trusted && ahead > CredentialImage.farthestFutureMilliseconds {
                throw .issuedInFuture(byMilliseconds: ahead)
            }
            let inForce = next.number
            if layAnew(list, bytes), list.last <= inForce { return false }
            guard list.last > inForce else { throw .nothingNew(last: list.last, inForce: inForce) }
            guard list.first <= inForce + 1 else { throw .gap(first: list.first, inForce: inForce) }
        } catch { throw .changes(path: path, error) }
        guard next.lay(list) else {
            throw .changes(path: path, .full(limit: ChangeOverlay.mostIdentifiers))
        }
        try openedLog().append(bytes)
        laid = next
        Log.notice(
            "changes \(list.first) to \(list.last): in force, \(next.overlay.identifiers) identifiers differ from the "
                + "image")
        return true
    }

    private mutating func openedLog() throws(StorageError) -> ChangeLog {
        if let log { return log }
        let opened = try ChangeLog.open(directory, trusting: trust).log
        log = opened
        return opened
    }
}
