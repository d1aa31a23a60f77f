"""The crowd's own log against what the collector stored, record by record.

A decision belongs to the visit that stood in the lane at that instant: daemon and crowd share a machine and its clock.
A visit during which the daemon was killed is uncertain only in what nobody at the gate could see; all else is exact:

    badge shown, answer seen       exactly one decision, its tag, verdict and reasons
    badge shown, cut, no answer    at most one decision
    release seen                   exactly one end; passed when the daemon itself took the release back after the walk
    walked, then cut               passed or interrupted      did not walk, then cut      annulled or interrupted
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import crowd_log, records
from .collector_client import CollectorClient
from .crowd_log import NOTHING, RELEASED, Visit
from .records import Decision, LaneRecords
from .siphash import chip_tag

CLOCK_MILLISECONDS = 3  # the daemon's wall clock may be read this much before the crowd's, rounding included
QUIET_SECONDS = 1.5


@dataclass(frozen=True)
class Seen:
    """What the collector knows."""

    tallies: dict[str, Any]
    lanes: dict[str, LaneRecords]


@dataclass
class Comparison:
    crowd: dict[str, int]
    collector: dict[str, int]
    crowd_sorts: dict[str, dict[str, int]]
    collector_sorts: dict[str, dict[str, int]]
    differences: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not self.differences and not self.unexpected

    def summary(self) -> dict[str, Any]:
        return {
            "crowd": self.crowd,
            "collector": self.collector,
            "sorts": {
                name: {"crowd": count, "collector": self.collector_sorts.get(name, {})}
                for name, count in sorted(self.crowd_sorts.items())
            },
            "differences": self.differences,
            "unexpected": self.unexpected,
            "agree": self.agrees,
        }


def total(tallies: Mapping[str, Any]) -> dict[str, int]:
    return tallies["total"]


def by_lane(tallies: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {lane["lane"]: lane for lane in tallies["lanes"]}


async def collect(client: CollectorClient, lanes: Sequence[str], restored: bool = False) -> Seen:
    def fetch() -> Seen:
        tallies = client.tallies()
        order = records.as_written if restored else iter
        return Seen(tallies, {lane: records.read(order(client.records(lane))) for lane in lanes})

    return await asyncio.to_thread(fetch)


async def drained(
    client: CollectorClient,
    lanes: Sequence[str],
    visits: Sequence[Visit],
    check: Callable[[], None],
    seconds: float,
    restored: bool = False,
) -> Seen:
    """Waits until the collector's count stands still and holds what the crowd is certain of, and reads all of it. That
    it stands still says little: an uplink that was refused waits for longer than that."""
    end = time.monotonic() + seconds
    certain = crowd_log.certain(visits)
    before, since = -1, time.monotonic()
    while time.monotonic() < end:
        check()
        try:
            now = total(await asyncio.to_thread(client.tallies))
        except OSError:
            now = {"stored": -1, "missing": -1}
        if now["stored"] != before:
            before, since = now["stored"], time.monotonic()
        is_quiet = time.monotonic() - since >= QUIET_SECONDS
        if is_quiet and now["missing"] == 0 and holds(now, certain):
            break
        await asyncio.sleep(0.2)
    return await collect(client, lanes, restored)


def holds(now: Mapping[str, int], certain: Mapping[str, int]) -> bool:
    """All that is certain, and of every release how it ended."""
    ended = now["passed"] + now["annulled"] + now["interrupted"]
    return ended == now["admitted"] and all(now[name] >= count for name, count in certain.items())


def compare(visits: Sequence[Visit], seen: Seen, badge_key_hex: str) -> Comparison:
    key = bytes.fromhex(badge_key_hex)
    result = Comparison(
        crowd=crowd_log.totals(list(visits)),
        collector=dict(total(seen.tallies)),
        crowd_sorts=count_by_sort(visits),
        collector_sorts={},
        unexpected=[
            f"{visit.lane} visit {visit.number} ({visit.sort}): {visit.answer}, expected {visit.expected}"
            for visit in visits
            if visit.answer != visit.expected and not visit.cut and not visit.in_emergency
        ],
    )
    for lane, stored in seen.lanes.items():
        mine = sorted((visit for visit in visits if visit.lane == lane), key=lambda visit: visit.wall_ms)
        compare_lane(lane, mine, stored, key, result)
    compare_totals(visits, seen, result)
    return result


def compare_lane(lane: str, visits: list[Visit], stored: LaneRecords, key: bytes, result: Comparison) -> None:
    result.differences += [f"{lane}: {fault}" for fault in stored.faults]
    starts = [visit.wall_ms - CLOCK_MILLISECONDS for visit in visits]
    decisions: list[list[Decision]] = [[] for _ in visits]
    pulses: list[Counter[str]] = [Counter() for _ in visits]
    for decision in stored.decisions:
        place = bisect.bisect_right(starts, decision.wall_ms) - 1
        if place < 0:
            result.differences.append(f"{lane}: decision {decision.identity} before anybody came")
        else:
            decisions[place].append(decision)
    for pulse in stored.pulses:
        place = bisect.bisect_right(starts, pulse.wall_ms) - 1
        if place < 0:
            result.differences.append(f"{lane}: pulse {pulse.identity} before anybody came")
        else:
            pulses[place][pulse.sort] += 1
    for visit, its_decisions, its_pulses in zip(visits, decisions, pulses):
        where = f"{lane} visit {visit.number} ({visit.sort}, {visit.chip})"
        result.differences += [f"{where}: {text}" for text in differences(visit, its_decisions, its_pulses, key)]
        sort = result.collector_sorts.setdefault(visit.sort, {})
        for decision in its_decisions:
            add(sort, "presented", 1)
            add(sort, "admitted" if decision.admitted else "refused", 1)
            for end in decision.ends:
                add(sort, end, 1)
        for name, count in its_pulses.items():
            add(sort, name, count)


def differences(visit: Visit, decisions: list[Decision], pulses: Counter[str], key: bytes) -> list[str]:
    """What the stored records of one visit say otherwise than the people who were there."""
    found: list[str] = []
    expected_pulses = {
        "tailgating": visit.followed, "forced": visit.forced, "wrong_way": visit.wrong_way, "anonymous": 0,
    }
    for name, count in expected_pulses.items():
        stored = pulses[name]
        if stored != count and not (visit.cut and stored < count):
            found.append(f"{stored} {name} pulses stored, {count} happened")
    badge_was_shown = visit.expected != NOTHING
    # At an exit the release comes before the record: a kill between the two leaves a release without one.
    fewest = 1 if visit.answer != NOTHING and not (visit.cut and visit.lane_kind == "exit") else 0
    most = 1 if badge_was_shown and (visit.answer != NOTHING or visit.cut) else 0
    if not fewest <= len(decisions) <= most:
        found.append(f"{len(decisions)} decisions stored, answer seen: {visit.answer}{', cut' if visit.cut else ''}")
        return found
    for decision in decisions:
        if decision.tag != chip_tag(key, bytes.fromhex(visit.chip)).hex():
            found.append(f"decision {decision.identity} is of another badge: {decision.tag}")
        if visit.answer != NOTHING and decision.admitted != (visit.answer == RELEASED):
            found.append(f"decision {decision.identity}: admitted {decision.admitted}, but {visit.answer} was seen")
        if not decision.admitted and decision.reasons != frozenset(visit.reasons):
            found.append(f"refused for {sorted(decision.reasons)}, expected {sorted(visit.reasons)}")
        if decision.admitted:
            allowed = allowed_ends(visit)
            if len(decision.ends) != 1 or decision.ends[0] not in allowed:
                found.append(f"release ended as {decision.ends}, possible: {sorted(allowed)}")
        elif decision.ends:
            found.append(f"a refusal ended as {decision.ends}")
    return found


def allowed_ends(visit: Visit) -> set[str]:
    if visit.end:
        return {visit.end}
    if visit.walked:
        return {"passed", "interrupted"}
    return {"annulled", "interrupted"}


def compare_totals(visits: Sequence[Visit], seen: Seen, result: Comparison) -> None:
    told = result.collector
    if told["admitted"] != told["passed"] + told["annulled"] + told["interrupted"]:
        result.differences.append("the collector's admitted is not passed + annulled + interrupted")
    if told["missing"]:
        result.differences.append(f"the collector misses {told['missing']} records")
    stored = sum(lane.count for lane in seen.lanes.values())
    if told["stored"] != stored:
        result.differences.append(f"the collector says {told['stored']} stored and lists {stored} records")
    listed = Counter(
        name
        for lane in seen.lanes.values()
        for decision in lane.decisions
        for name in ("presented", "admitted" if decision.admitted else "refused", *decision.ends)
    ) + Counter(pulse.sort for lane in seen.lanes.values() for pulse in lane.pulses)
    for name in crowd_log.COUNTED:
        if not name.startswith("on_site") and told[name] != listed[name]:
            result.differences.append(f"{name}: the collector tallies {told[name]}, its records say {listed[name]}")
        if told[name] != result.crowd[name] and not any(visit.cut for visit in visits):
            result.differences.append(f"{name}: crowd {result.crowd[name]}, collector {told[name]}")


def count_by_sort(visits: Sequence[Visit]) -> dict[str, dict[str, int]]:
    names = sorted({visit.sort for visit in visits})
    return {
        name: {
            what: count
            for what, count in crowd_log.totals([visit for visit in visits if visit.sort == name]).items()
            if count and not what.startswith("on_site")
        }
        for name in names
    }


def add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count


def told(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    lines = ["", f"{'':24}{'crowd':>10}{'collector':>12}"]
    names = [*crowd_log.COUNTED, "stored", "duplicates", "missing"]
    for name in names:
        crowd, collector = summary["crowd"].get(name, "–"), summary["collector"].get(name, "–")
        mark = "   ←" if crowd != "–" and crowd != collector else ""
        lines.append(f"{name.replace('_', ' '):24}{crowd:>10}{collector:>12}{mark}")
    for title in ("differences", "unexpected"):
        if summary[title]:
            lines += ["", f"{title}:", *(f"  {text}" for text in summary[title][:20])]
            if len(summary[title]) > 20:
                lines.append(f"  … and {len(summary[title]) - 20} more")
    lines += ["", "The crowd and the collector agree." if summary["agree"] else "The crowd and the collector DISAGREE."]
    return "\n".join(lines)
