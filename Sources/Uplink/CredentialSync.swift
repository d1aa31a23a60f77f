import Admission
import Framing
import Posix
import Storage

/// Brings statements and images from the collector into `uplink/incoming`, each renamed into place when it is whole, and
/// wakes the daemon. `CredentialSchedule` says when; the daemon verifies everything.
final class CredentialSync: Errand {
    private let settings: UplinkSettings
    private let client: CollectorClient
    private let directory: LaneDirectory
    private let images: IncomingImages
    let bell: LookBell
    private var schedule: CredentialSchedule
    private var random = SystemRandomNumberGenerator()

    private var statementExchange: Exchange?
    private var imageExchange: Exchange?
    private var download: ImageDownload?
    private var inspection: (ImageInspection, path: String, promised: String?)?

    /// The newest that came; nobody has verified it.
    private(set) var statement: Statement?
    /// As of the last look.
    private var newestHeld: ImageName?
    private var patience = ImagePatience()
    /// Of a whole image that waits for too long.
    private var secondLook: (ImageInspection, path: String)?

    private var statementReport = FailureReport("fetching the statement")
    private var imageReport = FailureReport("fetching the image")
    private var appliedReport = FailureReport("reading what lanekeeperd applied")

    init(_ settings: UplinkSettings, _ client: CollectorClient, now: MonotonicTime) {
        self.settings = settings
        self.client = client
        directory = LaneDirectory(settings.stateDirectory)
        images = IncomingImages(directory: directory, site: settings.site)
        bell = LookBell(runDirectory: settings.runDirectory)
        schedule = CredentialSchedule(
            statementIntervalMilliseconds: Int64(settings.statementIntervalMilliseconds),
            imageIntervalMilliseconds: Int64(settings.imageIntervalMilliseconds), now: now, using: &random)
    }

    var summary: String {
        guard let named = schedule.named else { return "no statement yet" }
        let asOf = statement.map { " as of \(Timestamp.format($0.asOf.milliseconds))" } ?? ""
        return "image \(named.version) is current\(asOf)" + (newestHeld == named ? "" : ", not here yet")
    }

    var complaints: [String] {
        [statementReport.current, imageReport.current, bell.complaint, appliedReport.current].compactMap(\.self)
    }

    var nextDue: MonotonicTime {
        inspection == nil && secondLook == nil ? schedule.nextDue : MonotonicTime(nanoseconds: 0)
    }

    func step(now: MonotonicTime) {
        if inspection != nil { inspect(now) }
        if secondLook != nil { lookAgain() }
        for task in schedule.start(now: now) {
            do throws(TransferFailure) {
                switch task {
                case .statement: try askForStatement()
                case .image: try askForImage(now)
                }
            } catch {
                switch task {
                case .statement: statementFailed(error, now)
                case .image: imageFailed(error, now)
                }
            }
        }
    }

    func imageIsNeeded(now: MonotonicTime) { schedule.imageIsNeeded(now: now) }

    /// What came of a download stays and is gone on with.
    func stop() {
        for exchange in [statementExchange, imageExchange].compactMap({ $0 }) { client.cancel(exchange) }
    }

    func take(_ exchange: Exchange, _ outcome: ExchangeOutcome, now: MonotonicTime) -> Bool {
        if exchange === statementExchange {
            statementExchange = nil
            statementCame(outcome, now)
            return true
        }
        guard exchange === imageExchange else { return false }
        imageExchange = nil
        imageCame(outcome, now)
        return true
    }

    // MARK: Statement

    private func askForStatement() throws(TransferFailure) {
        statementExchange = try client.start(
            Request(
                path: "/v1/statement", timeoutMilliseconds: settings.collector.answerTimeoutMilliseconds),
            at: settings.mirror)
    }

