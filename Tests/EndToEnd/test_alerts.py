"""Alerts of a real site: states with a beginning and an end, and a badge used twice at lanes that nobody heard then."""

from __future__ import annotations

import json
from typing import Any

from conftest import make_people

from lanesim_parts import crowd_log

BOUND = 60


def alerts(stage, query: str = "") -> dict[str, dict[str, Any]]:
    """By kind."""
    try:
        answer = json.loads(stage.client.get(f"/v1/alerts{query}"))
    except OSError:
        return {}
    return {alert["kind"]: alert for alert in answer["ended" if query else "alerts"]}


async def start_collector(stage) -> None:
    stage.start_collector(stage.client.port)
    await stage.wait_for("the collector answers", stage.client.is_well, BOUND)


def stop_collector(stage) -> None:
    stage.collector.kill()
    stage.components.remove(stage.collector)  # it ended because it was told to


def test_alerts_begin_stand_over_a_kill_and_end_and_lanes_that_were_cut_off_are_compared(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person], lanes=3) as stage:
            one, other = [lane for lane in stage.lanes if lane.settings.kind == "entry"]
            simulated = one.simulated
            assert await simulated.gate.wait_until(simulated.is_ready, BOUND)
            assert await other.simulated.gate.wait_until(other.simulated.is_ready, BOUND)
            stop_collector(stage)
            # Nobody hears either lane: each lets him in.
            assert (await one.simulated.visit(person)).walked
            assert (await other.simulated.visit(person)).walked
            simulated.thermometer.line.unplug()
            await start_collector(stage)
            await stage.wait_for("both are alerts", lambda: {"double-use", "device-lost"} <= alerts(stage).keys(), BOUND)
            lost = alerts(stage)["device-lost"]
            assert lost["subject"] == {"kind": "device", "id": f"{one.settings.id}/thermometer"}, lost
            assert lost["until"] is None and lost["severity"] == "trouble" and lost["advice"], lost
            found = json.loads(stage.client.get("/v1/double-use"))
            (twice,) = [use for use in found["findings"] if use["kind"] == "inside-twice"]
            assert (twice["holder"], twice["state"]) == (person.holder, "certain"), twice
            assert (twice["first"]["lane"], twice["second"]["lane"]) == (one.settings.id, other.settings.id), twice
            assert person.holder in stage.client.get("/v1/double-use.csv").decode()
            # Killed and started again it stands on, and ends when the device is back.
            stop_collector(stage)
            await start_collector(stage)
            assert alerts(stage)["device-lost"]["since_ms"] == lost["since_ms"]
            simulated.thermometer.line.plug_in()
            await stage.wait_for("it has ended", lambda: "device-lost" in alerts(stage, "?ended=0"), BOUND)
            ended = alerts(stage, "?ended=0")["device-lost"]
            assert ended["id"] == lost["id"] and ended["until_ms"] > ended["since_ms"] == lost["since_ms"], ended
            assert "device-lost" not in alerts(stage)

    run(scenario())
