import Glibc
import Posix
import Testing

@Suite struct SystemFailureTests {
    @Test("a failure says what was attempted, on what, why, and what to do")
    func description() {
        let failure = SystemFailure("open", "/x", code: EACCES, advice: "run as lanekeeper")
        #expect(failure.description == "cannot open /x: Permission denied (13): run as lanekeeper")
    }

    @Test("without advice of its own a failure gives the usual advice")
    func usualAdvice() {
        #expect(SystemFailure("write", "/x", code: ENOSPC).description.hasSuffix(": free space on this file system"))
        #expect(SystemFailure("read", "/x", code: EBADF).description == "cannot read /x: Bad file descriptor (9)")
    }

    @Test("an errno that the C library does not know is still shown")
    func unknownErrno() {
        #expect(SystemFailure("read", "/x", code: 99_999).description.contains("99999"))
    }
}
