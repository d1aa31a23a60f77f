import Posix

/// Who may ask what. The socket's file mode already keeps others out; this holds when somebody loosened it.
public struct ControlRights: Sendable {
    /// The user the daemon runs as.
    public var owner: UInt32
    /// The group of the socket file: its members may read.
    public var group: UInt32
    /// Users who may not ask at all although they are in the group: the uplink shares the lane directory's group and is
    /// not trusted by the gate. nil while nobody knows who that is: then only the owner and root may ask.
    public var excluded: [UInt32]?

    public init(owner: UInt32, group: UInt32, excluded: [UInt32]? = []) {
        self.owner = owner
        self.group = group
        self.excluded = excluded
    }

    /// - Parameters:
    ///   - user: of the peer. Root may everything.
    ///   - groups: the peer's primary and supplementary groups.
    public func permit(_ access: ControlAccess, user: UInt32, groups: [UInt32]) -> Bool {
        if user == 0 { return true }
        guard let excluded else { return user == owner }
        if excluded.contains(user) { return false }
        if user == owner { return true }
        switch access {
        case .reading: return groups.contains(group)
        case .acting: return false
        }
    }
}

/// Who is connected, asked once at the beginning.
struct ControlPeer {
    var user: UInt32
    var groups: [UInt32]

    init(_ socket: Descriptor) throws(SystemFailure) {
        let credentials = try UnixSocket.peer(of: socket)
        user = credentials.user
        groups = [credentials.group] + (try UnixSocket.peerGroups(of: socket))
    }
}
