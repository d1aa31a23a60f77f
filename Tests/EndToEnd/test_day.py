"""A compressed day, smaller than that of `Tests/run day`: full feeds and urgent changes come while lanes decide, and a judge
who shares no code with the product finds no decision wrong at its own instant; and he does find those that are."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from real_programs import PATIENCE, TOP

sys.path.append(str(TOP / "Tests" / "Day"))

from day_judge import Judge  # noqa: E402
from day_site import DayPlan, play  # noqa: E402
from lanesim_parts.stage import Stage  # noqa: E402

PLAN = DayPlan(holders=2000, hot=60, entries=2, feeds=3, seconds_between=2.0, change_seconds=0.3, seed=20261121)


@pytest.fixture(scope="module")
def evidence(binaries: Path, tmp_path_factory: pytest.TempPathFactory):
    import asyncio
    import tempfile

    directory = tmp_path_factory.mktemp("day") / "evidence"

    async def scenario():
        with tempfile.TemporaryDirectory(prefix="lk-") as work:
            stage = Stage(Path(work), binaries, 1, PATIENCE)
            try:
                await asyncio.wait_for(play(stage, PLAN, directory), 600)
            finally:
                await stage.close(keep=True)

    asyncio.run(scenario())
    return directory


def test_no_decision_of_a_compressed_day_is_wrong_at_its_own_instant(evidence: Path):
    result = Judge(evidence).judge()
    print("\n".join(result.lines()))
    assert result.wrong == []
    assert set(result.by_image) == set(range(1, PLAN.feeds + 2))
    assert result.changes > 10 and result.after_a_change > 10
    assert {"admitted", "refused"} <= set(result.verdicts)


def changed(evidence: Path, folder: Path, name: str, change) -> Judge:
    """The judge, given one file that was tampered with."""
    copy = folder / "evidence"
    shutil.copytree(evidence, copy)
    path = copy / f"{name}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in change(lines)))
    return Judge(copy)


def test_the_judge_finds_a_feed_that_was_swapped(evidence: Path, tmp_path: Path):
    copy = tmp_path / "evidence"
    shutil.copytree(evidence, copy)
    first, last = copy / "feeds" / "1.csv", copy / "feeds" / f"{PLAN.feeds + 1}.csv"
    first.rename(tmp_path / "other.csv")
    last.rename(first)
    (tmp_path / "other.csv").rename(last)
    assert Judge(copy).judge().wrong


def test_the_judge_finds_changes_that_were_left_out(evidence: Path, tmp_path: Path):
    assert changed(evidence, tmp_path, "changes", lambda lines: lines[::2]).judge().wrong


def test_the_judge_finds_a_decision_by_what_was_in_force_before(evidence: Path, tmp_path: Path):
    def older(lines):
        for line in lines:
            line["image_version"] = max(1, line["image_version"] - 1)
        return lines

    wrong = changed(evidence, tmp_path, "decisions", older).judge().wrong
    assert any("which was in force" in line for line in wrong)


def test_the_judge_finds_a_decision_that_an_hour_would_have_turned(evidence: Path, tmp_path: Path):
    def later(lines):
        for line in lines:
            line["wall_ms"] += 3_600_000
        return lines

    wrong = changed(evidence, tmp_path, "decisions", later).judge().wrong
    assert any("test-expired" in line for line in wrong)


def test_the_judge_finds_an_answer_that_nobody_recorded(evidence: Path, tmp_path: Path):
    wrong = changed(evidence, tmp_path, "decisions", lambda lines: lines[:-1]).judge().wrong
    assert any("were answered" in line for line in wrong)
