"""The rules of a lane while it runs: reloaded whole or not at all, on record, kept; what they ask for at the gate."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess

import pytest
from conftest import make_people
from test_lanectl import Technician

from lanesim_parts import crowd_log

BOUND = 60
EX_NOPERM = 77
EX_CONFIG = 78


def with_rules(lane, rules: str) -> str:
    """The lane's file with these rules instead of its own; its digest."""
    text = lane.configuration.read_text(encoding="utf-8")
    text = re.sub(r"(?ms)^policy:.*?(?=^journal:)", f"policy:\n{rules}", text)
    lane.configuration.write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def in_force(technician: Technician) -> list[str]:
    return [event["policy"] for event in technician.asks("events", "--last", "200") if event["event"] == "policy"]


def test_rules_are_reloaded_whole_on_record_and_kept(open_stage, run):
    async def scenario():
        # One for each visit: a badge that is shown again at once is still in the field.
        visitors = make_people(*["may pass: visitor"] * 4)
        visitor = visitors[0]
        async with open_stage(visitors) as stage:
            lane = stage.lanes[0]
            technician = Technician(stage)
            (first,) = in_force(technician)
            assert (lane.state / "policies" / f"{first}.yaml").read_bytes() == lane.configuration.read_bytes()
            assert (await lane.simulated.visit(visitors[0])).answer == crowd_log.RELEASED

            second = with_rules(lane, "  admits: [staff]\n")
            said = technician("config", "reload")
            assert said.returncode == 0 and f"policy {second} is in force" in said.stdout, said.stderr
            assert in_force(technician) == [first, second]
            assert (lane.state / "policies" / f"{second}.yaml").read_bytes() == lane.configuration.read_bytes()
            assert (await lane.simulated.visit(visitors[1])).answer == crowd_log.REFUSED
            decided = [event for event in technician.asks("events", "--last", "200") if event["event"] == "decided"]
            assert [event["policy"] for event in decided] == [first, second]
            assert decided[-1]["reasons"] == ["kind-not-admitted"]
            (explained,) = technician.asks("explain", visitor.chip.hex())
            (status,) = technician.asks("status")
            assert explained["policy"] == status["policy"] == second
            assert second in technician("status").stdout
            assert "was in force already" in technician("config", "reload").stdout

            # A mistake leaves what is in force, and is told at its place.
            with_rules(lane, "  admits: [visitor]\n  test_window_hours: 480\n")
            wrong = technician("config", "reload")
            assert wrong.returncode == EX_CONFIG and not wrong.stdout
            place = r"\.yaml:\d+:\d+: policy\.test_window_hours: '480' is out of range"
            assert re.search(place, wrong.stderr), wrong.stderr
            assert in_force(technician) == [first, second]
            assert (await lane.simulated.visit(visitors[2])).answer == crowd_log.REFUSED

            # SIGHUP does the same; devices wait for a restart.
            with_rules(lane, "  admits: [visitor]\n")
            text = lane.configuration.read_text(encoding="utf-8")
            text, changes = re.subn(r"type: rdm6300\b", "type: rdm6300, baud: 19200", text)
            assert changes == 1, text
            lane.configuration.write_text(text, encoding="utf-8")
            third = hashlib.sha256(text.encode()).hexdigest()[:32]
            lane.daemon.process.send_signal(signal.SIGHUP)
            await stage.wait_for("the third policy", lambda: in_force(technician) == [first, second, third])
            assert (await lane.simulated.visit(visitors[3])).answer == crowd_log.RELEASED
            log = (stage.logs / f"lanekeeperd-{lane.settings.id}.log").read_text(encoding="utf-8")
            assert "taken only at a restart: readers" in log
            assert "rules not reloaded, the old ones stay: " in log
            records = "/v1/records?limit=1000"
            await stage.wait_for("the collector has it", lambda: third.encode() in stage.client.get(records))

    run(scenario())


