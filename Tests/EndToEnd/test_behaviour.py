"""docs/behaviour.md: each rule has tests that exist and run and a way to watch it, and no scenario is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DOCUMENT = TOP / "docs" / "behaviour.md"
SCENARIOS = {path.stem for path in (TOP / "Simulators" / "scenarios").glob("*.yaml")}
LIST_SECONDS = 1800  # when the tests must be built first
# What is a way to watch without being a scenario.
COMMANDS = ("Simulators/demo", "Tests/run ", "lanekeeperd --check-config")
FIXED = {"lane-machine.md"}


@dataclass(frozen=True)
class Row:
    id: str
    what: str
    tests: tuple[str, ...]
    watch: tuple[str, ...]

    @property
    def swift(self) -> set[str]:
        return {test for test in self.tests if "::" not in test}

    @property
    def pytest(self) -> set[str]:
        return {test for test in self.tests if "::" in test}

    @property
    def scenarios(self) -> set[str]:
        return {one for one in self.watch if not one.startswith(COMMANDS) and one not in FIXED}


def rows_of(text: str) -> list[Row]:
    rows = []
    for line in text.splitlines():
        if not line.startswith("|") or re.match(r"\|(?: id |---)", line):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 4, f"four columns are wanted: {line}"
        watch = re.findall(r"`([^`]+)`|\[([\w.-]+)\]\(", cells[3])
        rows.append(Row(cells[0], cells[1], tuple(re.findall(r"`([^`]+)`", cells[2])),
                        tuple(code or link for code, link in watch)))
    return rows


def problems(text: str, swift: set[str], pytests: set[str], scenarios: set[str]) -> list[str]:
    """What is wrong with the page, given which tests run and which scenarios there are."""
    rows = rows_of(text)
    found = []
    for letter in sorted({row.id[0] for row in rows}):
        ids = [row.id for row in rows if row.id[0] == letter]
        if ids != [f"{letter}{number}" for number in range(1, len(ids) + 1)]:
            found.append(f"{letter}: not numbered from 1, each once: {' '.join(ids)}")
    for row in rows:
        found += [f"{row.id}: {what} is empty" for what in ("what", "tests", "watch") if not getattr(row, what)]
        found += [f"{row.id}: no test {name} runs" for name in sorted(row.swift - swift | row.pytest - pytests)]
        found += [f"{row.id}: no scenario {name}" for name in sorted(row.scenarios - scenarios)]
    named = set().union(*(row.scenarios for row in rows))
    return found + [f"no row names the scenario {name}" for name in sorted(scenarios - named)]


@pytest.fixture(scope="module")
def swift_tests() -> set[str]:
    """`Suite.function` of every test that Swift Testing would run: it says so itself."""
    command = ["swift", "test", "list", "--disable-xctest"]
    listed = subprocess.run([*command, "--skip-build"], cwd=TOP, capture_output=True, text=True, timeout=LIST_SECONDS)
    if listed.returncode:
        listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=LIST_SECONDS)
    assert listed.returncode == 0, listed.stderr[-2000:]
    tests = re.findall(r"(?m)^\w+\.(\w+)/(\w+)\(", listed.stdout)
    disabled = [path.name for path in (TOP / "Tests").glob("*Tests/*.swift") if ".disabled(" in path.read_text()]
    assert not disabled, f"switched off: {disabled}"
    return {f"{suite}.{function}" for suite, function in tests}


# In a process of its own: what is collected here may be a part of it all.
COLLECT = """
import pytest, sys
class Lister:
    def pytest_collection_finish(self, session):
        for item in session.items:
            marks = list(item.iter_markers())
            off = [m for m in marks if m.name in ("skip", "xfail") or m.name == "skipif" and any(m.args)]
            if not off:
                print("runs", item.path.stem + "::" + item.originalname)
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", sys.argv[1]], plugins=[Lister()]))
"""


@pytest.fixture(scope="module")
def pytests() -> set[str]:
    """`file::function` of every test of EndToEnd and VM that pytest would run here."""
    found = set()
    for folder in ("Tests/EndToEnd", "Tests/VM"):
        listed = subprocess.run(
            [sys.executable, "-c", COLLECT, folder], cwd=TOP, capture_output=True, text=True, timeout=120
        )
        assert listed.returncode == 0, listed.stdout[-2000:]
        found |= set(re.findall(r"(?m)^runs (\S+)$", listed.stdout))
    return found


def test_each_rule_has_tests_that_run_and_a_way_to_watch_it_and_no_scenario_is_left_out(swift_tests, pytests) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert problems(text, swift_tests, pytests, SCENARIOS) == []
    assert len(rows_of(text)) >= 100


ROW = "| A1 | what holds | `SomeTests.one` `test_some::test_one` | `watched` |"
WRONG = {
    ROW.replace("`SomeTests.one` `test_some::test_one`", ""): "A1: tests is empty",
    ROW.replace("`SomeTests.one`", "`SomeTests.other`"): "A1: no test SomeTests.other runs",
    ROW.replace("::test_one", "::test_other"): "A1: no test test_some::test_other runs",
    ROW.replace(" `watched` ", " ") + "\n" + ROW.replace("A1", "A2"): "A1: watch is empty",
    ROW.replace("`watched`", "`missing` `watched`"): "A1: no scenario missing",
    ROW.replace("`watched`", "`Simulators/demo`"): "no row names the scenario watched",
    ROW + "\n" + ROW: "A: not numbered from 1, each once: A1 A1",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_the_page_is_told(text: str) -> None:
    known: tuple[set[str], set[str], set[str]] = ({"SomeTests.one"}, {"test_some::test_one"}, {"watched"})
    assert problems(ROW, *known) == []
    assert problems(text, *known) == [WRONG[text]]


@pytest.mark.parametrize("path", ["docs/formats.md", "docs/operations.md", "Config/lanekeeperd.yaml"])
def test_nothing_pretends_to_replace_the_hard_wired_line(path: str) -> None:
    """Who builds a gate, writes its file or finds a controller without one is told what the real safety is."""
    assert "hard-wired line" in (TOP / path).read_text(encoding="utf-8")
