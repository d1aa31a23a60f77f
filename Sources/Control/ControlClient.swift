import Glibc
import Posix

/// Why a question got no answer.
public enum ControlFailure: Error, Sendable, CustomStringConvertible {
    /// Nobody listens there.
    case unreachable(SystemFailure)
    /// The socket is there and this user may not use it.
    case notPermitted(SystemFailure)
    case timedOut(path: String, milliseconds: Int)
    /// Something answered that this program does not understand.
    case malformed(path: String, problem: String)
    /// The daemon answered with an error.
    case refused(ErrorReply)

    public var description: String {
        switch self {
        case .unreachable(let failure):
            "no lanekeeperd answers at \(failure.subject): \(SystemFailure.text(of: failure.code)): start it, "
                + "e.g. systemctl start lanekeeperd@LANE, or name another lane with --lane"
        case .notPermitted(let failure):
            "cannot use \(failure.subject): \(SystemFailure.text(of: failure.code)): run as root or as a member "
                + "of the group that the socket belongs to"
        case .timedOut(let path, let milliseconds):
            "lanekeeperd at \(path) did not answer within \(milliseconds) ms: it may be starting or hanging; see "
                + "its log, e.g. journalctl -u lanekeeperd@LANE"
        case .malformed(let path, let problem):
            "what answers at \(path) is not understood: \(problem)"
        case .refused(let error): error.description
        }
    }
}

/// The asking end of the control socket.
public struct ControlClient: Sendable {
    public var path: String
    /// For connecting, asking and the whole reply together.
    public var deadlineMilliseconds: Int

    public init(path: String, deadlineMilliseconds: Int = 5000) {
        self.path = path
        self.deadlineMilliseconds = deadlineMilliseconds
    }

    /// One request over a connection of its own. An error reply is thrown as `.refused`.
    public func ask(_ request: ControlRequest) throws(ControlFailure) -> ControlReply {
        let deadline = SystemClock.deadline(milliseconds: deadlineMilliseconds)
        let socket = try connect(by: deadline)
        let line: [UInt8]
        do {
            line = try request.encoded() + [0x0A]
        } catch {
            throw .malformed(path: path, problem: "the request cannot be written: \(error)")
        }
        guard line.count <= ControlProtocol.longestRequest + 1 else {
            throw .refused(
                ErrorReply(code: .tooLong, message: "the request is too long", advice: "ask for a shorter badge"))
        }
        do {
            try socket.writeAll(line, by: deadline)
        } catch {
            // A server that refuses at once has already closed; why is in what it sent before.
            guard error.code == EPIPE || error.code == ECONNRESET else { throw failure(error) }
        }
        let reply: ControlReply
        do {
            reply = try ControlReply.parse(try receive(socket, by: deadline))
        } catch let failure as ControlFailure {
            throw failure
        } catch {
            throw .malformed(path: path, problem: "\(error)")
        }
        if case .error(let error) = reply { throw .refused(error) }
        return reply
    }

    private func connect(by deadline: UInt64) throws(ControlFailure) -> Descriptor {
        let pause = PollSet(capacity: 1)
        while true {
            do {
                return try UnixSocket.connect(path)
            } catch {
                // EAGAIN: too many others are connecting at this moment.
                guard error.code == EAGAIN else { throw failure(error) }
                guard SystemClock.monotonicNanoseconds() < deadline else {
                    throw .timedOut(path: path, milliseconds: deadlineMilliseconds)
                }
                _ = try? pause.wait(until: min(deadline, SystemClock.deadline(milliseconds: 20)))
            }
        }
    }

    private func receive(_ socket: Descriptor, by deadline: UInt64) throws(ControlFailure) -> [UInt8] {
        var line: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let outcome: ReadOutcome
            do {
                guard try socket.wait(for: .readable, until: deadline) else {
                    throw ControlFailure.timedOut(path: path, milliseconds: deadlineMilliseconds)
                }
                outcome = try chunk.withUnsafeMutableBytes { try socket.read(into: $0) }
            } catch let failure as ControlFailure {
                throw failure
            } catch let error as SystemFailure {
                guard error.code == ECONNRESET else { throw failure(error) }
                outcome = .end
            } catch {
                throw .malformed(path: path, problem: "\(error)")
            }
            switch outcome {
            case .wouldBlock: continue
            case .end: throw .malformed(path: path, problem: "it closed the connection before its reply was whole")
            case .bytes(let count):
                if let end = chunk[..<count].firstIndex(of: 0x0A) { return line + chunk[..<end] }
                line.append(contentsOf: chunk[..<count])
                guard line.count <= ControlProtocol.longestReply else {
                    throw .malformed(path: path, problem: "the reply is longer than any can be")
                }
            }
        }
    }

    private func failure(_ error: SystemFailure) -> ControlFailure {
        switch error.code {
        case EACCES, EPERM: .notPermitted(error)
        case ETIMEDOUT: .timedOut(path: path, milliseconds: deadlineMilliseconds)
        default: .unreachable(error)
        }
    }
}
