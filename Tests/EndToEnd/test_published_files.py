"""Any HTTP server in the collector's place: a plain one gives out copies of its files, and a lane lives on them."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import shutil
import threading
from datetime import datetime, timezone
from pathlib import Path

from conftest import make_people, named
from test_one_badge import judged
from test_urgent_changes import BOUND, applied, reaches, turn_red

from lanesim_parts import crowd_log, feed


class PlainServer:
    """Python's own server of files, over a directory that `copy` fills."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_request(self, code: object = "-", size: object = "-") -> None:
                outer.asked.append(f"{self.path} {int(code)}")  # type: ignore[call-overload]

            def log_message(self, *_: object) -> None:
                pass

        directory.mkdir(parents=True)
        handler = functools.partial(Handler, directory=str(directory))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def copy(self, published: Path) -> bool:
        """What a statement names goes before it. True when there is a statement."""
        statement = published / "v1" / "statement"
        if not statement.exists():
            return False
        newest = statement.read_bytes()
        for kind in ("images", "lists"):
            target = self.directory / "v1" / kind
            target.mkdir(parents=True, exist_ok=True)
            for file in (published / "v1" / kind).iterdir():
                if len(file.name) == 64 and not (target / file.name).exists():
                    shutil.copyfile(file, target / f"{file.name}.part")
                    (target / f"{file.name}.part").rename(target / file.name)
        part = self.directory / "v1" / "statement.part"
        part.write_bytes(newest)
        part.rename(self.directory / "v1" / "statement")
        return True

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_a_lane_lives_on_copies_that_a_plain_server_gives_out(open_stage, run, tmp_path):
    plain = PlainServer(tmp_path / "mirror")
    published: list[Path] = []
    ending = threading.Event()

    def keep_copying() -> None:
        while not ending.wait(0.1):
            if published:
                plain.copy(published[0])

    copier = threading.Thread(target=keep_copying)

    def use_mirror(lane) -> None:
        with lane.uplink_configuration.open("a", encoding="utf-8") as text:
            text.write(f"mirror:\n  url: {plain.url}\n")
        published[:] = [lane.stage.data / "published"]

    async def scenario():
        people = make_people("may pass: visitor", "may pass: staff")
        async with open_stage(people, before_lanes=use_mirror) as stage:
            lane = stage.lanes[0]
            assert (await lane.simulated.visit(people[0])).answer == crowd_log.RELEASED
            await reaches(stage, turn_red(stage, people[0]))
            red = dataclasses.replace(people[0], sort=named("code red"))
            assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED
            path = stage.directory / "second.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                feed.write(file, people, datetime.now(timezone.utc))
            stage.command("lanekeeper-collector", "import", "--most-losing", "100", "--data", stage.data, path)
            await stage.wait_for("the lane has the new image", lambda: applied(lane)[0] == 2, BOUND)
            await reaches(stage, turn_red(stage, people[1]))
            assert (await lane.simulated.visit(red)).answer == crowd_log.REFUSED
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []
            fetched = [line for line in plain.asked if line.endswith(" 200")]
            assert len([line for line in fetched if line.startswith("/v1/images/")]) == 2, fetched
            assert len({line for line in fetched if line.startswith("/v1/lists/")}) >= 2, fetched
            assert any(line.startswith("/v1/statement") for line in fetched)
            # A file keeps what its name says: copies are never wrong.
            for file in (plain.directory / "v1" / "lists").iterdir():
                assert stage.client.get(f"/v1/lists/{file.name}") == file.read_bytes()

    copier.start()
    try:
        run(scenario())
    finally:
        ending.set()
        copier.join()
        plain.close()
