import Glibc
import Posix

/// The programs that were built together with the tests.
public enum BuiltProgram {
    /// The path of `lanekeeperd` and the like: beside the tests' own executable, or in the package's `.build/debug`.
    public static func path(_ name: String) throws -> String {
        let beside = FileSystem.parent(of: try FileSystem.resolve("/proc/self/exe"))
        let package = FileSystem.parent(of: FileSystem.parent(of: FileSystem.parent(of: #filePath)))
        for directory in [beside, "\(package)/.build/debug"] where access("\(directory)/\(name)", X_OK) == 0 {
            return "\(directory)/\(name)"
        }
        throw SystemFailure("find", name, code: ENOENT, advice: "run 'swift build' first")
    }
}
