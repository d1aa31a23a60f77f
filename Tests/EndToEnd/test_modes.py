"""Modes that a technician orders or the schedule says: at the real daemon, its gate and the collector's books."""

import os
import signal
from datetime import datetime, timedelta, timezone

from conftest import make_people
from test_lanectl import Technician

from lanesim_parts import crowd_log

BOUND = 60
USAGE, CONFIGURATION, FAILED = 64, 78, 1


def mode_of(technician):
    (status,) = technician.asks("status")
    return status["mode"], status["mode_cause"]


async def is_refused_as_locked(stage, lane, technician, person):
    """He holds his badge to the reader all the same: nobody else steps up to a lane that is locked."""

    def refusals():
        return [event for event in technician.asks("events", "--last", "200") if event["event"] == "decided"]

    before = len(refusals())
    lane.reader.hold(person.chip, BOUND)  # until it is read: a daemon that has just started may not listen yet
    await stage.wait_for("he is refused", lambda: len(refusals()) > before)
    lane.reader.withdraw()
    assert refusals()[before]["reasons"] == ["lane-locked"] and not lane.gate.is_open


def test_a_technician_locks_holds_open_and_gives_back_a_lane(open_stage, run):
    async def scenario():
        crowd = make_people("may pass: visitor", "may pass: visitor", "may pass: visitor")
        async with open_stage(crowd) as stage:
            lane, technician = stage.lanes[0].simulated, Technician(stage)
            gate = lane.gate

            assert await gate.wait_until(lane.is_ready, BOUND)
            done = technician("mode", "locked", "--reason", "broken bar")
            assert done.returncode == 0 and "locked" in done.stdout, done.stderr
            await is_refused_as_locked(stage, lane, technician, crowd[0])
            assert await gate.wait_until(lambda: gate.level["lamp_red"] == 1 and gate.level["buzzer"] == 0, BOUND)

            assert technician("mode", "held-open").returncode == 0
            assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
            await gate.pulse("passage_forward")
            await gate.pulse("passage_backward")
            assert gate.level["release"] == 1 and gate.level["buzzer"] == 0

            assert technician("mode", "normal").returncode == 0
            assert await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)
            assert (await lane.visit(crowd[1])).answer == crowd_log.RELEASED

            def total():
                return stage.client.tallies()["total"]

            await stage.wait_for("the books", lambda: total()["passed"] == 1 and total()["anonymous"] == 2)
            assert (total()["forced"], total()["wrong_way"], total()["on_site_people"]) == (0, 0, 1)
            acts = [event for event in technician.asks("events", "--last", "200") if event["event"] == "technician"]
            assert [(act["mode"], act["user"], act["remark"]) for act in acts] == [
                ("locked", os.getuid(), "broken bar"), ("held-open", os.getuid(), ""), ("normal", os.getuid(), ""),
            ]

    run(scenario())


