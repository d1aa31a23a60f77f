import CSerialPort
import Glibc
import Posix

/// A serial port of the machine through libserialport 0.1.1: UARTs and USB adapters. Its traps (protocols.md D): links
/// must be resolved first; it takes no lock; and on an unplugged port every read gives 0 bytes for ever, while
/// `sp_input_waiting` fails.
public final class SerialPort {
    private let port: OpaquePointer
    private let device: String
    /// A second number for the same open file: it carries the lock, and both close together.
    private let lock: Descriptor
    public let descriptor: Int32

    /// - Parameters:
    ///   - path: as configured, for messages.
    ///   - device: the real name, `/dev/ttyUSB0`.
    ///   - baud: bits per second.
    init(_ path: String, device: String, baud: Int) throws(DeviceFailure) {
        var found: OpaquePointer?
        guard sp_get_port_by_name(device, &found) == SP_OK, let port = found else {
            throw DeviceFailure(
                "open", path, reason: "\(device) is no serial port",
                advice: "name a port such as /dev/serial/by-id/… or /dev/ttyS0")
        }
        var opened = false
        do throws(DeviceFailure) {
            try Self.check(sp_open(port, SP_MODE_READ_WRITE), "open", path)
            opened = true
            var number: Int32 = -1
            try withUnsafeMutablePointer(to: &number) { (pointer) throws(DeviceFailure) in
                try Self.check(sp_get_port_handle(port, pointer), "open", path)
            }
            let second = fcntl(number, F_DUPFD_CLOEXEC, 3)
            guard second >= 0 else { throw DeviceFailure("lock", path, code: errno) }
            let lock = Descriptor(adopting: second, name: device)
            do { try lock.lockExclusively() } catch {
                throw DeviceFailure("lock", path, code: error.code, advice: error.advice)
            }
            try Self.check(sp_set_baudrate(port, Int32(clamping: baud)), "set \(baud) baud on", path)
            try Self.check(sp_set_bits(port, 8), "set 8 bits on", path)
            try Self.check(sp_set_parity(port, SP_PARITY_NONE), "set no parity on", path)
            try Self.check(sp_set_stopbits(port, 1), "set 1 stop bit on", path)
            try Self.check(sp_set_flowcontrol(port, SP_FLOWCONTROL_NONE), "set no flow control on", path)
            // What came before the line was open is not a live badge.
            try Self.check(sp_flush(port, SP_BUF_BOTH), "empty", path)
            descriptor = number
            self.lock = lock
        } catch {
            if opened { sp_close(port) }
            sp_free_port(port)
            throw error
        }
        self.port = port
        self.device = device
    }

    deinit {
        // Closing waits for unsent bytes, up to 30 s on a port that cannot send them.
        sp_flush(port, SP_BUF_BOTH)
        sp_close(port)
        sp_free_port(port)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, hungUp: Bool) -> LineRead {
        let count = sp_nonblocking_read(port, buffer.baseAddress, buffer.count).rawValue
        if count > 0 { return .bytes(Int(count)) }
        if count < 0 { return .lost(Self.failure(sp_return(count), "read", device)) }
        let waiting = sp_input_waiting(port)
        if waiting.rawValue < 0 { return .lost(Self.failure(waiting, "read", device)) }
        guard !hungUp else {
            return .lost(DeviceFailure("read", device, reason: "it hung up", advice: "check cable and plug"))
        }
        return .nothing
    }

    func write(_ buffer: UnsafeRawBufferPointer) -> LineWrite {
        let count = sp_nonblocking_write(port, buffer.baseAddress, buffer.count).rawValue
        return count < 0 ? .lost(Self.failure(sp_return(count), "write to", device)) : .taken(Int(count))
    }

    private static func check(_ result: sp_return, _ operation: String, _ path: String) throws(DeviceFailure) {
        guard result.rawValue < 0 else { return }
        throw failure(result, operation, path)
    }

    private static func failure(_ result: sp_return, _ operation: String, _ path: String) -> DeviceFailure {
        switch result {
        case SP_ERR_ARG:
            return DeviceFailure(operation, path, reason: "the port cannot do that", advice: "check type and baud")
        case SP_ERR_SUPP: return DeviceFailure(operation, path, reason: "the driver does not support it")
        case SP_ERR_MEM: return DeviceFailure(operation, path, code: ENOMEM)
        default:
            let code = sp_last_error_code()
            guard code != ENOTTY else {
                return DeviceFailure(operation, path, reason: "it is no serial port", advice: "check the path")
            }
            return DeviceFailure(operation, path, code: code)
        }
    }
}
