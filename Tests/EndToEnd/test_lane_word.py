"""What a lane says of itself reaches the collector: /v1/lanes, alerts and /metrics, also while nobody passes."""

from __future__ import annotations

import json
import signal
import struct
from typing import Any

from conftest import make_people
from test_alerts import alerts, start_collector, stop_collector

BOUND = 60


def lane_of(stage, lane) -> dict[str, Any]:
    """As /v1/lanes says it; empty while the collector does not answer."""
    try:
        lanes = json.loads(stage.client.get("/v1/lanes"))["lanes"]
    except OSError:
        return {}
    return next((found for found in lanes if found["lane"] == lane.settings.id), {})


def devices(said: dict[str, Any]) -> dict[str, str]:
    return {device["device"]: device["state"] for device in said.get("devices") or []}


def test_devices_credentials_and_a_daemon_that_stops_are_told_and_kept_over_a_restart(open_stage, run):
    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person]) as stage:
            lane = stage.lanes[0]
            simulated = lane.simulated
            assert await simulated.gate.wait_until(simulated.is_ready, BOUND)

            def is_well():
                said = lane_of(stage, lane)
                return devices(said) == {"reader-0": "present", "thermometer": "present", "gate": "present"}

            await stage.wait_for("it says that all is well", is_well, BOUND)
            said = lane_of(stage, lane)
            assert (said["mode"], said["mode_cause"], said["clock"]) == ("normal", "none", "trusted"), said
            assert (said["image_version"], said["freshness"], said["hangs"]) == (1, "fresh", False), said
            assert 0 <= said["statement_age_seconds"] < BOUND and said["version"] and said["policy"], said
            assert (said["journal"]["state"], said["journal"]["percent"]) == ("roomy", 0), said
            assert said["wordless_since_ms"] is None
            assert json.loads(stage.client.get("/v1/alerts"))["alerts"] == []

            simulated.thermometer.line.unplug()
            await stage.wait_for(
                "it says so", lambda: devices(lane_of(stage, lane)).get("thermometer") == "lost", BOUND
            )
            await stage.wait_for("that is an alert", lambda: "device-lost" in alerts(stage), BOUND)
            line = f'lanekeeper_lane_device_lost{{lane="{lane.settings.id}",device="thermometer"}} 1\n'
            assert line in stage.client.get("/metrics").decode()

            # What was said last is there before anything is said anew.
            lane.uplink.process.send_signal(signal.SIGSTOP)
            stop_collector(stage)
            await start_collector(stage)
            kept = lane_of(stage, lane)
            assert devices(kept)["thermometer"] == "lost" and kept["image_version"] == 1, kept
            lane.uplink.process.send_signal(signal.SIGCONT)
            simulated.thermometer.line.plug_in()
            await stage.wait_for("it is back", is_well, BOUND)

            assert lane.daemon.stop() == 0
            stage.components.remove(lane.daemon)
            assert not (lane.state / "word").exists(), "an old word is never taken for a new one"
            await stage.wait_for("nobody says anything", lambda: lane_of(stage, lane)["wordless_since_ms"], BOUND)
            assert devices(lane_of(stage, lane))["gate"] == "present", "what was said last is kept"
            await stage.wait_for("that is an alert", lambda: "daemon-silent" in alerts(stage), BOUND)
            silent = alerts(stage)["daemon-silent"]
            assert silent["subject"]["id"] == lane.settings.id and "lanekeeperd@" in silent["advice"], silent
            assert silent["since_ms"] == lane_of(stage, lane)["wordless_since_ms"]
            assert f'lanekeeper_lane_daemon_up{{lane="{lane.settings.id}"}} 0\n' in stage.client.get("/metrics").decode()

    run(scenario())


def held(lane) -> tuple[int, int]:
    """Records that wait in the lane's journal, and its room, as the file says."""
    try:
        word = (lane.state / "word").read_bytes()
    except FileNotFoundError:
        return (0, 1)
    return struct.unpack_from("<II", word, 56)


def test_a_journal_that_fills_while_nothing_is_stored_is_told_with_its_percentage(open_stage, run):
    def small_journal(lane):
        text = lane.configuration.read_text()
        was = "capacity_records: 100000, reserve_records: 2000, records_per_segment: 1024"
        assert was in text
        small = "capacity_records: 1000, reserve_records: 200, records_per_segment: 256"
        lane.configuration.write_text(text.replace(was, small))

    async def scenario():
        (person,) = make_people("may pass: visitor")
        async with open_stage([person], before_lanes=small_journal) as stage:
            lane = stage.lanes[0]
            gate = lane.simulated.gate
            assert await gate.wait_until(lane.simulated.is_ready, BOUND)
            await stage.wait_for("it says something", lambda: lane_of(stage, lane).get("journal"), BOUND)
            assert "journal-filling" not in alerts(stage)
            stop_collector(stage)

            def is_filling():
                # Somebody walks in without a badge, again and again: each time is a record.
                for _ in range(10):
                    gate.set_contact("passage_forward", 1)
                    gate.set_contact("passage_forward", 0)
                waiting, room = held(lane)
                return waiting * 100 >= 85 * room

            await stage.wait_for("the journal fills", is_filling, BOUND)
            assert held(lane)[1] == 1000
            await start_collector(stage)
            told: list[dict[str, Any]] = []

            def is_told():
                said = lane_of(stage, lane).get("journal") or {}
                if (said.get("percent") or 0) >= 80:
                    told.append(said)
                return told and "journal-filling" in {**alerts(stage), **alerts(stage, "?ended=0")}

            await stage.wait_for("it is told", is_told, BOUND)
            assert told[0]["room"] == 1000 and told[0]["state"] != "roomy", told
            alert = {**alerts(stage, "?ended=0"), **alerts(stage)}["journal-filling"]
            assert alert["percent"] >= 75 and "% full" in alert["text"], alert
            await stage.wait_for("it is stored", lambda: "journal-filling" in alerts(stage, "?ended=0"), BOUND)
            assert lane_of(stage, lane)["journal"]["state"] == "roomy"

    run(scenario())
