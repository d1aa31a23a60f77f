"""Recordings played back on pseudo-terminals."""

import io
import json
import os
import threading
import tty

import pytest

from lanesim_parts import recording as recordings, replay

HEAD = {"format": "lanekeeper-recording-1", "lane": "north-01", "devices": [{"name": "chip"}, {"name": "thermometer"}]}


def recording(*frames, head=HEAD):
    lines = [head] + [
        {"ms": ms, "device": device, "direction": direction, "hex": data, "said": []}
        for ms, device, direction, data in frames
    ]
    return io.StringIO("".join(json.dumps(line) + "\n" for line in lines))


def open_line(path):
    daemon = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(daemon)
    return daemon


@pytest.mark.parametrize("fast", [True, False])
def test_what_came_from_a_device_comes_again_once_it_was_asked_as_then(tmp_path, fast):
    played = recordings.read(
        recording((0, "chip", "out", "aabb"), (10, "chip", "in", "0102"), (30, "thermometer", "in", "5a"), (40, "chip", "in", "03"))
    )
    player = replay.Player(played, {"chip": tmp_path / "c.tty", "thermometer": tmp_path / "t.tty"})
    assert player.wait_for_listeners(0.01) == ["chip", "thermometer"]
    chip, thermometer = open_line(tmp_path / "c.tty"), open_line(tmp_path / "t.tty")
    assert player.wait_for_listeners(5) == []
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(player.play(fast)))
    thread.start()
    os.write(chip, b"\xaa\xbb")
    heard = b""
    while len(heard) < 3:
        heard += os.read(chip, 16)
    assert heard == b"\x01\x02\x03"
    assert os.read(thermometer, 16) == b"\x5a"
    thread.join(10)
    assert outcomes == [replay.Outcome(sent=3)]
    player.close()
    os.close(chip)
    os.close(thermometer)


def test_a_device_that_is_not_asked_is_heard_all_the_same_and_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(replay, "READ_SECONDS", 0.5)
    played = recordings.read(recording((0, "chip", "out", "aabb"), (1, "chip", "in", "01"), head=HEAD | {"devices": [{"name": "chip"}]}))
    player = replay.Player(played, {"chip": tmp_path / "c.tty"})
    chip = open_line(tmp_path / "c.tty")
    assert player.play(True) == replay.Outcome(sent=1, unanswered=["chip"])
    assert os.read(chip, 16) == b"\x01"
    player.close()
    os.close(chip)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "first line"),
        ('{"format":"other"}\n', "first line"),
        (json.dumps(HEAD) + '\n{"ms":0}\n', "line 2 is no frame"),
        (json.dumps(HEAD) + "\nnonsense\n", "line 2 is no JSON"),
        (json.dumps(HEAD) + '\n{"ms":0,"device":"other","direction":"in","hex":"00"}\n', "does not name"),
        (json.dumps(HEAD) + '\n{"ms":0,"device":"chip","direction":"in","hex":"0g"}\n', "line 2 is no frame"),
    ],
)
def test_what_is_no_recording_is_told_with_its_line(text, problem):
    with pytest.raises(recordings.BadRecording, match=problem):
        recordings.read(io.StringIO(text))


def test_missed_frames_are_counted():
    text = json.dumps(HEAD) + '\n{"dropped":7}\n'
    assert recordings.read(io.StringIO(text)).dropped == 7


@pytest.mark.parametrize(
    "type, options, status, says",
    [
        ("pn532", {"fast": True}, 64, "chip is asked"),
        ("rdm6300", {"without": {"nose"}}, 64, "the recording has chip, not nose"),
        ("osdp", {}, 1, "--without chip"),
        ("osdp", {"without": {"chip"}}, 0, ""),
    ],
)
def test_what_cannot_be_played_is_told_before_a_line_is_opened(tmp_path, capsys, type, options, status, says):
    secured = "ff53000e000d021560df8898239a62"  # of the sessions recorded with libosdp
    head = HEAD | {"devices": [{"name": "chip", "type": type}]}
    (tmp_path / "r.jsonl").write_text(recording((0, "chip", "out", secured), head=head).getvalue())
    chosen = {"links": {}, "without": set(), "fast": False, "patience": 0.1} | options
    assert replay.main(tmp_path / "r.jsonl", tmp_path / "run", **chosen) == status
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("run/*.tty"))
