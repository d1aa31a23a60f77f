"""A scenario's lane: simulated devices, a real lanekeeperd at them, and whatever it takes to see what the lane does."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import feed, site
from .collector_client import CollectorClient
from .component import Component, stop_all
from .gate import Gate
from .people import Person
from .readers import AnyReader, ReaderSettings, open_reader
from .scenario_await import LOOK_SECONDS, PROGRAM_SECONDS
from .scenario_clock import SimulatedClock
from .scenario_file import Scenario
from .scenario_node import Node, composed, is_group, merged, plain_values, written
from .scenario_records import JournalWatch
from .sorts import ENTRY_ZONE
from .stage import StageFailure, free_port
from .thermometer import Thermometer

COMMAND_SECONDS = 60.0
LONGEST_REPLY = 512 * 1024
LANE_ID = "lane-1"


class ScenarioLane:
    def __init__(self, scenario: Scenario, directory: Path, binaries: Path) -> None:
        self.scenario = scenario
        self.directory = directory
        self.binaries = binaries
        self.state = directory / "state"
        self.run = directory / "run"
        self.data = directory / "collector"
        self.devices = directory / "devices"
        self.configuration = directory / "lanekeeperd.yaml"
        self.log = directory / "lanekeeperd.log"
        for each in (self.state, self.run, self.devices):
            each.mkdir(mode=0o750)
        self.events = (directory / "gate.jsonl").open("w", encoding="utf-8")
        self.people: dict[str, Person] = {name: one.person for name, one in scenario.people.items()}
        self.gate = Gate(directory / "gate.sock", self._note)
        self.readers: dict[str, AnyReader] = {}
        self.thermometer: Thermometer | None = None
        self.clock = SimulatedClock(directory / "clock") if scenario.moves_clock else None
        self.journal = JournalWatch(binaries / "lanectl", self.configuration, self.gate.stir)
        self.daemon: Component | None = None
        self.collector: Component | None = None
        self.client = CollectorClient(0)
        self.answers: list[subprocess.CompletedProcess[str]] = []  # of lanectl
        self.log_cursor = 0
        self.heard: dict[str, int] = {}  # counters as they were when last expected
        self._lane_node = composed("{}") if scenario.lane is None else scenario.lane.node

    def _note(self, event: dict[str, Any]) -> None:
        self.events.write(json.dumps(event, ensure_ascii=False) + "\n")
        if event["what"] == "disconnected":  # what a daemon that died left unread is not for the next one
            for reader in self.readers.values():
                reader.line.forget_unread()

    # Setting up.

    async def open(self) -> None:
        chance = random.Random(self.scenario.title)
        await asyncio.to_thread(self._make_site)
        configuration = self._configure()
        for reader in configuration["readers"]:
            link = self.devices / f"{reader['name']}.tty"
            self.readers[reader["name"]] = open_reader(ReaderSettings(reader["name"], reader["type"]), link, chance)
        if configuration["thermometer"] != "absent":
            self.thermometer = Thermometer(self.devices / "thermometer.tty", chance, noise_celsius=0.0)
        await self.gate.open()
        if self.scenario.has_image:
            self.bring_image()

    def _make_site(self) -> None:
        self.command("lanekeeper-collector", "init", "--data", self.data)
        self.import_feed(self.people.values())

    def import_feed(self, people: Iterable[Person]) -> None:
        path = self.directory / "feed.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            # One row at least: a feed of nobody is refused.
            feed.write(file, people, datetime.now(timezone.utc), fillers=1)
        self.command("lanekeeper-collector", "import", "--most-losing", "100", "--data", self.data, path)

    @property
    def newest_image(self) -> Path:
        return max((self.data / "images").glob("*.img"))

    def bring_image(self, damaged: bool = False) -> None:
        """As the uplink brings it: whole, and renamed into place."""
        incoming = self.state / "uplink" / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        contents = bytearray(self.newest_image.read_bytes())
        version = int(self.newest_image.stem)
        if damaged:
            contents[-1] ^= 0x55
        self._put(incoming / f"image-{version:020}.img", bytes(contents))

    async def bring_statement(self) -> None:
        """The collector's word of now, signed. The collector runs from the first one on."""
        if self.collector is None:
            self.client = CollectorClient(free_port())
            configuration = self.directory / "collector.yaml"
            text = site.collector_configuration(self.data, self.client.port, {LANE_ID: LANE_ID})
            configuration.write_text(text, encoding="utf-8")
            command = [str(self.binaries / "lanekeeper-collector"), "serve", "--config", str(configuration)]
            self.collector = Component("lanekeeper-collector", command, self.directory / "collector.log")
            # It answers before it has looked at what is published.
            await self.wait_for("the collector says what is in force", self._has_statement)
        statement = await asyncio.to_thread(self.client.get, "/v1/statement")
        incoming = self.state / "uplink" / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        self._put(incoming / "statement", statement)

    async def _has_statement(self) -> bool:
        try:
            return bool(await asyncio.to_thread(self.client.get, "/v1/statement"))
        except OSError:
            return False

    @staticmethod
    def _put(path: Path, contents: bytes) -> None:
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(contents)
        fresh.replace(path)

    async def say_look(self) -> None:
        """Wakes the daemon as the uplink does; one that does not run yet looks by itself."""
        if self.daemon is None:
            return
        _, writer = await asyncio.open_unix_connection(str(self.run / "look.sock"))
        writer.write(b"look\n")
        await writer.drain()
        writer.close()

    # The configuration.

    def _configure(self) -> dict[str, Any]:
        """Writes lanekeeperd.yaml; what stands in it."""
        node = merged(composed(self._usual()), self._lane_node)
        self._wire(node)
        text = written(node)
        # As the uplink's user and an editor would: another file in its place, never half of one.
        self._put(self.configuration, text.encode())
        return plain_values(composed(text))

    def reconfigure(self, node: Node) -> None:
        self._lane_node = merged(self._lane_node, node)
        self._configure()

    def break_configuration(self, text: str) -> None:
        """Writes a file that lanekeeperd must refuse."""
        self._put(self.configuration, self.configuration.read_bytes() + text.encode())

    def _usual(self) -> str:
        """An entrance from outside with a chip reader and a thermometer; an exit leads the other way."""
        site_id = (self.data / "keys" / "site.pub").read_text().split()[1]
        lane = merged(composed("lane: {kind: entry}"), self._lane_node)
        is_exit = plain_values(lane)["lane"]["kind"] == "exit"
        source, target = (ENTRY_ZONE, "outside") if is_exit else ("outside", ENTRY_ZONE)
        return f"""\
site:
  id: {site_id}
  public_key_file: {site.quoted(self.data / "keys" / "site.pub")}
  badge_key_file: {site.quoted(self.data / "keys" / "badge.key")}
lane: {{ id: {LANE_ID}, name: 北登录厅-01, kind: entry, from: {source}, to: {target}, service_point: N2 }}
directories: {{ state: {site.quoted(self.state)}, run: {site.quoted(self.run)} }}
readers: [ {{ name: chip, type: rdm6300 }} ]
thermometer: {{ type: gy-mcu90615 }}
gate: {{ simulated: {{ socket: {site.quoted(self.gate.path)} }} }}
journal: {{ capacity_records: 10000, reserve_records: 1000, records_per_segment: 256 }}
"""

    def _wire(self, node: Node) -> None:
        """Gives every device its simulated line, which no scenario needs to name."""
        for key, value in node.value:
            if key.value == "readers":
                value.value = [self._on_line(reader, plain_values(reader)["name"]) for reader in value.value]
        node.value = [
            (key, self._on_line(value, "thermometer") if self._is_thermometer(key, value) else value)
            for key, value in node.value
        ]

    @staticmethod
    def _is_thermometer(key: Node, value: Node) -> bool:
        return key.value == "thermometer" and is_group(value)

    def _on_line(self, node: Node, name: str) -> Node:
        return merged(node, composed(f"port: {site.quoted(self.devices / f'{name}.tty')}"))

    # Programs.

    def command(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            raise StageFailure(f"{program} {' '.join(map(str, arguments))}: status {done.returncode}:\n{done.stderr}")

    def start_daemon(self) -> None:
        command = [str(self.binaries / "lanekeeperd"), "--config", str(self.configuration)]
        environment = self.clock.environment(self.binaries) if self.clock else None
        self.daemon = Component("lanekeeperd", command, self.log, environment)

    async def follow_journal(self) -> None:
        await self.wait_for("the journal begins", lambda: any((self.state / "journal").glob("*.seg")))
        await self.journal.open()

    async def run_lanectl(self, arguments: list[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            str(self.binaries / "lanectl"), *arguments, "--config", str(self.configuration),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        out, error = await asyncio.wait_for(process.communicate(), PROGRAM_SECONDS)
        self.answers.append(
            subprocess.CompletedProcess(arguments, process.returncode or 0, out.decode(), error.decode())
        )

    async def status(self) -> dict[str, Any] | None:
        """What the daemon says of the lane; None when nobody answers."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.run / "control.sock"), limit=LONGEST_REPLY)
        except OSError:
            return None
        try:
            writer.write(b'{"v":1,"request":"status"}\n')
            line = await asyncio.wait_for(reader.readline(), PROGRAM_SECONDS)
            return json.loads(line).get("status") if line else None
        except (OSError, ValueError, asyncio.TimeoutError):
            return None
        finally:
            writer.close()

    async def wait_for(self, what: str, holds: Any, seconds: float = PROGRAM_SECONDS) -> None:
        """`holds` answers at once, or is awaited."""
        end = time.monotonic() + seconds
        while True:
            answer = holds()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            if self.daemon and not self.daemon.is_running:
                raise StageFailure(f"{what}: lanekeeperd ended with status {self.daemon.process.returncode}")
            if time.monotonic() > end:
                raise StageFailure(f"{what}: not within {seconds:g} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def is_settled(self) -> bool:
        """The daemon is at work: everything is there, and credentials are in force."""
        status = await self.status()
        if status is None:
            return False
        has_image = status["credentials"]["image_version"] > 0
        if self.scenario.before:  # what was done to the lane before may have taken something away
            return has_image or not self.scenario.has_image
        devices = {device["state"] for device in status["devices"]}
        return devices == {"present"} and (has_image or not self.scenario.has_image) and not status["fire_alarm"]

    def new_log(self) -> str:
        """What the daemon has written to its log since the last look that found something."""
        try:
            return self.log.read_bytes()[self.log_cursor :].decode(errors="replace")
        except OSError:
            return ""

    async def close(self) -> None:
        for reader in self.readers.values():
            reader.close()
        if self.thermometer:
            self.thermometer.close()
        await self.journal.close()
        stop_all([component for component in (self.daemon, self.collector) if component])
        await self.gate.close()
        self.events.close()
        if self.clock:
            self.clock.close()

    def clear_away(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
