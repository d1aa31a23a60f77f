"""Every file of Simulators/scenarios, played against the real lanekeeperd by `lanesim scenario`, several at once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lanesim_parts import scenario_expect, scenario_file, scenario_steps

TOP = Path(__file__).resolve().parents[2]
LANESIM = TOP / "Simulators" / "lanesim"
FILES = sorted((TOP / "Simulators" / "scenarios").glob("*.yaml"))
SCENARIOS = {path: scenario_file.read(path) for path in FILES}
ALL_SECONDS = 900
ONE_SECONDS = 180
EX_DATAERR = 65


def lanesim(binaries: Path, *arguments: str | Path, seconds: float = ONE_SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LANESIM), "scenario", "--binaries", str(binaries), *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
    )


@pytest.fixture(scope="session")
def outcomes(binaries, request, tmp_path_factory) -> dict[str, dict]:
    """What became of every scenario that was asked for, by its file; all of them were played by one command."""
    report = tmp_path_factory.mktemp("scenarios") / "report.json"
    asked = [item.callspec.params["path"] for item in request.session.items if item.name.startswith("test_scenario[")]
    jobs = str(2 * (os.cpu_count() or 2))
    done = lanesim(binaries, *asked, "--jobs", jobs, "--report", report, seconds=ALL_SECONDS)
    print(done.stdout + done.stderr)
    assert report.exists(), done.stderr
    return {outcome["path"]: outcome for outcome in json.loads(report.read_text())}


@pytest.mark.parametrize("path", FILES, ids=[SCENARIOS[path].title for path in FILES])
def test_scenario(outcomes, path: Path) -> None:
    outcome = outcomes[str(path)]
    assert outcome["passed"], outcome["text"]


def test_there_are_scenarios_enough_and_no_two_have_one_title() -> None:
    titles = [scenario.title for scenario in SCENARIOS.values()]
    assert len(titles) >= 40 and len(set(titles)) == len(titles)


def test_every_step_word_is_used_by_a_scenario() -> None:
    used = {step.word for scenario in SCENARIOS.values() for step in [*scenario.before, *scenario.steps]}
    assert used == set(scenario_steps.WORDS)
    text = "\n".join(path.read_text() for path in FILES)
    assert [key for key in scenario_expect.KEYS if f"{key}:" not in text] == []


FORCED = """\
title: Somebody walks
why: To see it fail.
steps:
  - walks: forward
  - expect:
      within: 5 s
      {expected}
"""

WRONG = {
    "gate: open": "the gate is shut",
    "lamp: green": "lamp: amber",
    "display: 请通行 / Please walk through": "display: 请刷证件 / Please present your badge",
    "records: [ tailgating ]": "wanted `tailgating`, but the record is `forced`",
    "records: [ forced, forced ]": "wanted `forced`, but no such record came",
    "records: [ { is: forced, direction: backward } ]": "but the record is `forced, direction forward`",
    "records_include: [ forced, admitted ]": "wanted `admitted`, but no such record came",
    "buzzer: never": "buzzer: 1 times",
    "released: once": "released: 0 times",
    "status: { mode: emergency, since_start.forced: 2 }": "status: mode is normal, since_start.forced is 1",
    "log: the sky falls": "log: ",
    "answer: all is well": "answer: (lanectl was not run)",
    "exit: 0": "exit: None",
    "daemon: ended": "lanekeeperd runs",
    "lamp: amber": "no more records of people than the steps expect",
}


@pytest.fixture(scope="module")
def failures(binaries, tmp_path_factory) -> dict[str, dict]:
    """Scenarios of which each expects something wrong, by what it expects."""
    directory = tmp_path_factory.mktemp("wrong")
    paths = {}
    for number, expected in enumerate(WRONG):
        paths[expected] = directory / f"{number}.yaml"
        paths[expected].write_text(FORCED.format(expected=expected), encoding="utf-8")
    done = lanesim(binaries, *paths.values(), "--report", directory / "report.json", seconds=ALL_SECONDS)
    assert done.returncode == 1 and f"0 passed, {len(WRONG)} failed" in done.stdout, done.stdout
    told = {outcome["path"]: outcome for outcome in json.loads((directory / "report.json").read_text())}
    return {expected: told[str(path)] for expected, path in paths.items()}


@pytest.mark.parametrize("expected", WRONG)
def test_what_is_not_as_expected_fails_with_file_line_step_and_what_was_seen(failures, expected) -> None:
    outcome = failures[expected]
    assert not outcome["passed"] and outcome["text"].startswith(f"{outcome['path']}:5: "), outcome["text"]
    assert WRONG[expected] in outcome["text"]


def test_a_lane_that_does_not_start_says_why(binaries, tmp_path) -> None:
    path = tmp_path / "lane.yaml"
    text = FORCED.format(expected="gate: shut").replace("steps:", "lane: { gate: { pulse_milliseconds: 5 } }\nsteps:")
    path.write_text(text, encoding="utf-8")
    done = lanesim(binaries, path)
    assert done.returncode == 1 and "gate.pulse_milliseconds: '5' is out of range" in done.stdout, done.stdout


def test_a_file_that_cannot_be_understood_is_refused_before_anything_starts(binaries, tmp_path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FORCED.format(expected="gaet: open"), encoding="utf-8")
    done = lanesim(binaries, FILES[0], path)
    assert done.returncode == EX_DATAERR and done.stdout == ""
    assert done.stderr == f"{path}:7: expect knows no `gaet`; did you mean `gate`?\n"


def test_keep_keeps_the_folder_and_says_where(binaries, tmp_path) -> None:
    done = subprocess.run(
        [str(LANESIM), "scenario", "--keep", "--binaries", str(binaries), str(FILES[0])],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ONE_SECONDS,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout
    (kept,) = tmp_path.iterdir()
    assert str(kept) in done.stdout and (kept / "lanekeeperd.log").exists() and any((kept / "state/journal").iterdir())