def test_an_order_outlives_sigkill_and_a_restart(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane, technician = stage.lanes[0], Technician(stage)
            assert technician("mode", "locked", "--for", "30").returncode == 0
            for how in (signal.SIGKILL, signal.SIGTERM):
                os.kill(lane.daemon.process.pid, how)
                lane.daemon.process.wait(BOUND)
                lane.start_daemon()
                await stage.wait_for("the daemon is back", lambda: technician("status").returncode == 0)
                await stage.wait_for("locked", lambda: mode_of(technician) == ("locked", "technician"))
            (status,) = technician.asks("status")
            assert (status["order"]["minutes"], status["order"]["user"]) == (30, os.getuid())
            await is_refused_as_locked(stage, lane.simulated, technician, person)
            assert technician("mode", "normal").returncode == 0
            assert not (lane.state / "order").exists()
            await stage.wait_for("normal", lambda: mode_of(technician) == ("normal", "none"))

    run(scenario())


def test_maintenance_moves_one_thing_at_a_time_and_counts_nobody(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane, technician = stage.lanes[0].simulated, Technician(stage)
            gate = lane.gate
            assert await gate.wait_until(lane.is_ready, BOUND)
            refused = technician("gate", "test", "release")
            assert refused.returncode == FAILED and "maintenance" in refused.stderr
            assert technician("gate", "test", "door").returncode == USAGE
            assert technician("mode", "maintenance", "--for", "10").returncode == 0
            for output, line in ("green", "lamp_green"), ("buzzer", "buzzer"), ("release", "release"):
                before = gate.rises[line]  # it may be over when lanectl is
                done = technician("gate", "test", output)
                assert done.returncode == 0, done.stderr
                assert await gate.wait_until(lambda: gate.rises[line] > before, BOUND), line
                assert await gate.wait_until(lambda: gate.level[line] == 0, BOUND), f"{line} stays"
            lane.reader.hold(person.chip, BOUND)
            await stage.wait_for(
                "the reader is seen to work",
                lambda: any(event["event"] == "seen-in-maintenance" for event in technician.asks("events")),
            )
            lane.reader.withdraw()
            await gate.pulse("passage_forward")
            await stage.wait_for(
                "so is the contact", lambda: any(event["event"] == "maintenance" for event in technician.asks("events"))
            )
            (status,) = technician.asks("status")
            counted = {name for name, count in status["since_start"].items() if count}
            assert status["mode"] == "maintenance" and counted == set()
            gate.set_contact("fire", 0)
            assert await gate.wait_until(lambda: gate.level["emergency"] == 1 and gate.level["release"] == 1, BOUND)
            ended = technician("mode", "normal")
            assert ended.returncode == 0 and "emergency" in ended.stdout, "nobody ends an emergency but the fire loop"
            assert gate.level["release"] == 1

    run(scenario())


def test_the_schedule_locks_by_the_clock_in_every_time_zone(open_stage, run):
    """The hours are written with their offset; the daemon runs in a zone that puts its clocks forward."""

    def scheduled(lane):
        now = datetime.now(timezone.utc)
        start, end = now - timedelta(hours=1), now + timedelta(hours=1)
        east = timezone(timedelta(hours=8))
        hours = f"{start.astimezone(east):%H:%M}-{end.astimezone(east):%H:%M}+08:00"
        lane.configuration.write_text(
            lane.configuration.read_text() + f"schedule:\n  - {{ mode: locked, hours: ['{hours}'] }}\n"
        )

    async def scenario():
        (person,) = make_people("may pass: visitor")
        for zone in ("America/New_York", "Asia/Shanghai", "Pacific/Kiritimati"):
            async with open_stage(
                [person], before_lanes=scheduled, launchers={"lanekeeperd": ["env", f"TZ={zone}"]}
            ) as stage:
                lane, technician = stage.lanes[0].simulated, Technician(stage)
                await stage.wait_for("locked", lambda: mode_of(technician) == ("locked", "schedule"))
                await is_refused_as_locked(stage, lane, technician, person)
                assert technician("mode", "normal", "--for", "5").returncode == 0
                assert mode_of(technician) == ("normal", "none")
                assert technician("mode", "normal").returncode == 0
                assert mode_of(technician) == ("locked", "schedule")

    run(scenario())


def test_another_schedule_is_reloaded_whole_with_the_policy(open_stage, run):
    def hours():
        now = datetime.now(timezone.utc)
        return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}Z"

    async def scenario():
        first, second = make_people("may pass: visitor", "may pass: visitor")
        async with open_stage([first, second]) as stage:
            lane, technician = stage.lanes[0], Technician(stage)
            gate = lane.simulated.gate
            assert await gate.wait_until(lane.simulated.is_ready, BOUND)
            plain = lane.configuration.read_text()

            def write(schedule):
                lane.configuration.write_text(plain + schedule)

            write(f"schedule:\n  - {{ mode: locked, hours: ['{hours()}'] }}\n")
            done = technician("config", "reload")
            assert done.returncode == 0 and "another schedule is in force" in done.stdout, done.stderr
            assert "restart" not in done.stdout
            assert mode_of(technician) == ("locked", "schedule")
            await is_refused_as_locked(stage, lane.simulated, technician, first)
            again = technician("config", "reload")
            assert again.returncode == 0 and "another schedule" not in again.stdout

            # A mistake in the second entry: the first is not taken either, nor is anything else.
            write(f"schedule:\n  - {{ mode: held-open, hours: ['{hours()}'] }}\n  - {{ mode: shut, hours: always }}\n")
            wrong = technician("config", "reload")
            assert wrong.returncode == CONFIGURATION and "schedule" in wrong.stderr and ".yaml:" in wrong.stderr
            assert mode_of(technician) == ("locked", "schedule") and not gate.is_open

            write(f"schedule:\n  - {{ mode: held-open, hours: ['{hours()}'] }}\n")
            lane.daemon.process.send_signal(signal.SIGHUP)
            await stage.wait_for("held open", lambda: mode_of(technician) == ("held-open", "schedule"))
            assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)

            write("")
            assert technician("config", "reload").returncode == 0
            assert mode_of(technician) == ("normal", "none")
            assert await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)
            assert (await lane.simulated.visit(second)).answer == crowd_log.RELEASED
            log = (stage.logs / f"lanekeeperd-{lane.settings.id}.log").read_text(encoding="utf-8")
            assert log.count("another schedule is in force") == 3

    run(scenario())


def test_what_is_no_mode_is_refused_with_advice(open_stage, run):
    async def scenario():
        async with open_stage(make_people("may pass: visitor")) as stage:
            technician, lane = Technician(stage), stage.lanes[0].simulated
            assert await lane.gate.wait_until(lane.is_ready, BOUND)
            for arguments in ("mode", "open"), ("mode", "emergency"), ("clock", "set"), ("mode", "locked", "--for", "0"):
                done = technician(*arguments)
                assert done.returncode == USAGE and done.stderr, arguments
            assert mode_of(technician) == ("normal", "none")
            done = technician("clock", "confirm")
            assert done.returncode == 0, done.stderr
            assert any(event.get("act") == "confirmed-clock" for event in technician.asks("events"))

    run(scenario())
