"""Calendar dates in a feed: days at the site, which only the collector's configuration knows."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lanesim_parts import site

SECONDS = 60
ROW = "H-{number},visitor,{number:010X},,,north-ring,full,green,{now},negative,{now},activated,{begins},{ends}"
HEADER = (
    "holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,sampled_at,activation,valid_from,valid_until"
)


def collector(binaries: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(binaries / "lanekeeper-collector"), *map(str, arguments)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)


def test_calendar_dates_are_days_at_the_site(binaries: Path, tmp_path: Path) -> None:
    data, feed, configuration = tmp_path / "data", tmp_path / "feed.csv", tmp_path / "collector.yaml"
    assert collector(binaries, "init", "--data", data).returncode == 0
    configuration.write_text(site.collector_configuration(data, 1, {"lane-1": "lane-1"}), encoding="utf-8")
    now = datetime.now(timezone.utc)
    day = now.date().isoformat()
    instant = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    tomorrow = (now + timedelta(days=1)).date().isoformat()
    feed.write_text(
        "\n".join([HEADER, ROW.format(number=1, now=instant, begins=day, ends=tomorrow),
                   ROW.format(number=2, now=instant, begins=instant, ends=instant),
                   ROW.format(number=3, now=instant, begins="2026-02-30", ends=tomorrow)]) + "\n",
        encoding="utf-8",
    )
    refused = tmp_path / "feed.csv.refused.csv"

    done = collector(binaries, "import", "--config", configuration, feed)
    assert done.returncode == 0 and "1 rows refused" in done.stdout, done.stdout + done.stderr
    assert "valid_from" in refused.read_text(encoding="utf-8")

    # Whoever does not say where the site is gets no guess, least of all UTC.
    done = collector(binaries, "import", "--data", data, "--most-losing", "100", feed)
    assert "2 rows refused" in done.stdout, done.stdout + done.stderr
    assert "import with --config, whose site.time_zone says where" in refused.read_text(encoding="utf-8")
