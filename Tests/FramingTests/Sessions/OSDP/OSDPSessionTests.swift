import Admission
import Framing
import Testing

@Suite("OSDP sessions")
struct OSDPSessionTests {
    static let key = bytes("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")
    static let otherKey = bytes("00112233445566778899aabbccddeeff")
    /// Reader 0, Wiegand, 26 bits: 123,14706.
    static let card = bytes("00 01 1a00 3d9cb940")

    static func options(_ provisioning: OSDPOptions.Provisioning = .refused) -> OSDPOptions {
        var options = OSDPOptions()
        options.security = .required(
            key: CipherBlock(key) ?? CipherBlock(), provisioning: provisioning, .testing())
        options.statusMilliseconds = nil
        return options
    }

    private func online(
        _ reader: inout OSDPStandIn, _ options: OSDPOptions = Self.options()
    ) throws -> OSDPBench {
        let bench = OSDPBench(options)
        #expect(try bench.run(&reader) { bench, reader in reader.isSecured && bench.session.lastFrame != nil })
        return bench
    }

    // MARK: Cards, keys, status

    @Test("a card, keys and the tamper contact come through the secure channel")
    func events() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        reader.pending = [
            (0x50, Self.card), (0x53, bytes("00 04 31323334")), (0x48, [1, 0]), (0x48, [1, 0]), (0x48, [0, 1]),
        ]
        #expect(try bench.run(&reader) { _, reader in reader.pending.isEmpty })
        #expect(bench.chips == ["007b3972"])
        #expect(bench.notices == [.secured, .keysPressed(4), .tampered(true), .tampered(false), .powerFailing(true)])
        #expect(bench.faults.isEmpty)
    }

    @Test("a reply that comes in two pieces is read, wherever it is cut", arguments: 0...30)
    func everySplit(cut: Int) throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        reader.pending = [(0x50, Self.card)]
        let reply = try reader.answer(try #require(bench.nextPacket()))
        bench.reply(reply.prefix(cut))
        bench.reply(reply.dropFirst(cut), after: 40)
        #expect(bench.chips == ["007b3972"])
    }

    @Test("noise and other packets before a reply cost nothing", arguments: 1...20 as ClosedRange<UInt64>)
    func noise(seed: UInt64) throws {
        var random = SeededBytes(state: seed)
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        for round in 0..<10 {
            reader.pending = [(0x50, Self.card)]
            let packet = try #require(bench.nextPacket())
            let reply = try reader.answer(packet)
            bench.reply(packet)  // an adapter that echoes
            bench.reply(OSDPStandIn.plain(0x40, address: 7, sequence: packet[5] & 3))
            bench.reply(
                (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    // A SOM in noise may begin a packet that swallows the good one; then it is asked for again.
                    let byte = UInt8.random(in: 0...255, using: &random)
                    return byte == 0x53 ? 0 : byte
                })
            bench.reply(reply)
            #expect(bench.chips.count == round + 1, "seed \(seed)")
        }
    }

    @Test("a SOM that is noise right before a packet does not take it along")
    func falseStart() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        reader.pending = [(0x50, Self.card)]
        bench.reply([0x53] + (try reader.answer(try #require(bench.nextPacket()))))
        #expect(bench.chips == ["007b3972"])
    }

    @Test("random bytes never crash it and are no card", arguments: 1...4 as ClosedRange<UInt64>)
    func randomBytes(seed: UInt64) throws {
        var random = SeededBytes(state: seed)
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        for _ in 0..<300 {
            _ = bench.nextPacket()
            bench.reply(
                (0..<80).map { index in
                    let byte = UInt8.random(in: 0...255, using: &random)
                    return index % 20 == 0 ? 0x53 : index % 20 == 2 ? byte & 0x1F : index % 20 == 3 ? 0 : byte
                })
        }
        #expect(bench.chips.isEmpty)
        #expect(try bench.run(&reader, packets: 100) { bench, _ in bench.notices.last == .secured }, "seed \(seed)")
    }

    @Test(
        "a card whose length lies is refused", arguments: ["", "00", "00 01 1a00", "00 01 ffff 3d9cb940", "00 01 0000"])
    func badCard(data: String) throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        reader.pending = [(0x50, bytes(data))]
        #expect(try bench.run(&reader) { _, reader in reader.pending.isEmpty })
        #expect(bench.chips.isEmpty)
        #expect(bench.faults == [.unexpectedByte])
    }

    // MARK: The secure channel

    @Test("no bit of a secured reply can be changed without being noticed")
    func changedBits() throws {
        for bit in 0..<28 * 8 {
            var reader = OSDPStandIn(key: Self.key)
            let bench = try online(&reader)
            reader.pending = [(0x50, Self.card)]
            var reply = try reader.answer(try #require(bench.nextPacket()))
            reply[bit / 8] ^= 1 << UInt8(bit % 8)
            // Whoever changes a reply makes the CRC fit.
            bench.reply(Self.withCRC(Array(reply.dropLast(2))))
            #expect(bench.chips.isEmpty, "bit \(bit)")
        }
    }

    @Test("a reply that is played again, in the channel or in the next one, is no card")
    func replay() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        reader.pending = [(0x50, Self.card)]
        let recorded = try reader.answer(try #require(bench.nextPacket()))
        bench.reply(recorded)
        #expect(bench.chips.count == 1)
        // Three polls on the sequence number is the same again.
        for _ in 0..<2 { bench.reply(try reader.answer(try #require(bench.nextPacket()))) }
        _ = try #require(bench.nextPacket())
        bench.reply(recorded)
        #expect(bench.chips.count == 1)
        #expect(bench.notices.last == .channelLost)
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured })
        for _ in 0..<8 {
            _ = bench.nextPacket()
            bench.reply(recorded)
        }
        #expect(bench.chips.count == 1)
    }

    @Test("a plain reply inside the channel is no card, and ends it")
    func plainInside() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        let packet = try #require(bench.nextPacket())
        bench.reply(OSDPStandIn.plain(0x50, Self.card, sequence: packet[5] & 3))
        #expect(bench.chips.isEmpty)
        #expect(bench.notices.last == .channelLost)
    }

    @Test("a plain card before the handshake is none")
    func plainBefore() throws {
        let bench = OSDPBench(Self.options())
        for _ in 0..<20 {
            guard let packet = bench.nextPacket() else { break }
            bench.reply(OSDPStandIn.plain(0x50, Self.card, sequence: packet[5] & 3))
        }
        #expect(bench.chips.isEmpty)
        #expect(bench.session.lastFrame == nil)
    }

    @Test("a reader that does not prove its key, or a wrong R-MAC-I, is refused, and it is said why")
    func wrongProof() throws {
        for spoilt in [0x76, 0x78] as [UInt8] {
            var reader = OSDPStandIn(key: Self.key)
            let bench = OSDPBench(Self.options())
            for _ in 0..<4 {
                let packet = try #require(bench.nextPacket())
                var reply = try reader.answer(packet)
                if reply[4] & 8 != 0, reply[8] == spoilt {
                    reply[reply.count - 3] ^= 1
                    reply = Self.withCRC(Array(reply.dropLast(2)))
                }
                bench.reply(reply)
            }
            #expect(bench.session.trouble == .keyRefused)
            #expect(bench.session.lastFrame == nil)
            #expect(bench.notices == [.trouble(.keyRefused)])
        }
    }

    @Test("a reader under another key is lost, not provisioned, and asked again a second or two apart")
    func anotherKey() throws {
        var reader = OSDPStandIn(key: Self.otherKey, keying: .installing)
        let bench = OSDPBench(Self.options())
        let began = bench.now
        #expect(try bench.run(&reader) { _, reader in reader.handshakes == 4 })
        #expect((3000...6000).contains(bench.now.milliseconds(since: began)))
        #expect(reader.key == Self.otherKey)
        #expect(bench.session.lastFrame == nil)
        #expect(bench.session.trouble == .keyRefused)
        #expect(bench.notices == [.trouble(.keyRefused)])
    }

    @Test("a reader without Secure Channel is refused when a key is configured")
    func noSecureChannel() throws {
        var reader = OSDPStandIn(key: Self.key, keying: .none)
        reader.capabilities = bytes("080100")
        let bench = OSDPBench(Self.options())
        #expect(try !bench.run(&reader, packets: 12) { bench, _ in bench.session.lastFrame != nil })
        #expect(bench.session.trouble == .noSecureChannel)
        #expect(!reader.understood.contains { $0.code == 0x60 })
    }

    @Test("a machine whose cipher fails says so, and takes no card")
    func brokenCipher() throws {
        var options = Self.options()
        options.security = .required(key: CipherBlock(), provisioning: .refused, .broken)
        var reader = OSDPStandIn(key: Self.key)
        let bench = OSDPBench(options)
        #expect(try !bench.run(&reader, packets: 9) { bench, _ in bench.session.lastFrame != nil })
        #expect(bench.session.trouble == .cipherFailed)
    }

    // MARK: Provisioning

    @Test("a new reader is given the lane's key when that is allowed, and no card counts before")
    func provisioning() throws {
        var reader = OSDPStandIn(key: Self.otherKey, keying: .installing)
        reader.pending = [(0x50, Self.card)]
        let bench = OSDPBench(Self.options(.allowed))
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .provisioned })
        #expect(bench.chips.isEmpty)
        #expect(bench.session.lastFrame == nil)
        #expect(reader.key == Self.key)
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured })
        #expect(bench.notices == [.provisioning, .provisioned, .secured])
        // From now on the key that everybody knows is never offered again.
        #expect(try bench.run(&reader) { bench, _ in !bench.chips.isEmpty })
        #expect(reader.handshakes == 3)
    }

    @Test("a reader that has the lane's key is not spoken to under the key that everybody knows")
    func provisionedBefore() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader, Self.options(.allowed))
        #expect(bench.notices == [.secured])
        #expect(reader.handshakes == 1)
    }

    // MARK: Lost replies, restarts, silence

    @Test("one lost reply inside the channel costs less than a second, and the next card is read")
    func lostReply() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        let packet = try #require(bench.nextPacket())
        let lostAt = bench.now
        _ = try reader.answer(packet)
        let repeated = try #require(bench.nextPacket())
        #expect(repeated == packet, "the repetition is the same, byte for byte")
        // The reader's chain of MACs has moved on: it refuses and drops the channel, as libosdp's does.
        let refusal = try reader.answer(repeated)
        #expect(hex(Array(refusal[4...6])) == hex([packet[5] & 3 | 4, 0x41, 6]))
        bench.reply(refusal)
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured })
        #expect(bench.now.milliseconds(since: lostAt) < 1000)
        #expect(bench.notices == [.secured, .channelLost, .secured])
        reader.pending = [(0x50, Self.card)]
        #expect(try bench.run(&reader) { bench, _ in !bench.chips.isEmpty })
    }

    @Test("without a channel a lost reply is repeated, and nothing else happens")
    func lostPlainReply() throws {
        var options = OSDPOptions()
        options.statusMilliseconds = nil
        var reader = OSDPStandIn(key: [], keying: .none)
        let bench = OSDPBench(options)
        #expect(try bench.run(&reader) { _, reader in reader.understood.last?.code == 0x60 })
        let packet = try #require(bench.nextPacket())
        let repeated = try #require(bench.nextPacket())
        #expect(repeated == packet)
        bench.reply(try reader.answer(repeated))
        let next = try #require(bench.nextPacket())
        #expect(next[5] & 3 == packet[5] & 3 % 3 + 1)
        #expect(bench.notices == [.unsecured])
    }

    @Test("a reply with a wrong CRC is asked for again")
    func wrongCRC() throws {
        var reader = OSDPStandIn(key: [], keying: .none)
        let bench = OSDPBench(OSDPOptions())
        #expect(try bench.run(&reader) { _, reader in reader.understood.last?.code == 0x60 })
        reader.pending = [(0x50, Self.card), (0x50, Self.card)]
        let packet = try #require(bench.nextPacket())
        var reply = try reader.answer(packet)
        reply[8] ^= 1
        bench.reply(reply)
        #expect(bench.faults == [.check])
        let repeated = try #require(bench.nextPacket())
        #expect(repeated == packet)
        bench.reply(try reader.answer(repeated))
        #expect(bench.chips == ["007b3972"])
    }

    @Test("a second breakdown within a second waits a second, so that a broken line is not stormed")
    func storm() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        for _ in 0..<5 {
            _ = try #require(bench.nextPacket())
            bench.reply(OSDPStandIn.plain(0x41, [6], sequence: 1))
            bench.reply(OSDPStandIn.plain(0x41, [6], sequence: 2))
            bench.reply(OSDPStandIn.plain(0x41, [6], sequence: 3))
            #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured })
        }
        #expect(bench.now.milliseconds(since: MonotonicTime(milliseconds: 5000)) >= 4000)
    }

    @Test("a reader that was switched off is found again within two seconds of its return")
    func restart() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        let gone = bench.now
        while bench.now.milliseconds(since: gone) < 7000 { _ = bench.nextPacket() }
        #expect(bench.session.lastFrame.map { bench.now.milliseconds(since: $0) > 6900 } == true)
        reader.restart()
        let back = bench.now
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured })
        #expect(bench.now.milliseconds(since: back) < 2000)
    }

    @Test("a reader that restarts between two polls is found again at once")
    func quickRestart() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        reader.restart()
        let at = bench.now
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured && bench.notices.count == 3 })
        #expect(bench.now.milliseconds(since: at) < 1000)
    }

    @Test("BUSY delays the same packet; a reader that says nothing else is in trouble")
    func busy() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        let packet = try #require(bench.nextPacket())
        let busy = OSDPStandIn.plain(0x79, sequence: 0)
        bench.reply(busy)
        let again = try #require(bench.nextPacket())
        #expect(again == packet)
        bench.reply(try reader.answer(again))
        #expect(bench.notices == [.secured])
        for _ in 0..<15 {
            _ = bench.nextPacket()
            bench.reply(busy)
        }
        #expect(bench.session.trouble == .busy)
        #expect(try bench.run(&reader) { bench, _ in bench.notices.last == .secured })
        #expect(bench.session.trouble == nil)
    }

    @Test("a reader that knows checksums only is spoken to with checksums", arguments: [true, false])
    func checksum(answersCRC: Bool) throws {
        var reader = OSDPStandIn(key: Self.key)
        reader.usesCRC = false
        reader.capabilities = bytes("080000 090101")
        let bench = OSDPBench(Self.options())
        for _ in 0..<12 where bench.session.lastFrame == nil {
            let packet = try #require(bench.nextPacket())
            if packet[5] & 4 != 0 {
                if answersCRC { bench.reply(reader.plainReply(0x41, [1], packet[5] & 3)) }
            } else {
                bench.reply(try reader.answer(packet))
            }
        }
        #expect(bench.notices == [.secured])
    }

    @Test("a reader of another address is not listened to")
    func address() throws {
        var reader = OSDPStandIn(key: Self.key, address: 5)
        let bench = OSDPBench(Self.options())
        #expect(try !bench.run(&reader, packets: 6) { bench, _ in bench.session.counters.frames > 0 })
    }

    // MARK: Feedback

    @Test("lamps, beep and text follow the lane; the newest replaces what was not shown yet")
    func feedback() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        bench.show(ReaderFeedback(lamps: .working, text: InlineText("Please hold still")))
        bench.show(ReaderFeedback(lamps: .refused, text: InlineText("Go to desk N2: vaccine, test")))
        let before = bench.now
        let known = reader.understood.count
        #expect(try bench.run(&reader) { _, reader in reader.understood.count >= known + 4 })
        let shown = reader.understood[known...].prefix(4).map { hex([$0.code]) + hex($0.data) }
        #expect(
            shown == [
                "69000001000000000000010a0a0101", "6a0002010103",
                "6b000100010110" + hex(Array("Go to desk N2:  ".utf8)),
                "6b000100020110" + hex(Array("vaccine, test   ".utf8)),
            ])
        #expect(bench.now.milliseconds(since: before) < 100)
    }

    @Test("a reader that comes back is shown the present state again, without a beep")
    func feedbackAfterReturn() throws {
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader)
        bench.show(ReaderFeedback(lamps: .admitted))
        #expect(try bench.run(&reader) { _, reader in reader.understood.contains { $0.code == 0x6A } })
        reader.restart()
        let known = reader.understood.count
        #expect(try bench.run(&reader) { _, reader in reader.understood.dropFirst(known).contains { $0.code == 0x6B } })
        #expect(reader.understood.dropFirst(known).map(\.code).filter { (0x69...0x6A).contains($0) } == [0x69])
    }

    @Test("a reader without display, lamp and sounder is left alone")
    func noFeedback() throws {
        var reader = OSDPStandIn(key: Self.key)
        reader.capabilities = bytes("080100 090101")
        let bench = try online(&reader)
        bench.show(ReaderFeedback(lamps: .refused, text: InlineText("x")))
        for _ in 0..<5 { bench.reply(try reader.answer(try #require(bench.nextPacket()))) }
        #expect(!reader.understood.contains { (0x69...0x6B).contains($0.code) })
    }

    @Test("tamper and power are asked for at once and then at the configured pace")
    func status() throws {
        var options = Self.options()
        options.statusMilliseconds = 1000
        var reader = OSDPStandIn(key: Self.key)
        let bench = try online(&reader, options)
        let began = bench.now
        #expect(
            try bench.run(&reader, packets: 200) { _, reader in reader.understood.filter { $0.code == 0x64 }.count == 4
            })
        #expect((2900...3200).contains(bench.now.milliseconds(since: began)))
        #expect(reader.understood.filter { $0.code == 0x60 }.count >= 40)
    }

    // MARK: -

    static func withCRC(_ bytes: [UInt8]) -> [UInt8] {
        let crc = bytes.reduce(UInt16(0x1D0F)) { crc, byte in
            (0..<8).reduce(crc ^ UInt16(byte) << 8) { crc, _ in crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        }
        return bytes + [UInt8(crc & 0xFF), UInt8(crc >> 8)]
    }
}
