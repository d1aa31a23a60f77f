"""The sorts of people a crowd is made of: what stands in the feed about them, what they do, and what must become of it.

A sort's `feed` overrides the row of somebody who may pass; times are hours from now. `reasons` are the names under
which the product tells a refusal; the decision must give exactly these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ENTRY_ZONE = "north-ring"
PERSON_KINDS = ("special-guest", "exhibitor", "visitor", "media", "staff", "security")
VEHICLE = "vehicle"

Behaviour = Literal["walks", "stays", "tailgated", "forces", "wrong-way"]


@dataclass(frozen=True)
class Sort:
    name: str
    admitted: bool
    reasons: tuple[str, ...] = ()
    behaviour: Behaviour = "walks"
    feed: dict[str, str | float] = field(default_factory=dict)
    kind: str | None = None  # None: any kind of person
    celsius: float | None = None  # None: healthy
    enrolled: bool = True
    twins: bool = False  # a second holder claims the same chip
    vehicle_lane: bool = False  # goes to a lane that admits vehicles
    badges: bool = True  # False: goes at the gate without holding a badge to it


def _refused(name: str, *reasons: str, **fields: str | float) -> Sort:
    return Sort(name, admitted=False, reasons=reasons, feed=dict(fields))


MAY_PASS = tuple(Sort(f"may pass: {kind}", admitted=True, kind=kind) for kind in PERSON_KINDS)

SPECIAL = (
    Sort("may pass: vehicle", admitted=True, kind=VEHICLE, vehicle_lane=True),
    Sort("vehicle at a lane for people", False, ("kind-not-admitted",), kind=VEHICLE),
    _refused("vaccine not recorded", "vaccine-not-recorded", vaccine="none"),
    _refused("vaccine incomplete", "vaccine-incomplete", vaccine="partial"),
    _refused("code yellow", "code-yellow", health_code="yellow"),
    _refused("code red", "code-red", health_code="red"),
    _refused("code unknown", "code-unknown", health_code="unknown"),
    _refused("code too old", "code-too-old", assessed_at=-30.0),
    _refused("test positive", "test-positive", test_result="positive"),
    _refused("test expired", "test-expired", sampled_at=-51.2),
    _refused("test missing", "test-missing", test_result="none"),
    _refused("test in the future", "test-in-future", sampled_at=+3.0),
    _refused("not activated", "not-activated", activation="inactive"),
    _refused("suspended", "suspended", activation="suspended"),
    _refused("revoked", "revoked", activation="revoked"),
    _refused("not yet valid", "not-yet-valid", valid_from=+20.0),
    _refused("no longer valid", "no-longer-valid", valid_until=-5.0),
    _refused("vaccine and test missing", "vaccine-incomplete", "test-expired", vaccine="partial", sampled_at=-60.0),
    _refused("code and badge missing", "code-red", "not-activated", health_code="red", activation="inactive"),
    Sort("fever", False, ("temperature-high",), celsius=38.4),
    Sort("fever, test expired", False, ("temperature-high", "test-expired"), celsius=38.1, feed={"sampled_at": -49.0}),
    _refused("zone not granted", "zone-not-granted", zones="vip-hall"),
    Sort("unknown badge", False, ("unknown-badge",), enrolled=False),
    Sort("conflict badge", False, ("conflict",), twins=True),
    Sort("badges and does not walk", True, behaviour="stays"),
    Sort("is tailgated", True, behaviour="tailgated"),
    Sort("forces the gate", False, behaviour="forces", badges=False, enrolled=False),
    Sort("walks in the wrong direction", False, behaviour="wrong-way", badges=False, enrolled=False),
)

LEAVES = Sort("leaves", admitted=True)
LEAVES_WITH_UNKNOWN_BADGE = Sort("leaves with an unknown badge", admitted=True, enrolled=False)

ALL = MAY_PASS + SPECIAL + (LEAVES, LEAVES_WITH_UNKNOWN_BADGE)
