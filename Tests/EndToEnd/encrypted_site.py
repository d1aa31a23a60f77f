"""A collector that runs over TLS, and its commands: what the tests of enrolment and of tokens stand on."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lanesim_parts.stage import free_port

PATIENCE_SECONDS = 60
MOST_TRIES = 5


def eventually(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def program(binaries: Path, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(binaries / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def error(self) -> str:
        return json.loads(self.body)["error"]


class Site:
    """A collector that runs over TLS, and its commands."""

    def __init__(self, binaries: Path, folder: Path, options: str = ", tls: true") -> None:
        self.binaries, self.folder, self.data = binaries, folder, folder / "data"
        self.said("init", "--data", self.data)
        self.authority = self.data / "keys" / "ca.pem"  # whom `ask` believes
        for _ in range(MOST_TRIES):
            if self._serves(options):
                return
        raise AssertionError((folder / "collector.log").read_text())

    def _serves(self, options: str) -> bool:
        """On a free port; False when somebody else took it in between."""
        folder = self.folder
        self.port = free_port()
        self.config = folder / "collector.yaml"
        self.config.write_text(
            f"data: data\nlisten: {{ address: 127.0.0.1, port: {self.port}{options} }}\n"
            "site: { name_zh: 模拟博览会, name_en: Expo }\n"
        )
        self.log = (folder / "collector.log").open("wb")
        command = [str(self.binaries / "lanekeeper-collector"), "serve", "--config", str(self.config)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        says = (folder / "collector.log").read_bytes
        assert eventually(lambda: b"the page is at" in says() or self.process.poll() is not None), says()
        return self.process.poll() is None

    @property
    def id(self) -> str:
        return (self.data / "keys" / "site.pub").read_text().split()[1]

    def said(self, *arguments: str | Path) -> str:
        done = program(self.binaries, "lanekeeper-collector", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lane(self, *arguments: str | Path) -> str:
        return self.said("lane", *arguments, "--data", self.data)

    def token(self, name: str, role: str) -> str:
        return self.said("token", "add", name, "--role", role, "--data", self.data).strip()

    def enrolled(self, lane: str, name: str = "file") -> Path:
        """The lane's certificate and key, as they are in a new enrolment file."""
        file = self.folder / f"{lane}-{name}.enrol"
        self.lane("add", lane, "--name", lane, "--out", file)
        return identity_of(file)

    def ask(
        self, path: str, identity: Path | None = None, headers: dict[str, str] | None = None, body: bytes | None = None,
        method: str | None = None,
    ) -> Answer:  # fmt: skip
        context = ssl.create_default_context(cafile=str(self.authority))
        if identity:
            context.load_cert_chain(identity)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        with contextlib.closing(connection):
            connection.request(method or ("POST" if body is not None else "GET"), path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), {key.lower(): value for key, value in answer.getheaders()})

    def close(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_SECONDS) == 0
        self.log.close()


def identity_of(file: Path) -> Path:
    data = file.read_bytes()
    begin = data.index(b"identity ")
    line = data.index(b"\n", begin)
    identity = file.with_suffix(".pem")
    identity.write_bytes(data[line + 1 : line + 1 + int(data[begin + 9 : line])])
    return identity


@pytest.fixture(scope="module")
def site(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(binaries, tmp_path_factory.mktemp("site"))
    try:
        yield made
    finally:
        made.close()
