"""Badges, contacts and fire at a gate of real GPIO lines."""

import re
from collections import Counter

import pytest
from lane import BACKWARD, BOUND, BUTTON, BUZZER, COVER, EMERGENCY, FIRE, FORWARD, GREEN, IN_EMERGENCY, READY, RED, RELEASE


def test_a_badge_that_may_pass_raises_the_release_until_somebody_walked(running, crowd):
    running.passes(crowd["may pass: visitor"])
    running.passes(crowd["may pass: media"])
    assert running.count("passed") == 2


def test_a_refused_badge_leaves_the_release_low(running, crowd):
    running.never_rises(RELEASE, 4)
    running.comes(crowd["code red"])
    running.expect({RED: 1, GREEN: 0, RELEASE: 0})
    assert not running.rose(RELEASE)
    (decision,) = (event for event in running.events() if event["event"] == "decided")
    assert (decision["verdict"], decision["reasons"]) == ("refused", ["code-red"])


# The daemon reads the clock of its deadlines, then that of its records: how long it was kept from the processor between
# them is missing between the record and the end.
EARLY_MILLISECONDS = 200
LATE_MILLISECONDS = 2000  # much for a guest on a loaded machine, and less than a lamp is lit for a refused badge


def sounded(lane, event: str, milliseconds: int, silent: int = 0) -> None:
    """Once since the lane was watched, for so long after what was recorded, by the kernel's trace."""
    sets = lane.sets(BUZZER, 2)
    assert [level for _, level in sets] == [1 - silent, silent]
    lane.expect({BUZZER: silent})
    begin, end = (at for at, _ in sets)
    (recorded,) = (told["wall_milliseconds"] for told in lane.events() if told["event"] == event)
    print(f"the buzzer sounded from {begin - recorded:.1f} to {end - recorded:.1f} ms after the record")
    assert recorded <= begin
    assert -EARLY_MILLISECONDS <= end - recorded - milliseconds < LATE_MILLISECONDS


@pytest.mark.parametrize("silent", [0, 1], ids=["active-high", "active-low"])
def test_a_refused_badge_sounds_the_buzzer_and_it_is_silent_again(running, crowd, silent):
    running.stop()
    running.configure("locked", active_low=("buzzer",) if silent else ())
    running.start()
    running.at_work()
    running.expect({BUZZER: silent})
    running.watch()
    running.comes(crowd["code red"])
    sounded(running, "decided", 400, silent)
    assert running.guest.values(RELEASE) == {RELEASE: 0}


def test_who_walks_without_a_release_sounds_the_buzzer(running):
    running.watch()
    running.closes(FORWARD)
    sounded(running, "forced", 1000)


def test_who_may_pass_hears_no_buzzer(running, crowd):
    running.watch()
    running.passes(crowd["may pass: visitor"])
    assert running.sets(BUZZER, 0) == []
    assert [level for _, level in running.sets(RELEASE, 2)] == [1, 0]


def test_a_passage_against_the_direction_is_wrong_way(running):
    running.closes(BACKWARD)
    assert running.recorded("wrong-way")
    running.expect(READY)
    assert running.count("wrong-way") == 1


def test_the_guards_button_lets_one_person_through(running):
    running.closes(BUTTON)
    running.expect({RELEASE: 1, GREEN: 1, RED: 0})
    running.closes(BUTTON)  # somebody is let through already
    running.walks()
    running.expect(READY)
    by_hand = [event["by"] for event in running.events() if event["event"] == "released-by-hand"]
    assert by_hand == ["guard-button"]
    assert running.count("passed") == 1


def test_an_open_cabinet_is_told_and_keeps_nobody_out(running, crowd):
    running.guest.sh(f"pull {COVER} up")
    assert running.status_says("cabinet: tampered with"), running.status()
    running.passes(crowd["may pass: visitor"])
    running.guest.sh(f"pull {COVER} down")
    over = '! lanectl status --config /run/lane.yaml | grep -qF "tampered with"'
    assert running.guest.within(BOUND, over), running.status()
    told = [(event["device"], event["opened"]) for event in running.events() if event["event"] == "tamper"]
    assert told == [("cabinet", True), ("cabinet", False)]


