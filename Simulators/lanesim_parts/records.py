"""The collector's records as the comparison sees them, read from the JSON lines of `GET /v1/records`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Identity:
    epoch: str
    sequence: int


@dataclass
class Decision:
    identity: Identity
    wall_ms: int
    tag: str
    admitted: bool
    reasons: frozenset[str]
    ends: list[str] = field(default_factory=list)  # passed | annulled | interrupted


@dataclass(frozen=True)
class Pulse:
    identity: Identity
    wall_ms: int
    sort: str  # tailgating | forced | wrong_way | anonymous


@dataclass
class LaneRecords:
    """What the collector stored of one lane, in the order of its journal."""

    decisions: list[Decision] = field(default_factory=list)
    pulses: list[Pulse] = field(default_factory=list)
    count: int = 0
    faults: list[str] = field(default_factory=list)


def as_written(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of the lane's journal. A collector that was restored hears of what is new first, and of what it lost
    after it has said what it has."""
    came: dict[str, int] = {}
    lines = list(lines)
    for line in lines:
        came.setdefault(line["epoch"], len(came))
    return sorted(lines, key=lambda line: (came[line["epoch"]], line["sequence"]))


def read(lines: Iterable[dict[str, Any]]) -> LaneRecords:
    """Checks on the way that every record is there once: epochs chained, sequences from 1 without a gap."""
    lane = LaneRecords()
    decisions: dict[Identity, Decision] = {}
    newest: Identity | None = None
    seen_epochs: set[str] = set()
    for line in lines:
        lane.count += 1
        identity = Identity(line["epoch"], line["sequence"])
        kind = line["event"]
        if newest is None or identity.epoch != newest.epoch:
            if identity.sequence != 1 or identity.epoch in seen_epochs:
                lane.faults.append(f"epoch {identity.epoch} begins with sequence {identity.sequence}")
            if newest and (line.get("previous_epoch"), line.get("last_sequence")) != (newest.epoch, newest.sequence):
                lane.faults.append(f"epoch {identity.epoch} does not follow {newest}")
            seen_epochs.add(identity.epoch)
        elif identity.sequence != newest.sequence + 1:
            lane.faults.append(f"{identity} after {newest}")
        newest = identity
        if kind == "decided":
            decision = Decision(
                identity, line["wall_ms"], line["tag"], line["verdict"] == "admitted", frozenset(line["reasons"])
            )
            decisions[identity] = decision
            lane.decisions.append(decision)
        elif kind == "ended":
            of = Identity(line.get("decision_epoch") or identity.epoch, line["decision_sequence"])
            if of in decisions:
                decisions[of].ends.append(line["end"])
            else:
                lane.faults.append(f"{identity} ends a release of {of}, which is not there")
        elif kind == "pulse":
            lane.pulses.append(Pulse(identity, line["wall_ms"], line["pulse"]))
    return lane
