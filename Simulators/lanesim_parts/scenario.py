"""`lanesim scenario`: plays scenario files against the real lanekeeperd, several at once, and says what was not as
expected. Each has a site, a lane and a process of its own; they share nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import scenario_file
from .component import ComponentDied
from .scenario_await import StepFailed
from .scenario_file import Scenario
from .scenario_lane import ScenarioLane
from .scenario_node import ScenarioRefused
from .scenario_records import words
from .scenario_steps import Step
from .scenario_watch import Watch
from .stage import StageFailure

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
EX_USAGE = 64
EX_DATAERR = 65
EX_UNAVAILABLE = 69
PROGRAMS = ("lanekeeperd", "lanekeeper-collector", "lanectl")
LONGEST_SECONDS = 120.0
LOG_LINES = 8


@dataclass(frozen=True)
class Outcome:
    path: str
    title: str
    passed: bool
    seconds: float
    text: str  # empty when it passed


@dataclass(frozen=True)
class Options:
    paths: list[Path]
    binaries: Path | None
    jobs: int
    keep: bool
    report: Path | None
    pace_seconds: float | None = None  # of somebody who watches
    only_list: bool = False
    only_check: bool = False


def main(options: Options) -> int:
    try:
        scenarios = [scenario_file.read(named(path)) for path in options.paths or sorted(FOLDER.glob("*.yaml"))]
    except ScenarioRefused as refusal:
        print(refusal, file=sys.stderr)
        return EX_DATAERR
    if options.only_list:
        print("\n".join(f"{scenario.path.stem:<42}  {scenario.title}" for scenario in scenarios))
        return 0
    if not options.paths:
        print("scenario: give FILE or the name of one; --list tells which there are", file=sys.stderr)
        return EX_USAGE
    return 0 if options.only_check else play_and_tell(scenarios, options)


def named(path: Path) -> Path:
    """A file, or one of Simulators/scenarios by its name alone."""
    known = FOLDER / f"{path}.yaml"
    return known if not path.exists() and known.is_file() else path


def play_and_tell(scenarios: list[Scenario], options: Options) -> int:
    binaries, keep, report = options.binaries, options.keep, options.report
    binaries = binaries or newest_binaries()
    missing = [name for name in PROGRAMS if not (binaries / name).is_file()]
    if missing:
        print(f"scenario: {binaries} lacks {', '.join(missing)}: build first, `swift build`", file=sys.stderr)
        return EX_UNAVAILABLE
    if len(scenarios) == 1 or options.pace_seconds is not None:
        outcomes = []
        for scenario in scenarios:
            outcomes.append(play(scenario, binaries, keep, options.pace_seconds))
            tell(outcomes[-1])
    else:
        outcomes = play_all(scenarios, binaries, options.jobs, keep)
    if report:
        report.write_text(json.dumps([asdict(outcome) for outcome in outcomes], ensure_ascii=False), encoding="utf-8")
    failed = sum(not outcome.passed for outcome in outcomes)
    if len(outcomes) > 1:
        print(f"{len(outcomes) - failed} passed, {failed} failed")
    return int(failed > 0)


def newest_binaries() -> Path:
    """What was built last."""
    build = Path(__file__).resolve().parents[2] / ".build"
    built = [build / name for name in ("debug", "release") if (build / name / PROGRAMS[0]).is_file()]
    return max(built, key=lambda each: (each / PROGRAMS[0]).stat().st_mtime, default=build / "debug")


def tell(outcome: Outcome) -> None:
    mark = "ok  " if outcome.passed else "FAIL"
    print(f"{mark} {outcome.seconds:5.1f} s  {outcome.title}  ({outcome.path})", flush=True)
    if outcome.text:
        print("  " + outcome.text.replace("\n", "\n  "), flush=True)


def play_all(scenarios: list[Scenario], binaries: Path, jobs: int, keep: bool) -> list[Outcome]:
    """Several at once: they mostly wait for people."""

    def one(scenario: Scenario) -> Outcome:
        outcome = in_process_of_its_own(scenario, binaries, keep)
        tell(outcome)
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, scenarios))


def in_process_of_its_own(scenario: Scenario, binaries: Path, keep: bool) -> Outcome:
    program = Path(__file__).resolve().parents[1] / "lanesim"
    with tempfile.NamedTemporaryFile(prefix="lks-", suffix=".json") as file:
        command = [sys.executable, str(program), "scenario", str(scenario.path), "--binaries", str(binaries)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--report", file.name, *(["--keep"] if keep else [])],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * LONGEST_SECONDS,
        )
        try:
            return Outcome(**json.loads(Path(file.name).read_text(encoding="utf-8"))[0])
        except (ValueError, IndexError):
            text = f"ended with status {done.returncode}\n{done.stdout}{done.stderr}"
            return Outcome(str(scenario.path), scenario.title, False, time.monotonic() - began, text)


def play(scenario: Scenario, binaries: Path, keep: bool, pace_seconds: float | None = None) -> Outcome:
    began = time.monotonic()
    # A short directory: a Unix socket's path has at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="lks-"))
    text = asyncio.run(run(scenario, directory, binaries, keep, pace_seconds))
    if keep:
        text += ("\n" if text else "") + f"everything of it is in {directory}"
    return Outcome(str(scenario.path), scenario.title, text == "" or (keep and text.startswith("everything")),
                   time.monotonic() - began, text)


async def run(
    scenario: Scenario, directory: Path, binaries: Path, keep: bool, pace_seconds: float | None = None
) -> str:
    """What went wrong; empty when nothing did."""
    lane = ScenarioLane(scenario, directory, binaries)
    watch = None if pace_seconds is None else Watch(scenario, pace_seconds)
    player = Player(scenario, lane, watch)
    try:
        return await asyncio.wait_for(player.play(), LONGEST_SECONDS)
    except asyncio.TimeoutError:
        return player.failed(f"not at its end after {LONGEST_SECONDS:g} s")
    except asyncio.CancelledError:
        if watch:
            watch.cancel()
        raise
    finally:
        if watch:
            await watch.close()
        await lane.close()
        if not keep:
            lane.clear_away()


class Player:
    def __init__(self, scenario: Scenario, lane: ScenarioLane, watch: Watch | None = None) -> None:
        self.scenario = scenario
        self.lane = lane
        self.watch = watch
        self.place = f"{scenario.path}:1: the lane is set up"

    async def play(self) -> str:
        scenario, lane = self.scenario, self.lane
        try:
            await lane.open()
            if self.watch:
                self.watch.open(lane)
            if scenario.clock:
                await self.do(scenario.clock, "the clock")
            for number, step in enumerate(scenario.before, 1):
                await self.do(step, f"before, step {number}")
            self.place = f"{scenario.path}:1: the lane starts"
            lane.start_daemon()
            await lane.follow_journal()
            await lane.wait_for("lanekeeperd is at work", lane.is_settled)
            await self.hear_newest_record()
            if not scenario.before:  # what is recorded at the start belongs to no step
                lane.journal.pass_over()
            for number, step in enumerate(scenario.steps, 1):
                await self.do(step, f"step {number}")
            self.place = f"{scenario.path}:{scenario.steps[-1].line}: after the last step"
            await self.check_the_end()
        except (StepFailed, StageFailure, ComponentDied, OSError) as failure:
            return self.failed(str(failure))
        return ""

    async def do(self, step: Step, name: str) -> None:
        self.place = f"{self.scenario.path}:{step.line}: {name} ({step.text})"
        if self.watch:
            self.watch.begins(step)
        await step.do(self.lane)
        if self.watch:
            await self.watch.ended(step, self.lane)

    async def hear_newest_record(self) -> None:
        """Waits until `lanectl events` has told what the lane has recorded until now."""
        lane = self.lane
        status = await lane.status()
        if status is None:
            return
        epoch, newest = status["journal"]["epoch"], status["journal"]["next_sequence"] - 1
        await lane.wait_for(
            "lanectl events tells what is recorded",
            lambda: newest == 0
            or any(one.get("epoch") == epoch and one["sequence"] >= newest for one in reversed(lane.journal.records)),
        )

    async def check_the_end(self) -> None:
        """What holds at the end of every scenario."""
        lane = self.lane
        assert lane.daemon is not None
        if lane.gate.faults:
            raise StepFailed("nothing but lines of the gate's protocol", "; ".join(lane.gate.faults))
        if not lane.daemon.is_running:
            return
        await self.hear_newest_record()
        if self.watch:
            await self.watch.rest(lane)
        if over := lane.journal.left_over():
            raise StepFailed("no more records of people than the steps expect", "; ".join(over))
        if status := await asyncio.to_thread(lane.daemon.stop):
            raise StepFailed("lanekeeperd ends with status 0", f"status {status}")
        await lane.run_lanectl(["events", "--json", "--last", str(lane.journal.MOST_SHOWN)])
        records = [json.loads(line) for line in lane.answers[-1].stdout.splitlines()]
        self.check_releases(records)

    @staticmethod
    def check_releases(records: list[dict[str, Any]]) -> None:
        """`admitted = passed + annulled + interrupted`: every release ended, once."""
        if any(record["event"] == "hole" for record in records):
            return
        begun = [
            (record["epoch"], record["sequence"])
            for record in records
            if record["event"] == "released-by-hand" or record["event"] == "decided" and record["verdict"] == "admitted"
        ]
        ended = [
            (record["decision_epoch"], record["decision_sequence"])
            for record in records
            if record["event"] in ("passed", "annulled", "interrupted")
        ]
        if sorted(begun) != sorted(ended):
            raise StepFailed("each admission has one end", "; ".join(map(words, records)))

    def failed(self, problem: str) -> str:
        lines = self.lane.log.read_text(errors="replace").splitlines()[-LOG_LINES:] if self.lane.log.exists() else []
        log = "".join(f"\n    {line}" for line in lines)
        return f"{self.place}\n  {problem}\n  lanekeeperd's last lines:{log or ' none'}"
