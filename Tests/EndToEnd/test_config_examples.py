"""Every example in Config/ is accepted by the program that reads it, and says what the documents say of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
CONFIG = TOP / "Config"
BIN = Path(os.environ.get("LANEKEEPER_BIN", TOP / ".build" / "debug"))
EX_CONFIG = 78


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of its own: <here>/data, as `lanekeeper-collector init` makes it."""
    here = tmp_path_factory.mktemp("site")
    made = run("lanekeeper-collector", "init", "--data", here / "data")
    assert made.returncode == 0, made.stderr
    return here


def example(name: str, site: Path) -> Path:
    """The example with this site's id, keys and directories instead of an installed site's."""
    (public,) = (site / "data").rglob("site.pub")
    (badge,) = (site / "data").rglob("badge.key")
    text = (CONFIG / name).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(  id: )[0-9a-f]{32}$", rf"\g<1>{public.read_text().split()[1]}", text)
    text = text.replace("/etc/lanekeeper/site.pub", str(public)).replace("/etc/lanekeeper/badge.key", str(badge))
    text = text.replace("/var/lib/lanekeeper-collector", str(site / "data"))
    path = site / name
    path.write_text(text, encoding="utf-8")
    (site / POLICY).write_text((CONFIG / POLICY).read_text(encoding="utf-8"), encoding="utf-8")
    return path


def check(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    words = ["serve"] if program == "lanekeeper-collector" else []
    return run(program, *words, "--config", path, "--check-config")


POLICY = "policy.yaml"
RULES = "prometheus-rules.yaml"  # test_metrics.py has it checked
PROGRAMS = {
    "lanekeeperd.yaml": "lanekeeperd",
    "lanekeeper-uplink.yaml": "lanekeeper-uplink",
    "lanekeeper-collector.yaml": "lanekeeper-collector",
}


def test_every_example_is_here() -> None:
    assert {path.name for path in CONFIG.iterdir() if path.suffix == ".yaml"} == {*PROGRAMS, POLICY, RULES}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_is_accepted(name: str, site: Path) -> None:
    result = check(PROGRAMS[name], example(name, site))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_setting_has_a_comment_nearby_and_a_wrong_one_is_refused_at_its_line(name: str, site: Path) -> None:
    path = example(name, site)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum(line.lstrip().startswith("#") or "  #" in line for line in lines) * 4 >= len(lines)
    place = next(number for number, line in enumerate(lines) if re.match(r"^[a-z_]+:", line))
    wrong = path.with_name(f"wrong-{name}")
    wrong.write_text("\n".join([*lines[:place], "nonsense: 1", *lines[place:]]) + "\n", encoding="utf-8")
    result = check(PROGRAMS[name], wrong)
    assert result.returncode == EX_CONFIG, result.stdout + result.stderr
    assert f"wrong-{name}:{place + 1}:1: nonsense" in result.stderr


def test_the_simulated_gate_of_the_example_is_accepted_too(site: Path) -> None:
    path = example("lanekeeperd.yaml", site)
    text = path.read_text(encoding="utf-8")
    head, rest = text.split("  gpio:\n", 1)
    _, tail = rest.split("  # simulated: ", 1)
    simulated = path.with_name("simulated.yaml")
    simulated.write_text(f"{head}  simulated: {tail}", encoding="utf-8")
    result = check("lanekeeperd", simulated)
    assert result.returncode == 0, result.stderr


def test_what_an_example_calls_the_default_is_the_default(site: Path) -> None:
    """Without the groups whose lines all say their default, the daemon understands the same lane."""
    path = example("lanekeeperd.yaml", site)
    text = path.read_text(encoding="utf-8")
    short = path.with_name("short.yaml")
    short.write_text(text[: text.index("# The rules by which")], encoding="utf-8")
    whole, defaults = check("lanekeeperd", path), check("lanekeeperd", short)
    assert defaults.returncode == 0, defaults.stderr
    assert sentences(whole.stdout) == sentences(defaults.stdout)


def test_what_the_example_of_a_policy_says_of_a_zone_and_a_lane_holds_there(site: Path) -> None:
    path = example("lanekeeperd.yaml", site)
    text = path.read_text(encoding="utf-8")
    hall = path.with_name("hall.yaml")
    text = text.replace("to: north-ring", "to: hall-4").replace("id: north-07", "id: north-09")
    hall.write_text(text, encoding="utf-8")
    said = check("lanekeeperd", hall).stdout
    assert "visitor: not admitted." in said
    assert "open 06:00-23:00+08:00" in next(line for line in said.splitlines() if line.startswith("staff: "))
    assert "+0.5 °C is added" in said


def test_what_is_wrong_with_a_policy_is_told_at_its_place_in_its_own_file(site: Path) -> None:
    path = example("lanekeeperd.yaml", site)
    policy = path.with_name(POLICY)
    text = policy.read_text(encoding="utf-8").replace("hours: always\n", "hours: [8-20]\n", 1)
    policy.write_text(text, encoding="utf-8")
    wrong = check("lanekeeperd", path)
    assert wrong.returncode == EX_CONFIG
    assert re.search(r"policy\.yaml:\d+:\d+: hours\[0\]: '8-20' is not a time of the day", wrong.stderr), wrong.stderr


def sentences(text: str) -> list[str]:
    """But for the digest of the file itself."""
    return [line for line in text.splitlines() if "digest" not in line]


def test_the_example_feed_is_imported_without_a_refused_row(site: Path) -> None:
    rows = (CONFIG / "feed.csv").read_text(encoding="utf-8").splitlines()
    kinds = {"special-guest", "exhibitor", "visitor", "media", "staff", "security", "vehicle"}
    assert {row.split(",")[1] for row in rows[1:]} == kinds
    result = run("lanekeeper-collector", "import", "--data", site / "data", CONFIG / "feed.csv")
    assert result.returncode == 0, result.stderr
    assert f"{len(kinds)} rows" in result.stdout
    assert "0 conflicts, 0 rows refused" in result.stdout
