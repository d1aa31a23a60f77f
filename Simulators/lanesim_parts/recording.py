"""What `lanectl reader tap --record` writes (docs/formats.md): a line that says of which devices, then a line a frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

FORMAT = "lanekeeper-recording-1"
LONGEST_LINE = 10_000


class BadRecording(Exception):
    pass


@dataclass(frozen=True)
class Frame:
    device: str
    is_from_device: bool
    seconds: float  # since the first one
    data: bytes


@dataclass
class Recording:
    lane: str
    types: dict[str, str]  # of each device, by its name; empty when the recording does not say
    frames: list[Frame]
    dropped: int = 0

    @property
    def devices(self) -> list[str]:
        return list(self.types)

    def of(self, device: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.device == device]

    def without(self, devices: set[str]) -> Recording:
        return Recording(
            self.lane,
            {name: type for name, type in self.types.items() if name not in devices},
            [frame for frame in self.frames if frame.device not in devices],
            self.dropped,
        )


def read(file: TextIO) -> Recording:
    lines = _parsed(file)
    _, head = next(lines, (0, {}))
    if head.get("format") != FORMAT:
        raise BadRecording(f"the first line does not say that this is a {FORMAT}")
    types = {str(device["name"]): str(device.get("type", "")) for device in head.get("devices", [])}
    recording = Recording(str(head.get("lane", "")), types, [])
    for number, line in lines:
        if "dropped" in line:
            recording.dropped += int(line["dropped"])
            continue
        try:
            frame = Frame(
                line["device"], {"in": True, "out": False}[line["direction"]], int(line["ms"]) / 1000,
                bytes.fromhex(line["hex"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise BadRecording(f"line {number} is no frame: {error!r}") from None
        if frame.device not in recording.types:
            raise BadRecording(f"line {number} is of a device '{frame.device}' that the first line does not name")
        recording.frames.append(frame)
    return recording


def _parsed(file: TextIO) -> Iterator[tuple[int, dict]]:
    for number, text in enumerate(file, 1):
        if len(text) > LONGEST_LINE:
            raise BadRecording(f"line {number} is longer than any frame's")
        try:
            line = json.loads(text)
        except ValueError:
            raise BadRecording(f"line {number} is no JSON") from None
        if not isinstance(line, dict):
            raise BadRecording(f"line {number} is no object")
        yield number, line
