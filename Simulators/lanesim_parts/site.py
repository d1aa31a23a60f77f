"""The site of a demo or a test: its lanes, and the configuration files of the programs that run them."""

from __future__ import annotations

import json
from pathlib import Path

from .lane import LaneSettings
from .sorts import ENTRY_ZONE, PERSON_KINDS, VEHICLE

LANYARD_COLOURS = {
    "special-guest": "red",
    "exhibitor": "blue",
    "visitor": "green",
    "media": "orange",
    "staff": "grey",
    "security": "black",
    "vehicle": "yellow",
}


def lanes(count: int) -> list[LaneSettings]:
    """Entries from outside; of four lanes one is an exit. The last of several entries admits vehicles too."""
    exits = max(1, count // 4) if count > 1 else 0
    entries = count - exits
    return [
        LaneSettings(
            id=f"north-{number:02d}",
            name=f"北登录厅-{number:02d}" + (" 人车" if number == entries > 1 else ""),
            kind="entry",
            from_zone="outside",
            to_zone=ENTRY_ZONE,
            admits_vehicles=number == entries and entries > 1,
        )
        for number in range(1, entries + 1)
    ] + [
        LaneSettings(
            id=f"north-out-{number:02d}",
            name=f"北登录厅出口-{number:02d}",
            kind="exit",
            from_zone=ENTRY_ZONE,
            to_zone="outside",
            admits_vehicles=True,
        )
        for number in range(1, exits + 1)
    ]


def quoted(text: object) -> str:
    return json.dumps(str(text), ensure_ascii=False)  # a JSON string is a YAML string


def daemon_configuration(lane: LaneSettings, site_id: str, keys: Path, devices: Path, state: Path, run: Path) -> str:
    readers = "\n".join(
        f"  - {reader.yaml(quoted(devices / lane.reader_line(index)))}" for index, reader in enumerate(lane.readers)
    )
    kinds = [*PERSON_KINDS, VEHICLE] if lane.admits_vehicles else list(PERSON_KINDS)
    return f"""\
site:
  id: {site_id}
  public_key_file: {quoted(keys / "site.pub")}
  badge_key_file: {quoted(keys / "badge.key")}
lane:
  id: {lane.id}
  name: {quoted(lane.name)}
  kind: {lane.kind}
  from: {lane.from_zone}
  to: {lane.to_zone}
  service_point: {lane.service_point}
directories: {{ state: {quoted(state)}, run: {quoted(run)} }}
readers:
{readers}
thermometer: {{ type: gy-mcu90615, port: {quoted(devices / "thermometer.tty")}, baud: 9600 }}
gate:
  simulated: {{ socket: {quoted(devices / "gate.sock")} }}
  release: level
  passage_timeout_milliseconds: {lane.passage_timeout_milliseconds}
policy:
  admits: [{", ".join(kinds)}]
journal: {{ capacity_records: 100000, reserve_records: 2000, records_per_segment: 1024 }}
"""


UPLINK_PACE = """\
batch_records: 100
upload_interval_milliseconds: 200
statement_interval_seconds: 5
"""


def uplink_configuration(lane: LaneSettings, site_id: str, state: Path, run: Path, url: str) -> str:
    return f"""\
lane: {{ id: {lane.id} }}
site: {{ id: {site_id} }}
directories: {{ state: {quoted(state)}, run: {quoted(run)} }}
collector: {{ url: {quoted(url)} }}
{UPLINK_PACE}"""


def collector_configuration(data: Path, port: int, lane_names: dict[str, str], encrypted: bool = False) -> str:
    colours = "".join(f"  {kind}: {colour}\n" for kind, colour in LANYARD_COLOURS.items())
    names = "".join(f"  {id}: {{ name: {quoted(name)} }}\n" for id, name in lane_names.items())
    return f"""\
data: {quoted(data)}
listen: {{ address: 127.0.0.1, port: {port}{', tls: true' if encrypted else ''} }}
site: {{ name_zh: 模拟博览会, name_en: Simulated Expo, time_zone: Asia/Shanghai }}
lanyard_colours:
{colours}zones:
  {ENTRY_ZONE}: {{ name_zh: 北外环, name_en: North ring }}
lanes:
{names}"""
