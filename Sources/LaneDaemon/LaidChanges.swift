import Admission
import Framing
import Posix
import Storage

/// Changes on top of one image: the overlay that decisions look into, and the chain that says which changes it is made of.
/// The chain follows behind, when a statement is there to be compared with: nobody decides by it.
struct LaidChanges {
    private(set) var overlay: ChangeOverlay
    private var chain: ChangeChain
    /// In the overlay, and not all in the chain.
    private var unchained: [ChangeList] = []

    init(on image: CredentialImage) { self.init(on: image, overlay: ChangeOverlay(on: image.header), of: []) }

    /// - Parameter lists: of which the overlay was laid, in any order; those that it lacks are left out.
    init(on image: CredentialImage, overlay: ChangeOverlay, of lists: [ChangeList]) {
        self.overlay = overlay
        let folded = image.header.changeNumber
        chain = ChangeChain(changeNumber: folded, imageHeaderDigest: image.headerDigest)
        unchained = lists.filter { $0.last > folded && $0.first <= overlay.changeNumber }.sorted { $0.first < $1.first }
    }

    var number: UInt64 { overlay.changeNumber }

    /// False when there is no room for it. It goes on where these end.
    mutating func lay(_ list: ChangeList) -> Bool {
        guard let next = ChangeOverlay(overlay, with: list) else { return false }
        overlay = next
        unchained.append(list)
        return true
    }

    /// The chain behind this change. nil: it is not here, or the chain was asked for a later one before.
    mutating func chain(at number: UInt64) -> [UInt8]? {
        guard number <= overlay.changeNumber else { return nil }
        do {
            for list in unchained where list.last > chain.number { _ = try chain.append(list, through: number) }
        } catch {
            Log.error("the chain of changes: \(error.reason)")
            return nil
        }
        let reached = chain.number
        unchained.removeAll { $0.last <= reached }
        return reached == number ? chain.digest : nil
    }
}

/// The site's newest statement names other changes, by their chain, than a lane has by the same numbers: a collector that
/// was restored from a backup gave numbers again. What it says counts for nothing until the lane has them.
struct Disagreement: Sendable, Equatable {
    /// Of the image in force.
    var imageDigest: [UInt8]
    /// Up to which changes were compared.
    var changeNumber: UInt64
    /// The newest statement that was about what is in force; nil: none on this image.
    var agreedAsOf: WallTime?
}
