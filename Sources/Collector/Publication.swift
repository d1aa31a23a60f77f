import Cryptography
import Framing
import Posix
import Storage

/// Keeps `published/` as it should be, and knows what a statement says of changes. One owner: the thread that refreshes.
///
/// The changes on top of the image are cut into lists of 4096, 1024, 256 … 1, each beginning at a multiple of its length: a
/// new change makes a few small files, and those before stay as they are.
final class Publication: @unchecked Sendable {
    // Unchecked: used by the one thread that refreshes.

    private static let longestCut: UInt64 = 4096
    private static let tidyMilliseconds: Int64 = 60_000

    private let directory: PublishedDirectory
    private let changes: ChangeStore
    private let key: Ed25519.SigningKey
    private var image: Publisher.Image?
    private var folded: UInt64 = 0
    private var chain = ChangeChain(changeNumber: 0, imageHeaderDigest: [])
    private struct Cut: Hashable {
        var after: UInt64
        var most: UInt64
    }
    private var known: [Cut: PublishedChanges.List] = [:]
    private var writtenStatement: [UInt8] = []
    private var shelf: ListShelf
    private var tidied: Int64 = 0
    /// By the newest statement.
    private var named: Set<String> = []
    private var failure: String?

    init(_ directory: SiteDirectory, _ changes: ChangeStore, key: Ed25519.SigningKey) {
        self.directory = PublishedDirectory(directory)
        shelf = ListShelf(self.directory)
        self.changes = changes
        self.key = key
    }

    /// Whether all has its names; otherwise `changes` is to be asked again.
    var isWell: Bool { failure == nil }

    /// What is to be said of the changes behind the image up to `number`. Their lists have their names when it returns. If
    /// the disk does not let them, no list is named, and nothing is said when a change is missing; the reason is logged.
    func changes(
        on image: Publisher.Image, through number: UInt64, former: Set<String>, now: Int64
    ) -> PublishedChanges? {
        var said: PublishedChanges?
        do throws(CollectorFailure) {
            try begin(image)
            try lengthenChain(to: number)
            said = PublishedChanges(chain: chain.digest)
            try collecting { () throws(SystemFailure) in
                try directory.prepare()
                try directory.show(image, former: former)
            }
            let lists = try lists(through: number, now: now)
            said?.lists = lists
            named = Set(lists.map(\.digestHex))
            failure = nil
        } catch { complain(error) }
        return said
    }

    /// Removes lists that no statement has named for long. To be called as often as one likes.
    func tidy(now: Int64) {
        guard isWell, image != nil, !(0..<Self.tidyMilliseconds).contains(now - tidied) else { return }
        tidied = now
        do throws(CollectorFailure) { try shelf.tidy(keeping: named, now: now) } catch { complain(error) }
    }

    private func begin(_ image: Publisher.Image) throws(CollectorFailure) {
        guard image != self.image else { return }
        let header = try PublishedImageFile(image.path, digest: image.digest).header
        self.image = image
        folded = header.changeNumber
        chain = ChangeChain(changeNumber: header.changeNumber, imageHeaderDigest: image.digest)
        known = [:]
    }

    /// The file of it, if it is another than before.
    func show(statement bytes: [UInt8]) {
        guard bytes != writtenStatement else { return }
        do throws(SystemFailure) {
            try directory.put(statement: bytes)
            writtenStatement = bytes
        } catch { complain(CollectorFailure(error)) }
    }

    private func complain(_ error: CollectorFailure) {
        if failure != error.description { Log.error("published files: \(error.description)") }
        failure = error.description
    }

    private func lengthenChain(to number: UInt64) throws(CollectorFailure) {
        while chain.number < number {
            guard let list = try changes.cut(after: chain.number) else {
                throw missing(behind: chain.number)
            }
            do throws(CryptographyFailure) { _ = try chain.append(list, through: number) } catch {
                throw CollectorFailure("hash", "a change list", error.reason)
            }
        }
    }

    private func lists(through number: UInt64, now: Int64) throws(CollectorFailure)
        -> [PublishedChanges.List]
    {
        var lists: [PublishedChanges.List] = []
        var used: Set<Cut> = []
        var end = folded
        while end < number {
            var most = Self.longestCut
            while most > 1, end % most != 0 || end + most > number { most /= 4 }
            let cut = Cut(after: end, most: most)
            let list: PublishedChanges.List
            if let made = known[cut] { list = made } else { list = try make(cut, now: now) }
            known[cut] = list
            used.insert(cut)
            lists.append(list)
            end = list.last
            guard lists.count <= PublishedChanges.mostLists else {
                throw CollectorFailure(
                    "name", "the changes on top of image \(image?.version ?? 0)",
                    "they are more than \(PublishedChanges.mostLists) lists",
                    advice: "import a feed: the next image takes them in")
            }
        }
        known = known.filter { used.contains($0.key) }
        return lists
    }

    private func make(_ cut: Cut, now: Int64) throws(CollectorFailure) -> PublishedChanges.List {
        guard var list = try changes.cut(after: cut.after, most: Int(cut.most)) else {
            throw missing(behind: cut.after)
        }
        // The same however often it is made, but never from the future.
        list.issuedAt.milliseconds = min(list.issuedAt.milliseconds, now)
        let bytes = try list.signed(by: key)
        return PublishedChanges.List(
            first: list.first, last: list.last, digest: try directory.put(list: bytes))
    }

    private func missing(behind number: UInt64) -> CollectorFailure {
        CollectorFailure(
            "publish changes of", "changes.sqlite", "what comes behind change \(number) is missing",
            advice: "import a feed: the next image takes the changes in")
    }
}

extension ChangeList {
    /// As lanes get it.
    func signed(by key: Ed25519.SigningKey) throws(CollectorFailure) -> [UInt8] {
        let signed = signedPart
        do throws(CryptographyFailure) { return signed + (try key.sign(signed)) } catch {
            throw CollectorFailure("sign", "a change list", error.reason)
        }
    }
}