def test_who_passed_is_refused_until_a_technician_lets_him_in_again(open_stage, run):
    async def scenario():
        visitor, other = make_people("may pass: visitor", "may pass: visitor")
        async with open_stage([visitor, other]) as stage:
            lane = stage.lanes[0]
            technician = Technician(stage)
            with_rules(lane, "  anti_passback: { action: refuse, forget_minutes: 60 }\n")
            assert technician("config", "reload").returncode == 0
            assert (await lane.simulated.visit(visitor)).answer == crowd_log.RELEASED
            assert (await lane.simulated.visit(other)).answer == crowd_log.RELEASED
            assert (await lane.simulated.visit(visitor)).answer == crowd_log.REFUSED
            refused = technician("explain", visitor.chip.hex(), "--temperature", "36.5")
            assert "passed here shortly before" in refused.stdout
            forgotten = technician("forget-passages", visitor.chip.hex())
            assert forgotten.returncode == 0, forgotten.stderr
            assert (await lane.simulated.visit(visitor)).answer == crowd_log.RELEASED
            assert (await lane.simulated.visit(other)).answer == crowd_log.REFUSED
            events = technician.asks("events", "--last", "200")
            decided = [event for event in events if event["event"] == "decided"]
            assert [event["anti_passback"] for event in decided] == [
                "not-passed", "not-passed", "refused", "not-passed", "refused",
            ]
            (reset,) = [event for event in events if event["event"] == "passages-forgotten"]
            assert reset["holder"] == decided[0]["holder"]
            assert technician("forget-passages", "--everybody").returncode == 0
            assert (await lane.simulated.visit(visitor)).answer == crowd_log.RELEASED
            # A restart forgets nobody: the journal knows.
            lane.daemon.kill()
            lane.start_daemon()
            await stage.wait_for("the lane is up again", lambda: technician("status").returncode == 0)
            assert (await lane.simulated.visit(other)).answer == crowd_log.RELEASED
            assert (await lane.simulated.visit(visitor)).answer == crowd_log.REFUSED
            assert technician("forget-passages").returncode == 64
            assert technician("forget-passages", "ab00000000").returncode == 64

    run(scenario())


def test_media_pass_only_with_staff_and_the_guard_confirms_who_they_are(open_stage, run):
    async def scenario():
        media, staff = make_people("may pass: media", "may pass: staff")
        async with open_stage([media, staff]) as stage:
            lane = stage.lanes[0]
            simulated, gate = lane.simulated, lane.simulated.gate
            technician = Technician(stage)
            with_rules(
                lane,
                "  kinds:\n    media:\n      escort: { kinds: [staff], window_seconds: 60 }\n"
                "      identity: { any_of: [guards-button], window_seconds: 60 }\n",
            )
            assert technician("config", "reload").returncode == 0
            assert (await simulated.visit(staff)).answer == crowd_log.RELEASED
            assert await simulated.step_up()
            simulated.reader.hold(media.chip, 0.5)
            simulated.thermometer.somebody_stands_there(media.celsius)

            def shown():
                (status,) = technician.asks("status")
                return status["display"]["english"]

            try:
                # Keys, temperature and escort do not suffice.
                await stage.wait_for("the guard is waited for", lambda: shown() == "Please wait for the guard")
                assert not await gate.wait_until(lambda: gate.level["release"] == 1, 1.0)
                await gate.pulse("guard_button")
                assert await gate.wait_until(lambda: gate.level["release"] == 1, BOUND)
            finally:
                simulated.reader.withdraw()
                simulated.thermometer.nobody_stands_there()
            await gate.pulse("passage_forward")
            decided = [event for event in technician.asks("events", "--last", "200") if event["event"] == "decided"]
            assert [event["kind"] for event in decided] == ["staff", "media"]
            assert decided[1]["partner"] == decided[0]["holder"]
            assert decided[1]["company"] == ["escort", "guards-button"]

    run(scenario())


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user")
def test_who_may_look_may_not_change(open_stage, run):
    async def scenario():
        (visitor,) = make_people("may pass: visitor")
        async with open_stage([visitor]) as stage:
            lane = stage.lanes[0]
            for directory in (stage.directory, lane.run.parent, lane.run):
                directory.chmod(0o755)
            # A member of the socket's group, root's here.
            member = ["setpriv", "--reuid", "65534", "--regid", "0", "--clear-groups"]
            program = [*member, str(stage.binaries / "lanectl"), "--run", str(lane.run)]
            status = subprocess.run([*program, "status"], capture_output=True, text=True, timeout=60, check=False)
            if status.returncode:
                pytest.skip("a member of the group cannot run the programs where they were built")
            for words in (["config", "reload"], ["forget-passages", "--everybody"]):
                refused = subprocess.run([*program, *words], capture_output=True, text=True, timeout=60, check=False)
                assert refused.returncode == EX_NOPERM
                assert "may look at this lane and not change it" in refused.stderr

    run(scenario())
