"""What the collector knows, over HTTP and JSON."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 20.0
PAGE_RECORDS = 1000


class CollectorClient:
    def __init__(self, port: int, authority: Path | None = None, token: str = "") -> None:
        """Over TLS when an authority is given."""
        self.port = port
        self.token = token
        self.tls = ssl.create_default_context(cafile=str(authority)) if authority else None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)

    def get(self, path: str) -> bytes:
        """The body of a 200 answer; OSError when there is none within the bound."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"} if self.token else {})
            answer = connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"GET {path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(f"GET {path}: {answer.status} {body[:200]!r}")
        return body

    def is_well(self) -> bool:
        try:
            self.get("/healthz")
            return True
        except OSError:
            return False

    def tallies(self) -> dict[str, Any]:
        return json.loads(self.get("/v1/tallies"))

    def records(self, lane: str) -> Iterator[dict[str, Any]]:
        """Every record of a lane that is stored, in the order of the journal."""
        after: Any = 0
        while True:
            query = urllib.parse.urlencode({"lane": lane, "after": after, "limit": PAGE_RECORDS})
            page = [json.loads(line) for line in self.get(f"/v1/records?{query}").splitlines() if line]
            yield from page
            if len(page) < PAGE_RECORDS:
                return
            after = page[-1]["row"]
