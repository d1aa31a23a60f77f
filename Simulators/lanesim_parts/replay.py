"""Plays a recording of `lanectl reader tap --record` back into a daemon, as the devices that were recorded.

Each device gets a pseudo-terminal; the daemon is told its path, or opens the link that stands where its own port was.
What came from a device that speaks by itself is sent at its recorded time, or with `fast` as soon as it may be: first the
daemon must have said as much as it said then. A device that speaks only when it is asked (PN532, Modbus, OSDP) is played
by an AnsweringDevice, in its own time.

What was said inside an OSDP secure channel means nothing in another one: such a recording is refused.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .answering_device import AnsweringDevice
from .dialects import DIALECTS, OSDPDialect
from .recording import BadRecording, Recording, read
from .serial_line import SerialLine

ANSWER_SECONDS = 0.2  # a daemon that does not say what it said then is not waited for any longer
SPELL_SECONDS = 0.002
SETTLE_SECONDS = 0.3  # a daemon that has just opened a line drops what stands in it, and takes its time to believe in it
SETUP_SECONDS = 5.0  # for what a daemon asks before it asks for badges
LEFT_SECONDS = 5.0  # for questions after the end, when something was not asked for yet
READ_SECONDS = 10.0
QUIET_SECONDS = 0.5


@dataclass
class Outcome:
    sent: int = 0
    unheard: int = 0  # frames that nobody listened to
    unanswered: list[str] = field(default_factory=list)  # devices that were not asked what they were asked then
    unknown: dict[str, dict[str, int]] = field(default_factory=dict)  # by device: asked, and not in the recording
    left: dict[str, int] = field(default_factory=dict)  # by device: answers that nobody asked for


def why_not(recording: Recording, device: str) -> str | None:
    """Why a device of it cannot be played back; None when it can."""
    if recording.types[device] == "osdp" and any(OSDPDialect.is_secured(frame.data) for frame in recording.of(device)):
        return (
            f"{device} is an OSDP reader inside a secure channel, which cannot be played back: its keys are drawn anew for "
            f"each session, so that no answer of one fits another. Leave it out with `--without {device}`, or record a "
            f"reader whose lane says `secure_channel: off`, for as long as the recording takes"
        )
    return None


class Player:
    def __init__(self, recording: Recording, links: dict[str, Path]) -> None:
        self.recording = recording
        self.lines = {device: SerialLine(links[device]) for device in recording.devices}
        self.answering = {
            device: AnsweringDevice(self.lines[device], DIALECTS[type], recording.of(device))
            for device, type in recording.types.items()
            if type in DIALECTS
        }
        # Bytes that the daemon had said to the others and has not said yet.
        self._owed = {device: 0 for device in recording.devices if device not in self.answering}
        self._begun: float | None = None

    def close(self) -> None:
        for line in self.lines.values():
            line.unplug()

    def wait_for_listeners(self, seconds: float) -> list[str]:
        """Until the daemon has opened every line and asked every device that is asked for what it is there for; those
        whose line it has not opened."""
        end = time.monotonic() + seconds
        while missing := [name for name, line in self.lines.items() if not line.is_listened_to()]:
            if time.monotonic() >= end:
                return missing
            self._spell()
        end = time.monotonic() + SETUP_SECONDS
        while not all(device.was_polled for device in self.answering.values()) and time.monotonic() < end:
            self._spell()
        self._pass(time.monotonic() + SETTLE_SECONDS)
        return []

    def play(self, fast: bool) -> Outcome:
        outcome = Outcome()
        self._begun = begun = time.monotonic()
        for frame in self.recording.frames:
            if frame.device in self.answering:
                continue
            if not frame.is_from_device:
                self._owed[frame.device] += len(frame.data)
                continue
            if not fast:
                self._pass(begun + frame.seconds)
            if not self._was_asked(frame.device) and frame.device not in outcome.unanswered:
                outcome.unanswered.append(frame.device)
            if self.lines[frame.device].send(frame.data):
                outcome.sent += 1
            else:
                outcome.unheard += 1
        self._answer_the_rest(outcome)
        self._wait_until_read()
        return outcome

    def _answer_the_rest(self, outcome: Outcome) -> None:
        if not self.answering:
            return
        end = (self._begun or 0) + max((frame.seconds for frame in self.recording.frames), default=0.0)
        self._pass(end)
        while any(device.left() for device in self.answering.values()) and time.monotonic() < end + LEFT_SECONDS:
            self._spell()
        for name, device in self.answering.items():
            outcome.sent += device.sent
            outcome.unheard += device.unheard
            if device.unknown:
                outcome.unknown[name] = device.unknown
            if left := device.left():
                outcome.left[name] = left

    def _wait_until_read(self) -> None:
        """What is sent travels through the kernel for a moment, so nothing unread has to last before it is believed."""
        end = time.monotonic() + READ_SECONDS
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < end and now - quiet_since < QUIET_SECONDS:
            if any(line.unread() for line in self.lines.values()):
                quiet_since = now
            self._spell()

    def _pass(self, until: float) -> None:
        while time.monotonic() < until:
            self._spell()

    def _spell(self) -> None:
        """A short while in which every device hears, and those that are asked answer."""
        seconds = -1.0 if self._begun is None else time.monotonic() - self._begun
        for device in self.answering.values():
            device.serve(seconds)
        for name in self._owed:
            while heard := self.lines[name].receive():
                self._owed[name] = max(0, self._owed[name] - len(heard))
        time.sleep(SPELL_SECONDS)

    def _was_asked(self, device: str) -> bool:
        end = time.monotonic() + ANSWER_SECONDS
        while self._owed[device] > 0:
            if time.monotonic() >= end:
                self._owed[device] = 0
                return False
            self._spell()
        return True


def main(path: Path, run: Path, links: dict[str, Path], without: set[str], fast: bool, patience: float) -> int:
    try:
        with path.open(encoding="utf-8") as file:
            recording = read(file)
    except (OSError, BadRecording, UnicodeDecodeError) as error:
        return _fail(f"{path}: {error}")
    if unknown := (set(links) | without) - set(recording.devices):
        return _fail(f"the recording has {', '.join(recording.devices)}, not {', '.join(sorted(unknown))}", 64)
    recording = recording.without(without)
    if problem := next((why for name in recording.devices if (why := why_not(recording, name))), None):
        return _fail(f"{path}: {problem}")
    asked = [name for name, type in recording.types.items() if type in DIALECTS]
    if fast and asked:
        return _fail(f"--fast is for devices that speak by themselves; {', '.join(asked)} is asked, in the daemon's own time", 64)
    if recording.dropped:
        print(f"{recording.dropped} frames were missed when this was recorded", file=sys.stderr)
    run.mkdir(parents=True, exist_ok=True)
    player = Player(recording, {name: links.get(name, run / f"{name}.tty") for name in recording.devices})
    try:
        for name, line in player.lines.items():
            print(f"{name}: {line.link}", flush=True)
        if missing := player.wait_for_listeners(patience):
            return _fail(f"nobody opened {', '.join(missing)} within {patience:g} s")
        return _tell(player.play(fast))
    finally:
        player.close()


def _tell(outcome: Outcome) -> int:
    print(f"{outcome.sent} frames sent, {outcome.unheard} that nobody listened to", flush=True)
    for name in outcome.unanswered:
        print(f"{name} was not asked everything that it was asked then", file=sys.stderr)
    for name, questions in outcome.unknown.items():
        asked = ", ".join(f"{question} ({count} times)" for question, count in sorted(questions.items()))
        print(f"{name} was asked what the recording has no answer to: {asked}; it answered as if nothing happened", file=sys.stderr)
    for name, count in outcome.left.items():
        print(f"{name} was not asked for {count} of its recorded answers", file=sys.stderr)
    return 1 if outcome.unheard or outcome.left else 0


def _fail(message: str, status: int = 1) -> int:
    print(f"lanesim replay: {message}", file=sys.stderr)
    return status
