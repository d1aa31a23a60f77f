"""lanectl cache: what a lane holds, how fresh it is, and whether the collector has the same."""

import json
import shutil

from conftest import make_people
from technician import Technician
from test_urgent_changes import applied, look, put, reaches, turn_red

BOUND = 60
BEHIND, UNKNOWN = 3, 5


def asks(technician, *words, status=0):
    done = technician("cache", *words, "--json")
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_cache_tells_what_is_held_and_compares_it_with_the_collector(open_stage, run):
    async def scenario():
        walker, other = make_people("may pass: visitor", "may pass: staff")
        async with open_stage([walker, other]) as stage:
            lane = stage.lanes[0]
            technician = Technician(stage)
            await stage.wait_for("the lane has the image", lambda: (lane.state / "applied").exists(), BOUND)
            change = turn_red(stage, walker)
            await reaches(stage, change)

            def compares(status):
                return technician("cache", "compare", "--json").returncode == status

            await stage.wait_for("lane and collector are equal", lambda: compares(0), BOUND)
            info = asks(technician, "info")
            assert info["source"] == "daemon"
            assert info["image"]["digest"] == (lane.state / "applied").read_text().split()[3]
            assert (info["image"]["version"], info["overlay"]["change_number"]) == applied(lane)
            assert info["overlay"]["identifiers"] == change and info["freshness"]["state"] == "fresh"
            assert [kept["version"] for kept in info["kept"]] == [1] and info["refused"] == []
            assert "statement" in technician("cache", "info").stdout

            found = asks(technician, "lookup", f"0x{walker.chip.hex()}")
            assert found["decides"] == "overlay" and found["overlay"]["health_code"] == "red"
            assert found["image"]["health_code"] == "green"
            assert asks(technician, "lookup", f"0x{other.chip.hex()}")["decides"] == "image"
            assert asks(technician, "lookup", "0x01020304")["image"]["state"] == "unknown"

            # A file that the uplink breaks is listed with its reason, until it is gone.
            lane.uplink.kill()
            stage.components = [one for one in stage.components if one is not lane.uplink]
            bad = lane.state / "uplink" / "incoming" / "image-00000000000000000009.img"
            put(bad, b"no image")
            look(lane)
            await stage.wait_for("it is refused", lambda: asks(technician, "info")["refused"] != [], BOUND)
            (refused,) = asks(technician, "info")["refused"]
            assert refused["file"] == bad.name and "does not begin as one" in refused["reason"]
            bad.unlink()
            look(lane)
            await stage.wait_for("it is forgotten", lambda: asks(technician, "info")["refused"] == [], BOUND)

            # A statement that the uplink brought and the daemon was not told of: compare reads it there.
            last = turn_red(stage, other)
            statement = lane.state / "uplink" / "incoming" / "statement"

            def names_it():
                put(statement, stage.client.get("/v1/statement"))
                return int.from_bytes(statement.read_bytes()[40:48], "little") == last

            await stage.wait_for("the collector's statement names the change", names_it, BOUND)
            behind = asks(technician, "compare", status=BEHIND)
            assert behind["behind_changes"] == last - change and not behind["behind_image"]

            # Without its daemon the files say the same.
            lane.daemon.kill()
            stage.components = [one for one in stage.components if one is not lane.daemon]
            offline = asks(technician, "info")
            assert offline["source"] == "files" and offline["image"]["digest"] == info["image"]["digest"]
            assert offline["overlay"] == info["overlay"]
            assert "does not run" in technician("cache", "info").stdout
            found = asks(technician, "lookup", f"0x{walker.chip.hex()}")
            assert found["source"] == "files" and found["overlay"]["health_code"] == "red"
            assert asks(technician, "compare", status=BEHIND)["behind_changes"] == last - change
            # Nothing was written: a daemon that starts finds all as it was.
            shutil.rmtree(lane.state / "images")
            assert asks(technician, "compare", status=BEHIND)["behind_image"]
            assert asks(technician, "lookup", f"0x{walker.chip.hex()}")["decides"] == "none"
            forged = bytearray(statement.read_bytes())
            forged[40] ^= 1
            put(statement, bytes(forged))
            (lane.state / "statement").unlink()
            assert "statement" not in asks(technician, "compare", status=UNKNOWN)

    run(scenario())
