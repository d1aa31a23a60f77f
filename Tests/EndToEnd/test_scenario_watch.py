"""`lanesim scenario --watch`, and `Simulators/demo scenario` around it: a person sees what is done and what the lane shows."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
FOLDER = TOP / "Simulators" / "scenarios"
SECONDS = 180
EX_USAGE = 64
EX_DATAERR = 65

WRONG = """\
title: Somebody walks
why: To see it fail.
steps:
  - walks: forward
  - expect: { within: 5 s, records: [ tailgating ] }
"""


def watched(binaries: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOP / "Simulators/lanesim"), "scenario", "--watch", "--binaries", str(binaries), *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
    )


def told(text: str) -> list[tuple[float, str]]:
    """What was told, with its instants."""
    return [(float(second), rest) for second, rest in re.findall(r"(?m)^ *(\d+\.\d\d) s  (.*)$", text)]


def in_order(lines: list[tuple[float, str]], *wanted: str) -> bool:
    rest = iter(text for _, text in lines)
    return all(any(one in text for text in rest) for one in wanted)


def test_steps_outputs_words_records_and_verdict_are_told_in_their_order(binaries) -> None:
    done = watched(binaries, "--pace", "0", "temperature-measured-again")
    lines = told(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("One more measurement before a refusal, and a good one lets in\nA first reading can be")
    assert "people:\n  Sunny: { temperature: 37.7 }" in done.stdout
    assert in_order(
        lines, "▶ comes: Sunny", "gate shut, lamps amber   请站稳，再测一次体温 / Please hold still, once more",
        '✓ { display: "请站稳', "▶ temperature: 36.9", "gate open, lamps green   请通行 / Please walk through",
        "▶ walks: forward", "gate shut, lamps amber   请刷证件 / Please present your badge",
    ), done.stdout
    assert in_order(lines, "recorded: admitted", "recorded: passed"), done.stdout
    assert [second for second, _ in lines] == sorted(second for second, _ in lines)
    assert done.stdout.rstrip().splitlines()[-1].startswith("ok  ")


def test_what_lanectl_says_the_buzzer_and_a_lane_that_is_down_are_told(binaries) -> None:
    done = watched(binaries, "--pace", "0", "technician-asks", "forced", "killed-during-a-release")
    lines = told(done.stdout)
    assert done.returncode == 0 and done.stdout.count("\nok  ") == 3, done.stdout + done.stderr
    assert in_order(lines, "▶ lanectl: status", "all is well", "✓ { exit: 0"), done.stdout
    assert in_order(lines, "▶ walks: forward", "the buzzer sounds"), done.stdout
    assert in_order(lines, "▶ daemon: killed", "(lanekeeperd does not run)", "▶ daemon: starts", "请"), done.stdout


def test_the_pace_is_of_the_telling_and_not_of_the_lane(binaries, tmp_path) -> None:
    """Told ever so slowly, a pairing window of 1.5 s and a passage timeout of 5 s are still kept."""
    done = watched(binaries, "--pace", "0.4", "--report", tmp_path / "report.json", "temperature-measured-again")
    (outcome,) = json.loads((tmp_path / "report.json").read_text())
    lines = told(done.stdout)
    assert outcome["passed"] and outcome["seconds"] >= 0.4 * len(lines) > lines[-1][0], done.stdout


def test_a_scenario_that_fails_is_told_up_to_there_with_what_was_wrong(binaries, tmp_path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    done = watched(binaries, "--pace", "0", path)
    assert done.returncode == 1 and in_order(told(done.stdout), "▶ walks: forward", "recorded: forced"), done.stdout
    assert "✓" not in done.stdout and "\nFAIL " in done.stdout and "but the record is `forced`" in done.stdout


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOP / "Simulators/demo"), "scenario", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
    )


def test_the_demo_lists_every_scenario_with_its_title_before_it_builds() -> None:
    done = demo("--list")
    assert done.returncode == 0 and "Building" not in done.stdout
    listed = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert sorted(listed) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert listed["tailgating"] == "A second person behind one release is tailgating"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["no-such-scenario"], EX_DATAERR, "no-such-scenario"),
        ([], EX_USAGE, "give FILE or the name of one"),
        (["--pace", "-1", "forced"], EX_USAGE, "-1 is outside 0…60"),
    ],
)
def test_the_demo_refuses_what_it_cannot_play_before_it_builds(arguments: list[str], status: int, words: str) -> None:
    done = demo(*arguments)
    assert done.returncode == status and words in done.stderr and "Building" not in done.stdout, done.stderr
