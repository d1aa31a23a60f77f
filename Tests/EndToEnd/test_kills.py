"""SIGKILL, anywhere: nothing missing, nothing twice.

A crowd goes through two entries and an exit while a seeded killer ends the three long-running programs at chosen
moments and starts them again: a daemon that measures, that has a release out, that is just being walked through; an
uplink whose batch is stored and not acknowledged; a collector with a batch in its hands. Then everything drains, and
the crowd's own log is compared with the collector's records one by one.
"""

import asyncio
import os
import random
from collections import Counter

import pytest
from proxy import Proxy
from test_one_badge import judged

from lanesim_parts import people
from lanesim_parts.crowd import Crowd

KILLS = 24
MOMENT_SECONDS = 60.0
MOST_PEOPLE = 400
SEEDS = [int(seed) for seed in os.environ.get("LANEKEEPER_KILL_SEEDS", "1").split(",")]


@pytest.mark.parametrize("seed", SEEDS)
def test_sigkill_loses_nothing_and_doubles_nothing(open_stage, run, seed):
    async def scenario():
        print(f"seed {seed}")
        crowd = people.draw(MOST_PEOPLE, random.Random(seed))
        proxy = Proxy(0)
        async with open_stage(crowd, lanes=3, seed=seed, proxy=proxy) as stage:
            arriving = Crowd([lane.simulated for lane in stage.lanes], crowd, 90, seed)
            coming = asyncio.ensure_future(arriving.run(None))
            killer = Killer(stage, proxy, random.Random(seed))
            for moment in killer.plan():
                await killer.kill(moment)
                if coming.done():
                    coming.result()
                    raise AssertionError(f"the crowd went too soon: {killer.done}")
            arriving.send_home()  # they have come for as long as it took
            await coming
            result = await judged(stage)
            cut = Counter(visit.answer for visit in stage.log.visits if visit.cut)
            print("\n".join(result.differences + result.unexpected))
            print(f"{dict(killer.done)}, visits cut {dict(cut)}, of {len(stage.log.visits)}")
            assert result.differences == [] and result.unexpected == []
            told = result.collector
            assert told["admitted"] == told["passed"] + told["annulled"] + told["interrupted"]
            assert told["interrupted"] >= 1, "kills with a release outstanding leave at least one interrupted"
            assert not [fault for lane in stage.lanes for fault in lane.simulated.gate.faults]

    run(scenario())


class Killer:
    MOMENTS = (
        *("any daemon", "measuring", "released", "walking"),
        *("any uplink", "batch held", "any collector", "batch in hand"),
    )

    def __init__(self, stage, proxy, chance):
        self.stage = stage
        self.proxy = proxy
        self.chance = chance
        self.done = Counter()

    def plan(self):
        """Every moment at least twice, the rest drawn, in a drawn order."""
        moments = [*self.MOMENTS, *self.MOMENTS]
        moments += self.chance.choices(self.MOMENTS, k=KILLS - len(moments))
        self.chance.shuffle(moments)
        return moments

    async def kill(self, moment):
        await asyncio.sleep(self.chance.uniform(0.0, 0.5))  # where in its work it is hit is drawn, not awaited
        if moment in ("any daemon", "measuring", "released", "walking"):
            await self.kill_daemon(moment)
        elif moment in ("any uplink", "batch held"):
            await self.kill_uplink(moment)
        else:
            await self.kill_collector(moment)
        self.done[moment] += 1

    async def kill_daemon(self, moment):
        lanes = list(self.stage.lanes)
        self.chance.shuffle(lanes)
        lane = await first_lane(lanes, MOMENTS_AT_THE_GATE[moment]) if moment != "any daemon" else lanes[0]
        gate = lane.simulated.gate
        before = gate.connections["lane"]
        lane.daemon.kill()
        lane.start_daemon()
        await self.stage.wait_for("the daemon is back at its gate", lambda: gate.connections["lane"] > before)

    async def kill_uplink(self, moment):
        lane = self.chance.choice(self.stage.lanes)
        if moment == "batch held":
            self.proxy.set(hold_answers=True)
            assert await self.proxy.wait_until(lambda: self.proxy.held > 0, MOMENT_SECONDS), "no batch came"
            for each in self.stage.lanes:  # whose batch it is, is not known: all of them
                each.uplink.kill()
            self.proxy.set(hold_answers=False)
            self.proxy.drop_connections()
            for each in self.stage.lanes:
                each.start_uplink()
        else:
            lane.uplink.kill()
            lane.start_uplink()

    async def kill_collector(self, moment):
        if moment == "batch in hand":
            before = self.proxy.batches
            assert await self.proxy.wait_until(lambda: self.proxy.batches > before, MOMENT_SECONDS), "no batch came"
        self.stage.collector.kill()
        self.stage.start_collector(self.stage.client.port)
        await self.stage.wait_for("the collector is back", self.stage.client.is_well)


MOMENTS_AT_THE_GATE = {
    "measuring": lambda lane: lane.is_judging,
    "released": lambda lane: lane.gate.level["release"] == 1,
    "walking": lambda lane: lane.gate.contact["passage_forward"] == 1,
}


async def first_lane(lanes, is_moment):
    """The first lane in which it is that moment."""
    def wait(lane):
        return lane.simulated.gate.wait_until(lambda: is_moment(lane.simulated), MOMENT_SECONDS)

    waits = {asyncio.ensure_future(wait(lane)): lane for lane in lanes}
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for other in pending:
        other.cancel()
    first = next(iter(done))
    assert first.result(), "the moment did not come"
    return waits[first]
