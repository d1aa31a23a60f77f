"""What a site keeps, and what of it: other rules for a day gone by."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import make_people
from test_one_badge import judged


COLLECTOR = "lanekeeper-collector"


def configuration(stage) -> Path:
    return stage.directory / "config" / "collector.yaml"


async def everybody_comes(stage, people) -> list[str]:
    return [(await stage.lanes[0].simulated.visit(person)).answer for person in people]


def test_other_rules_for_today(open_stage, run):
    async def scenario():
        people = make_people("may pass: visitor", "fever", "code red", "may pass: staff", "unknown badge")
        async with open_stage(people) as stage:
            await everybody_comes(stage, people)
            await judged(stage)
            lane, day = stage.lanes[0], stage.client.tallies()["day"]

            def whatif(policy: Path, *more: str) -> str:
                return stage.command(
                    COLLECTOR, "whatif", "--config", configuration(stage), "--policy", policy, "--day", day, *more
                )

            same = whatif(lane.configuration)
            found = re.search(r": (\d+) decisions.*\n  (\d+) stay as they were\n$", same)
            assert found and found[1] == found[2] == "5", same
            other = stage.directory / "other.yaml"
            other.write_text("requires: { visitor: [activated] }\ntemperature: { limit_celsius: 39.5 }\n")
            text = whatif(other)
            red, warm = people[2], people[1]
            assert re.search(rf"{red.holder}  {red.kind}  code-red → admitted", text) or red.kind != "visitor", text
            assert re.search(rf"{warm.holder}  {warm.kind}  temperature-high → admitted", text), text
            table = whatif(other, "--csv").splitlines()
            assert table[0] == "row,at,lane,holder,kind,before,after"
            assert any(line.endswith(f"{warm.holder},{warm.kind},temperature-high,admitted") for line in table)

    run(scenario())
