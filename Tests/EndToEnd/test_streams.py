"""What other systems of the venue subscribe to, as they do it: curl, over TLS, with a token of their own."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
from contextlib import closing
from pathlib import Path

from conftest import make_people
from encrypted_site import Site, eventually
from event_stream import BOUND, Subscriber

TOP = Path(__file__).resolve().parents[2]


def subscribe(site: Site, path: str, token: str, *words: str) -> Subscriber:
    believing = ["--cacert", str(site.authority), "-H", f"Authorization: Bearer {token}"]
    return Subscriber(f"https://127.0.0.1:{site.port}{path}", *believing, *words)


def correct(site: Site, count: str, by: int) -> None:
    site.said("correct", count, f"--by={by}", "--reason", "a test", "--config", site.config)


def test_a_subscriber_hears_how_full_the_site_is_until_its_token_is_taken_away(site: Site):
    subscriber = subscribe(site, "/v1/occupancy/stream", site.token("transport", "viewer"))
    try:
        first = subscriber.next("occupancy")
        assert first.id == str(first.data["revision"]) and first.data["people"] == 0
        assert subscriber.next("beat").data["revision"] == first.data["revision"]
        correct(site, "in", 40)
        then = subscriber.next("occupancy")
        assert (then.data["people"], then.data["is_corrected"]) == (40, True)
        assert then.data["revision"] > first.data["revision"]
        site.said("token", "remove", "transport", "--data", site.data)
        assert subscriber.ends()
    finally:
        subscriber.close()


def test_the_command_of_the_documentation_prints_how_many_there_are(site: Site):
    """docs/formats.md says how a shell takes each event up."""
    text = (TOP / "docs" / "formats.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```sh\n(curl -sN .*?/v1/occupancy/stream \|.*?)```", text, re.DOTALL)
    command = command.replace("ca.pem", str(site.authority)).replace("lk_…", site.token("shell", "viewer"))
    command = command.replace("https://collector.expo.example:8480", f"https://127.0.0.1:{site.port}")
    shell = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, text=True)
    try:
        before = int(re.fullmatch(r"(-?\d+) people\n", shell.stdout.readline())[1])
        correct(site, "in", 2)
        assert shell.stdout.readline() == f"{before + 2} people\n"
    finally:
        site.said("token", "remove", "shell", "--data", site.data)
        shell.wait(BOUND)


def test_a_subscriber_that_does_not_read_holds_nobody_up(site: Site):
    token = site.token("slow", "viewer")
    context = ssl.create_default_context(cafile=str(site.authority))
    connections = [http.client.HTTPSConnection("127.0.0.1", site.port, timeout=BOUND, context=context) for _ in range(8)]
    for connection in connections:
        connection.request("GET", "/v1/occupancy/stream", headers={"Authorization": f"Bearer {token}"})
    reader = subscribe(site, "/v1/occupancy/stream", token)
    try:
        people = reader.next("occupancy").data["people"]
        for step in range(1, 4):
            correct(site, "in", 1)
            assert reader.next("occupancy").data["people"] == people + step
        # Whoever reads at last hears the newest.
        answer = connections[0].getresponse()
        assert answer.status == 200

        def newest() -> bool:
            line = answer.readline()
            return line.startswith(b"data: ") and b'"people":%d,' % (people + 3) in line

        assert eventually(newest)
    finally:
        reader.close()
        for connection in connections:
            with closing(connection):
                pass


def test_the_stream_of_records_goes_on_where_it_was_over_a_collector_that_is_killed(open_stage, run):
    """A program that goes on with the last id it took up has every record once, whenever it was cut off."""

    async def scenario():
        people = make_people(*["may pass: visitor"] * 6)
        async with open_stage(people) as stage:
            url = stage.client.url + "/v1/records/stream"
            told: list[dict] = []
            last = "0"
            for turn in range(3):
                subscriber = Subscriber(url, "-H", f"Last-Event-ID: {last}")
                try:
                    for _ in range(2):
                        await stage.lanes[0].simulated.visit(people.pop())
                    await stage.wait_for("both passed", lambda: stage.client.tallies()["total"]["passed"] == 2 * turn + 2)
                    # The middle of what came, somewhere.
                    for _ in range(3 + turn):
                        event = subscriber.next("record")
                        told.append(event.data)
                        last = event.id
                    stage.collector.kill()
                    assert subscriber.ends()
                    stage.start_collector(stage.client.port)
                    await stage.wait_for("the collector is back", stage.client.is_well)
                finally:
                    subscriber.close()
            subscriber = Subscriber(url, "-H", f"Last-Event-ID: {last}")
            try:
                stored = [json.loads(line) for line in stage.client.get("/v1/records?limit=10000").splitlines() if line]
                while len(told) < len(stored):
                    told.append(subscriber.next("record").data)
            finally:
                subscriber.close()
            assert told == stored[: len(told)] and len(told) >= 12

    run(scenario())
