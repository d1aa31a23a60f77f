"""Who comes, what stands in the feed about them, and whether the comparison sees a single wrong record."""

import copy
import csv
import io
import random
from collections import Counter
from datetime import datetime, timezone

import pytest

from lanesim_parts import comparison, crowd_log, feed, people, records, sorts
from lanesim_parts.crowd_log import Visit
from lanesim_parts.siphash import chip_tag

NOW = datetime(2026, 5, 1, 4, 0, tzinfo=timezone.utc)
KEY = bytes(range(16))


def test_the_same_seed_draws_the_same_crowd():
    assert people.draw(300, random.Random(7)) == people.draw(300, random.Random(7))
    assert people.draw(300, random.Random(7)) != people.draw(300, random.Random(8))


@pytest.mark.parametrize("seed", [1, 7, 20])
def test_with_300_people_every_sort_comes_twice(seed):
    drawn = people.draw(300, random.Random(seed))
    count = Counter(person.sort.name for person in drawn)
    assert len(drawn) == 300 == len({person.chip for person in drawn})
    for sort in sorts.SPECIAL + sorts.MAY_PASS:
        assert count[sort.name] >= 2, sort.name


def test_the_feed_says_of_each_sort_what_makes_it_one():
    drawn = people.draw(300, random.Random(7))
    out = io.StringIO(newline="")
    written = feed.write(out, drawn, NOW, fillers=10)
    rows = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert len(rows) == written and list(rows[0]) == feed.HEADER
    by_chip = {}
    for row in rows:
        by_chip.setdefault(row["chip"], []).append(row)
    assert {row["kind"] for row in rows} == {*sorts.PERSON_KINDS, "vehicle"}
    for person in drawn:
        mine = by_chip.get(person.chip.hex().upper(), [])
        assert len(mine) == (0 if not person.sort.enrolled else 2 if person.sort.twins else 1)
        for row in mine:
            assert datetime.fromisoformat(row["valid_from"]).tzinfo is not None
    expired = next(person for person in drawn if person.sort.name == "test expired")
    sampled = datetime.fromisoformat(by_chip[expired.chip.hex().upper()][0]["sampled_at"])
    assert (NOW - sampled).total_seconds() == 51.2 * 3600


def make_visit(number=1, **fields):
    visit = Visit(
        number=number, lane="north-01", lane_kind="entry", person=number, holder="H", sort="may pass: visitor", kind="visitor",
        chip="0102030405", expected="released", reasons=[], behaviour="walks", wall_ms=1000 * number,
        answer="released", answer_ms=300, walked=True, walk_confirmed=True,
    )
    for name, value in fields.items():
        setattr(visit, name, value)
    return visit


def make_lines(*events):
    tag = chip_tag(KEY, bytes.fromhex("0102030405")).hex()
    lines = [{"epoch": "e1", "sequence": 1, "event": "epoch-started", "wall_ms": 1}]
    for event in events:
        base = {"epoch": "e1", "sequence": len(lines) + 1, "wall_ms": 1300, "tag": tag}
        lines.append(base | {"verdict": "admitted", "reasons": []} | event)
    return lines


PASSED = (
    {"event": "decided"},
    {"event": "ended", "end": "passed", "decision_sequence": 2},
)


def compared(visits, lines, **told):
    stored = records.read(lines)
    counts = Counter(dict.fromkeys(crowd_log.COUNTED, 0))
    for decision in stored.decisions:
        counts.update(["presented", "admitted" if decision.admitted else "refused", *decision.ends])
    counts.update(pulse.sort for pulse in stored.pulses)
    counts["on_site_people"] = counts["passed"] + counts["tailgating"]
    total = {**counts, "stored": len(lines), "missing": 0, **told}
    seen = comparison.Seen({"total": total, "lanes": []}, {"north-01": stored})
    return comparison.compare(visits, seen, KEY.hex())


def test_a_passage_that_both_know_agrees():
    assert compared([make_visit()], make_lines(*PASSED)).differences == []


REFUSED = {"expected": "refused", "answer": "refused", "walked": False, "reasons": ["code-red"]}
DISAGREEMENTS = {
    "a walk without a passage": (
        [{}], [PASSED[0], {"event": "ended", "end": "annulled", "decision_sequence": 2}],
    ),
    "a decision twice": ([{}], [*PASSED, *PASSED]),
    "a release that never ended": ([{}], [{"event": "decided"}]),
    "nothing stored": ([{}], []),
    "an unseen decision": ([{"answer": "nothing", "walked": False}], PASSED),
    "another badge": ([{}], [{"event": "decided", "tag": "00" * 10}, PASSED[1]]),
    "a refusal stored as admitted": ([REFUSED], PASSED),
    "refused for another reason": ([REFUSED], [{"event": "decided", "verdict": "refused", "reasons": ["revoked"]}]),
    "refused for one reason more": (
        [REFUSED], [{"event": "decided", "verdict": "refused", "reasons": ["code-red", "revoked"]}],
    ),
    "an unstored tailgater": ([{"followed": 1}], PASSED),
    "a pulse that did not happen": ([{}], [*PASSED, {"event": "pulse", "pulse": "forced"}]),
    "a confirmed walk stored as interrupted": (
        [{"cut": True}], [PASSED[0], {"event": "ended", "end": "interrupted", "decision_sequence": 2}],
    ),
    "a cut visit decided twice": ([{"cut": True, "answer": "nothing", "walked": False}], [*PASSED, *PASSED]),
}


@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_the_comparison_sees(name):
    changes, events = DISAGREEMENTS[name]
    visits = [make_visit(number, **change) for number, change in enumerate(changes, 1)]
    assert not compared(visits, make_lines(*events)).agrees


AMBIGUITIES = {
    "killed before the answer, nothing written": ({"answer": "nothing", "walked": False}, []),
    "killed between record and release": (
        {"answer": "nothing", "walked": False},
        [PASSED[0], {"event": "ended", "end": "interrupted", "decision_sequence": 2}],
    ),
    "killed during the walk": (
        {"walk_confirmed": False}, [PASSED[0], {"event": "ended", "end": "interrupted", "decision_sequence": 2}],
    ),
    "killed after the walk was written": ({"walk_confirmed": False}, PASSED),
}


@pytest.mark.parametrize("name", AMBIGUITIES)
def test_a_kill_leaves_open(name):
    change, events = AMBIGUITIES[name]
    assert compared([make_visit(cut=True, **change)], make_lines(*events)).agrees


def test_a_gap_a_repetition_and_a_lost_epoch_are_faults():
    whole = make_lines(*PASSED)
    assert records.read(whole).faults == []
    assert records.read([whole[0], whole[2]]).faults
    assert records.read([*whole, whole[2]]).faults
    second = {"epoch": "e2", "sequence": 1, "event": "epoch-started", "previous_epoch": "e1", "last_sequence": 3}
    assert records.read([*whole, second]).faults == []
    lost = copy.copy(second) | {"last_sequence": 4}
    assert records.read([*whole, lost]).faults


def test_a_miscounted_tally_is_seen():
    assert not compared([make_visit()], make_lines(*PASSED), passed=2).agrees
    assert not compared([make_visit()], make_lines(*PASSED), missing=1).agrees
    assert not compared([make_visit()], make_lines(*PASSED), stored=4).agrees
