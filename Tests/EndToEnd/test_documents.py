"""What the documents name is there: files of the code, links, units, reasons."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "docs/formats.md", "docs/operations.md", "docs/one-badge.md", "docs/adding-a-device.md",
             "docs/fuzzing.md", "Config/README.md"]


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
    named = set(re.findall(r"[\w/+@-]+\.(?:swift|yaml|service)\b", text))
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
