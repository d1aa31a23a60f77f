"""Plays a recording of `lanectl reader tap --record` back into a daemon, as the devices that were recorded.

Each device gets a pseudo-terminal; the daemon is told its path, or opens the link that stands where its own port was.
What came from a device is sent at its recorded time, or with `fast` as soon as it may be: first the daemon must have
said as much as it said then, so that a reader which answers questions is not heard before it was asked.

A reader that is only asked (PN532, OSDP, Modbus) is set up anew by a daemon that opens its line: a recording that began
later lacks the answers to that, and the daemon goes on asking. What was encrypted for one session only (OSDP with a
secure channel) means nothing in another: the daemon refuses it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from .serial_line import SerialLine

FORMAT = "lanekeeper-recording-1"
LONGEST_LINE = 10_000
ANSWER_SECONDS = 0.2  # a daemon that does not say what it said then is not waited for any longer
SPELL_SECONDS = 0.002
SETTLE_SECONDS = 0.3  # a daemon that has just opened a line drops what stands in it, and takes its time to believe in it
READ_SECONDS = 10.0
QUIET_SECONDS = 0.5


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
    devices: list[str]
    frames: list[Frame]
    dropped: int = 0


@dataclass
class Outcome:
    sent: int = 0
    unheard: int = 0  # frames that nobody listened to
    unanswered: list[str] = field(default_factory=list)  # devices that were not asked what they were asked then


def read(file: TextIO) -> Recording:
    lines = parsed(file)
    _, head = next(lines, (0, {}))
    if head.get("format") != FORMAT:
        raise BadRecording(f"the first line does not say that this is a {FORMAT}")
    recording = Recording(str(head.get("lane", "")), [str(device["name"]) for device in head.get("devices", [])], [])
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
        if frame.device not in recording.devices:
            raise BadRecording(f"line {number} is of a device '{frame.device}' that the first line does not name")
        recording.frames.append(frame)
    return recording


def parsed(file: TextIO) -> Iterator[tuple[int, dict]]:
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


class Player:
    def __init__(self, recording: Recording, links: dict[str, Path]) -> None:
        self.recording = recording
        self.lines = {device: SerialLine(links[device]) for device in recording.devices}
        self._owed = dict.fromkeys(recording.devices, 0)  # bytes that the daemon had said and has not said yet

    def close(self) -> None:
        for line in self.lines.values():
            line.unplug()

    def wait_for_listeners(self, seconds: float) -> list[str]:
        """Until the daemon has opened every line; those that it has not."""
        end = time.monotonic() + seconds
        while missing := [name for name, line in self.lines.items() if not line.is_listened_to()]:
            if time.monotonic() >= end:
                return missing
            time.sleep(SPELL_SECONDS)
        time.sleep(SETTLE_SECONDS)
        return []

    def play(self, fast: bool) -> Outcome:
        outcome = Outcome()
        begun = time.monotonic()
        for frame in self.recording.frames:
            if not frame.is_from_device:
                self._owed[frame.device] += len(frame.data)
                continue
            if not fast:
                while (left := begun + frame.seconds - time.monotonic()) > 0:
                    self._hear()
                    time.sleep(min(left, 0.01))
            if not self._was_asked(frame.device) and frame.device not in outcome.unanswered:
                outcome.unanswered.append(frame.device)
            if self._send(frame):
                outcome.sent += 1
            else:
                outcome.unheard += 1
        self._wait_until_read()
        return outcome

    def _wait_until_read(self) -> None:
        """What is sent travels through the kernel for a moment, so nothing unread has to last before it is believed."""
        end = time.monotonic() + READ_SECONDS
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < end and now - quiet_since < QUIET_SECONDS:
            if any(line.unread() for line in self.lines.values()):
                quiet_since = now
            time.sleep(SPELL_SECONDS)

    def _hear(self) -> None:
        for device, line in self.lines.items():
            while heard := line.receive():
                self._owed[device] = max(0, self._owed[device] - len(heard))

    def _was_asked(self, device: str) -> bool:
        end = time.monotonic() + ANSWER_SECONDS
        self._hear()
        while self._owed[device] > 0:
            if time.monotonic() >= end:
                self._owed[device] = 0
                return False
            time.sleep(SPELL_SECONDS)
            self._hear()
        return True

    def _send(self, frame: Frame) -> bool:
        return self.lines[frame.device].send(frame.data)


def main(path: Path, run: Path, links: dict[str, Path], fast: bool, patience: float) -> int:
    try:
        with path.open(encoding="utf-8") as file:
            recording = read(file)
    except (OSError, BadRecording, UnicodeDecodeError) as error:
        print(f"lanesim replay: {path}: {error}", file=sys.stderr)
        return 1
    unknown = set(links) - set(recording.devices)
    if unknown:
        print(f"lanesim replay: the recording has {recording.devices}, not {sorted(unknown)}", file=sys.stderr)
        return 64
    if recording.dropped:
        print(f"{recording.dropped} frames were missed when this was recorded", file=sys.stderr)
    run.mkdir(parents=True, exist_ok=True)
    player = Player(recording, {name: links.get(name, run / f"{name}.tty") for name in recording.devices})
    try:
        for name, line in player.lines.items():
            print(f"{name}: {line.link}", flush=True)
        if missing := player.wait_for_listeners(patience):
            print(f"lanesim replay: nobody opened {', '.join(missing)} within {patience:g} s", file=sys.stderr)
            return 1
        outcome = player.play(fast)
        print(f"{outcome.sent} frames sent, {outcome.unheard} that nobody listened to", flush=True)
        for name in outcome.unanswered:
            print(f"{name} was not asked everything that it was asked then", file=sys.stderr)
        return 1 if outcome.unheard else 0
    finally:
        player.close()
