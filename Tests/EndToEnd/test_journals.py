"""What a lane's journal goes through shows at the collector: restarts, a wiped disk, a disk put back from a copy."""

from __future__ import annotations

import json
import shutil

from conftest import make_people

from lanesim_parts import crowd_log


def journals(stage, lane) -> list[dict]:
    return json.loads(stage.client.get(f"/v1/journals?lane={lane.settings.id}"))["journals"]


async def shown(stage, lane, expected: list[tuple[str, int]]) -> list[dict]:
    """Waits until there are these journals, each with so many epochs."""

    def is_shown() -> bool:
        return [(journal["beginning"], journal["epoch_count"]) for journal in journals(stage, lane)] == expected

    await stage.wait_for(f"the journals are {expected}", is_shown)
    return journals(stage, lane)


def test_a_restart_a_wiped_disk_and_a_disk_from_a_copy_show_as_what_they_are(open_stage, run, tmp_path):
    async def scenario():
        people = make_people(*["may pass: visitor"] * 4)
        async with open_stage(people) as stage:
            lane = stage.lanes[0]
            copy = tmp_path / "copy"
            lane_journal = lane.state / "journal"

            async def pass_one(so_far: int) -> None:
                assert (await lane.simulated.visit(people.pop())).answer == crowd_log.RELEASED
                # What is not stored yet would be lost with the disk.
                await stage.wait_for(
                    "he is counted", lambda: stage.client.tallies()["total"]["passed"] == so_far
                )

            async def begin(so_far: int, after) -> None:
                connections = lane.simulated.gate.connections["lane"]
                lane.uplink.stop()
                lane.daemon.stop()
                after()
                lane.start_daemon()
                lane.start_uplink()
                gate = lane.simulated.gate
                await stage.wait_for("the daemon is back", lambda: gate.connections["lane"] > connections)
                await pass_one(so_far)

            await pass_one(1)
            await shown(stage, lane, [("first", 1)])
            await begin(2, lambda: shutil.copytree(lane_journal, copy))
            (first,) = await shown(stage, lane, [("first", 2)])
            assert first["epochs"][1]["previous_epoch"] == first["epochs"][0]["epoch"]
            await begin(3, lambda: shutil.rmtree(lane_journal))
            await shown(stage, lane, [("first", 2), ("new", 1)])

            def put_back() -> None:
                shutil.rmtree(lane_journal)
                shutil.copytree(copy, lane_journal)

            await begin(4, put_back)
            *_, last = await shown(stage, lane, [("first", 2), ("new", 1), ("branched", 1)])
            assert last["branches_from"]["epoch"] == first["epochs"][0]["epoch"]
            log = (stage.logs / "lanekeeper-collector.log").read_text()
            assert log.count("another journal begins") == 2
            # Each was counted once, whatever became of the disk.
            total = stage.client.tallies()["total"]
            assert (total["passed"], total["conflicting"]) == (4, 0)

    run(scenario())
