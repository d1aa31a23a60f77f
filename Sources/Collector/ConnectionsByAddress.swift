import CMicroHTTPD
import Glibc

/// Where a peer is, as far as connections are counted: an IPv4 address, or an IPv6 network of 64 bits, since one
/// machine has all of them.
struct AddressGroup: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64
    /// This machine's 127.0.0.1 or ::1.
    let isThisMachine: Bool

    /// `bytes`: the 16 of an IPv6 address; an IPv4 address is ::ffff:a.b.c.d.
    init(bytes: [UInt8]) {
        func number(_ range: Range<Int>) -> UInt64 {
            range.reduce(0) { $0 << 8 | UInt64(bytes.indices.contains($1) ? bytes[$1] : 0) }
        }
        high = number(0..<8)
        let rest = number(8..<16)
        let isFour = high == 0 && rest >> 32 == 0xFFFF
        isThisMachine = high == 0 && (rest == 1 || rest == 0xFFFF_7F00_0001)
        low = isFour || isThisMachine ? rest : 0
    }

    /// nil: it is neither IPv4 nor IPv6.
    init?(_ address: UnsafePointer<sockaddr>?) {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard cmicrohttpd_address_bytes(address, &bytes) != 0 else { return nil }
        self.init(bytes: bytes)
    }
}

/// How many connections each address has: none may take all there are. This machine's own address has no limit: behind
/// it stand a proxy, and all lanes of a demonstration.
struct ConnectionsByAddress: Sendable {
    private static let sayAgainMilliseconds: Int64 = 60_000

    let most: Int
    private var counts: [AddressGroup: Int] = [:]
    private var saidMilliseconds: Int64?
    private(set) var refusedEver: UInt64 = 0

    init(most: Int) { self.most = most }

    /// Whether it may have one more.
    func mayOpen(_ group: AddressGroup) -> Bool { group.isThisMachine || counts[group, default: 0] < most }

    mutating func opened(_ group: AddressGroup) { counts[group, default: 0] += 1 }

    mutating func closed(_ group: AddressGroup) {
        guard let count = counts[group] else { return }
        counts[group] = count > 1 ? count - 1 : nil
    }

    /// One was refused. Whether that should be said: not more than once a minute. `now`: ms of any clock.
    mutating func refused(now: Int64) -> Bool {
        refusedEver += 1
        if let saidMilliseconds, (0..<Self.sayAgainMilliseconds).contains(now - saidMilliseconds) { return false }
        saidMilliseconds = now
        return true
    }
}
