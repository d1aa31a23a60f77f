import Posix

/// What reading a serial line gave.
public enum LineRead: Equatable, Sendable {
    /// 1 or more bytes.
    case bytes(Int)
    case nothing
    /// The device behind it is gone: close the line and open it anew, later.
    case lost(DeviceFailure)
}

/// What writing to a serial line did.
public enum LineWrite: Equatable, Sendable {
    /// So many bytes were taken; 0 when it takes none now.
    case taken(Int)
    case lost(DeviceFailure)
}

/// A raw 8N1 line to a device, nonblocking and locked against a second opener: a serial port, or a pseudo-terminal,
/// which libserialport refuses (protocols.md D). Its path may be a link (`/dev/serial/by-id/…`), which is followed anew
/// at every opening: the same device may come back under another name.
public enum SerialLine {
    case port(SerialPort)
    case pseudoTerminal(PseudoTerminal)

    /// - Parameter baud: bits per second; a pseudo-terminal has none.
    public static func open(_ path: String, baud: Int) throws(DeviceFailure) -> SerialLine {
        let device: String
        do { device = try FileSystem.resolve(path) } catch {
            throw DeviceFailure(
                "open", path, code: error.code, advice: "nothing is plugged in under this name; check cable and path")
        }
        return device.hasPrefix("/dev/pts/")
            ? .pseudoTerminal(try PseudoTerminal(path, device: device))
            : .port(try SerialPort(path, device: device, baud: baud))
    }

    /// For poll(2), as long as this value is kept.
    public var descriptor: Int32 {
        switch self {
        case .port(let port): port.descriptor
        case .pseudoTerminal(let terminal): terminal.descriptor
        }
    }

    /// Reads what is there. `hungUp`: what poll(2) found; then *nothing to read* means lost, or the loop would spin.
    public func read(into buffer: UnsafeMutableRawBufferPointer, hungUp: Bool) -> LineRead {
        switch self {
        case .port(let port): port.read(into: buffer, hungUp: hungUp)
        case .pseudoTerminal(let terminal): terminal.read(into: buffer, hungUp: hungUp)
        }
    }

    public func write(_ buffer: UnsafeRawBufferPointer) -> LineWrite {
        switch self {
        case .port(let port): port.write(buffer)
        case .pseudoTerminal(let terminal): terminal.write(buffer)
        }
    }
}
