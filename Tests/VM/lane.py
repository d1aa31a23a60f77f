"""One lane in the guest: its configuration, its daemon, and people who come to it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from lanesim_parts import reader, thermometer
from lanesim_parts.people import Person

from guest import Guest, Wire

RELEASE, GREEN, RED, AMBER, BUZZER, EMERGENCY = (f"relay{number}" for number in range(6))
FORWARD, BACKWARD, BUTTON, COVER, FIRE = "door0", "door1", "button0", "cover0", "estop"
CONTACTS = f"{FORWARD} {BACKWARD} {BUTTON} {COVER}"
READY = {RELEASE: 0, GREEN: 0, RED: 0, AMBER: 1, EMERGENCY: 0}
OUT_OF_SERVICE = {RELEASE: 0, GREEN: 0, RED: 1, AMBER: 1}
IN_EMERGENCY = {RELEASE: 1, EMERGENCY: 1, GREEN: 1, RED: 0, AMBER: 1}
LOCKED = {RELEASE: 0, EMERGENCY: 0}
OPEN = {RELEASE: 1, EMERGENCY: 1}
DEBOUNCE_MILLISECONDS = 20
LINES_AT_ONCE = 10  # of a file; what the console takes in one line has an end
BOUND = 30  # seconds of the guest: an emulated processor on a loaded machine


def configuration(
    site_id: str, on_stop: str, state: str = "/run/lane/state", active_low: tuple[str, ...] = ()
) -> str:
    return f"""\
site: {{ id: {site_id}, public_key_file: /site/site.pub, badge_key_file: /site/badge.key }}
lane: {{ id: bench-01, name: 北登录厅-01, kind: entry, from: outside, to: north-ring }}
directories: {{ state: {state}, run: {state}.run }}
readers:
  - {{ name: chip, type: rdm6300, port: /dev/chip-reader }}
thermometer: {{ type: gy-mcu90615, port: /dev/ttyS1 }}
gate:
  on_stop: {on_stop}
  gpio:
    chip: bench
    lines:
      release: {RELEASE}
      lamp_green: {GREEN}
      lamp_red: {RED}
      lamp_amber: {AMBER}
      buzzer: {BUZZER}
      emergency: {EMERGENCY}
      passage_forward: {FORWARD}
      passage_backward: {BACKWARD}
      guard_button: {BUTTON}
      tamper: {COVER}
      fire: {FIRE}
    debounce_milliseconds: {DEBOUNCE_MILLISECONDS}
    active_low: [{", ".join(active_low)}]
  passage_timeout_milliseconds: 15000
