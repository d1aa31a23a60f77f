"""A daemon that starts on a disk that is full or hangs: the fire input opens it, an exit lets out, and it says so."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from conftest import make_people
from test_fire import seconds_until_open

from lanesim_parts import site
from lanesim_parts.lane import LaneSettings
from lanesim_parts.stage import LaneStage

BOUND = 60


def settings_of(kind):
    inside = site.ENTRY_ZONE
    zones = ("outside", inside) if kind == "entry" else (inside, "outside")
    return LaneSettings(id=f"late-{kind}", name="晚到", kind=kind, from_zone=zones[0], to_zone=zones[1])


def ask(stage, lane, *arguments):
    done = subprocess.run(
        [str(stage.binaries / "lanectl"), *arguments, "--config", str(lane.configuration)],
        capture_output=True, text=True, timeout=BOUND,
    )
    return done.stdout + done.stderr


async def is_ready(stage, lane):
    gate = lane.simulated.gate
    await stage.wait_for("the daemon is at the gate", gate.is_connected)
    await stage.wait_for("it answers", lambda: "journal" in ask(stage, lane, "status"))
    await stage.wait_for("its devices are there", lambda: ask(stage, lane, "status").count("present") >= 3)


def has_journal(stage, lane):
    said = ask(stage, lane, "status")
    return "journal" in said and "NO JOURNAL" not in said


async def let_out(lane, person):
    gate = lane.simulated.gate
    assert await gate.wait_until(lambda: not gate.is_open, BOUND)
    before = gate.rises["release"]
    lane.simulated.reader.hold(person.chip, BOUND)  # until it opens
    assert await gate.wait_until(lambda: gate.rises["release"] > before, BOUND), "an exit lets out"
    lane.simulated.reader.withdraw()
    await gate.pulse("passage_forward")
    assert await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)


@contextmanager
def full_disk(lane):
    """The lane's directory on a disk of its own, without room for one byte."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=750", "none", str(lane.state)], check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    filler = lane.state / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        yield filler
    finally:
        subprocess.run(["umount", "-l", str(lane.state)], check=False)


@pytest.mark.parametrize("kind", ["exit", "entry"])
def test_a_lane_that_starts_on_a_full_disk(open_stage, run, lateness, kind):
    async def scenario():
        person, other = make_people("may pass: visitor", "may pass: visitor")
        async with open_stage([person, other]) as stage:
            lane = LaneStage(stage, settings_of(kind), 1)
            text = lane.configuration.read_text().replace("capacity_records: 100000", "capacity_records: 1000")
            lane.configuration.write_text(text.replace("reserve_records: 2000, records_per_segment: 1024",
                                                       "reserve_records: 200, records_per_segment: 256"))
            with full_disk(lane) as filler:
                await lane.simulated.open()
                lane.start_daemon()
                try:
                    await is_ready(stage, lane)
                    told = ask(stage, lane, "status")
                    assert "NO JOURNAL" in told, told
                    gate = lane.simulated.gate
                    if kind == "exit":
                        await let_out(lane, person)
                    else:
                        assert "out of service" in told
                        lane.simulated.reader.hold(person.chip, 1.0)
                        assert not await gate.wait_until(lambda: gate.level["release"] == 1, 1.0)
                    await seconds_until_open(gate, lateness)
                    gate.set_contact("fire", 1)
                    assert await gate.wait_until(lambda: not gate.is_open, BOUND)

                    filler.unlink()
                    await stage.wait_for("it has a journal", lambda: has_journal(stage, lane))
                    events = ask(stage, lane, "events", "--last", "100")
                    if kind == "exit":
                        await stage.wait_for("the hole is told", lambda: "HOLE" in ask(stage, lane, "events"))
                        events = ask(stage, lane, "events", "--last", "100")
                        assert "1 presented, 1 admitted, 1 passed" in events, events
                        await let_out(lane, other)
                        await stage.wait_for("and records", lambda: "passed  " in ask(stage, lane, "events"))
                    else:
                        await stage.wait_for(
                            "it has no journal's trouble",
                            lambda: has_journal(stage, lane) and "journal full" not in ask(stage, lane, "status"))
                finally:
                    lane.daemon.stop()
                    await lane.simulated.close()

    run(scenario())


@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="no FUSE on this machine")
def test_an_exit_that_starts_and_ends_on_a_disk_that_hangs(open_stage, run, lateness):
    async def scenario():
        person, other = make_people("may pass: visitor", "may pass: visitor")
        async with open_stage([person, other]) as stage:
            lane = LaneStage(stage, settings_of("exit"), 1)
            real = stage.directory / "hanging"
            real.mkdir()
            server = subprocess.Popen(["bindfs", "-f", str(real), str(lane.state)])
            try:
                end = time.monotonic() + BOUND
                while not os.path.ismount(lane.state):
                    assert time.monotonic() < end and server.poll() is None, "bindfs does not mount"
                server.send_signal(signal.SIGSTOP)
                await lane.simulated.open()
                gate = lane.simulated.gate
                lane.start_daemon()
                # Before it has found out that the disk hangs, and before it is at the gate.
                assert await gate.wait_until(lambda: gate.is_connected("fire"), BOUND)
                await seconds_until_open(gate, lateness)
                gate.set_contact("fire", 1)
                assert await gate.wait_until(lambda: gate.level["emergency"] == 0, BOUND)
                log = stage.logs / f"lanekeeperd-{lane.settings.id}.log"
                await stage.wait_for("it begins without", lambda: "WITHOUT A JOURNAL" in log.read_text())
                await stage.wait_for("its reader is there", lambda: "chip is back" in log.read_text())
                await let_out(lane, person)
                server.send_signal(signal.SIGCONT)
                await stage.wait_for("it has a journal", lambda: has_journal(stage, lane))
                await stage.wait_for("the hole is told", lambda: "HOLE" in ask(stage, lane, "events"))
                await let_out(lane, other)

                server.send_signal(signal.SIGSTOP)
                lane.daemon.process.send_signal(signal.SIGTERM)
                await seconds_until_open(gate, lateness)  # while it tries to end
            finally:
                server.send_signal(signal.SIGCONT)
                lane.daemon.stop()
                await lane.simulated.close()
                subprocess.run(["umount", "-l", str(lane.state)], check=False)
                server.terminate()
                server.wait(BOUND)

    run(scenario())
