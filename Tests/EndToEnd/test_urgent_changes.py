"""Urgent changes: a code turns red at noon, and every lane refuses it; whatever is killed, away or lying meanwhile."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
import socket
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from conftest import make_people, named
from test_one_badge import judged

from lanesim_parts import crowd_log, feed

BOUND = 60


def ask(stage, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """An operator's request, and the answer's JSON."""
    connection = stage.client.connect()
    given = {"Authorization": f"Bearer {stage.client.token}"} if stage.client.token else {}
    if body is not None:
        given["Content-Type"] = "application/json"
    try:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, body=data, headers=given | (headers or {}))
        answer = connection.getresponse()
        read = answer.read()
        return answer.status, json.loads(read) if read[:1] in (b"{", b"[") else {}
    finally:
        connection.close()


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def turn_red(stage, *people, **headers: str) -> int:
    """The number of the last change."""
    status, answer = ask(stage, "/v1/changes", [{"holder": one.holder, "health_code": "red"} for one in people], headers)
    assert status == 200, answer
    return answer["last"] or 0


def applied(lane) -> tuple[int, int]:
    """Image version and change number in force at the lane."""
    words = (lane.state / "applied").read_text().split()
    return int(words[1]), int(words[2])


async def reaches(stage, change: int, lanes=None) -> None:
    for lane in lanes or stage.lanes:
        await stage.wait_for(f"change {change} at {lane.settings.id}", lambda: applied(lane)[1] >= change, BOUND)


def test_a_code_that_turns_red_is_refused_at_every_connected_lane(open_stage, run):
    async def scenario():
        walker, other = make_people("may pass: visitor", "may pass: staff")
        async with open_stage([walker, other], lanes=3, encrypted=True) as stage:
            entries = [lane for lane in stage.lanes if lane.settings.kind == "entry"]
            first, second = entries
            assert (await first.simulated.visit(walker)).answer == crowd_log.RELEASED
            began = time.monotonic()
            change = turn_red(stage, walker)
            await reaches(stage, change)
            print(f"at all lanes after {(time.monotonic() - began) * 1000:.0f} ms")
            red = dataclasses.replace(walker, sort=named("code red"))
            for lane in entries:
                assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED
                assert (await lane.simulated.visit(other)).answer == crowd_log.RELEASED
            # Back to green, by the electronic badge as well as by the chip: one change for each.
            status, answer = ask(
                stage, "/v1/changes", [{"holder": walker.holder, "health_code": "green", "assessed_at": now()}]
            )
            assert status == 200 and answer["identifiers"] == 2, answer
            await reaches(stage, answer["last"])
            assert (await second.simulated.visit(walker)).answer == crowd_log.RELEASED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []
            refusals = [one for one in stage.client.records(first.settings.id) if one.get("verdict") == "refused"]
            assert [one["change_number"] for one in refusals] == [change]

    run(scenario())


def test_changes_are_taken_whole_or_not_at_all_and_once(open_stage, run):
    async def scenario():
        one, two = make_people("may pass: visitor", "may pass: staff")
        async with open_stage([one, two], encrypted=True) as stage:
            path = "/v1/changes"
            wrong = [{"holder": one.holder, "health_code": "red"}, {"holder": "nobody", "vaccine": "none"},
                     {"holder": two.holder, "health_code": "blue", "colour": "red"}, {"holder": two.holder, "vaccine": 1},
                     {"holder": two.holder, "health_code": "green"}, {"holder": two.holder, "sampled_at": now()}]  # fmt: skip
            status, answer = ask(stage, path, wrong)
            assert status == 422
            assert {(problem["index"], problem["field"]) for problem in answer["problems"]} == {
                (1, "holder"), (2, "health_code"), (2, "colour"), (3, "vaccine"), (4, "assessed_at"), (5, "sampled_at"),
            }  # fmt: skip
            for body in (b"", b"{}", b"[]", b"[", b'{"holder":"a"}', b"[1]"):
                status, answer = ask(stage, path, body)
                assert status in (400, 422) and answer["error"] and answer["advice"], body
            key = {"Idempotency-Key": "noon-1"}
            change = [{"holder": one.holder, "health_code": "red", "assessed_at": now()}]
            first = ask(stage, path, change, key)
            assert first[0] == 200 and not first[1]["repeated"]
            again = ask(stage, path, change, key)
            assert again == (200, first[1] | {"repeated": True})
            other = [{"holder": two.holder, "activation": "suspended"}]
            assert ask(stage, path, other, key)[0] == 409
            # What stands so already is no news.
            assert ask(stage, path, change)[1]["identifiers"] == 0
            viewer = stage.make_token("screen", "viewer")
            operator, stage.client.token = stage.client.token, viewer
            assert ask(stage, path, change)[0] == 403
            stage.client.token = ""
            assert ask(stage, path, change)[0] == 401 and ask(stage, f"{path}?after=0")[0] == 401
            stage.client.token = operator
            await reaches(stage, first[1]["last"])
            assert applied(stage.lanes[0])[1] == first[1]["last"]

    run(scenario())


def test_a_file_of_changes_is_published_by_a_command(open_stage, run):
    async def scenario():
        one, two = make_people("may pass: visitor", "may pass: staff")
        async with open_stage([one, two]) as stage:
            lane = stage.lanes[0]
            path = stage.directory / "noon.csv"

            def write(*rows: tuple[str, ...]) -> None:
                with path.open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([("holder", "test_result", "activation"), *rows])

            write((one.holder, "positive", ""), (two.holder, "", "locked"))
            try:
                stage.command("lanekeeper-collector", "changes", "--data", stage.data, path)
                raise AssertionError("a wrong file was taken")
            except Exception as error:
                assert "line 3, activation" in str(error) and "nothing was changed" in str(error)
            write((one.holder, "positive", ""), (two.holder, "", "suspended"))
            said = stage.command("lanekeeper-collector", "changes", "--data", stage.data, path)
            assert "changes 1 to 4" in said
            assert "as before" in stage.command("lanekeeper-collector", "changes", "--data", stage.data, path)
            await reaches(stage, 4)
            for person, sort in ((one, "test positive"), (two, "suspended")):
                refused = dataclasses.replace(person, sort=named(sort))
                assert (await lane.simulated.visit(refused)).answer == crowd_log.REFUSED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def test_a_lane_that_was_away_catches_up_and_a_newer_image_keeps_what_changed(open_stage, run):
    async def scenario():
        people = make_people("may pass: visitor", "may pass: staff", "may pass: media")
        async with open_stage(people) as stage:
            lane = stage.lanes[0]
            turn_red(stage, people[0])
            await reaches(stage, 2)
            lane.uplink.kill()
            lane.daemon.kill()
            stage.components = [stage.collector]
            turn_red(stage, people[1])
            last = turn_red(stage, people[2])
            lane.start_daemon()
            lane.start_uplink()
            await stage.wait_for("the daemon is back at its gate", lane.simulated.gate.is_connected, BOUND)
            await reaches(stage, last)
            # A feed that was made before it all: the codes are red nevertheless.
            path = stage.directory / "second.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                feed.write(file, people, datetime.now(timezone.utc))
            # With the changes in it everybody in force loses a key: here that is meant.
            stage.command("lanekeeper-collector", "import", "--most-losing", "100", "--data", stage.data, path)
            await stage.wait_for("the lane has the new image", lambda: applied(lane)[0] == 2, BOUND)
            for person in people:
                red = dataclasses.replace(person, sort=named("code red"))
                assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def test_sigkill_anywhere_on_the_way_loses_no_change(open_stage, run):
    """Each change is followed by a kill: of the daemon, of the uplink, of the collector, at a drawn moment."""

    async def scenario():
        seed = 20261121
        print(f"seed {seed}")
        chance = random.Random(seed)
        people = make_people(*["may pass: visitor"] * 12)
        async with open_stage(people) as stage:
            lane = stage.lanes[0]
            last = 0
            for index, person in enumerate(people):
                last = turn_red(stage, person)
                end = time.monotonic() + chance.uniform(0, 0.2)
                while time.monotonic() < end and applied(lane)[1] < last:
                    pass
                match index % 3:
                    case 0:
                        lane.daemon.kill()
                        lane.start_daemon()
                    case 1:
                        lane.uplink.kill()
                        lane.start_uplink()
                    case _:
                        stage.collector.kill()
                        stage.start_collector(stage.client.port)
                        await stage.wait_for("the collector is back", stage.client.is_well, BOUND)
            await reaches(stage, last)
            await stage.wait_for("the daemon is back at its gate", lane.simulated.gate.is_connected, BOUND)
            assert last == 2 * len(people)
            for person in people:
                said = explained(stage, lane, person.chip.hex())
                assert "code-red" in said, (person, said)

    run(scenario())


def explained(stage, lane, chip: str) -> str:
    command = [stage.binaries / "lanectl", "--run", lane.run, "--state", lane.state, "explain", chip, "--json"]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False).stdout


def test_lists_that_an_uplink_breaks_are_refused_one_by_one_with_the_reason(open_stage, run):
    async def scenario():
        one, two, three = make_people("may pass: visitor", "may pass: staff", "may pass: media")
        async with open_stage([one, two, three]) as stage:
            lane = stage.lanes[0]
            turn_red(stage, one)
            await reaches(stage, 2)
            # From here on the uplink is ours.
            lane.uplink.kill()
            stage.components = [other for other in stage.components if other is not lane.uplink]
            incoming: Path = lane.state / "uplink" / "incoming"
            turn_red(stage, two)
            turn_red(stage, three)

            def fetch(after: int) -> bytes:
                return stage.client.get(f"/v1/changes?after={after}")

            whole, behind, old = fetch(2), fetch(4), fetch(0)
            flipped = bytes(byte ^ (1 if place == 100 else 0) for place, byte in enumerate(whole))
            renumbered = whole[:32] + (2).to_bytes(8, "little") + whole[40:]
            log = stage.logs / f"lanekeeperd-{lane.settings.id}.log"

            def refusals() -> list[str]:
                return [line for line in log.read_text().splitlines() if "changes refused" in line]

            tries = [
                ("tampered", flipped, "did not sign"), ("of another site", whole[:16] + bytes(16) + whole[32:], "of site"),
                ("cut", whole[:-7], "change list: "), ("gapped", behind, "are missing"),
                ("a list of noise", random.Random(1).randbytes(300), "does not begin as one"),
                ("renumbered", renumbered, "did not sign"),
            ]  # fmt: skip
            name = "changes-00000000000000000003-00000000000000000006.list"
            for what, data, reason in tries:
                before = len(refusals())
                put(incoming / name, data)
                look(lane)
                await stage.wait_for(f"{what} is refused", lambda: len(refusals()) > before, BOUND)
                assert reason in refusals()[-1], (what, refusals()[-1])
                look(lane)
                assert applied(lane) == (1, 2), what
            # Replayed: it was in force before, and is nothing new.
            before = len(refusals())
            put(incoming / name, old)
            look(lane)
            await reaches(stage, 6)  # `old` begins at 1 and goes on to the end: what is known is passed over
            put(incoming / "changes-00000000000000000007-00000000000000000008.list", whole)
            look(lane)
            await stage.wait_for("the replay is refused", lambda: len(refusals()) > before, BOUND)
            assert "it ends with change 6, and change 6 is in force" in refusals()[-1]
            assert applied(lane) == (1, 6)

    run(scenario())


def put(path: Path, data: bytes) -> None:
    part = path.with_suffix(".new")
    part.write_bytes(data)
    part.rename(path)


def look(lane) -> None:
    with socket.socket(socket.AF_UNIX) as bell:
        bell.connect(str(lane.run / "look.sock"))
        bell.sendall(b"look\n")
