"""An independent judge of a compressed day: reads the feeds, the urgent changes and the decisions, and works out for each
decision what the lane should have found and decided, with the image and the change it says it used, at its own instant. It
shares no code with the product."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lanesim_parts.siphash import chip_tag

HOUR_MS = 3_600_000
TEST_MS, ASSESSMENT_MS, FUTURE_MS = 48 * HOUR_MS, 24 * HOUR_MS, 300_000
# An urgent change's fields, by the key they belong to: the state, and its instant.
KEYS = {"code": ("health_code", "assessed_at"), "test": ("test_result", "sampled_at"), "activation": ("activation", "")}
CODE_REASONS = {"yellow": "code-yellow", "red": "code-red", "unknown": "code-unknown"}
VACCINE_REASONS = {"partial": "vaccine-incomplete", "none": "vaccine-not-recorded"}
ACTIVATION_REASONS = {"inactive": "not-activated", "suspended": "suspended", "revoked": "revoked"}

Row = dict[str, str]


def seconds(text: str | None) -> int:
    """0: none."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) if text else 0


def folded(path: Path) -> int:
    """The number of the newest change that an image has taken in, from its header (docs/formats.md)."""
    return int.from_bytes(path.read_bytes()[40:48], "little")


def blocks(changes: list[dict[str, Any]], most: int) -> dict[int, tuple[int, int]]:
    """First and last of the numbers that nobody was told: what was changed again on top of an image, by the image. There
    is one block an image at most, and they come in the images' order."""
    found: dict[int, tuple[int, int]] = {}
    former, image = 0, 1
    for change in changes:
        image = max(image, change["version"])
        if change["number"] > former + 1:
            image = max([image, *(made + 1 for made in found)])
            found[image] = (former + 1, change["number"] - 1)
        former = change["number"]
    if most > former:
        found[max([image + 1, *(made + 1 for made in found)])] = (former + 1, most)
    return found


@dataclass
class Standing:
    state: str
    instant: int
    feed: str  # what the feed said when it was changed first

    def holds(self, key: str, row: Row) -> bool:
        state, instant = KEYS[key]
        if instant:
            return seconds(row[instant]) <= self.instant
        return row[state] in (self.feed, self.state)


@dataclass
class Judgement:
    decisions: int = 0
    by_image: Counter[int] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    after_a_change: int = 0  # decided by what an urgent change said
    turned_by_time: int = 0  # would have been decided otherwise when the day began
    changes: int = 0
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        said = [
            f"{self.decisions} decisions: " + ", ".join(f"{count} {name}" for name, count in sorted(self.verdicts.items())),
            "by image: " + ", ".join(f"{version}: {count}" for version, count in sorted(self.by_image.items())),
            f"{self.changes} urgent changes; {self.after_a_change} decisions by what one said; "
            f"{self.turned_by_time} that time alone had turned",
            "reasons: " + ", ".join(f"{name} {count}" for name, count in self.reasons.most_common()),
        ]
        return said + [f"WRONG: {line}" for line in self.wrong[:20]] + [f"{len(self.wrong)} decisions are wrong"]


