"""Scenario files as they are read: what is refused, where, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanesim_parts import scenario_file, scenario_people, scenario_records
from lanesim_parts.scenario_node import Part, ScenarioRefused, load, merged, plain_values, written

GOOD = """\
title: A title
why: A reason.
lane:
  lane: { kind: exit }
people:
  Li Na: { vaccine: none }
steps:
  - comes: Li Na
  - expect: { gate: open }
"""


def make(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read_whole(tmp_path):
    scenario = scenario_file.read(make(tmp_path, GOOD))
    assert (scenario.title, [step.word for step in scenario.steps]) == ("A title", ["comes", "expect"])
    assert [step.line for step in scenario.steps] == [8, 9]
    assert not scenario.moves_clock and scenario.has_image


@pytest.mark.parametrize(
    "line, old, new, problem",
    [
        (1, "title: A title\n", "", "`title` is missing"),
        (1, "A title", "x" * 91, "a title is one line"),
        (2, "why: A reason.\n", "why:\n", "why is missing here"),
        (7, "steps:", "stepps:", "a scenario knows no `stepps`; did you mean `steps`?"),
        (2, "why: A reason.", "title: Again", "`title` stands here a second time"),
        (4, "lane: { kind: exit }", "lanes: { kind: exit }", "lane knows no `lanes`; did you mean `lane`?"),
        (4, "lane: { kind: exit }", "readers: [ { name: chip } ]", "a reader has a `name` and a `type`"),
        (4, "lane: { kind: exit }", "readers: [ { name: x, type: telepathy } ]", "type knows no `telepathy`"),
        (4, "lane: { kind: exit }", "policy: strict", "policy is a group of `key: value`"),
        (6, "vaccine: none", "vacine: none", "a person (Li Na) knows no `vacine`; did you mean `vaccine`?"),
        (6, "vaccine: none", "vaccine: some", "vaccine knows no `some`; one of full, incomplete, none"),
        (6, "vaccine: none", "test: sampled 4 hours", "`2 h ago` or `in 3 h` is wanted, not `4 hours`"),
        (6, "vaccine: none", "test: yesterday", "`sampled 4 h ago`, `positive, sampled 4 h ago` or `none` is wanted"),
        (6, "vaccine: none", "assessed: 2 fortnights ago", "a time such as `47 h 59 min` or `3 d` is wanted"),
        (6, "vaccine: none", "temperature: hot", "degrees Celsius such as 36.5 are wanted, not `hot`"),
        (6, "vaccine: none", "badge: lost", "badge knows no `lost`"),
        (8, "comes: Li Na", "comes: Li", "people knows no `Li`"),
        (8, "comes: Li Na", "jumps: Li Na", "a step knows no `jumps`"),
        (8, "comes: Li Na", "{ comes: Li Na, walks: forward }", "a step is one word with what belongs to it, not 2"),
        (8, "comes: Li Na", "comes:", "a person is missing here"),
        (8, "comes: Li Na", "walks: sideways", "walks knows no `sideways`; one of forward, backward"),
        (8, "comes: Li Na", "walks: { times: 0 }", "a whole number 1…5000 is wanted, not `0`"),
        (8, "comes: Li Na", "clock: later", "`7 h ahead`, `10 min behind`, `right`"),
        (8, "comes: Li Na", "time: 31 s", "`31 s pass` is wanted"),
        (8, "comes: Li Na", "fire: burns", "fire knows no `burns`"),
        (8, "comes: Li Na", "contact: { passage_forward: shut }", "passage_forward knows no `shut`"),
        (8, "comes: Li Na", "reload: { polcy: {} }", "lane knows no `polcy`; did you mean `policy`?"),
        (9, "gate: open", "gate: ajar", "gate knows no `ajar`; one of open, open outward, shut"),
        (9, "gate: open", "lamp: blue", "lamp knows no `blue`"),
        (9, "gate: open", "display: Please walk through", "display has Chinese and English"),
        (9, "gate: open", "buzzer: loud", "`once`, `twice`, `3 times` or `never` is wanted, not `loud`"),
        (9, "gate: open", "records: [ { verdict: admitted, reader: 1 } ]", "says in `is` which one"),
        (9, "gate: open", "within: 2 h", "within: at most 60 s"),
        (9, "{ gate: open }", "{ within: 2 s }", "nothing is expected"),
        (8, "  - expect: { gate: open }\n", "", "nothing is expected: a scenario has at least one `expect`"),
        (9, "{ gate: open }", "{ gate: open", "not YAML"),
        (9, "gate: open", "gate: \x00", "not YAML"),
        (1, GOOD, "", "is empty"),
        (1, GOOD, "- a list", "a scenario is a group of `key: value`"),
        (7, "steps:", "before: [ { walks: forward } ]\nsteps:", "`walks` in `before`: no daemon runs yet"),
        (3, "lane:\n", "image: old\nlane:\n", "image knows no `old`; one of in force, none"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_line(tmp_path, line, old, new, problem):
    assert old in GOOD
    path = make(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ScenarioRefused) as refusal:
        scenario_file.read(path)
    assert str(refusal.value).startswith(f"{path}:") and problem in str(refusal.value)
    if "not YAML" not in problem:
        assert str(refusal.value).startswith(f"{path}:{line}: "), refusal.value


def test_files_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_bytes(b"title: x\nwhy: \xff\xfe\n")
    with pytest.raises(ScenarioRefused, match=":2: not UTF-8"):
        scenario_file.read(path)
    path.write_bytes(b"#" * 100_000)
    with pytest.raises(ScenarioRefused, match="no scenario"):
        scenario_file.read(path)
    with pytest.raises(ScenarioRefused, match="cannot be read"):
        scenario_file.read(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    "text, hours",
    [
        *[("47 h 59 min ago", -47 - 59 / 60), ("in 3 h", 3), ("48 h 1 s ago", -48 - 1 / 3600)],
        *[("2 d ago", -48), ("in 500 ms", 1 / 7200)],
    ],
)
def test_moments_are_hours_from_now(text, hours):
    assert scenario_people.moment(text) == pytest.approx(hours)


def test_a_persons_row_says_what_the_scenario_says(tmp_path):
    text = "{ kind: staff, vaccine: incomplete, code: red, test: 'positive, sampled 3 h ago', badge: claimed twice }"
    part = load(make(tmp_path, f"Li Na: {text}\nWang Wei:\n"))
    people = scenario_people.read(part)
    row = people["Li Na"].person.sort.feed
    assert (row["vaccine"], row["health_code"]) == ("partial", "red")
    assert (row["test_result"], row["sampled_at"]) == ("positive", -3)
    assert people["Li Na"].person.sort.twins and people["Li Na"].person.kind == "staff"
    assert people["Li Na"].person.chip != people["Wang Wei"].person.chip
    assert people["Wang Wei"].person.sort.feed == {"zones": "north-ring", "activation": "activated"}


def test_pieces_of_a_configuration_go_over_the_usual_one_group_by_group(tmp_path):
    base = load(make(tmp_path, "a: { b: 1, c: [ 1, 2 ] }\nd: 12:30\n"))
    over = load(make(tmp_path, "a: { c: [ 3 ] }\ne: 'on'\n"))
    node = merged(base.node, over.node)
    assert plain_values(node) == {"a": {"b": "1", "c": ["3"]}, "d": "12:30", "e": "on"}
    text = written(node)
    assert "b: 1" in text and "d: 12:30" in text and "e: 'on'" in text, "scalars stay as they were written"


RECORDS = [
    ({"event": "decided", "verdict": "admitted", "reasons": []}, "admitted"),
    ({"event": "decided", "verdict": "refused", "reasons": ["a", "b"]}, "refused: a, b"),
    ({"event": "anonymous", "direction": "forward"}, "anonymous forward"),
    ({"event": "fire", "alarm": True}, "fire alarm"),
    ({"event": "fire", "alarm": False}, "fire over"),
    ({"event": "device", "device": "thermometer", "lost": True}, "thermometer lost"),
    ({"event": "contact", "direction": "forward", "stuck": False}, "contact forward free"),
    ({"event": "mode", "mode": "normal", "cause": "none"}, "mode normal"),
    ({"event": "mode", "mode": "emergency", "cause": "fire"}, "mode emergency: fire"),
    ({"event": "clock", "trust": "stepped"}, "clock stepped"),
    ({"event": "tamper", "device": "cabinet", "opened": True}, "tamper cabinet opened"),
    ({"event": "something-new", "x": 1}, "something-new"),
]


@pytest.mark.parametrize("record, words", RECORDS)
def test_a_record_in_words(record, words):
    assert scenario_records.words(record) == words


def expected(tmp_path: Path, text: str) -> scenario_records.ExpectedRecord:
    (item,) = load(make(tmp_path, f"- {text}")).items("records")
    return scenario_records.ExpectedRecord(item)


@pytest.mark.parametrize(
    "text, record, matches",
    [
        ("refused: b, a", RECORDS[1][0], True),
        ("refused: [ a, b ]", RECORDS[1][0], True),
        ("refused: a", RECORDS[1][0], False),
        ("refused", RECORDS[1][0], True),
        ("admitted", RECORDS[1][0], False),
        ("anonymous", RECORDS[2][0], True),
        ("anonymous backward", RECORDS[2][0], False),
        ("mode emergency: fire", RECORDS[8][0], True),
        ("mode emergency: gate-lost", RECORDS[8][0], False),
        ("{ is: fire alarm, alarm: true }", RECORDS[3][0], True),
        ("{ is: fire alarm, alarm: false }", RECORDS[3][0], False),
        ("{ is: 'refused: a, b', verdict: refused }", RECORDS[1][0], True),
    ],
)
def test_an_expected_record_matches(tmp_path, text, record, matches):
    assert expected(tmp_path, text).matches(record) == matches


def watch(*records: dict) -> scenario_records.JournalWatch:
    journal = scenario_records.JournalWatch(Path("/nowhere"), Path("/nowhere"), lambda: None)
    journal.records = list(records)
    return journal


def test_records_are_looked_for_in_order_and_nothing_may_lie_between(tmp_path):
    forced, hour, passed = {"event": "forced"}, {"event": "hour"}, {"event": "passed"}
    wanted = [expected(tmp_path, "forced"), expected(tmp_path, "passed")]
    journal = watch(forced, hour, passed, forced)
    assert journal.look_for(wanted, others_between=False) is None, "an hour that closes is passed over"
    assert journal.cursor == 3 and journal.left_over() == ["forced"]
    journal = watch(forced, forced, passed)
    assert "but the record is `forced`" in (journal.look_for(wanted, others_between=False) or "")
    assert journal.cursor == 0 and journal.look_for(wanted, others_between=True) is None
    assert "no such record came" in (watch(forced).look_for(wanted, others_between=True) or "")
    assert watch(hour).look_for([expected(tmp_path, "hour")], others_between=False) is None


def test_parts_know_their_lines(tmp_path):
    part: Part = load(make(tmp_path, "a: 1\nb:\n  - x\n  - y\n"))
    assert [item.line for item in part.fields("it")["b"].items("b")] == [3, 4]
