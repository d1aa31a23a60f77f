"""The uplink over TLS: a private authority, a certificate of its own, and every server it must not believe."""

from __future__ import annotations

import contextlib
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SITE = "5f0c2a9be1d34877a6f00b1c92d3e45a"
PATIENCE_SECONDS = 60


def statement() -> bytes:
    """As docs/formats.md draws it; the signature is nobody's, and the uplink hands it on all the same."""
    head = b"LKSTATE1" + struct.pack("<II", 1, 88) + bytes.fromhex(SITE) + struct.pack("<QQq", 1, 0, 1_700_000_000_000)
    return head + bytes(32) + bytes(64)


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class Authority:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.certificate, self.key = folder, folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)  # fmt: skip

    def issue(self, name: str, alternative: str, days: int = 2) -> tuple[Path, Path]:
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        extensions.write_text(f"subjectAltName={alternative}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)  # fmt: skip
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", str(days), "-extfile", extensions, "-out", certificate)  # fmt: skip
        return certificate, key


class Handler(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        subject = dict(item[0] for item in (self.request.getpeercert() or {}).get("subject", ()))
        self.server.seen.append(subject.get("commonName", ""))
        body = statement() if self.path == "/v1/statement" else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def server(certificate: Path, key: Path, clients: Path | None, newest: ssl.TLSVersion | None = None) -> Iterator:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.seen = []
    http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield http
    finally:
        http.shutdown()
        thread.join(PATIENCE_SECONDS)
        http.server_close()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path] | Authority]:
    folder = tmp_path_factory.mktemp("pki")
    ours, foreign = Authority(folder, "ours"), Authority(folder, "foreign")
    return {
        "ours": ours,
        "server": ours.issue("collector", "IP:127.0.0.1"),
        "lane": ours.issue("north-07", "DNS:north-07"),
        "other-name": ours.issue("elsewhere", "DNS:elsewhere.example,IP:10.1.2.3"),
        "foreign-server": foreign.issue("impostor", "IP:127.0.0.1"),
        "foreign-lane": foreign.issue("intruder", "DNS:north-07"),
    }


class Uplink:
    """The program on a lane's directory, until the end of the test."""

    def __init__(self, binaries: Path, folder: Path, port: int, files: dict[str, Path]) -> None:
        self.statement = folder / "lane" / "uplink" / "incoming" / "statement"
        self.log = folder / "log"
        (folder / "lane").mkdir()
        lines = [f"  {key}: {path}" for key, path in files.items()]
        config = folder / "uplink.yaml"
        config.write_text(
            f"lane: {{ id: north-07 }}\nsite: {{ id: {SITE} }}\ndirectories: {{ state: lane, run: . }}\n"
            f"statement_interval_seconds: 1\ncollector:\n  url: https://127.0.0.1:{port}\n" + "\n".join(lines) + "\n"
        )
        self.output = self.log.open("wb")
        program = [str(binaries / "lanekeeper-uplink"), "--config", str(config)]
        self.process = subprocess.Popen(program, stdout=self.output, stderr=self.output)

    def comes_to(self, words: str | None) -> bool:
        """Whether the statement came, or with `words` the log says them."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            text = self.log.read_text(errors="replace")
            if words is None and self.statement.is_file() or words is not None and words in text:
                return True
            time.sleep(0.02)
        return False

    def close(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_SECONDS) == 0
        self.output.close()


@contextlib.contextmanager
def uplink(binaries: Path, folder: Path, port: int, files: dict[str, Path]) -> Iterator[Uplink]:
    running = Uplink(binaries, folder, port, files)
    try:
        yield running
    finally:
        running.close()


def test_private_authority_and_own_certificate(binaries: Path, pki: dict, tmp_path: Path) -> None:
    certificate, key = pki["lane"]
    files = {"ca_file": pki["ours"].certificate, "certificate_file": certificate, "key_file": key}
    with server(*pki["server"], clients=pki["ours"].certificate) as http:
        with uplink(binaries, tmp_path, http.server_port, files) as program:
            assert program.comes_to(None), program.log.read_text()
            assert program.statement.read_bytes() == statement()
            assert set(http.seen) == {"north-07"}


REFUSED = [
    ("another authority", "foreign-server", "ours", "lane", "certificate"),
    ("another name", "other-name", "ours", "lane", "no alternative certificate subject name matches"),
    ("the system's authorities do not know it", "server", None, "lane", "certificate"),
]


@pytest.mark.parametrize(("why", "shown", "believed", "own", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_servers_that_are_not_believed(
    binaries: Path, pki: dict, tmp_path: Path, why: str, shown: str, believed: str | None, own: str, words: str
) -> None:
    certificate, key = pki[own]
    files = {"certificate_file": certificate, "key_file": key}
    if believed is not None:
        files["ca_file"] = pki[believed].certificate
    with server(*pki[shown], clients=None) as http:
        with uplink(binaries, tmp_path, http.server_port, files) as program:
            assert program.comes_to(words), program.log.read_text()
            assert not program.statement.exists()
            assert http.seen == []


@pytest.mark.parametrize("own", [None, "foreign-lane"])
def test_a_collector_that_asks_for_a_certificate_gets_no_stranger(
    binaries: Path, pki: dict, tmp_path: Path, own: str | None
) -> None:
    files = {"ca_file": pki["ours"].certificate}
    if own is not None:
        files |= dict(zip(("certificate_file", "key_file"), pki[own], strict=True))
    with server(*pki["server"], clients=pki["ours"].certificate) as http:
        with uplink(binaries, tmp_path, http.server_port, files) as program:
            assert program.comes_to("fetching the statement: "), program.log.read_text()
            assert not program.statement.exists()
            assert http.seen == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_too_old(binaries: Path, pki: dict, tmp_path: Path) -> None:
    files = {"ca_file": pki["ours"].certificate}
    with server(*pki["server"], clients=None, newest=ssl.TLSVersion.TLSv1_1) as http:
        with uplink(binaries, tmp_path, http.server_port, files) as program:
            assert program.comes_to("fetching the statement: "), program.log.read_text()
            assert not program.statement.exists()


def test_files_that_are_not_there_are_named(binaries: Path, pki: dict, tmp_path: Path) -> None:
    files = {"ca_file": tmp_path / "nowhere.pem"}
    with server(*pki["server"], clients=None) as http:
        with uplink(binaries, tmp_path, http.server_port, files) as program:
            assert program.comes_to("nowhere.pem"), program.log.read_text()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["url: http://127.0.0.1:1", "ca_file: a.pem"], "collector.ca_file: is of use with an https:// url only"),
        (["url: https://a.example", "key_file: a.key"], "collector.key_file: certificate_file and key_file belong"),
        (["url: http://a.example"], "collector.url: http:// is allowed to"),
    ],
)
def test_settings_that_do_not_fit(binaries: Path, tmp_path: Path, lines: list[str], words: str) -> None:
    config = tmp_path / "uplink.yaml"
    text = f"lane: {{ id: north-07 }}\nsite: {{ id: {SITE} }}\ncollector:\n"
    config.write_text(text + "".join(f"  {line}\n" for line in lines))
    program = [str(binaries / "lanekeeper-uplink"), "--config", str(config), "--check-config"]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 78
    assert words in result.stderr