def test_the_kernel_shows_the_lines_as_the_daemons_and_where_they_stand(running, crowd):
    """debugfs: ` gpio-503 (relay0              |lanekeeper          ) out hi`."""

    def shown() -> dict[str, tuple[str, str]]:
        found = re.findall(r"\(([a-z0-9]+) *\|(.*?) *\) (\w+ +\w+)", running.guest.sh("cat /sys/kernel/debug/gpio"))
        return {line: (holder, " ".join(state.split())) for line, holder, state in found}

    running.comes(crowd["may pass: visitor"])
    running.expect({RELEASE: 1})
    lines = shown()
    assert {holder for holder, _ in lines.values()} == {"lanekeeper"}
    assert len(lines) == 11
    assert lines[RELEASE][1] == "out hi"
    assert lines[EMERGENCY][1] == "out lo"
    assert lines[FIRE][1].startswith("in hi")
    running.walks()
    running.expect(READY)
    assert shown()[RELEASE] == ("lanekeeper", "out lo")


def test_the_fire_line_opens_and_holds_until_the_loop_is_whole(running, crowd):
    running.guest.sh(f"pull {FIRE} down")
    running.expect(IN_EMERGENCY)
    running.walks()
    running.expect(IN_EMERGENCY)
    running.guest.sh(f"pull {FIRE} up")
    running.expect(READY)
    running.passes(crowd["may pass: visitor"])
    assert running.count("fire") == 2
    assert running.count("forced") == 0


def test_the_fire_line_opens_while_somebody_is_let_in(running, crowd):
    running.comes(crowd["may pass: visitor"])
    running.expect({RELEASE: 1, GREEN: 1})
    running.guest.sh(f"pull {FIRE} down")
    running.expect(IN_EMERGENCY)
    running.guest.sh(f"pull {FIRE} up")
    running.expect({EMERGENCY: 0})


def test_a_fire_wire_that_is_open_when_the_daemon_starts_is_an_alarm(running):
    running.stop()
    running.guest.sh(f"pull {FIRE} down")
    running.start()
    running.expect(IN_EMERGENCY)
    running.guest.sh(f"pull {FIRE} up")
    running.at_work()


# How long each level stands, in milliseconds, beginning with the closed contact. A reed contact bounces some
# milliseconds at each end; both libraries must make one pulse of it.
BOUNCING_PULSE = [2, 2, 1, 3, 2, 1, 300, 2, 1, 3, 2]
GLITCHES = [3, 60, 2, 60, 4]
TOO_LONG = 12  # of 20: a bounce that the machine stretched to this is no bounce; the trace is then made again
ATTEMPTS = 20


def pulses_of(lane, trace, prepare=lambda: None) -> Counter[str]:
    """What the journal says of a trace on the passage contact that was made as it is meant."""
    short = [index for index, length in enumerate(trace) if length < TOO_LONG]
    waits = " ".join(str(length * 1000) for length in trace)
    for _ in range(ATTEMPTS):
        prepare()
        before = pulses(lane)
        stood = [int(word) for word in lane.guest.sh(f"bounce $(line_of {FORWARD})/pull {waits}").split()]
        assert len(stood) == len(trace)
        # When this one is in the journal, so is what came before it.
        lane.closes(BACKWARD)
        assert lane.recorded("wrong-way", before["wrong-way"] + 1)
        found = pulses(lane) - before - Counter({"wrong-way": 1})
        if all(stood[index] < TOO_LONG * 1000 for index in short):
            print(f"levels stood for {stood} µs: {dict(found)}")
            return found
        lane.expect(READY)
    raise AssertionError("this machine is too busy to bounce a contact")


def pulses(lane) -> Counter[str]:
    return Counter(e["event"] for e in lane.events() if e["event"] in ("passed", "forced", "tailgating", "wrong-way"))


def test_a_contact_that_bounces_makes_one_pulse(running):
    for _ in range(5):
        assert pulses_of(running, BOUNCING_PULSE) == Counter(forced=1)


def test_glitches_shorter_than_the_debounce_make_none(running):
    for _ in range(5):
        assert pulses_of(running, GLITCHES) == Counter()


def test_a_contact_that_bounces_is_one_passage_of_who_was_let_in(running, crowd):
    def let_in():
        running.comes(crowd["may pass: visitor"])
        running.expect({RELEASE: 1})

    assert pulses_of(running, BOUNCING_PULSE, let_in) == Counter(passed=1)
    running.expect(READY)
