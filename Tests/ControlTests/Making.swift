import Control
import Glibc
import Posix
import TestSupport

func makeStatus(lane: String = "north-07", name: String = "北登录厅-07", devices: Int = 2) -> StatusReply {
    var counters = StatusReply.Counters()
    counters.presented = 12
    counters.wrongWay = 1
    counters.anonymousForward = 3
    return StatusReply(
        lane: .init(id: lane, name: name, kind: "entry", from: "outside", to: "north-ring"), version: "1.0",
        processId: 4711, startedAtMilliseconds: 1_000, nowMilliseconds: 61_000, mode: "out-of-service",
        modeCause: "readers-lost", fireAlarm: false, lamps: "out-of-service", clock: "trusted",
        devices: (0..<devices).map {
            .init(
                name: "reader-\($0)", type: "rdm6300", line: "/dev/ttyS\($0)", state: "lost",
                sinceMilliseconds: 31_000, lastWord: "cannot open /dev/ttyS\($0): No such device (19)")
        },
        credentials: .init(
            imageVersion: 12, changeNumber: 4, imageIssuedAtMilliseconds: 500, identifiers: 502_000,
            statementAsOfMilliseconds: 55_000, statementAgeMilliseconds: 6_000, freshness: "fresh",
            knowsDestination: true),
        journal: .init(
            epoch: "00112233445566778899aabbccddeeff", nextSequence: 900, recordsUsed: 850_000,
            recordsTotal: 1_000_000, state: "filling", unsynced: 3),
        hourStartMilliseconds: 0, hour: counters, sinceStart: counters,
        lastDecisions: [.init(wallMilliseconds: 60_000, verdict: "refused", reasons: ["test-expired", "code-red"])],
        alarms: ["reader-0 lost"])
}

func makeExplain(rows: Int = 2) -> ExplainReply {
    ExplainReply(
        laneId: "north-07", laneName: "北登录厅-07", laneKind: "entry", from: "outside", to: "north-ring",
        atMilliseconds: 61_000, lookup: "found", kind: "visitor", type: "chip", imageVersion: 12, changeNumber: 4,
        rows: (0..<rows).map {
            .init(
                subject: "test", name: "row \($0)", state: "negative", figure: "sampled 51 h 12 min ago",
                needs: "negative, sampled at most 48 h ago", isRequired: true, turns: $0 == 0 ? nil : false)
        },
        verdict: "refused", reasons: [.init(name: "test-expired", text: "test sampled 51 h 12 min ago, limit 48 h")],
        display: "请到N2服务台：核酸检测 / Go to desk N2: test")
}

/// A server in a directory of its own; stopped when the last reference goes.
final class RunningServer: Sendable {
    let directory: TemporaryDirectory
    let server: ControlServer
    var path: String { directory.file("control.sock") }

    init(
        limits: ControlServer.Limits = .init(),
        answer: @escaping @Sendable (ControlRequest, _ user: UInt32) -> ControlReply = { request, user in
            switch request {
            case .status: .status(makeStatus())
            case .explain: .explain(makeExplain())
            case .reloadConfiguration, .forgetPassages: .done
            case .mode, .gateTest, .confirmClock:
                .commanded(
                    CommandReply(mode: "locked", modeCause: "technician", clock: "trusted", notes: ["user \(user)"]))
            case .tap(let request): .tap(TapReply(frames: [], last: request.after ?? 7, dropped: 0))
            case .cache:
                .cache(
                    CacheReply(
                        source: "daemon", nowMilliseconds: 61_000, image: nil, overlay: nil, statement: nil,
                        freshness: nil))
            case .cacheLookup(let badge):
                .cacheLookup(
                    CacheLookupReply(
                        source: "daemon", nowMilliseconds: 61_000, type: badge.type, imageVersion: 0, changeNumber: 0,
                        image: .init(.noImage, zones: []), overlay: nil))
            }
        }
    ) throws {
        directory = try TemporaryDirectory()
        server = try ControlServer(
            path: directory.file("control.sock"), limits: limits, answer: answer)
    }

    deinit { server.stop() }

    func ask(_ request: ControlRequest = .status) throws -> ControlReply {
        try ControlClient(path: path).ask(request)
    }
}

/// A client that knows nothing of the protocol.
struct RawClient {
    let socket: Descriptor

    /// Waits while more connect at once than the socket's queue takes.
    init(_ path: String) throws {
        var connected: Descriptor?
        _ = try eventually {
            do throws(SystemFailure) { connected = try UnixSocket.connect(path) } catch {
                guard error.code == EAGAIN else { throw error }
            }
            return connected != nil
        }
        guard let connected else { throw SystemFailure("connect to", path, code: ETIMEDOUT) }
        socket = connected
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) throws {
        try socket.writeAll(bytes, by: SystemClock.deadline(milliseconds: 60_000))
    }

    /// Everything until the server closes, or until `lines` lines are there; bounded.
    func receive(lines: Int = .max) throws -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let deadline = SystemClock.deadline(milliseconds: 60_000)
        while all.count(where: { $0 == 0x0A }) < lines {
            guard try socket.wait(for: .readable, until: deadline) else {
                throw SystemFailure("read", "the control socket", code: ETIMEDOUT)
            }
            do {
                switch try chunk.withUnsafeMutableBytes({ try socket.read(into: $0) }) {
                case .bytes(let count): all.append(contentsOf: chunk[..<count])
                case .end: return all
                case .wouldBlock: continue
                }
            } catch let failure as SystemFailure where failure.code == ECONNRESET {
                return all
            }
        }
        return all
    }

    func text(lines: Int = .max) throws -> String { String(decoding: try receive(lines: lines), as: UTF8.self) }
}
