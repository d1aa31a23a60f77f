"""What the documents name is there: files of the code, links, units, reasons."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lanesim_parts import scenario_expect, scenario_file, scenario_people, scenario_steps

TOP = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md", "docs/formats.md", "docs/operations.md", "docs/one-badge.md", "docs/adding-a-device.md",
    "docs/fuzzing.md", "docs/lane-machine.md", "docs/scenarios.md", "docs/behaviour.md", "Config/README.md",
]


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=TOP, capture_output=True, text=True, timeout=60, check=True,
    )
    return [path for path in listed.stdout.split("\n") if (TOP / path).is_file()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_of_the_code_that_is_named_is_there(document: str) -> None:
    present = ["/" + path for path in files()]
    text = (TOP / document).read_text(encoding="utf-8")
    named = {name.lstrip("/") for name in re.findall(r"[\w/+@-]+\.(?:swift|yaml|service)\b", text)}
    missing = [name for name in named if not any(path.endswith("/" + name.split("/")[-1]) for path in present)]
    # A Swift file that is named with its folders is looked for in them.
    wrong = [name for name in named if name.endswith(".swift") and not any(p.endswith("/" + name) for p in present)]
    assert not missing and not wrong, sorted(missing + wrong)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    path = TOP / document
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"(?m)^#+ (.*)$", text)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (path.parent / target.split("#")[0]).exists(), target


def test_every_reason_stands_in_the_formats_with_its_bit() -> None:
    source = (TOP / "Sources/Admission/Reasons.swift").read_text(encoding="utf-8")
    bits = {name: int(bit) for name, bit in re.findall(r"static let (\w+) = Reasons\(bit: (\d+)\)", source)}
    names = dict(re.findall(r'case \.(\w+): "([a-z-]+)"', source))
    assert bits.keys() == names.keys()
    table = (TOP / "docs/formats.md").read_text(encoding="utf-8")
    cells = [cell.strip() for line in table.splitlines() if line.startswith("| ") for cell in line.strip("|").split("|")]
    pairs: dict[str, int] = {}
    for numbers, words in zip(cells, cells[1:]):
        if re.fullmatch(r"[\d, ]+", numbers) and re.fullmatch(r"[a-z, -]+", words):
            pairs |= dict(zip(words.split(", "), map(int, numbers.split(", "))))
    assert {name: pairs.get(name) for name in names.values()} == {names[key]: bit for key, bit in bits.items()}


def test_the_units_are_those_that_the_documents_install() -> None:
    operations = (TOP / "docs/operations.md").read_text(encoding="utf-8")
    for path in (TOP / "systemd").iterdir():
        assert path.name in operations or path.suffix == ".service", path.name


# docs/lane-machine.md: the table under each heading, by its first column, has the cases of an enum and no others.
MACHINE_TABLES = {
    "States": ("LaneMachine.swift", "enum State"),
    "Modes": ("LaneEvent.swift", "enum LaneMode"),
    "Causes of a mode": ("LaneEvent.swift", "enum ModeCause"),
    "Inputs": ("LaneInput.swift", "enum LaneInput"),
    "Records": ("LaneEvent.swift", "enum LaneEvent"),
    "Lamps": ("LaneEffect.swift", "enum LampState"),
}


def cases(file: str, enum: str) -> list[str]:
    source = (TOP / "Sources/Admission" / file).read_text(encoding="utf-8")
    match = re.search(rf"(?m)^( *)(?:public )?{enum}\b[^{{]*\{{(.*?)^\1\}}", source, re.S)
    assert match, f"{file} has no {enum}"
    found: list[str] = []
    for line in re.findall(r"(?m)^ +case (.*)$", match[2]):
        # `case a, b = 2, c(X, y: Z)`: without what stands in brackets.
        found += [part.split("=")[0].strip() for part in re.sub(r"\(.*?\)", "", line).split(",")]
    return found


def section(document: str, heading: str) -> str:
    text = (TOP / document).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[list[str]]:
    """The code words in the first cell of each row, table by table."""
    tables = [[]]
    for line in text.splitlines():
        if line.startswith("| `"):
            tables[-1] += re.findall(r"`([^`]+)`", line.split("|")[1])
        elif not line.startswith("|") and tables[-1]:
            tables.append([])
    return [table for table in tables if table]


@pytest.mark.parametrize("heading", MACHINE_TABLES)
def test_the_lane_machines_tables_are_those_of_the_code(heading: str) -> None:
    table = first_cells(section("docs/lane-machine.md", heading))[0]
    assert sorted(table) == sorted(cases(*MACHINE_TABLES[heading]))


def test_the_lane_machines_diagram_and_transitions_name_states_inputs_and_records_of_the_code() -> None:
    text = section("docs/lane-machine.md", "States")
    states, inputs, records = (set(cases(*MACHINE_TABLES[name])) for name in ("States", "Inputs", "Records"))
    modes = set(cases(*MACHINE_TABLES["Modes"]))
    arrows = re.findall(r"(?m)^ +(\S+) --> (\w+)", text)
    assert {end for arrow in arrows for end in arrow} - {"[*]"} == states
    lines = [line for line in text.splitlines() if re.match(r"\| (`\w+`|any) \|.*\|.*\|.*\|", line)]
    rows = [line.strip("|").split("|") for line in lines]
    assert len(rows) > 15
    for state, event, becomes, recorded in rows:
        assert set(re.findall(r"`(\w+)`", state)) <= states, state
        named = set(re.findall(r"`(\w+)`", event))
        assert named & inputs and named <= inputs | modes, event
        assert set(re.findall(r"`(\w+)`", becomes)) <= states, becomes
        assert set(re.findall(r"`(\w+)`", recorded)) <= records, recorded
    assert {name for _, event, _, _ in rows for name in re.findall(r"`(\w+)`", event)} >= inputs, "each leads somewhere"
    # What the tables say leads from one state to another is an arrow of the diagram, and each arrow stands in the tables.
    for state, _, becomes, _ in rows:
        for target in re.findall(r"`(\w+)`", becomes):
            if state.strip() != "any":
                assert (state.strip(" `"), target) in arrows or target == state.strip(" `"), (state, target)
    told = {(state.strip(" `"), target) for state, _, becomes, _ in rows for target in re.findall(r"`(\w+)`", becomes)}
    assert {arrow for arrow in arrows if arrow[0] != "[*]"} <= told


def test_every_word_of_a_scenario_stands_in_its_document() -> None:
    text = (TOP / "docs/scenarios.md").read_text(encoding="utf-8")

    def said(heading: str) -> set[str]:
        lines = section("docs/scenarios.md", heading).splitlines()
        cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
        return {re.split(r"[:`]", word)[0] for cell in cells for word in re.findall(r"`([^`]+)`", cell)}

    assert said("The file") == set(scenario_file.FIELDS)
    assert said("People") == set(scenario_people.FIELDS)
    assert set(scenario_steps.WORDS) <= said("Steps")
    assert {*scenario_expect.KEYS} <= said("What can be expected") and "within" in text
    example = re.search(r"(?s)\]\(\.\./(Simulators/scenarios/[\w-]+\.yaml)\):\n\n```yaml\n(.*?)```", text)
    assert example and (TOP / example[1]).read_text(encoding="utf-8") == example[2]
