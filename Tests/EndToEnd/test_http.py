"""HTTP byte by byte: what is malformed, ambiguous, too large, too slow or too much is refused or cut, and meanwhile the
collector answers others. One collector for all of it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from encrypted_site import Site, eventually

OF_ONE_ADDRESS = 12  # connections, in this file's configuration
HEAD_SECONDS = 15  # HTTPServer.Limits.headMilliseconds
STRANGER = "127.0.0.2"  # another address than this machine's own

HOST = b"Host: localhost\r\n"
FORM = HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
ANSWERED = b'"intake_silent_ms"'  # stands in every answer of /healthz


def get(headers: bytes = b"", target: bytes = b"/healthz") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"


def post(headers: bytes, body: bytes = b"token", target: bytes = b"/login") -> bytes:
    return b"POST " + target + b" HTTP/1.1\r\n" + FORM + headers + b"\r\n" + body


class Collector(Site):
    def __init__(self, binaries: Path, folder: Path) -> None:
        super().__init__(binaries, folder, options=f", connections_per_address: {OF_ONE_ADDRESS}")

    def connect(self, address: str = "127.0.0.1", receive_bytes: int | None = None) -> socket.socket:
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(60)
        connection.bind((address, 0))
        connection.connect(("127.0.0.1", self.port))
        return connection

    def exchange(self, data: bytes = b"", address: str = "127.0.0.1", seconds: float = 60) -> bytes:
        """What is said to it and a last request, up to the end of the connection, or of these seconds."""
        with self.connect(address) as connection:
            with contextlib.suppress(OSError):  # closed before it took all
                connection.sendall(data + LAST)
            connection.settimeout(seconds)
            return everything(connection)

    def is_well(self) -> bool:
        return self.process.poll() is None and ANSWERED in self.exchange()

    @property
    def sockets(self) -> int:
        names = []
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                names.append(os.readlink(entry))
        return sum(name.startswith("socket:") for name in names)


def everything(connection: socket.socket) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while part := connection.recv(1 << 16):
            said += part
    return said


def first_status(said: bytes) -> int | None:
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", said)
    return int(match[1]) if match else None


def is_closed(connection: socket.socket) -> bool:
    """By the collector; what it said before is passed over."""
    connection.settimeout(0.01)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


class Slow:
    """Peers that never finish, from the first test to the last."""

    def __init__(self, collector: Collector) -> None:
        self.begun = time.monotonic()
        silent = [b"", b"\r\n", b"GET /he", SECOND[:-2], b"\x16\x03\x01\x00\xa5" + bytes(165), b"POST / HTTP/1.1\r\nA: "]
        self.connections = {first: collector.connect() for first in silent}
        for first, connection in self.connections.items():
            connection.sendall(first)


@pytest.fixture(scope="module")
def collector(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(binaries, tmp_path_factory.mktemp("http"))
    yield collector
    collector.close()


@pytest.fixture(scope="module", autouse=True)
def slow(collector: Collector) -> Iterator[Slow]:
    slow = Slow(collector)
    yield slow
    for connection in slow.connections.values():
        connection.close()


# None: the connection ends without an answer.
REFUSED: list[tuple[str, bytes, int | None]] = [
    # Two readers of these do not agree where the request ends.
    ("length and chunks", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("chunks and length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), 400),
    ("two lengths", post(b"Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
    ("the same length twice", post(b"Content-Length: 5\r\nContent-Length: 5\r\n"), 400),
    ("a list of lengths", post(b"Content-Length: 5, 5\r\n"), 400),
    ("a length with a sign", post(b"Content-Length: +5\r\n"), 400),
    ("a negative length", post(b"Content-Length: -5\r\n"), 400),
    ("a hexadecimal length", post(b"Content-Length: 0x5\r\n"), 400),
    ("two numbers", post(b"Content-Length: 5 5\r\n"), 400),
    ("an empty length", post(b"Content-Length: \r\n"), 400),
    ("a length of 20 digits", post(b"Content-Length: 99999999999999999999\r\n"), 413),
    ("a length of 2^63", post(b"Content-Length: 9223372036854775808\r\n"), 413),
    ("a length of 2^64 - 1", post(b"Content-Length: 18446744073709551615\r\n"), 413),
    ("a blank before the length's colon", post(b"Content-Length : 5\r\n"), 400),
    ("a blank before the coding's colon", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    ("a folded length", post(b"Content-Length:\r\n 5\r\n"), 400),
    ("a folded coding", post(b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n"), 400),
    ("a coding behind a tab", post(b"Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n"), 400),
    ("a coding behind a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n"), 400),
    ("no coding", post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n"), 400),
    ("an empty coding", post(b"Transfer-Encoding: \r\nContent-Length: 5\r\n"), 400),
    ("an unknown coding", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 411),
    ("chunks", post(b"Transfer-Encoding: chunked\r\n", b"5\r\ntoken\r\n0\r\n\r\n"), 411),
    ("chunks twice", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 411),
    ("chunks to a reading", get(b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 411),
    ("a chunk of no size", post(b"Transfer-Encoding: chunked\r\n", b"zz\r\ntoken\r\n0\r\n\r\n"), 411),
    ("a chunk of 2^68", post(b"Transfer-Encoding: chunked\r\n", b"f" * 17 + b"\r\ntoken\r\n0\r\n\r\n"), 411),
    ("a chunk's extension", post(b"Transfer-Encoding: chunked\r\n", b"5;a=\n\r\ntoken\r\n0\r\n\r\n"), 411),
    ("a trailer", post(b"Transfer-Encoding: chunked\r\n", b"0\r\nContent-Length: 9\r\n\r\n"), 411),
    ("chunks in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n").replace(b"1.1", b"1.0"), 411),
    ("lines that end with LF", SECOND.replace(b"\r\n", b"\n"), 400),
    ("the first line ends with LF", SECOND.replace(b"1.1\r\n", b"1.1\n"), 400),
    ("one header ends with LF", get(b"A: b\n"), 400),
    ("a header hides behind LF", get(b"A: b\nContent-Length: 0\r\n"), 400),
    ("the empty line is LF", SECOND[:-2] + b"\n", 400),
    ("a lone CR", get(b"A: b\rContent-Length: 0\r\n"), 400),
    ("a folded header", get(b"A: b\r\n c\r\n"), 400),
    ("a header folded with a tab", get(b"A: b\r\n\tc\r\n"), 400),
    ("the first header is indented", b"GET /healthz HTTP/1.1\r\n A: b\r\n" + HOST + b"\r\n", 400),
    ("a body where none is taken", get(b"Content-Length: 5\r\n") + b"token", 413),
    ("chunks twice, once with a length", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400),
    ("chunks in odd letters", post(b"tRANSFER-eNCODING: ChUnKeD\r\n", b"5\r\ntoken\r\n0\r\n\r\n"), 411),
    ("chunks in odd letters and length", post(b"transfer-ENCODING: CHUNKED\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), 400),
    ("a list of codings", post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 411),
    ("a coding in quotes", post(b'Transfer-Encoding: "chunked"\r\nContent-Length: 5\r\n'), 400),
    ("a chunk's extension in quotes", post(b"Transfer-Encoding: chunked\r\n", b'5;a="b\r\nc"\r\ntoken\r\n0\r\n\r\n'), 411),
    ("a chunk of 2^64", post(b"Transfer-Encoding: chunked\r\n", b"10000000000000000\r\ntoken\r\n0\r\n\r\n"), 411),
    ("a chunk less than none", post(b"Transfer-Encoding: chunked\r\n", b"-5\r\ntoken\r\n0\r\n\r\n"), 411),
    ("a trailer that is a host", post(b"Transfer-Encoding: chunked\r\n", b"5\r\ntoken\r\n0\r\nHost: evil\r\n\r\n"), 411),
    ("a length that is folded away", post(b"A: b\r\n Content-Length: 0\r\nContent-Length: 5\r\n"), 400),
    ("a fold of nothing", get(b"A: b\r\n \r\nC: d\r\n"), 400),
    ("the last header folded", SECOND[:-2] + b" x\r\n\r\n", 400),
    ("CR CR LF", get(b"A: b\r\r\n"), 400),
    ("LF CR", get(b"A: b\n\rC: d\r\n"), 400),
    # What is no HTTP.
    ("a NUL in the method", SECOND.replace(b"GET", b"GE\0T"), 400),
    ("a NUL behind the method", SECOND.replace(b"GET ", b"GET\0 "), 400),
    ("a NUL behind the path", get(target=b"/healthz\0"), 400),
    ("a NUL in the query", get(target=b"/healthz?a=\0b"), 400),
    ("a NUL before the version", SECOND.replace(b" HTTP", b" \0HTTP"), 400),
    ("a NUL in the version", SECOND.replace(b"1.1\r\n", b"1.1\0\r\n", 1), 400),
    ("a NUL before a header", get(b"\0A: b\r\n"), 400),
    ("a NUL behind a colon", get(b"A:\0b\r\n"), 400),
    ("a NUL behind a header", get(b"A: b\0\r\n"), 400),
    ("a NUL alone", get(b"\0\r\n"), 400),
    ("a NUL behind a length", post(b"Content-Length: 5\0\r\n"), 400),
    ("a NUL within a length", post(b"Content-Length: 5\x000\r\n"), 400),
    ("a NUL behind the head", SECOND[:-2] + b"\0\r\n", 400),
    ("a tab before a colon", get(b"A\t: b\r\n"), 400),
    ("a method that is none", SECOND.replace(b"GET", b"G(T"), 400),
    ("a method of 5,000 letters", SECOND.replace(b"GET", b"G" * 5000), 400),
    ("a version in small letters", SECOND.replace(b"HTTP", b"http"), 400),
    ("no host in HTTP/1.2", b"GET /healthz HTTP/1.2\r\n\r\n", 400),
    ("two blanks before the path", SECOND.replace(b" /", b"  /"), 400),
    ("two blanks before the version", SECOND.replace(b" HTTP", b"  HTTP"), 400),
    ("a tab before the path", SECOND.replace(b"GET ", b"GET\t"), 400),
    ("a blank before the method", b" " + SECOND, None),
    ("a blank behind the version", SECOND.replace(b"1.1\r\n", b"1.1 \r\n", 1), 400),
    ("a NUL in a header", get(b"A: b\0c\r\n"), 400),
    ("a NUL in a name", get(b"A\0: b\r\n"), 400),
    ("a NUL in the path", get(target=b"/healthz\0x"), 400),
    ("an escape in a header", get(b"A: \x1b[2J\r\n"), 400),
    ("a name of nothing", get(b": b\r\n"), 400),
    ("a name with a comma", get(b"A,B: c\r\n"), 400),
    ("a header without a colon", get(b"Abc\r\n"), 400),
    ("the host twice", get(HOST), 400),
    ("no host", b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    ("an empty host", get().replace(HOST, b"Host: \r\n"), 421),
    ("another's host", get().replace(HOST, b"Host: evil.example\r\n"), 421),
    ("a host behind a port", get().replace(HOST, b"Host: localhost:80@evil.example\r\n"), 421),
    ("a host that only begins so", get().replace(HOST, b"Host: localhost.evil.example\r\n"), 421),
    ("HTTP/0.9", b"GET /healthz\r\n\r\n", 400),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/1.10", SECOND.replace(b"1.1", b"1.10"), 400),
    ("tabs between", SECOND.replace(b" ", b"\t", 2), None),
    ("two blanks between", SECOND.replace(b" ", b"  ", 2), 400),
    ("a blank in the path", get(target=b"/healthz x"), 400),
    ("no method", SECOND[3:], None),
    ("a byte beyond ASCII", get(target=b"/\xff\xfe"), 400),
    ("a control character", get(target=b"/\x07"), 400),
    ("bytes of all values", bytes(range(256)) * 4, 400),
    # Sizes.
    ("a path of 9,000 bytes", get(target=b"/" + b"a" * 9000), 414),
    ("a query of 9,000 bytes", get(target=b"/healthz?" + b"a" * 9000), 414),
    ("a path of 100,000 bytes", get(target=b"/" + b"a" * 100_000), 414),
    ("5,000 parameters", get(target=b"/healthz?" + b"a=1&" * 5000), None),
    ("a header of 100,000 bytes", get(b"A: " + b"b" * 100_000 + b"\r\n"), 431),
    ("20,000 headers", get(b"A: b\r\n" * 20_000), 431),
    ("a body larger than is taken", post(b"Content-Length: 600\r\n", b"t" * 600), 413),
    # What is not served: a path is asked for as it stands here.
    ("the whole address", get(target=b"http://localhost/healthz"), 404),
    ("the whole address of another", get(target=b"http://evil.example/healthz"), 404),
    ("everything", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    ("nothing there", get(target=b"/nowhere"), 404),
    ("a NUL, escaped", get(target=b"/healthz%00"), 404),
    ("no escape", get(target=b"/healthz%zz"), 404),
    ("two slashes", get(target=b"//healthz"), 404),
    ("up and away", get(target=b"/v1/images/../../../etc/passwd"), 404),
    ("up and away, escaped", get(target=b"/v1/images/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), 404),
    ("a tunnel", b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    ("an echo", SECOND.replace(b"GET", b"TRACE"), 405),
    ("a method in small letters", SECOND.replace(b"GET", b"get"), 405),
]


# What libmicrohttpd refuses before anybody else sees it, in its own words (docs/formats.md).
BY_LIBRARY = {
    "a list of lengths", "a length with a sign", "a negative length", "a hexadecimal length", "two numbers",
    "an empty length", "a length of 20 digits", "a NUL before the version", "a NUL in the version", "a NUL in a name",
    "a version in small letters", "a tab before the path", "a blank behind the version", "a header without a colon",
    "HTTP/0.9", "HTTP/2", "HTTP/1.10", "bytes of all values", "a path of 100,000 bytes", "a header of 100,000 bytes",
    "20,000 headers",
}  # fmt: skip


@pytest.mark.parametrize(("name", "request_bytes", "status"), REFUSED, ids=[each[0] for each in REFUSED])
def test_what_is_wrong_is_refused_and_nothing_behind_it_is_answered(
    collector: Collector, name: str, request_bytes: bytes, status: int | None
) -> None:
    said = collector.exchange(request_bytes)
    assert first_status(said) == status, said[:300]
    assert ANSWERED not in said, said
    if status is not None:
        assert (b'"advice":"' in said) == (name not in BY_LIBRARY), said[:300]
        # It gives some of its answers' heads twice.
        assert said.count(b"HTTP/1.1 ") == 1 or name in BY_LIBRARY, said[:600]
    assert collector.is_well()


TAKEN: list[tuple[str, bytes, int]] = [
    ("as it is", SECOND, 200),
    ("empty lines before", b"\r\n\r\n" + SECOND, 200),
    ("no blank behind the colon", SECOND.replace(b": ", b":"), 200),
    ("many blanks behind the colon", SECOND.replace(b": ", b": \t  "), 200),
    ("an empty header", get(b"A:\r\nB: \r\nC:\r\n"), 200),
    ("letters beyond ASCII in a header", get("A: 北登录厅\r\n".encode()), 200),
    ("an escaped path", get(target=b"/%68ealthz"), 200),
    ("a path of 8,000 bytes", get(target=b"/healthz?" + b"a" * 7991), 200),
    ("a host with a port", get().replace(HOST, b"Host: LOCALHOST:8480\r\n"), 200),
    ("a body", post(b"Content-Length: 5\r\n"), 401),
    ("a body that waits to be asked for", post(b"Content-Length: 5\r\nExpect: 100-continue\r\n"), 100),
    ("an upgrade that nobody makes", get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), 200),
]


@pytest.mark.parametrize(("request_bytes", "status"), [each[1:] for each in TAKEN], ids=[each[0] for each in TAKEN])
def test_what_is_right_is_answered_and_so_is_what_comes_behind_it(
    collector: Collector, request_bytes: bytes, status: int
) -> None:
    said = collector.exchange(request_bytes + get(target=b"/login"))
    assert first_status(said) == status, said[:300]
    assert said.count(b"\r\nContent-Type: text/html") >= 1 and said.rstrip().endswith(b"}"), said[-300:]
    assert said.count(ANSWERED) == 1 + request_bytes.startswith((b"GET", b"\r\n")), said


def test_a_head_that_comes_byte_by_byte_is_the_same_head(collector: Collector) -> None:
    with collector.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(b"Content-Length: 5\r\n") + LAST:
            connection.sendall(bytes([byte]))
        said = everything(connection)
    assert first_status(said) == 401 and said.count(ANSWERED) == 1


def test_a_request_damaged_at_random_ends_with_an_answer_or_without_and_no_connection_stays(
    collector: Collector,
) -> None:
    seed = int(os.environ.get("LANEKEEPER_SEED", random.SystemRandom().randrange(10**9)))
    print(f"LANEKEEPER_SEED={seed}")
    draw = random.Random(seed)
    pieces = [b"\r", b"\n", b"\0", b" ", b":", b"\r\n\r\n", b"%00", b"Content-Length: 3\r\n", b"\xff", b"?", b"&=", b"HTTP"]
    good = [request for _, request, _ in TAKEN]
    before = collector.sockets

    def damaged() -> bytes:
        data = bytearray(draw.choice(good) + draw.choice(good))
        for _ in range(draw.randint(1, 6)):
            at = draw.randrange(len(data))
            data[at : at + draw.randrange(3)] = draw.choice([draw.choice(pieces), draw.randbytes(2), b""])
        return bytes(data)

    with ThreadPoolExecutor(16) as pool:
        # What became a body that is never whole has no end within a test: its peer goes.
        for said in pool.map(lambda data: collector.exchange(data, seconds=0.3), [damaged() for _ in range(400)]):
            assert not said or first_status(said), said[:100]
    assert collector.is_well()
    assert eventually(lambda: collector.sockets <= before), (before, collector.sockets)


def test_one_address_has_so_many_connections_and_no_more_and_others_are_served(collector: Collector) -> None:
    def is_served(connection: socket.socket) -> bool:
        with contextlib.suppress(OSError):
            connection.sendall(SECOND)
            return ANSWERED in connection.recv(1 << 16)
        return False

    taken: list[socket.socket] = []
    try:
        for _ in range(OF_ONE_ADDRESS):
            taken.append(collector.connect(STRANGER))
            assert is_served(taken[-1])
        for _ in range(20):
            with collector.connect(STRANGER) as more:
                assert not is_served(more)
        assert collector.is_well()
        assert ANSWERED in collector.exchange(address="127.0.0.3")
        assert all(is_served(connection) for connection in taken), "those that it has stay"
        taken.pop().close()
        assert eventually(lambda: ANSWERED in collector.exchange(address=STRANGER)), "one left, one more is taken"
    finally:
        for connection in taken:
            connection.close()
    log = (collector.folder / "collector.log").read_text()
    assert log.count("raise listen.connections_per_address") == 1, log
    assert log.count(f"{STRANGER} has {OF_ONE_ADDRESS} connections") == 1


def test_who_never_reads_his_answers_holds_nobody_up_and_leaves_nothing(collector: Collector) -> None:
    before, asked = collector.sockets, get(target=b"/login") * 200
    stuck = [collector.connect(receive_bytes=2048) for _ in range(40)]
    try:
        for connection in stuck:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while connection.send(asked):
                    pass
        assert collector.is_well()
        with ThreadPoolExecutor(8) as pool:
            assert all(ANSWERED in said for said in pool.map(collector.exchange, [b""] * 200))
    finally:
        for connection in stuck:
            connection.close()
    assert eventually(lambda: collector.sockets <= before), (before, collector.sockets)


# The last: what began before the first test has waited long enough meanwhile.
def test_who_never_finishes_his_request_is_cut_and_nothing_stays(collector: Collector, slow: Slow) -> None:
    for first, connection in slow.connections.items():
        assert eventually(lambda c=connection: is_closed(c)), first
    assert time.monotonic() - slow.begun > HEAD_SECONDS - 1, "not before its time"
    assert collector.is_well()
    # The listening socket and what the collector itself has open; a connection is one more each.
    assert eventually(lambda: collector.sockets <= 3), collector.sockets
