"""Everything that a whole site needs, in one directory: keys, feed, the collector, and for each lane its devices, its
daemon and its uplink. Started in order, checked while it runs, ended by process id."""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from . import feed, site
from .collector_client import CollectorClient
from .component import Component, ComponentDied, stop_all
from .crowd_log import CrowdLog
from .lane import LaneSettings, Patience, SimulatedLane
from .people import Person

READY_SECONDS = 60.0
COMMAND_SECONDS = 120.0
LOWEST_PORT = 10_240
MOST_TRIES = 100
PROGRAMS = ("lanekeeperd", "lanekeeper-uplink", "lanekeeper-collector", "lanectl")


class StageFailure(Exception):
    pass


def free_port(wanted: int = 0) -> int:
    """This port, or any one that is free.

    Below those that the kernel gives to whoever connects: who asks again and again whether a collector is there already
    would be given its very port some day, and find himself at the other end."""
    if wanted:
        if problem := why_taken(wanted):
            raise StageFailure(f"port {wanted} of 127.0.0.1: {problem}; choose another with --port")
        return wanted
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(LOWEST_PORT, max(first_given, LOWEST_PORT + MOST_TRIES))
    for port in random.SystemRandom().sample(ports, MOST_TRIES):
        if not why_taken(port):
            return port
    raise StageFailure(f"of {MOST_TRIES} ports of 127.0.0.1 none is free")


