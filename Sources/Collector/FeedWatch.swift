import Posix

/// `lanekeeper-collector import --watch DIR`: imports what is dropped into a directory, in the order of its files' times.
///
///     DIR/NAME.csv             renamed in when it is whole; names with a dot before them, and other endings, are left alone
///     DIR/taking/NAME.csv      under way; what is found here at the start was cut short
///     DIR/done/V-NAME.csv      image V was made of it and is in force, or was
///     DIR/held/V-NAME.csv      image V was made of it and waits for `publish`
///     DIR/refused/T-NAME.csv   no image could be made of it at time T; T-NAME.csv.why.txt says why
///
/// The report of refused rows goes with its feed. A feed that only cannot be imported now (a full disk, another import)
/// stays where it is and is tried again.
public final class FeedWatch {
    private static let roundMilliseconds = 1000
    /// After a failure that is not the feed's.
    private static let retryNanoseconds: UInt64 = 10_000_000_000
    /// How long a file must have been left alone where the kernel does not tell whether somebody writes it.
    private static let quietMilliseconds: Int64 = 2000

    private let data: SiteDirectory
    private let directory: String
    private let options: FeedImport.Options
    private let tell: (FeedImport.Summary, _ feed: String) -> Void
    private var failure: (text: String, at: UInt64)?

    /// `tell` gets what came of each feed.
    public init(
        data: SiteDirectory, directory: String, options: FeedImport.Options,
        tell: @escaping (FeedImport.Summary, _ feed: String) -> Void
    ) throws(CollectorFailure) {
        self.data = data
        self.directory = directory
        self.options = options
        self.tell = tell
        try collecting { () throws(SystemFailure) in
            guard try FileSystem.statusFollowingLinks(directory).kind == .directory else {
                throw SystemFailure("watch", directory, code: 20)
            }
            for folder in ["taking", "done", "held", "refused"] {
                try FileSystem.makeDirectories("\(directory)/\(folder)", mode: 0o750)
            }
        }
    }

    /// Until SIGTERM or SIGINT. A feed that is being read then is left for the next start.
    public func untilStopped() throws(CollectorFailure) {
        SignalWatch.ignoreLeaseBreaks()
        let signals = try collecting { () throws(SystemFailure) in try SignalWatch([.terminate, .interrupt]) }
        // One watch a directory: two would take each other's feeds under way for cut short.
        let lock = try data.lock("\(directory)/taking/.lock")
        defer { withExtendedLifetime(lock) {} }
        let notifier = ServiceNotifier()
        notifier.ready(status: "watching \(directory)")
        Log.notice("watching \(directory)")
        var isStopped = false
        let poll = PollSet(capacity: 1)
        while !isStopped {
            round {
                if signals.next() != nil { isStopped = true }
                return isStopped
            }
            if isStopped { break }
            poll.removeAll()
            poll.add(signals.raw, .readable)
            try collecting { () throws(SystemFailure) in
                try poll.wait(until: SystemClock.deadline(milliseconds: Self.roundMilliseconds))
            }
            if signals.next() != nil { isStopped = true }
        }
        notifier.stopping(status: "stopping")
        Log.notice("stopped watching \(directory)")
    }

    /// Looks once, and imports what is there. `isStopped` is asked between feeds and while one is read.
    func round(isStopped: @escaping () -> Bool = { false }) {
        if let failure, SystemClock.monotonicNanoseconds() - failure.at < Self.retryNanoseconds { return }
        do throws(CollectorFailure) {
            for name in try feeds(in: "\(directory)/taking") {
                guard !isStopped() else { return }
                try resume(name, isStopped)
            }
            for name in try feeds(in: directory) where try isWhole(name) {
                guard !isStopped() else { return }
                try collecting { () throws(SystemFailure) in
                    try FileSystem.rename("\(directory)/\(name)", to: "\(directory)/taking/\(name)")
                }
                try take(name, isStopped)
            }
            failure = nil
        } catch {
            guard !isStopped() else { return }
            if failure?.text != error.description {
                Log.error("\(error.description); it is tried again every \(Self.retryNanoseconds / 1_000_000_000) s")
            }
            failure = (error.description, SystemClock.monotonicNanoseconds())
        }
    }

