"""/metrics as Prometheus reads it, and the example alert rules, by Prometheus' own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import make_people
from encrypted_site import Site

from lanesim_parts import site as site_files

HERE = Path(__file__).resolve().parent
RULES = HERE.parents[1] / "Config" / "prometheus-rules.yaml"


def promtool(*arguments: str | Path, text: bytes = b"") -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def figures(site: Site) -> str:
    headers = {"Authorization": f"Bearer {site.token('prometheus', 'viewer')}"}
    answer = site.ask("/metrics", headers=headers)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.body.decode()


def test_only_who_has_a_viewers_token_reads_the_figures(site: Site) -> None:
    assert site.ask("/metrics").status == 401


def test_what_an_empty_site_says_is_as_prometheus_wants_it(figures: str) -> None:
    assert promtool("check", "metrics", text=figures.encode()) == ""
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"):
        (value,) = re.findall(rf"(?m)^{name} ([0-9.]+)$", figures)
        assert float(value) > 0, name
    (intake,) = re.findall(r'(?m)^lanekeeper_database_size_bytes{database="intake"} (\d+)$', figures)
    assert int(intake) >= 4096


def test_what_a_site_at_work_says_is_so_too_and_agrees_with_its_tallies(open_stage, run, monkeypatch):
    plain = site_files.collector_configuration

    def with_a_limit(*arguments):
        text = plain(*arguments)
        assert "name_en: North ring }" in text
        return text.replace("name_en: North ring }", "name_en: North ring, limit: 5000 }")

    monkeypatch.setattr(site_files, "collector_configuration", with_a_limit)

    async def scenario():
        crowd = make_people("may pass: visitor", "test expired", "code red")
        async with open_stage(crowd) as stage:
            for person in crowd:
                await stage.lanes[0].simulated.visit(person)
            await stage.wait_for("three decisions", lambda: stage.client.tallies()["total"]["presented"] == 3)
            await stage.wait_for(
                "the lane says how it is",
                lambda: "lanekeeper_lane_statement_timestamp_seconds" in stage.client.get("/metrics").decode(),
            )
            text = stage.client.get("/metrics").decode()
            assert "lanekeeper_zone_limit{" in text
            assert promtool("check", "metrics", text=text.encode()) == ""
            total = stage.client.tallies()["total"]
            refused = re.findall(r'(?m)^lanekeeper_decisions_total{lane="[^"]+",verdict="refused"} (\d+)$', text)
            assert sum(map(int, refused)) == total["refused"] == 2
            assert "lanekeeper_image_version 1\n" in text
            used = set(re.findall(r"\b(?:lanekeeper|process)_[a-z_]+", RULES.read_text()))
            said = set(re.findall(r"(?m)^# TYPE (\S+)", text))
            assert used and used <= said, f"the rules name what is not there: {used - said}"

    run(scenario())


def test_the_example_rules_are_right_and_say_what_they_should_of_a_made_up_hour() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", HERE / "alert_rules_test.yaml")
