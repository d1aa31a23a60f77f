import Glibc

/// One decoder under libFuzzer: what is done with the bytes of one input. It ends the process when a property fails.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable (inout FuzzInput) -> Void

    static let all: [FuzzTarget] = deviceTargets + osdpTargets + formatTargets + programTargets
}

/// Set once, before the first input.
nonisolated(unsafe) private var chosen: FuzzTarget?

/// The target stands in LANEKEEPER_FUZZ_TARGET, since libFuzzer keeps the arguments to itself. Without it, or with a
/// name that is none, the names are printed, one a line.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
    let name = getenv("LANEKEEPER_FUZZ_TARGET").map { String(cString: $0) }
    chosen = FuzzTarget.all.first { $0.name == name }
    if chosen == nil {
        for target in FuzzTarget.all { print(target.name) }
        exit(name == nil ? 0 : 64)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = FuzzInput(UnsafeBufferPointer(start: data, count: count))
    chosen?.run(&input)
    return 0
}

/// Says what does not hold and ends the process: libFuzzer then keeps the input.
func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
    if holds { return }
    print("\(chosen?.name ?? "no target"): \(otherwise())")
    fflush(nil)
    abort()
}