journal: {{ capacity_records: 10000, reserve_records: 1000, records_per_segment: 1024 }}
"""


class Lane:
    def __init__(self, guest: Guest, version: str, uart: Wire, usb: Wire) -> None:
        self.guest = guest
        self.version = version
        self.program = f"lanekeeperd-{version}"
        self.usb = usb
        self._uart = uart
        self._chance = random.Random(version)
        self._body: float | None = None
        self.pid: str | None = None
        self._before = 0
        self._site = guest.sh("cat /site/site.pub").split()[1]
        guest.sh("mkdir -p /run/lane; chmod 600 /site/badge.key")

    # The daemon.

    def configure(self, on_stop: str, active_low: tuple[str, ...] = ()) -> None:
        self.write("/run/lane.yaml", configuration(self._site, on_stop, active_low=active_low))

    def write(self, path: str, text: str) -> None:
        assert "'" not in text
        self.guest.sh(f": >{path}")
        lines = [f"'{line}'" for line in text.splitlines()]
        for begin in range(0, len(lines), LINES_AT_ONCE):
            self.guest.sh(f"printf '%s\\n' {' '.join(lines[begin : begin + LINES_AT_ONCE])} >>{path}")

    def reset(self, on_stop: str = "locked") -> None:
        """A fresh lane at work: contacts open, fire loop whole, journal empty."""
        self.stop()
        # What a test left that failed.
        self.guest.ask("killall gpioset sleep")
        self.find_usb()
        self.guest.sh("rm -rf /run/lane; mkdir -p /run/lane; cp -r /site/state /run/lane/; : >/run/lane.log")
        self.guest.sh("usual_bench")
        self.guest.sh(f"pull {FIRE} up; for contact in {CONTACTS}; do pull $contact down; done")
        self.configure(on_stop)
        self.start()
        self.at_work()

    def find_usb(self) -> None:
        """The adapter is plugged in and has its usual name."""
        if self.guest.ask("[ -c /dev/ttyUSB0 ]")[0]:
            self.usb.unplug()
            self.usb.plug_in()
            assert self.guest.within(BOUND, "[ -c /dev/ttyUSB0 ]"), "no USB port in the guest"
        self.guest.sh("ln -sf ttyUSB0 /dev/chip-reader")

    def start(self) -> None:
        self._before = int(self.guest.sh("cat /run/lane.log | wc -l"))
        self.pid = self.background(f"{self.program} --config /run/lane.yaml")
        self.speaks()

    def at_work(self) -> None:
        """Since its start it has found its devices and its credentials, and shows that it is ready."""
        said = f"tail -n +{self._before + 1} /run/lane.log | grep -q"
        for what in ("chip is back", "thermometer is back", "image 1: "):
            assert self.guest.within(BOUND, f'{said} "{what}"'), f"{what}? {self.tail()}"
        self.expect(READY)

    def speaks(self) -> None:
        """The thermometer sends from now on."""
        self._uart.say(self._reading)

    def silent(self) -> None:
        """The thermometer sends no more."""
        self._uart.say(None)

    def background(self, command: str, log: str = "/run/lane.log") -> str:
        return self.guest.sh(f"({command} >>{log} 2>&1 & echo $!)")

    def kill(self, signal: str) -> None:
        """Ends the daemon by a signal and waits for its end."""
        self.silent()
        if self.pid:
            self.guest.sh(f"kill -{signal} {self.pid}; within {BOUND} '! kill -0 {self.pid}'")
            self.pid = None

    def stop(self) -> None:
        self.kill("TERM")

    def tail(self) -> str:
        return self.guest.ask("tail -30 /run/lane.log")[1]

    def says(self, text: str) -> bool:
        """Whether its log has this, soon."""
        return self.guest.within(BOUND, f'grep -qF "{text}" /run/lane.log')

    def chip_goes(self) -> None:
        self.guest.sh("echo 0 >$BENCH/live")

    def status_says(self, text: str) -> bool:
        """Whether `lanectl status` has this, soon. The log tells a loss once, with its first reason; this the present one."""
        return self.guest.within(BOUND, f'lanectl status --config /run/lane.yaml | grep -qF "{text}"')

    def status(self) -> str:
        return self.guest.ask("lanectl status --config /run/lane.yaml")[1]

    def events(self) -> list[dict[str, Any]]:
        """The journal, oldest first."""
        lines = self.guest.sh("lanectl events --json --last 1000 --config /run/lane.yaml").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def count(self, *names: str) -> int:
        return sum(event["event"] in names for event in self.events())

    def recorded(self, name: str, count: int = 1) -> bool:
        """Whether the journal has so many of them, soon."""
        events = "lanectl events --json --last 1000 --config /run/lane.yaml"
        return self.guest.within(BOUND, f'[ "$({events} | grep -cw "event...{name}")" -ge {count} ]')

    # What the kernel shows.

    def moment(self, node: str, state: str) -> Callable[[], int]:
        """Begins to look when a device node is `gone` or `there`; the call that it gives waits for that and tells, in
        milliseconds since 1970."""
        look = f"node {node} {state} {BOUND} >/run/moment.new; mv /run/moment.new /run/moment"
        self.guest.sh(f"rm -f /run/moment; ( ({look}) & )")

        def tell() -> int:
            assert self.guest.within(BOUND, "[ -s /run/moment ]"), f"{node} is not {state}"
            return int(self.guest.sh("cat /run/moment"))

        return tell

    def processor_milliseconds(self) -> float:
        """What the daemon's threads have used, from the scheduler's account."""
        add = "awk '{ ns += $1 } END { print ns / 1000000 }'"
        return float(self.guest.sh(f"cat /proc/{self.pid}/task/*/schedstat | {add}"))

    def expect(self, levels: dict[str, int], seconds: int = BOUND) -> None:
        lines = " ".join(levels)
        wanted = "".join(f"{level} " for level in levels.values())
        held = self.guest.within(seconds, f'[ "$(values {lines})" = "{wanted}" ]')
        assert held, f"expected {levels}, the kernel has {self.guest.values(*levels)}"

    def never_rises(self, line: str, seconds: int) -> None:
        """Begins to look; `rose` tells."""
        self.guest.sh(f"( (stays {line} 0 {seconds}; echo looked $?) >/run/{line}.seen 2>&1 & )")

    def rose(self, line: str) -> bool:
        assert self.guest.within(BOUND, f"grep -q looked /run/{line}.seen")
        return "looked 0" not in self.guest.sh(f"cat /run/{line}.seen")

    def watch(self) -> None:
        """From now on the kernel's trace keeps every time an output is set."""
        self.guest.sh("watch")

    def sets(self, line: str, count: int) -> list[tuple[float, int]]:
        """When, in milliseconds since 1970, and to what the line was set since `watch`; waits for the first `count`."""
        self.guest.within(BOUND, f'[ "$(sets {line} | wc -l)" -ge {count} ]')
        rows = [row.split() for row in self.guest.sh(f"sets {line}").splitlines()]
        return [(float(seconds) * 1000, int(level)) for seconds, level in rows]

    # People.

    def _reading(self) -> bytes:
        ambient = 24.0 + self._chance.uniform(-0.2, 0.2)
        seen = ambient if self._body is None else self._body
        return thermometer.frame(seen + self._chance.uniform(-0.08, 0.08), ambient)

    def comes(self, person: Person) -> None:
        """Stands before the thermometer and holds the badge to the reader: a frame, as the simulated reader makes it."""
        self._body = person.celsius
        self.usb.send(reader.frame(person.chip))

    def closes(self, contact: str) -> None:
        """For 0.3 s, as a gate reports a passage and a person presses a button."""
        self.guest.sh(f"pull {contact} up; usleep 300000; pull {contact} down")

    def walks(self) -> None:
        self.closes(FORWARD)
        self._body = None

    def passes(self, person: Person) -> None:
        self.comes(person)
        self.expect({RELEASE: 1, GREEN: 1, RED: 0})
        self.walks()
        self.expect(READY)
