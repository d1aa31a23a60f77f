"""What `lanesim` can do, and its command line."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from datetime import datetime, timezone
from pathlib import Path

from . import demo, feed, people, replay, site
from .crowd import Crowd
from .crowd_log import CrowdLog
from .lane import SimulatedLane
from .options import Options, number, whole

MOST_LANES = 64
MOST_PEOPLE = 100_000


def main(arguments: list[str]) -> int:
    parser = Options(prog="lanesim", description="Simulated readers, thermometers, gates and crowds for Lanekeeper.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    feed_options = commands.add_parser("feed", help="write the feed (CSV) of a crowd")
    add_crowd(feed_options)
    holders = whole(0, feed.MOST_FILLERS)
    feed_options.add_argument("--holders", type=holders, default=0, metavar="N", help="more holders, who never come")
    feed_options.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")

    run_options = commands.add_parser("run", help="devices and gates for lanes started by hand, and a crowd")
    add_crowd(run_options)
    add_site(run_options)
    run_options.add_argument(
        "--run", type=Path, required=True, metavar="DIR", help="DIR/<lane>/{reader,thermometer}.tty, gate.sock"
    )

    replay_options = commands.add_parser("replay", help="play back a recording of `lanectl reader tap --record`")
    replay_options.add_argument("file", type=Path, metavar="FILE")
    replay_options.add_argument("--run", type=Path, required=True, metavar="DIR", help="DIR/<device>.tty for each device")
    replay_options.add_argument(
        "--link", type=device_link, action="append", default=[], metavar="DEVICE=PATH", help="another path for one"
    )
    replay_options.add_argument(
        "--without", action="append", default=[], metavar="DEVICE", help="leave out this device of the recording"
    )
    replay_options.add_argument("--fast", action="store_true", help="as fast as the daemon takes it, not as recorded")
    replay_options.add_argument(
        "--wait", type=number(1, 3600), default=60.0, metavar="SECONDS", help="for the daemon to open them; default 60"
    )

    demo_options = commands.add_parser("demo", prog="Simulators/demo", help="a whole site (see Simulators/demo)")
    add_crowd(demo_options)
    add_site(demo_options)
    demo_options.add_argument(
        "--for",
        dest="seconds",
        type=number(1, 86_400),
        metavar="SECONDS",
        help="people arrive for so long at most, then the lanes drain (without a terminal: 60)",
    )
    demo_options.add_argument("--port", type=whole(1, 65_535), metavar="P", help="of the page; default: a free one")
    demo_options.add_argument("--summary", type=Path, metavar="FILE", help="write the summary there as JSON")
    demo_options.add_argument("--binaries", type=Path, metavar="DIR", help="where the four programs are")
    demo_options.add_argument("--tls", action="store_true", help="lanes enrolled, mutual TLS, the page with a token")
    demo_options.add_argument("--keep", action="store_true", help="keep the directory with journals and database")
    demo_options.add_argument("--check-options", action="store_true", help="only see whether the options are right")

    scenario_options = commands.add_parser("scenario", help="play scenario files (YAML) against the real lanekeeperd")
    add_scenario(scenario_options)

    chosen = parser.parse_args(arguments)
    if chosen.command == "feed":
        return write_feed(chosen.people, chosen.seed, chosen.holders, chosen.out)
    if chosen.command == "run":
        return asyncio.run(run(chosen.run, chosen.lanes, chosen.people, chosen.rate, chosen.seed))
    if chosen.command == "scenario":
        from . import scenario  # needs python3-yaml, which nothing else here does

        pace = chosen.pace if chosen.watch else None
        return scenario.main(
            scenario.Options(
                chosen.files, chosen.binaries, chosen.jobs, chosen.keep, chosen.report, pace, chosen.list,
                chosen.check_options,
            )
        )
    if chosen.command == "replay":
        return replay.main(
            chosen.file, chosen.run, dict(chosen.link), set(chosen.without), chosen.fast, chosen.wait
        )
    if chosen.check_options:
        return 0
    return demo.main(demo.Settings.from_options(chosen))


def add_scenario(options: Options) -> None:
    options.add_argument(
        "files", type=Path, nargs="*", metavar="FILE", help="a file, or the name of one of Simulators/scenarios"
    )
    options.add_argument("--list", action="store_true", help="only tell names and titles")
    options.add_argument("--watch", action="store_true", help="tell what is done and what the lane shows, step by step")
    options.add_argument(
        "--pace", type=number(0, 60), default=0.7, metavar="SECONDS", help="with --watch: between two lines; default 0.7"
    )
    options.add_argument("--check-options", action="store_true", help="only see whether options and files are right")
    options.add_argument("--binaries", type=Path, metavar="DIR", help="where the programs are; default: built last")
    options.add_argument("--jobs", type=whole(1, 16), default=4, metavar="N", help="so many at once; default 4")
    options.add_argument("--keep", action="store_true", help="keep the directory with journal and logs")
    options.add_argument("--report", type=Path, metavar="FILE", help="write the outcomes there as JSON")


def device_link(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"`{text}` is not DEVICE=PATH")
    return name, Path(path)


def add_crowd(options: Options) -> None:
    options.add_argument("--people", type=whole(1, MOST_PEOPLE), default=300, metavar="N", help="default 300")
    options.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=1, metavar="S", help="the same seed draws the same crowd"
    )


def add_site(options: Options) -> None:
    options.add_argument("--lanes", type=whole(1, MOST_LANES), default=4, metavar="N", help="default 4, one an exit")
    options.add_argument(
        "--rate", type=number(0.1, 60_000), default=60.0, metavar="PER_MINUTE", help="of the whole site, default 60"
    )


def write_feed(count: int, seed: int, fillers: int, out: Path | None) -> int:
    crowd = people.draw(count, random.Random(seed))
    now = datetime.now(timezone.utc)
    if out is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        feed.write(sys.stdout, crowd, now, fillers)
    else:
        with out.open("w", encoding="utf-8", newline="") as file:
            feed.write(file, crowd, now, fillers)
    return 0


async def run(directory: Path, lane_count: int, people_count: int, rate: float, seed: int) -> int:
    """Devices for daemons that somebody else starts. Ends when the crowd has gone."""
    directory.mkdir(parents=True, exist_ok=True)
    log = CrowdLog(directory / "crowd.jsonl")
    chance = random.Random(seed)
    lanes = [SimulatedLane(settings, directory / settings.id, log, chance) for settings in site.lanes(lane_count)]
    for lane in lanes:
        await lane.open()
        print(f"{lane.settings.id}: {directory / lane.settings.id}", flush=True)
    crowd = Crowd(lanes, people.draw(people_count, random.Random(seed)), rate, seed)
    try:
        await crowd.run(None)
    finally:
        for lane in lanes:
            await lane.close()
        log.close()
    print(log.totals())
    return 0
