"""What a site keeps, and what of it: a backup while it runs, other rules for a day gone by, old records, no chip numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import make_people
from test_one_badge import judged

from lanesim_parts.people import Person
from lanesim_parts.stage import StageFailure

BOUND = 60
COLLECTOR = "lanekeeper-collector"


def configuration(stage) -> Path:
    return stage.directory / "config" / "collector.yaml"


async def everybody_comes(stage, people) -> list[str]:
    return [(await stage.lanes[0].simulated.visit(person)).answer for person in people]


def counts(stage) -> dict:
    """What does not depend on how often something was sent."""
    total = stage.client.tallies()["total"]
    return {name: total.get(name) for name in ("admitted", "refused", "passed", "in", "missing")}


def test_a_backup_of_a_running_site_is_restored_and_the_lanes_send_what_is_missing(open_stage, run):
    async def scenario():
        people = make_people(*["may pass: visitor", "may pass: staff", "code red", "may pass: media"] * 2)
        async with open_stage(people) as stage:
            await everybody_comes(stage, people[:4])
            await judged(stage)
            folder = stage.directory / "backup"
            said = stage.command(COLLECTOR, "backup", "--data", stage.data, "--to", folder)
            assert "secret keys are not in it" in said
            assert not (folder / "keys" / "site.key").exists()
            with pytest.raises(StageFailure, match="it is there already"):
                stage.command(COLLECTOR, "backup", "--data", stage.data, "--to", folder)
            await everybody_comes(stage, people[4:])
            assert (await judged(stage)).differences == []
            before = counts(stage)

            stage.collector.kill()
            lost = stage.directory / "lost"
            stage.data.rename(lost)
            said = stage.command(
                COLLECTOR, "restore", "--from", folder, "--data", stage.data, "--keys", lost / "keys"
            )
            assert stage.site_id in said
            with pytest.raises(StageFailure, match="it is not empty"):
                stage.command(COLLECTOR, "restore", "--from", folder, "--data", stage.data, "--keys", lost / "keys")
            stage.start_collector(stage.client.port)
            await stage.wait_for("the collector is back", stage.client.is_well, BOUND)
            result = await judged(stage, restored=True)
            assert result.differences == [] and result.unexpected == []
            assert counts(stage) == before
            assert "\trestore\t" in stage.command(COLLECTOR, "audit", "--data", stage.data)

    run(scenario())


def test_other_rules_for_today_and_nothing_to_prune(open_stage, run):
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
            said = stage.command(COLLECTOR, "prune", "--config", configuration(stage), "--dry-run")
            assert "nothing" in said

    run(scenario())


def notations(person: Person) -> Iterator[bytes]:
    """Every way in which a chip's number is usually written that is long enough to mean nothing else."""
    chip = person.chip
    for number in (chip, chip[::-1]):
        yield number
        for text in (number.hex(), number.hex(":"), number.hex("-"), number.hex(" ")):
            yield text.encode()
            yield text.upper().encode()
        # Readers print all of it, or its last four bytes with leading zeros (8H10D).
        yield b"%d" % int.from_bytes(number, "big")
        yield b"%010d" % int.from_bytes(number[-4:], "big")
    yield person.code.encode()


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def test_no_number_of_a_chip_is_anywhere_at_the_collector(open_stage, run):
    async def scenario():
        people = make_people("may pass: visitor", "code red", "may pass: staff", "conflict badge", "unknown badge")
        async with open_stage(people) as stage:
            await everybody_comes(stage, people)
            await judged(stage)
            changes = stage.directory / "noon.csv"
            changes.write_text(f"holder,health_code\n{people[0].holder},red\n")
            stage.command(COLLECTOR, "changes", changes, "--data", stage.data)
            feed = stage.directory / "feed.csv"
            # Rows that are refused and told of: a kind that is none, a chip as another program writes it.
            rows = feed.read_text().splitlines()
            row = next(row for row in rows if row.startswith(f"{people[0].holder},"))
            rows.append(row.replace("visitor", "nobody"))
            rows.append(re.sub(people[0].chip.hex(), people[0].chip.hex(":"), row, flags=re.IGNORECASE))
            assert rows[-1] != row
            feed.write_text("\n".join(rows) + "\n")
            try:
                stage.command(COLLECTOR, "import", "--data", stage.data, feed)
            except StageFailure:
                pass  # held, or refused: what is written of it is what is looked at
            stage.command(COLLECTOR, "deactivate", people[2].holder, "--data", stage.data)
            backup = stage.directory / "backup"
            stage.command(COLLECTOR, "backup", "--data", stage.data, "--to", backup, "--with-keys")
            assert chips_in(people, [feed]), "what is looked for stands in the feed, and is found there"
            searched = files(stage.data) + files(backup) + sorted(stage.logs.glob("*collector*"))
            (report,) = stage.directory.glob("*.refused.csv")
            assert "is not hexadecimal" in report.read_text()
            searched.append(report)
            assert len(searched) > 12
            assert chips_in(people, searched) == []

    run(scenario())


def chips_in(people, paths) -> list[str]:
    found = []
    for path in paths:
        contents = path.read_bytes()
        for person in people:
            found += [f"{path}: {number!r}" for number in notations(person) if number in contents]
    return found
