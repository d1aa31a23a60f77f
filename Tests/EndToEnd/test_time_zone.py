"""The time zone of a lane's system, and its clock put back and forward, make no difference to any hours."""

import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import make_people
from technician import Technician
from test_modes import mode_of
from test_policy import with_rules

ZONES = Path("/usr/share/zoneinfo")
# New York puts its clocks back on 2026-11-01: the hour from one to two comes twice. And forward on 2026-03-08: the one
# from two to three never comes.
HOURS = "[01:00-02:00-05:00, 02:00-03:00-05:00]"
OPEN = {
    "2026-11-01T01:30:00-04:00": "closed",
    "2026-11-01T01:30:00-05:00": "open",
    "2026-11-01T02:30:00-05:00": "open",
    "2026-11-01T03:00:00-05:00": "closed",
    "2026-03-08T01:30:00-05:00": "open",
    "2026-03-08T03:30:00-04:00": "open",
    "2026-03-08T04:00:00-04:00": "closed",
}


def opening(technician, chip, at):
    (told,) = technician.asks("explain", chip, "--at", at)
    (row,) = [row for row in told["rows"] if row["subject"] == "hours"]
    return row["state"]


def in_its_own_zone(zone_file):
    """The program in a mount namespace where this file is the system's zone."""
    script = 'mount --make-rprivate / && mount --bind "$0" /etc/localtime && exec "$@"'
    return ["env", "-u", "TZ", "unshare", "--mount", "sh", "-c", script, str(zone_file)]


def may_mount():
    done = subprocess.run(
        [*in_its_own_zone(ZONES / "UTC"), "true"], capture_output=True, timeout=30, check=False)
    return done.returncode == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or not ZONES.exists() or not may_mount(), reason="no other time zone can be mounted here")
def test_the_systems_zone_changes_no_hours_not_even_while_the_lane_runs(open_stage, run, tmp_path):
    zone = tmp_path / "localtime"
    zone.write_bytes((ZONES / "America/New_York").read_bytes())

    def scheduled(lane):
        now = datetime.now(timezone.utc)
        hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}Z"
        with_rules(lane, f"  hours: {HOURS}\n")
        text = lane.configuration.read_text()
        lane.configuration.write_text(text + f"schedule:\n  - {{ mode: locked, hours: ['{hours}'] }}\n")

    async def scenario():
        (person,) = make_people("may pass: visitor")
        launchers = {"lanekeeperd": in_its_own_zone(zone)}
        async with open_stage([person], before_lanes=scheduled, launchers=launchers) as stage:
            technician = Technician(stage)
            await stage.wait_for("locked", lambda: mode_of(technician) == ("locked", "schedule"))
            pid = stage.lanes[0].daemon.process.pid
            # A link from the root is followed in this process's own.
            seen = Path(f"/proc/{pid}/root{os.path.realpath('/etc/localtime')}")
            for name in "America/New_York", "Asia/Shanghai", "Pacific/Kiritimati":
                zone.write_bytes((ZONES / name).read_bytes())
                assert seen.read_bytes() == (ZONES / name).read_bytes(), "the lane's system is in that zone now"
                assert mode_of(technician) == ("locked", "schedule")
                told = {at: opening(technician, person.chip.hex(), at) for at in OPEN}
                assert told == OPEN, name
                # As when the zone is changed and every program reads what belongs to it again.
                assert technician("config", "reload").returncode == 0
                assert mode_of(technician) == ("locked", "schedule")

    run(scenario())


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai", ":/nowhere"])
def test_the_zone_of_the_environment_changes_no_hours(open_stage, run, zone):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        launchers = {"lanekeeperd": ["env", f"TZ={zone}"]}
        async with open_stage(
            [person], before_lanes=lambda lane: with_rules(lane, f"  hours: {HOURS}\n") and None, launchers=launchers
        ) as stage:
            technician = Technician(stage)
            assert {at: opening(technician, person.chip.hex(), at) for at in OPEN} == OPEN

    run(scenario())