def why_taken(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None


class LaneStage:
    """The daemon and the uplink of one lane, beside its simulated devices."""

    def __init__(self, stage: Stage, settings: LaneSettings, collector_port: int) -> None:
        self.settings = settings
        self.stage = stage
        self.state = stage.directory / "state" / settings.id
        self.run = stage.directory / "run" / settings.id
        self.devices = stage.directory / "devices" / settings.id
        for directory in (self.state, self.run):
            directory.mkdir(parents=True, mode=0o750)
        self.simulated = SimulatedLane(
            settings, self.devices, stage.log, random.Random(f"{stage.seed} {settings.id}"), stage.patience
        )
        self.configuration = stage.directory / "config" / f"{settings.id}.yaml"
        self.uplink_configuration = stage.directory / "config" / f"{settings.id}-uplink.yaml"
        self.configuration.write_text(
            site.daemon_configuration(
                settings, stage.site_id, stage.etc if stage.encrypted else stage.keys, self.devices, self.state, self.run
            ),
            encoding="utf-8",
        )
        if stage.encrypted:
            self.enrol()
        else:
            self.point_uplink_to(collector_port)
        self.daemon: Component | None = None
        self.uplink: Component | None = None

    def point_uplink_to(self, port: int) -> None:
        self.uplink_configuration.write_text(
            site.uplink_configuration(
                self.settings, self.stage.site_id, self.state, self.run, f"http://127.0.0.1:{port}"
            ),
            encoding="utf-8",
        )

    @property
    def identity(self) -> Path:
        return self.stage.directory / "identity" / self.settings.id

    def enrol(self) -> None:
        """As an operator and a technician do it: the file of `lane add`, taken apart by `lanectl enrol`."""
        stage, user = self.stage, pwd.getpwuid(os.getuid()).pw_name
        file = stage.directory / "config" / f"{self.settings.id}.enrol"
        name = ("--name", self.settings.name)
        stage.command("lanekeeper-collector", "lane", "add", self.settings.id, *name, "--data", stage.data, "--out", file)
        stage.command(
            "lanectl", "enrol", file, "--etc", stage.etc, "--identity", self.identity, "--config", self.configuration,
            "--state", self.state, "--run", self.run, "--daemon-user", user, "--uplink-user", user,
        )  # fmt: skip
        file.unlink()
        self.uplink_configuration = stage.etc / self.settings.id / "lanekeeper-uplink.yaml"
        with self.uplink_configuration.open("a", encoding="utf-8") as text:
            text.write(site.UPLINK_PACE)

    def start_daemon(self) -> Component:
        self.daemon = self.stage.start("lanekeeperd", self.configuration, f"lanekeeperd-{self.settings.id}")
        return self.daemon

    def start_uplink(self) -> Component:
        self.uplink = self.stage.start(
            "lanekeeper-uplink", self.uplink_configuration, f"lanekeeper-uplink-{self.settings.id}"
        )
        return self.uplink

    @property
    def is_in_service(self) -> bool:
        """The daemon is at the gate and has credentials in force."""
        return self.simulated.gate.is_connected() and (self.state / "applied").exists()


class Stage:
    def __init__(self, directory: Path, binaries: Path, seed: int, patience: Patience = Patience()) -> None:
        for name in PROGRAMS:
            if not (binaries / name).is_file():
                raise StageFailure(f"{binaries / name} is not there: build first, `swift build -c release`")
        self.directory = directory
        self.binaries = binaries
        self.seed = seed
        self.patience = patience
        self.data = directory / "collector"
        self.keys = self.data / "keys"
        self.etc = directory / "etc"  # what `lanectl enrol` fills
        self.encrypted = False  # set before the site is made: TLS, enrolled lanes, tokens
        self.logs = directory / "logs"
        for name in ("config", "logs", "state", "run", "devices"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        self.log = CrowdLog(directory / "crowd.jsonl")
        self.launchers: dict[str, list[str]] = {}  # a command that runs a program in a way of its own
        self.components: list[Component] = []
        self.lanes: list[LaneStage] = []
        self.collector: Component | None = None
        self.client = CollectorClient(0)
        self.lane_names: dict[str, str] = {}
        self.site_id = ""

    # Running programs.

    def start(self, program: str, configuration: Path, name: str, *before: str) -> Component:
        launcher = self.launchers.get(program, [])
        command = [*launcher, str(self.binaries / program), *before, "--config", str(configuration)]
        component = Component(name, command, self.logs / f"{name}.log")
        self.components = [other for other in self.components if other.name != name] + [component]
        return component

    def command(self, program: str, *arguments: str | Path) -> str:
        """Runs a program to its end; what it printed. StageFailure with its words when it fails."""
        done = subprocess.run(
            [str(self.binaries / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            line = " ".join(map(str, (program, *arguments)))
            raise StageFailure(f"{line} ended with status {done.returncode}:\n{done.stderr}")
        return done.stdout

    def check(self) -> None:
        """ComponentDied when one of them ended by itself."""
        for component in self.components:
            component.check()

    async def wait_for(self, what: str, holds: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not holds():
            self.check()
            if time.monotonic() > end:
                raise StageFailure(f"{what}: not within {seconds:g} s. Logs are in {self.logs}")
            await asyncio.sleep(0.05)

    # Setting up, in order.

    @property
    def badge_key(self) -> str:
        """The site's SipHash key, in hex."""
        return (self.keys / "badge.key").read_text().split()[2]

    def make_site(self, people: Sequence[Person], lanes: Sequence[LaneSettings], fillers: int = 0) -> None:
        """Keys, the names of the lanes, and a feed imported."""
        self.lane_names = {lane.id: lane.name for lane in lanes}
        self.command("lanekeeper-collector", "init", "--data", self.data)
        self.site_id = (self.keys / "site.pub").read_text().split()[1]
        path = self.directory / "feed.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            feed.write(file, people, datetime.now(timezone.utc), fillers)
        print_out = self.command("lanekeeper-collector", "import", "--data", self.data, path)
        (self.logs / "import.log").write_text(print_out, encoding="utf-8")

    async def open_collector(self, wanted: int | None) -> int:
        """Starts it on this port, or on a free one. Its port."""
        for attempt in range(5):
            port = free_port(wanted or 0)
            self.client = CollectorClient(port, self.keys / "ca.pem" if self.encrypted else None)
            self.start_collector(port)
            try:
                await self.wait_for("the collector answers", lambda: self.client.is_well() and self.collector_runs())
                if self.encrypted and not self.client.token:
                    self.client.token = self.make_token("stage", "operator")
                return port
            except ComponentDied:
                if wanted or attempt == 4:  # somebody else may have taken a free one in between
                    raise
        raise AssertionError("unreachable")

    def make_token(self, name: str, role: str) -> str:
        return self.command(
            "lanekeeper-collector", "token", "add", name, "--role", role, "--data", self.data
        ).strip()

    def collector_runs(self) -> bool:
        return self.collector is not None and self.collector.is_running

    def start_collector(self, port: int) -> Component:
        configuration = self.directory / "config" / "collector.yaml"
        configuration.write_text(site.collector_configuration(self.data, port, self.lane_names, self.encrypted), encoding="utf-8")
        self.collector = self.start("lanekeeper-collector", configuration, "lanekeeper-collector", "serve")
        return self.collector

    async def open_lanes(
        self, lanes: Sequence[LaneSettings], port: int, prepare: Callable[[LaneStage], None] | None = None
    ) -> None:
        for settings in lanes:
            lane = LaneStage(self, settings, port)
            self.lanes.append(lane)
            if prepare:
                prepare(lane)
            await lane.simulated.open()
            lane.start_daemon()
            lane.start_uplink()
        for lane in self.lanes:
            await self.wait_for(f"lane {lane.settings.id} is in service", lambda: lane.is_in_service)

    async def close(self, keep: bool) -> None:
        stop_all(self.components)
        for lane in self.lanes:
            await lane.simulated.close()
        self.log.close()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