    private func statementCame(_ outcome: ExchangeOutcome, _ now: MonotonicTime) {
        do throws(TransferFailure) {
            let answer = try outcome.expecting([200])
            let (statement, _, _) = try decoding { () throws(FormatError) in try Statement.parse(answer.body) }
            guard statement.site == settings.site else {
                throw TransferFailure(.nonsense, "a statement of another site, \(statement.site.hex)")
            }
            try onDisk { () throws(SystemFailure) in
                try FileSystem.replace(directory.statement, with: answer.body, mode: LaneDirectory.fileMode)
            }
            say(.notice, statementReport.succeeded())
            self.statement = statement
            let named = ImageName(
                version: statement.imageVersion, headerDigestHex: Hexadecimal.text(statement.imageHeaderDigest))
            schedule.statementCame(naming: named, held: tidied(now), now: now, using: &random)
            bell.ring(now: now)
        } catch {
            statementFailed(error, now)
        }
    }

    private func statementFailed(_ failure: TransferFailure, _ now: MonotonicTime) {
        say(.warning, statementReport.failed(key: "\(failure.kind)", failure.description, now: now))
        schedule.statementFailed(retryAfterMilliseconds: failure.retryAfterMilliseconds, now: now, using: &random)
    }

    // MARK: Image

    /// What the daemon says is in force. What it did not write yet, or cannot be read, counts as nothing.
    private func appliedMark(_ now: MonotonicTime) -> AppliedMark? {
        do throws(StorageError) {
            let mark = try AppliedFile.read(directory.applied)
            say(.notice, appliedReport.succeeded())
            return mark
        } catch {
            say(.warning, appliedReport.failed(key: "applied", "\(error)", now: now))
            return nil
        }
    }

    /// The newest image this lane has: in force, or waiting for the daemon.
    private func held(_ applied: AppliedMark?) throws(TransferFailure) -> ImageName? {
        let waiting = try images.newestWhole()
        guard let applied, applied.imageVersion > 0, applied.imageVersion >= waiting?.version ?? 0 else {
            return waiting
        }
        return ImageName(version: applied.imageVersion, headerDigestHex: applied.headerDigestHex)
    }

    /// As `held`, and removes what the daemon has taken over.
    private func tidied(_ now: MonotonicTime) -> ImageName? {
        let applied = appliedMark(now)
        do throws(TransferFailure) {
            try images.tidy(appliedVersion: applied?.imageVersion ?? 0)
            newestHeld = try held(applied)
            if let waiting = newestHeld, waiting.version > applied?.imageVersion ?? 0,
                patience.isOver(for: waiting, now: now)
            {
                let path = images.wholePath(version: waiting.version)
                secondLook = (try inspection(of: path), path)
            }
            return newestHeld
        } catch {
            say(.warning, imageReport.failed(key: "tidy", error.description, now: now))
            return nil
        }
    }

    /// A disk or a memory may have damaged it after it was checked here: only then another copy helps.
    private func lookAgain() {
        guard let (inspection, path) = secondLook else { return }
        do throws(TransferFailure) {
            guard try inspection.step() else { return }
            secondLook = nil
            let name = inspection.name
            if let named = schedule.named, named.version == name.version, named != name {
                throw TransferFailure(.nonsense, "it is not the image of that version that the statement names")
            }
            Log.warning(
                "image \(name.version) is not taken over by lanekeeperd, though it is whole here: it waits on (lanectl "
                    + "cache info says why it is refused)")
        } catch {
            secondLook = nil
            Log.warning(
                "\(path) was not taken over by lanekeeperd, and is damaged: it is fetched once more: \(error.description)"
            )
            discard(path)
        }
    }

    private func askForImage(_ now: MonotonicTime) throws(TransferFailure) {
        let applied = appliedMark(now)
        let held = try held(applied)
        let part = try images.newestPart(above: held?.version ?? 0)
        if let part, part.size == part.expectedSize {
            // All of it came, and the process ended before it was checked.
            inspection = (try inspection(of: part.path), part.path, nil)
            return
        }
        if let mirror = settings.mirror {
            return try askForNamedImage(at: mirror, applied, held, part, now)
        }
        let download = ImageDownload(
            into: images, appliedVersion: applied?.imageVersion ?? 0, resuming: part,
            largest: settings.largestImageBytes, reserve: settings.diskReserveBytes)
        let unlessHeld = held.map { ["If-None-Match: \"\($0.headerDigestHex)\""] } ?? []
        self.download = download
        imageExchange = try client.start(
            Request(
                path: "/v1/image", headers: unlessHeld + download.resumeHeaders,
                timeoutMilliseconds: settings.collector.imageTimeoutMilliseconds), receiver: download)
    }

