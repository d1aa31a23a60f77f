import Glibc
import Posix
import TestSupport
import Testing

@Suite struct UnixSocketTests {
    @Test("a client is accepted and known by user and process")
    func connect() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        let listener = try UnixSocket.listen(path, mode: 0o600)
        #expect(try UnixSocket.accept(listener) == nil)
        #expect(try FileSystem.status(path).mode == 0o600)
        let client = try UnixSocket.connect(path)
        let served = try #require(try UnixSocket.accept(listener))
        let peer = try UnixSocket.peer(of: served)
        #expect(peer == PeerCredentials(user: geteuid(), group: getegid(), process: getpid()))
        try client.writeAll(Array("look\n".utf8))
        #expect(try readText(served) == "look\n")
    }

    @Test("the mode holds also where the umask would take bits away")
    func mode() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        let listener = try UnixSocket.listen(path, mode: 0o666)
        #expect(try FileSystem.status(path).mode == 0o666)
        withExtendedLifetime(listener) {}
    }

    @Test("a socket that nobody listens at any more is taken over")
    func stale() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        var first: Descriptor? = try UnixSocket.listen(path, mode: 0o600)
        #expect(first != nil)
        first = nil
        #expect { try UnixSocket.connect(path) } throws: { ($0 as? SystemFailure)?.code == ECONNREFUSED }
        _ = try UnixSocket.listen(path, mode: 0o600)
    }

    @Test("a datagram socket is taken over when nobody receives there, and left alone when somebody does")
    func datagramStale() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("notify")
        var first: Descriptor? = try UnixSocket.receiveDatagrams(path, mode: 0o600)
        for type in [UnixSocket.receiveDatagrams, { try UnixSocket.listen($0, mode: $1) }] {
            #expect { try type(path, 0o600) } throws: { ($0 as? SystemFailure)?.code == EADDRINUSE }
        }
        #expect(first != nil)
        first = nil
        _ = try UnixSocket.receiveDatagrams(path, mode: 0o600)
    }

    @Test("a socket in use is left alone, also when its queue is full")
    func inUse() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        let first = try UnixSocket.listen(path, mode: 0o600, backlog: 0)
        #expect { try UnixSocket.listen(path, mode: 0o600) } throws: { ($0 as? SystemFailure)?.code == EADDRINUSE }
        // The queue of one is taken by what the attempt above left in it.
        #expect { try UnixSocket.connect(path) } throws: { ($0 as? SystemFailure)?.code == EAGAIN }
        #expect { try UnixSocket.listen(path, mode: 0o600) } throws: { ($0 as? SystemFailure)?.code == EADDRINUSE }
        #expect(try UnixSocket.accept(first) != nil)
        _ = try UnixSocket.connect(path)
        withExtendedLifetime(first) {}
    }

    @Test("a file that is no socket is left alone")
    func notASocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        try FileSystem.replace(path, with: [1], mode: 0o600)
        #expect { try UnixSocket.listen(path, mode: 0o600) } throws: { ($0 as? SystemFailure)?.code == EEXIST }
        #expect(try FileSystem.read(path, limit: 2) == [1])
    }

    @Test("a path of 107 bytes is accepted, a longer one is refused")
    func longPath() throws {
        let directory = try TemporaryDirectory()
        let name = String(repeating: "s", count: 107 - directory.path.utf8.count - 1)
        _ = try UnixSocket.listen(directory.file(name), mode: 0o600)
        #expect { try UnixSocket.listen(directory.file(name + "s"), mode: 0o600) } throws: {
            ($0 as? SystemFailure)?.code == ENAMETOOLONG
        }
    }

    @Test("datagrams arrive at paths and abstract names", arguments: [false, true])
    func datagram(abstract: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = abstract ? "@\(directory.path)" : directory.file("notify")
        let receiver = try UnixSocket.receiveDatagrams(path, mode: 0o600)
        try UnixSocket.sendDatagram([1, 2], to: path)
        try UnixSocket.sendDatagram([3], to: path)
        #expect(try readText(receiver) == "\u{1}\u{2}")
        #expect(try readText(receiver) == "\u{3}")
    }
}
