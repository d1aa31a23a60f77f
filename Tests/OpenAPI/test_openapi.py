"""`/openapi.json` is true: schemathesis asks for everything in it, well and badly, and looks at the answers."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from real_programs import make_people

HERE = Path(__file__).resolve().parent
# The plain run asks the same each time; LANEKEEPER_SEED asks otherwise.
USUAL_SEED = 20261122
# Streams without an end: Tests/Browser and Tests/EndToEnd read them.
STREAMS = ["/v1/live", "/v1/occupancy/stream", "/v1/records/stream"]
EXAMPLES = 30  # of each operation: half a minute


def test_the_collector_does_what_its_openapi_document_says(open_stage, run):
    seed = int(os.environ.get("LANEKEEPER_SEED", USUAL_SEED))
    print(f"LANEKEEPER_SEED={seed}")

    async def scenario():
        crowd = make_people("may pass: visitor", "test expired")
        async with open_stage(crowd) as stage:
            for person in crowd:
                await stage.lanes[0].simulated.visit(person)
            await stage.wait_for("two decisions", lambda: stage.client.tallies()["total"]["presented"] == 2)
            token = stage.make_token("schemathesis", "operator")
            command = [
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run",
                f"http://127.0.0.1:{stage.client.port}/openapi.json", "--header", f"Authorization: Bearer {token}",
                "--seed", str(seed), "--max-examples", str(EXAMPLES), "--no-color", "--request-timeout", "30", "--continue-on-failure",
                *(word for path in STREAMS for word in ("--exclude-path", path)),
            ]  # fmt: skip
            refuses_who_has_no_token(stage.client.port)
            environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
            done = await asyncio.to_thread(
                subprocess.run, command, cwd=stage.directory, env=environment, capture_output=True, text=True, timeout=300
            )
            print(done.stdout[-20_000:], done.stderr[-5000:])
            assert done.returncode == 0, f"LANEKEEPER_SEED={seed}"
            (tested,) = re.findall(r"Tested: (\d+)", done.stdout)
            # It may leave out the document itself, which it has read by then.
            wanted = len(operations(stage.client.port)) - len(STREAMS) - 1
            assert int(tested) >= wanted, "nothing but that and the streams was left out"
            assert stage.collector_runs() and stage.client.is_well()

    run(scenario())


def ask(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def operations(port: int) -> list[tuple[str, str, dict]]:
    _, document = ask(port, "/openapi.json")
    paths = json.loads(document)["paths"]
    return [(path, method.upper(), said) for path, methods in paths.items() for method, said in methods.items()]


def refuses_who_has_no_token(port: int) -> None:
    """What the document says is for who has a token is for nobody else."""
    wanted = [(path, method) for path, method, said in operations(port) if {"token": []} in said["security"]]
    assert len(wanted) > 10
    for path, method in wanted:
        status, _ = ask(port, path, method)
        assert status == (303 if path in ("/", "/fleet", "/history") else 401), (method, path, status)
