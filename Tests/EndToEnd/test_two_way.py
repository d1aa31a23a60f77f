"""A two-way lane: an entry and an exit in one gate, each with readers of its own."""

from conftest import make_people
from test_lanectl import Technician

from lanesim_parts import crowd_log
from lanesim_parts.lane import LaneSettings
from lanesim_parts.readers import ReaderSettings

BOUND = 60
TWO_WAY = LaneSettings(
    id="north-02",
    name="北登录厅双向-02",
    kind="two-way",
    from_zone="outside",
    to_zone="north-ring",
    readers=(
        ReaderSettings(more="direction: in, baud: 9600"),
        ReaderSettings("way-out", more="direction: out, baud: 9600"),
    ),
)


def test_who_came_in_by_a_two_way_lane_leaves_by_it_and_is_no_longer_on_site(open_stage, run):
    async def scenario():
        walker, red = make_people("may pass: visitor", "code red")
        async with open_stage([walker, red], settings=[TWO_WAY]) as stage:
            lane = stage.lanes[0].simulated
            gate, way_out = lane.gate, lane.readers[1]

            async def leave(chip: bytes) -> None:
                way_out.hold(chip, BOUND)  # until it opens
                assert await gate.wait_until(lambda: gate.level["release_backward"] == 1, BOUND)
                assert gate.level["release"] == 0, "the other way stays shut"
                way_out.withdraw()
                await gate.pulse("passage_backward")
                assert await gate.wait_until(lambda: gate.level["release_backward"] == 0, BOUND)

            assert (await lane.visit(walker)).answer == crowd_log.RELEASED
            assert (await lane.visit(red)).answer == crowd_log.REFUSED
            assert await gate.wait_until(lane.is_ready, BOUND)
            await stage.wait_for(
                "one is on site", lambda: stage.client.tallies()["total"]["on_site_people"] == 1, BOUND
            )
            await leave(walker.chip)
            await stage.wait_for("nobody is", lambda: stage.client.tallies()["total"]["on_site_people"] == 0, BOUND)
            # Who may not come in, and whose badge nobody knows, is let out all the same; and so with no reader inside.
            await leave(red.chip)
            lane.readers[0].line.unplug()
            assert await gate.wait_until(lambda: gate.level["lamp_red"] == 1 and gate.level["lamp_amber"] == 1, BOUND)
            await leave(bytes.fromhex("90AABBCCDD"))
            technician = Technician(stage)

            def passed():
                events = technician.asks("events", "--last", "200")
                return [event["direction"] for event in events if event["event"] == "passed"]

            await stage.wait_for("all are recorded", lambda: len(passed()) >= 4)
            assert passed() == ["forward", "backward", "backward", "backward"]
            events = technician.asks("events", "--last", "200")
            decided = [(event["direction"], event["reader"]) for event in events if event["event"] == "decided"]
            assert decided == [("forward", 0), ("forward", 0), ("backward", 1), ("backward", 1), ("backward", 1)]
            (status,) = technician.asks("status")
            assert status["lane"]["kind"] == "two-way" and status["mode_cause"] == "readers-lost"
            # With its own reader lost the way out stands open, and counts.
            way_out.line.unplug()
            assert await gate.wait_until(lambda: gate.level["release_backward"] == 1, BOUND)
            await gate.pulse("passage_backward")
            await stage.wait_for(
                "it is counted", lambda: stage.client.tallies()["total"]["anonymous_backward"] == 1, BOUND
            )
            assert not gate.faults

    run(scenario())
