import Glibc
import Synchronization

private let partialFiles = Atomic<UInt64>(0)
private let partialSuffix = ".partial"

extension FileSystem {
    /// Replaces `path` in one step: whoever opens it sees the old contents or all of the new ones, also after a
    /// crash or a power cut. When this returns, the new ones are durable. Not `durably`, nothing is synced: for what
    /// need not survive a power cut, after which the file may hold anything.
    ///
    /// The contents go to `.NAME.PID-N.partial` in the same directory (O_EXCL), are synced and renamed, then the
    /// directory is synced. On an error before the rename the partial file is removed and the old file stays. After
    /// a crash a partial file may be left: `removePartialFiles` deletes those.
    public static func replace(
        _ path: String, mode: UInt32, durably: Bool = true, write: (Descriptor) throws(SystemFailure) -> Void
    ) throws(SystemFailure) {
        let directory = parent(of: path)
        let number = partialFiles.wrappingAdd(1, ordering: .relaxed).newValue
        let partial = "\(directory)/.\(name(of: path)).\(getpid())-\(number)\(partialSuffix)"
        do throws(SystemFailure) {
            // A partial file of this name can only be the remains of an earlier process with our number.
            try unlinkIfPresent(partial)
            let file = try Descriptor.open(partial, [.write, .create, .exclusive, .noFollow], mode: 0o600)
            try write(file)
            try file.setMode(mode)
            if durably { try file.sync() }
            try rename(partial, to: path)
        } catch {
            _ = try? unlinkIfPresent(partial)
            throw error
        }
        if durably { try syncDirectory(directory) }
    }

    public static func replace(
        _ path: String, with contents: [UInt8], mode: UInt32, durably: Bool = true
    ) throws(SystemFailure) {
        try replace(path, mode: mode, durably: durably) { (file) throws(SystemFailure) in try file.writeAll(contents) }
    }

    /// Removes what crashes during `replace` left in a directory. Only its owner may call this, when no other process
    /// replaces files there. What other threads of this process have under way stays.
    public static func removePartialFiles(in directory: String) throws(SystemFailure) {
        for name in try list(directory) where name.hasPrefix(".") && name.hasSuffix(partialSuffix) {
            if !isOfThisProcess(partial: name) { try unlinkIfPresent("\(directory)/\(name)") }
        }
    }

    /// Whether `.NAME.PID-N.partial` was made since this process began: an earlier one with our number may have come
    /// further than we have.
    private static func isOfThisProcess(partial name: String) -> Bool {
        guard let maker = name.dropLast(partialSuffix.count).split(separator: ".").last else { return false }
        let numbers = maker.split(separator: "-")
        guard numbers.count == 2, numbers[0] == "\(getpid())", let number = UInt64(numbers[1]) else { return false }
        return number <= partialFiles.load(ordering: .relaxed)
    }
}
