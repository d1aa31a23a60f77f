"""The crowd's own log: JSON lines of what people did and what the gates did to them. It is the other half of the proof:
the collector must know the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .sorts import VEHICLE

# What a presentation got, seen from in front of the gate.
RELEASED, REFUSED, NOTHING = "released", "refused", "nothing"
COUNTED = (
    *("presented", "admitted", "refused", "passed", "annulled", "interrupted", "tailgating", "forced", "wrong_way"),
    *("on_site_people", "on_site_vehicles"),
)


@dataclass
class Visit:
    """One time that somebody stood in a lane: with a badge, or going at the gate without one."""

    number: int
    lane: str
    lane_kind: str  # entry | exit
    person: int
    holder: str
    sort: str
    kind: str
    chip: str
    expected: str  # released | refused | nothing (no badge was shown)
    reasons: list[str]
    behaviour: str
    wall_ms: int = 0
    answer: str = NOTHING
    answer_ms: int | None = None  # from the first frame of the badge to the answer
    walked: bool = False
    followed: int = 0  # people who slipped through behind
    forced: int = 0
    wrong_way: int = 0
    # The daemon went away while this visit was under way: what it wrote down is then not seen from here.
    cut: bool = False
    # After the walk the daemon itself let the release fall: it has taken note of the passage.
    walk_confirmed: bool = False
    in_emergency: bool = False

    @property
    def end(self) -> str | None:
        """What became of the release, when that is certain."""
        if self.answer != RELEASED:
            return None
        if self.walked:
            return "passed" if self.walk_confirmed else None
        return None if self.cut else "annulled"


@dataclass
class CrowdLog:
    path: Path
    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file = self.path.open("a", encoding="utf-8", buffering=1)

    def note(self, lane: str, event: dict[str, Any]) -> None:
        self._file.write(json.dumps({"lane": lane, **event}, ensure_ascii=False) + "\n")

    def add(self, visit: Visit) -> None:
        self.visits.append(visit)
        self.note(visit.lane, {"what": "visit", **asdict(visit)})

    def close(self) -> None:
        self._file.close()

    def totals(self) -> dict[str, int]:
        return totals(self.visits)

    def unexpected(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.answer != visit.expected and not visit.cut]


def certain(visits: Sequence[Visit]) -> dict[str, int]:
    """What the collector must come to know at least: all of the visits that no daemon's end cut, and every answer."""
    whole = totals([visit for visit in visits if not visit.cut])
    counts = {name: whole[name] for name in ("passed", "annulled", "tailgating", "forced", "wrong_way")}
    return counts | {"presented": sum(visit.answer != NOTHING for visit in visits)}


def totals(visits: Sequence[Visit]) -> dict[str, int]:
    """What the visits amount to, in the words of the collector's tallies. Certain only where no visit was cut."""
    count: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    for visit in visits:
        if visit.answer != NOTHING:
            count["presented"] += 1
            count["admitted" if visit.answer == RELEASED else "refused"] += 1
        if visit.answer == RELEASED:
            count["passed" if visit.walked else "interrupted" if visit.cut else "annulled"] += 1
        count["tailgating"] += visit.followed
        count["forced"] += visit.forced
        count["wrong_way"] += visit.wrong_way
        # The lanes of a simulated site all lead across its boundary. A tailgater is a person, whatever he follows.
        way = 1 if visit.lane_kind == "entry" else -1
        count["on_site_vehicles" if visit.kind == VEHICLE else "on_site_people"] += way * visit.walked
        count["on_site_people"] += way * visit.followed
    return dict(count)
