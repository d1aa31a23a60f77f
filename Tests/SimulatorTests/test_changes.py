"""Who waits for a change does not sleep over it, whoever else waits for another."""

import asyncio

import pytest

from lanesim_parts.changes import Changes
from lanesim_parts.gate import Gate

BOUND = 20


@pytest.fixture(params=["changes", "gate"])
def waited_for(request, tmp_path):
    """What is waited on, and how a change of it is told."""
    if request.param == "changes":
        changes = Changes()
        return changes.wait_until, changes.tell
    gate = Gate(tmp_path / "gate.sock", lambda _: None)
    return gate.wait_until, gate.stir


def test_a_change_between_two_waiters_steps_wakes_both(waited_for):
    """One begins to wait; in the same turn of the loop the change comes, and another begins to wait for more."""
    wait_until, tell = waited_for
    state = {"is_open": False, "is_over": False}

    async def scenario():
        first = asyncio.ensure_future(wait_until(lambda: state["is_open"], BOUND))

        async def change():
            state["is_open"] = True
            tell()

        changed = asyncio.ensure_future(change())
        other = asyncio.ensure_future(wait_until(lambda: state["is_over"], BOUND))
        done, _ = await asyncio.wait({first}, timeout=1.0)
        assert done and first.result() is True, "it sleeps on"
        await changed
        state["is_over"] = True
        tell()
        assert await other

    asyncio.run(scenario())


def test_what_does_not_come_ends_the_wait(waited_for):
    wait_until, tell = waited_for

    async def scenario():
        tell()
        assert await wait_until(lambda: False, 0.01) is False
        assert await wait_until(lambda: True, 0.0) is True

    asyncio.run(scenario())
