"""The real collector taking in what lanes send: `Tests/bench intake` in small, where no speed is judged but every count is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
RUN = TOP / "Tests" / "Benchmarks" / "Intake" / "run"
BOUND_SECONDS = 300


def intake(binaries: Path, folder: Path, *words: str) -> tuple[int, str, dict]:
    figures = folder / "figures.json"
    command = [sys.executable, RUN, "--small", "--binaries", binaries, "--work", folder, "--json", figures, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BOUND_SECONDS)
    return done.returncode, done.stdout, json.loads(figures.read_text()) if figures.exists() else {}


def test_what_lanes_send_is_counted_exactly_and_again_after_a_new_start(binaries: Path, tmp_path: Path):
    status, said, figures = intake(binaries, tmp_path)
    assert status == 0, said
    assert figures["records"] == figures["lanes"] * figures["records_each"]
    assert figures["wrong"] == []


def test_a_collector_that_is_killed_while_it_takes_in_counts_nothing_twice_and_loses_nothing(binaries: Path, tmp_path: Path):
    status, said, figures = intake(binaries, tmp_path, "--kills", "6")
    assert status == 0, said
    assert figures["cut"] > 0, "no connection was cut: it was killed too late"
    assert figures["wrong"] == []


def test_a_limit_that_does_not_hold_ends_with_1_and_says_which(binaries: Path, tmp_path: Path):
    status, said, _ = intake(binaries, tmp_path, "--limit", "memory_mb=1")
    assert status == 1
    assert "memory_mb" in said and "DOES NOT HOLD" in said


def test_wrong_arguments_end_with_64(binaries: Path, tmp_path: Path):
    for words in (["--kills", "-1"], ["--return"], ["--limit", "speed=1"]):
        status, said, _ = intake(binaries, tmp_path, *words)
        assert status == 64, said
