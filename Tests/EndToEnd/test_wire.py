"""The wire between uplink and collector: down, slow, full of nonsense. The lane goes on; then everything arrives."""

import pytest
from conftest import make_people
from proxy import Proxy
from test_one_badge import judged

BOUND = 60  # an uplink waits 10 s at most between two attempts

NONSENSE = {
    "not HTTP": b"\x00\xff\x00\xff" * 100,
    "a login page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 21\r\n\r\n<html>Please log in</h",
    "an epoch nobody has": b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\nstored " + b"f" * 32 + b" 9\n",
    "a number too large": b"HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\nstored " + b"0" * 32 + b" " + b"9" * 20 + b"\n",
    "more than it promised": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nstored",
    "an error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "try later": b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("what", NONSENSE)
def test_an_uplink_that_hears_nonsense_keeps_everything_until_it_hears_sense(open_stage, run, what):
    async def scenario():
        crowd = make_people("may pass: visitor", "code red")
        proxy = Proxy(0)
        async with open_stage(crowd, proxy=proxy) as stage:
            lane = stage.lanes[0]
            proxy.set(nonsense=NONSENSE[what])
            proxy.drop_connections()
            cursor = None
            for person in crowd:
                before = proxy.batches
                visit = await lane.simulated.visit(person)
                assert visit.answer == visit.expected, "a lane does not wait for the network"
                assert await proxy.wait_until(lambda: proxy.batches > before, BOUND), "it tries again"
                # Read when a batch was answered with nonsense: what came before has been written by then.
                if cursor is None:
                    cursor = read(lane.state / "uplink" / "cursor")
            stage.check()
            assert read(lane.state / "uplink" / "cursor") == cursor, "the cursor moves on the collector's word alone"
            proxy.set(nonsense=None)
            result = await judged(stage)
            assert result.differences == [] and result.collector["presented"] == 2

    run(scenario())


def test_a_collector_that_is_down_is_caught_up_with(open_stage, run):
    async def scenario():
        crowd = make_people("may pass: visitor", "code red", "may pass: media")
        async with open_stage(crowd) as stage:
            lane = stage.lanes[0]
            stage.collector.kill()
            stage.components.remove(stage.collector)
            for person in crowd:
                visit = await lane.simulated.visit(person)
                assert visit.answer == visit.expected
            stage.check()
            stage.start_collector(stage.client.port)
            result = await judged(stage)
            assert result.differences == [] and result.collector["presented"] == 3

    run(scenario())


def test_a_slow_collector_holds_nobody_up(open_stage, run):
    async def scenario():
        crowd = make_people("may pass: visitor", "code red", "may pass: media")
        proxy = Proxy(0)
        async with open_stage(crowd, proxy=proxy) as stage:
            proxy.set(hold_answers=True)
            for person in crowd:
                visit = await stage.lanes[0].simulated.visit(person)
                assert visit.answer == visit.expected
            assert await proxy.wait_until(lambda: proxy.held > 0, BOUND)
            proxy.set(hold_answers=False)
            result = await judged(stage)
            assert result.differences == []

    run(scenario())


def read(path):
    return path.read_bytes() if path.exists() else b""
