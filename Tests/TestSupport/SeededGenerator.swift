import Glibc

/// Random numbers that a seed repeats (SplitMix64, https://prng.di.unimi.it/splitmix64.c).
///
/// Without an argument the seed is LANEKEEPER_SEED from the environment, or a new one; either way it is printed, so
/// that a failing run can be repeated.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    public let seed: UInt64
    private var state: UInt64

    public init(seed: UInt64? = nil, for test: String = #function) {
        let fromEnvironment = getenv("LANEKEEPER_SEED").flatMap { UInt64(String(cString: $0)) }
        self.seed = seed ?? fromEnvironment ?? UInt64.random(in: 1...UInt64(UInt32.max))
        state = self.seed
        print("\(test): LANEKEEPER_SEED=\(self.seed)")
    }

    /// Without a word: for runs that begin a new seed many times a second, and tell it when it matters.
    public init(quietly seed: UInt64) {
        self.seed = seed
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
