import Glibc

/// How this process was started.
public enum Invocation {
    /// The arguments after the program's name. Bytes that are not UTF-8 become U+FFFD.
    public static var arguments: [String] { Array(Swift.CommandLine.arguments.dropFirst()) }

    /// A variable of the environment; nil when it is unset.
    public static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }

    public static var processID: Int32 { getpid() }
    public static var effectiveUser: UInt32 { geteuid() }
    public static var effectiveGroup: UInt32 { getegid() }
}
