import Glibc

/// How a program ended, for scripts and systemd (sysexits.h).
public enum ExitStatus: Int32, Sendable {
    case success = 0
    case failure = 1
    /// It was done, and what came of it waits for an operator's word.
    case held = 3
    /// Two sides that should say the same do not.
    case differs = 4
    /// It cannot be said whether they do.
    case undecided = 5
    /// The arguments are wrong.
    case usage = 64
    /// Something it needs, such as the daemon's socket, is not there.
    case unavailable = 69
    /// Reading or writing failed.
    case inputOutput = 74
    /// This user may not.
    case noPermission = 77
    /// The configuration file is wrong: starting again does not help (RestartPreventExitStatus=78).
    case configuration = 78
}

public enum Exit {
    public static func now(_ status: ExitStatus) -> Never { exit(status.rawValue) }
}