    /// Names of feeds in a directory, the oldest first.
    private func feeds(in path: String) throws(CollectorFailure) -> [String] {
        try collecting { () throws(SystemFailure) in
            var found: [(modified: Int64, name: String)] = []
            for name in try FileSystem.list(path)
            where name.hasSuffix(".csv") && !name.hasSuffix(".refused.csv") && !name.hasPrefix(".") {
                guard let status = try FileSystem.statusIfPresent("\(path)/\(name)"), status.kind == .regular else {
                    continue
                }
                found.append((status.modifiedNanoseconds, name))
            }
            return found.sorted { ($0.modified, $0.name) < ($1.modified, $1.name) }.map(\.name)
        }
    }

    private func isWhole(_ name: String) throws(CollectorFailure) -> Bool {
        try collecting { () throws(SystemFailure) in
            let path = "\(directory)/\(name)"
            guard let status = try FileSystem.statusIfPresent(path) else { return false }
            let file = try Descriptor.open(path, [.read, .noFollow, .nonblocking])
            if let isWritten = file.hasWriter() { return !isWritten }
            return SystemClock.wallMilliseconds() - status.modifiedNanoseconds / 1_000_000 >= Self.quietMilliseconds
        }
    }

    /// What was cut short: when its image was made already, only the moving is left.
    private func resume(_ name: String, _ isStopped: @escaping () -> Bool) throws(CollectorFailure) {
        let status = try collecting { () throws(SystemFailure) in
            try FileSystem.status("\(directory)/taking/\(name)")
        }
        let register = ImageRegister(try data.openSite().database)
        guard let image = try register.image(ofSource: FeedReading.source(status)) else {
            return try take(name, isStopped)
        }
        Log.notice("\(name) was imported as image \(image.version) before it was cut short")
        try move(name, to: image.publishedMilliseconds == nil ? "held" : "done", as: "\(image.version)-\(name)")
    }

    private func take(_ name: String, _ isStopped: @escaping () -> Bool) throws(CollectorFailure) {
        let feed = "\(directory)/taking/\(name)"
        var options = options
        options.recordedName = "\(directory)/\(name)"
        options.isStopped = isStopped
        do throws(CollectorFailure) {
            let summary = try FeedImport(data: data, feed: feed, options: options).run { line in
                Log.warning("\(name): \(line)")
            }
            tell(summary, "\(directory)/\(name)")
            switch summary.fate {
            case .published: try move(name, to: "done", as: "\(summary.version)-\(name)")
            case .held: try move(name, to: "held", as: "\(summary.version)-\(name)")
            }
        } catch {
            // Whatever names the feed is the feed's own fault; anything else may be better soon.
            guard error.subject == feed, !isStopped() else { throw error }
            Log.error("\(name) is refused: \(error.description)")
            let refused = "\(Timestamp.format(SystemClock.wallMilliseconds()))-\(name)"
            try collecting { () throws(SystemFailure) in
                try FileSystem.replace(
                    "\(directory)/refused/\(refused).why.txt", with: Array("\(error.description)\n".utf8), mode: 0o640)
            }
            try move(name, to: "refused", as: refused)
        }
    }

    /// The report first: as long as the feed is in `taking`, its move is not done.
    private func move(_ name: String, to folder: String, as target: String) throws(CollectorFailure) {
        try collecting { () throws(SystemFailure) in
            let (from, to) = ("\(directory)/taking/\(name)", "\(directory)/\(folder)/\(target)")
            if try FileSystem.statusIfPresent("\(from).refused.csv") != nil {
                try FileSystem.rename("\(from).refused.csv", to: "\(to).refused.csv")
            }
            try FileSystem.rename(from, to: to)
            try FileSystem.syncDirectory("\(directory)/\(folder)")
            try FileSystem.syncDirectory("\(directory)/taking")
        }
    }
}
