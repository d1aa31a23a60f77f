"""Streams of Server-Sent Events as other programs subscribe to them: with curl."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from dataclasses import dataclass
from typing import Any

BOUND = 60


@dataclass
class Event:
    name: str
    id: str
    data: Any


class Subscriber:
    """A `curl -N` that runs, and what it heard so far."""

    def __init__(self, url: str, *words: str) -> None:
        self.process = subprocess.Popen(["curl", "-sN", *words, url], stdout=subprocess.PIPE, text=True)
        self.heard: queue.Queue[Event | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        fields: dict[str, str] = {}
        for line in self.process.stdout:
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                self.heard.put(Event(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])))
                fields = {}
        self.heard.put(None)

    def next(self, *names: str, seconds: float = BOUND) -> Event:
        while event := self.heard.get(timeout=seconds):
            if event.name in names:
                return event
        raise AssertionError(f"the stream ended, curl said {self.process.wait(BOUND)}")

    def ends(self, seconds: float = BOUND) -> bool:
        while self.heard.get(timeout=seconds):
            pass
        return self.process.wait(seconds) is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait(BOUND)