    /// The image under the name that the statement gives it: whoever has the file can give it out.
    private func askForNamedImage(
        at mirror: CollectorSettings, _ applied: AppliedMark?, _ held: ImageName?,
        _ part: IncomingImages.Found?,
        _ now: MonotonicTime
    ) throws(TransferFailure) {
        // Without a statement there is nothing to ask for; that one is missing is said already.
        guard let named = schedule.named, named != held else {
            return schedule.imageIsCurrent(now: now, using: &random)
        }
        let download = ImageDownload(
            into: images, appliedVersion: applied?.imageVersion ?? 0,
            resuming: part?.name == named ? part : nil,
            named: named, largest: settings.largestImageBytes, reserve: settings.diskReserveBytes)
        self.download = download
        imageExchange = try client.start(
            Request(
                path: "/v1/images/\(named.headerDigestHex)", headers: download.resumeHeaders,
                timeoutMilliseconds: settings.collector.imageTimeoutMilliseconds), receiver: download,
            at: mirror)
    }

    private func imageCame(_ outcome: ExchangeOutcome, _ now: MonotonicTime) {
        guard let download else { return }
        self.download = nil
        do throws(TransferFailure) {
            let answer = try outcome.expecting([200, 206, 304])
            if answer.head.status == 304 {
                imageIsCurrent(now)
            } else {
                let path = try download.finish()
                inspection = (try inspection(of: path), path, download.promisedDigestHex)
            }
        } catch {
            // A part that can be gone on with stays; what is wrong in itself, or fills the disk, goes.
            let isKept = [.unreachable, .tooSlow, .broken, .notTrusted].contains(error.kind)
            let isStale = error.status == 416
            if !isKept, let path = download.path ?? (isStale ? download.resumedPath : nil) { discard(path) }
            imageFailed(error, progressed: isKept && download.received > 0, now)
        }
    }

    private func inspection(of path: String) throws(TransferFailure) -> ImageInspection {
        do throws(TransferFailure) {
            return try ImageInspection(path, site: settings.site)
        } catch {
            discard(path)
            throw error
        }
    }

    private func inspect(_ now: MonotonicTime) {
        guard let (inspection, path, promised) = inspection else { return }
        do throws(TransferFailure) {
            guard try inspection.step() else { return }
            self.inspection = nil
            let name = inspection.name
            if let promised, promised != name.headerDigestHex {
                throw TransferFailure(.nonsense, "image \(name.version) came under the ETag of another, \(promised)")
            }
            let whole = images.wholePath(version: name.version)
            guard path == images.partPath(version: name.version) else {
                throw TransferFailure(.nonsense, "an image that says it is version \(name.version) came as another")
            }
            try onDisk { () throws(SystemFailure) in
                try FileSystem.setMode(path, LaneDirectory.fileMode)
                try FileSystem.rename(path, to: whole)
                try FileSystem.syncDirectory(directory.incoming)
            }
            Log.notice("image \(name.version) was fetched and waits for lanekeeperd")
            newestHeld = name
            imageIsCurrent(now)
            bell.ring(now: now)
        } catch {
            self.inspection = nil
            discard(path)
            imageFailed(error, now)
        }
    }

    private func imageIsCurrent(_ now: MonotonicTime) {
        say(.notice, imageReport.succeeded())
        schedule.imageIsCurrent(now: now, using: &random)
    }

    private func imageFailed(_ failure: TransferFailure, progressed: Bool = false, _ now: MonotonicTime) {
        say(.warning, imageReport.failed(key: "\(failure.kind)", failure.description, now: now))
        schedule.imageFailed(
            progressed: progressed, isHopeless: failure.kind == .nonsense || failure.kind == .tooLarge,
            retryAfterMilliseconds: failure.retryAfterMilliseconds, now: now, using: &random)
    }

    private func discard(_ path: String) {
        do throws(TransferFailure) { try images.remove(path) } catch { Log.warning(error.description) }
    }

    private func say(_ level: Log.Level, _ line: String?) {
        if let line { Log.write(level, line) }
    }
}
