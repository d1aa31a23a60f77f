import Glibc

/// The one place where a call that a signal interrupted (EINTR) is made again. Returns the first result that is not
/// -1, or the errno.
@inline(__always)
func repeating<T: SignedInteger>(_ call: () -> T) -> Result<T, Errno> {
    while true {
        let result = call()
        if result != -1 { return .success(result) }
        let code = errno
        if code != EINTR { return .failure(Errno(code: code)) }
    }
}

struct Errno: Error {
    let code: Int32
}

/// As `repeating`, with the errno made into a failure that says what was attempted and on what.
@inline(__always)
@discardableResult
func attempt<T: SignedInteger>(
    _ operation: StaticString, _ subject: @autoclosure () -> String, _ call: () -> T
) throws(SystemFailure) -> T {
    switch repeating(call) {
    case .success(let value): return value
    case .failure(let failure):
        throw SystemFailure("\(operation)", subject(), code: failure.code)
    }
}
