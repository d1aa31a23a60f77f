"""Gates that tell of a passage by two beams, by a loop, or not at all: the real daemon and the collector's books."""

from conftest import make_people
from test_lanectl import Technician

BOUND = 60


def with_gate(line, lane_line=""):
    """Before the daemon starts: one more setting of its gate, and of its lane."""

    def prepare(lane):
        text = lane.configuration.read_text().replace("  release: level\n", f"  release: level\n  {line}\n")
        if lane_line:
            text = text.replace("  kind: entry\n", f"  kind: entry\n  {lane_line}\n")
            text = text[: text.index("policy:\n")] + text[text.index("journal:") :]
        lane.configuration.write_text(text)

    return prepare


def step(gate, *changes):
    """One after the other on one wire: the lane sees them in this order, however late."""
    for name, level in changes:
        gate.set_contact(name, level)


FORWARD = (("passage_forward", 1), ("passage_backward", 1), ("passage_forward", 0), ("passage_backward", 0))
TURNS_BACK = (("passage_forward", 1), ("passage_backward", 1), ("passage_backward", 0), ("passage_forward", 0))
BACKWARD = (("passage_backward", 1), ("passage_forward", 1), ("passage_backward", 0), ("passage_forward", 0))


async def shows_badge(lane, person, answer):
    """Comes up to a lane that is ready and holds the badge to the reader until this output rises."""
    gate = lane.gate
    assert await lane.step_up(), "not ready"
    before = gate.rises[answer]
    lane.reader.hold(person.chip, BOUND)
    lane.thermometer.somebody_stands_there(person.celsius)
    assert await gate.wait_until(lambda: gate.rises[answer] > before, BOUND), f"no {answer}"
    lane.reader.withdraw()
    lane.thermometer.nobody_stands_there()


async def admit(lane, person):
    await shows_badge(lane, person, "release")


def test_two_beams_count_who_walks_and_not_who_turns_back(open_stage, run):
    async def scenario():
        first, second = make_people("may pass: visitor", "may pass: visitor")
        async with open_stage([first, second], before_lanes=with_gate("passage: two-beams")) as stage:
            lane = stage.lanes[0].simulated
            await admit(lane, first)
            step(lane.gate, *TURNS_BACK)
            assert lane.gate.level["release"] == 1, "who turned back may still walk"
            step(lane.gate, *FORWARD)
            assert await lane.gate.wait_until(lambda: lane.gate.level["release"] == 0, BOUND)
            step(lane.gate, *BACKWARD)

            def told():
                total = stage.client.tallies()["total"]
                return total["passed"], total["wrong_way"], total["tailgating"], total["forced"], total["assumed"]

            await stage.wait_for("one in, one the wrong way", lambda: told()[:2] == (1, 1))
            assert told() == (1, 1, 0, 0, 0)

    run(scenario())


def test_a_gate_that_tells_nothing_counts_releases_and_says_so(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person], before_lanes=with_gate("passage: none")) as stage:
            lane, technician = stage.lanes[0].simulated, Technician(stage)
            await admit(lane, person)
            await lane.gate.pulse("passage_forward")
            assert await lane.gate.wait_until(lambda: lane.gate.level["release"] == 0, BOUND)

            def total():
                return stage.client.tallies()["total"]

            await stage.wait_for("it counts", lambda: total()["passed"] == 1)
            assert (total()["assumed"], total()["annulled"], total()["forced"], total()["on_site_people"]) == (1, 0, 0, 1)
            (passed,) = [event for event in technician.asks("events") if event["event"] == "passed"]
            assert passed["assumed"] is True

    run(scenario())


def test_a_lane_for_vehicles_holds_its_boom_over_the_loop_and_counts_vehicles(open_stage, run):
    async def scenario():
        vehicle, visitor = make_people("may pass: vehicle", "may pass: visitor")
        async with open_stage(
            [vehicle, visitor], before_lanes=with_gate("passage: loop", "traffic: vehicles")
        ) as stage:
            lane = stage.lanes[0].simulated
            gate = lane.gate
            day = stage.client.tallies()["day"]
            await shows_badge(lane, visitor, "lamp_red")  # a visitor is no vehicle
            await shows_badge(lane, vehicle, "release")
            assert gate.rises["release"] == 1
            gate.set_contact("passage_forward", 1)
            # Longer than the passage timeout of this stage: the boom stays up while it stands on the loop.
            assert not await gate.wait_until(lambda: gate.level["release"] == 0, 4.0)
            gate.set_contact("passage_forward", 0)
            assert await gate.wait_until(lambda: gate.level["release"] == 0, BOUND)
            await gate.pulse("passage_forward")  # a second one, right behind

            def total():
                return stage.client.tallies()["total"]

            await stage.wait_for("both are counted", lambda: total()["passed"] == 1 and total()["tailgating"] == 1)
            told = total()
            assert (told["vehicles_in"], told["on_site_vehicles"], told["in"], told["on_site_people"]) == (2, 2, 0, 0)
            today = stage.client.tallies()
            assert today["today"]["vehicles_in"] == 2 or today["day"] != day, "it went past midnight"

    run(scenario())
