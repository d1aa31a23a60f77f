import Admission
import Framing
import Glibc
import Posix
import TestSupport
import Testing

@testable import Uplink

@Suite("The bell of lanekeeperd")
struct LookBellTests {
    @Test("a broken look.sock stands once among an uplink's complaints, and no more when it is whole")
    func saidOnce() throws {
        let state = try TemporaryDirectory()
        let path = "\(state.path)/look.sock"
        try #require(symlink(path, path) == 0)
        let now = MonotonicTime(nanoseconds: SystemClock.monotonicNanoseconds())
        let settings = UplinkSettings(
            site: testSite, lane: try #require(ShortName("north-07")), stateDirectory: state.path,
            runDirectory: state.path, collector: try makeSettings("http://127.0.0.1:9", answer: 20_000, image: 20_000))
        let client = try CollectorClient(settings.collector)
        let credentials = CredentialSync(settings, client, now: now)
        let changes = ChangeSync(settings, client, bell: credentials.bell, now: now) { _ in }
        credentials.bell.ring(now: now)
        credentials.bell.ring(now: now)
        let complaints = credentials.complaints + changes.complaints
        #expect(complaints.count == 1)
        #expect(complaints.first?.contains(path) == true)
        try #require(unlink(path) == 0)
        credentials.bell.ring(now: now)
        #expect(credentials.complaints.isEmpty && changes.complaints.isEmpty)
    }
}