class Judge:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        site = json.loads((directory / "site.json").read_text())
        self.key = bytes.fromhex(site["badge_key"])
        self.lanes: dict[str, str] = site["lanes"]
        self.zone: str = site["zone"]
        self.presented = self._read("presented")
        self.applied = self._read("applied")
        self.decisions = self._read("decisions")
        self.changes: dict[str, list[dict[str, Any]]] = {}
        changes = self._read("changes")
        for change in changes:
            self.changes.setdefault(change["holder"], []).append(change)
        self.folded = {int(path.stem): folded(path) for path in (directory / "images").glob("*.head")}
        self.blocks = blocks(changes, max((one["change_number"] for one in self.decisions), default=0))
        chips = {one["chip"] for one in self.presented}
        self.chip_of = {chip_tag(self.key, bytes.fromhex(chip)).hex(): chip for chip in chips}
        # version: chip: row
        self.feeds = {int(path.stem): self._feed(path, chips) for path in (directory / "feeds").glob("*.csv")}

    def _read(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / f"{name}.jsonl").read_text().splitlines()]

    @staticmethod
    def _feed(path: Path, chips: set[str]) -> dict[str, Row]:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(line for line in file if not line.startswith("#"))
            return {chip: row for row in rows if (chip := row["chip"].lower()) in chips}

    # What is so.

    def credential(self, chip: str, version: int, number: int) -> tuple[Row | None, bool]:
        """What is to be known of a chip with image `version` and all changes up to `number`; whether one of them says it.
        None: nobody has this chip.

        A change carries all that was known of the badge when it was made: on a lane with an older image it says what the
        newer one says."""
        holder = next((feed[chip]["holder"] for feed in self.feeds.values() if chip in feed), "")
        newest, made_on = 0, 0
        for change in self.changes.get(holder, []):
            if change["number"] <= number:
                newest, made_on = change["number"], change["version"]
        for image, (first, last) in self.blocks.items():
            # Changes that this image had not taken in were made again on top of it.
            was_made_again = any(
                self.folded.get(image, first) < change["number"] < first for change in self.changes.get(holder, [])
            )
            if was_made_again and newest < last <= number:
                newest, made_on = last, image
        if made_on > version:
            return self._said(chip, made_on, newest)
        return self._said(chip, version, number)

    def _said(self, chip: str, version: int, number: int) -> tuple[Row | None, bool]:
        standing: dict[str, Standing] = {}
        row = None
        for image in range(1, version + 1):
            row = self.feeds[image].get(chip)
            if row is None:
                standing = {}
                continue
            standing = {key: one for key, one in standing.items() if one.holds(key, row)}
            for change in self.changes.get(row["holder"], []):
                if change["version"] != image or change["number"] > number:
                    continue
                for key, (state, instant) in KEYS.items():
                    if state in change:
                        feed = standing[key].feed if key in standing else row[state]
                        standing[key] = Standing(change[state], seconds(change.get(instant)), feed)
        if row is None:
            return None, False
        merged = dict(row)
        for key, one in standing.items():
            state, instant = KEYS[key]
            merged[state] = one.state
            if instant:
                merged[instant] = datetime.fromtimestamp(one.instant).astimezone().isoformat()
        return merged, bool(standing)

    def reasons(self, row: Row, at_ms: int) -> set[str]:
        found = set()
        if row["vaccine"] != "full":
            found.add(VACCINE_REASONS[row["vaccine"]])
        if row["health_code"] == "green":
            found |= self._age(at_ms - seconds(row["assessed_at"]) * 1000, ASSESSMENT_MS, "code-too-old", "code-in-future")
        else:
            found.add(CODE_REASONS[row["health_code"]])
        match row["test_result"]:
            case "negative":
                found |= self._age(at_ms - seconds(row["sampled_at"]) * 1000, TEST_MS, "test-expired", "test-in-future")
            case "positive":
                found.add("test-positive")
            case _:
                found.add("test-missing")
        if row["activation"] != "activated":
            found.add(ACTIVATION_REASONS[row["activation"]])
        if at_ms // 1000 < seconds(row["valid_from"]):
            found.add("not-yet-valid")
        if at_ms // 1000 > seconds(row["valid_until"]):
            found.add("no-longer-valid")
        if self.zone not in row["zones"].split("|"):
            found.add("zone-not-granted")
        return found

    @staticmethod
    def _age(age_ms: int, limit_ms: int, too_old: str, in_future: str) -> set[str]:
        return {in_future} if age_ms < -FUTURE_MS else {too_old} if age_ms > limit_ms else set()

    # The judgement.

    def judge(self) -> Judgement:
        result = Judgement(changes=sum(map(len, self.changes.values())))
        begin_ms = min(one["begin_ms"] for one in self.presented)
        for decision in self.decisions:
            result.decisions += 1
            result.by_image[decision["image_version"]] += 1
            result.verdicts[decision["verdict"]] += 1
            result.reasons.update(decision["reasons"])
            name = f"{decision['lane']} {decision['sequence']} at {decision['wall']}"
            result.wrong += [f"{name}: {problem}" for problem in self._problems_for_certain(decision, begin_ms, result)]
        for lane in self.lanes:
            result.wrong += [f"{lane}: {problem}" for problem in self._order(lane)]
        return result

    def _problems_for_certain(self, decision: dict[str, Any], begin_ms: int, result: Judgement) -> list[str]:
        """A change that was sent in the moment in which an image was published was made on this one or the one before."""
        found = list(self._problems(decision, begin_ms, result))
        own = self.changes.get(decision["holder_id"] or "", [])
        for change in own if found else []:
            if change["or_version"] != change["version"]:
                change["version"], change["or_version"] = change["or_version"], change["version"]
                if not list(self._problems(decision, begin_ms, Judgement())):
                    return []
        return found

    def _problems(self, decision: dict[str, Any], begin_ms: int, result: Judgement) -> Iterator[str]:
        """What is wrong with one decision, by what it says of itself."""
        chip = self.chip_of.get(decision["tag"])
        if chip is None:
            yield "nobody presented this badge"
            return
        row, is_changed = self.credential(chip, decision["image_version"], decision["change_number"])
        with_what = f"image {decision['image_version']}, change {decision['change_number']}, chip {chip}"
        result.after_a_change += is_changed
        if row is None:
            expected = {"unknown-badge"}
            if decision["lookup"] != "unknown":
                yield f"{with_what}: found, and no feed has it"
                return
        else:
            if decision["lookup"] != "found":
                yield f"{with_what}: {decision['lookup']}, and {row['holder']} has it"
                return
            yield from self._differences(decision, row, with_what)
            expected = self.reasons(row, decision["wall_ms"])
            result.turned_by_time += expected != self.reasons(row, begin_ms)
        if self.lanes[decision["lane"]] == "exit":
            if decision["verdict"] != "admitted":
                yield "an exit lets everybody out"
            return
        told = {reason for reason in decision["reasons"] if not reason.startswith("temperature-")}
        if told != expected:
            yield f"{with_what}: reasons {sorted(told)}, and {sorted(expected)} are right"
        if (decision["verdict"] == "admitted") != (not decision["reasons"]):
            yield f"{decision['verdict']} with reasons {decision['reasons']}"

    @staticmethod
    def _differences(decision: dict[str, Any], row: Row, with_what: str) -> Iterator[str]:
        if decision["holder_id"] != row["holder"]:
            yield f"{with_what}: holder {decision['holder_id']}, and it is {row['holder']}'s"
        for name in ("kind", "vaccine", "health_code", "test_result", "activation"):
            if decision[name] != row[name]:
                yield f"{with_what}: {name} {decision[name]}, and {row[name]} is right"
        for name in ("assessed_at", "sampled_at"):
            if seconds(decision[name]) != seconds(row[name]):
                yield f"{with_what}: {name} {decision[name]}, and {row[name]} is right"

    def _order(self, lane: str) -> Iterator[str]:
        """What holds of a lane's decisions one after the other, and of those who stood there."""
        decisions = sorted(
            (one for one in self.decisions if one["lane"] == lane), key=lambda one: one["sequence"]
        )
        former = (0, 0)
        for one in decisions:
            used = (one["image_version"], one["change_number"])
            if used[0] < former[0] or used[1] < former[1]:
                yield f"{one['sequence']} was decided with image and change {used}, after {former}"
            former = max(former[0], used[0]), max(former[1], used[1])
        # Nothing older decides once the lane has said that something newer is in force.
        said = [one for one in self.applied if one["lane"] == lane]
        place, in_force = 0, (0, 0)
        for one in sorted(decisions, key=lambda one: one["wall_ms"]):
            while place < len(said) and said[place]["at_ms"] < one["wall_ms"]:
                in_force = said[place]["image"], said[place]["change"]
                place += 1
            if one["image_version"] < in_force[0] or one["change_number"] < in_force[1]:
                yield f"{one['sequence']} was decided with an older state than {in_force}, which was in force"
        # What people saw is what was recorded, each once and in this order.
        seen = [(chip_tag(self.key, bytes.fromhex(one["chip"])).hex(), one["answer"]) for one in self.presented if one["lane"] == lane]
        recorded = [(one["tag"], one["verdict"]) for one in decisions]
        if seen != recorded:
            first = next(
                (place for place, (a, b) in enumerate(zip(seen, recorded)) if a != b), min(len(seen), len(recorded))
            )
            yield f"{len(seen)} were answered and {len(recorded)} decided; they differ from number {first + 1} on"
