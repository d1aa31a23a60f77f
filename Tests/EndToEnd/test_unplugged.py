"""A port that is unplugged costs no processor time: what the daemon used in 30 s without its devices, from the kernel's
own account. It is processor time and not wall time that is bounded, so a loaded machine changes nothing."""

import asyncio
import os

from conftest import make_people

from lanesim_parts import crowd_log

UNPLUGGED_SECONDS = 30
MOST_SHARE = 0.01
BOUND = 60


def processor_seconds(pid: int) -> float:
    """utime + stime of a process, all its threads, in clock ticks of proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def path_gone(line):
    """The other end closed, the path is gone: EIO and HUP, then ENOENT."""
    line.unplug()


async def link_without_a_node(line):
    """What a by-id link is for a moment: its node is no more."""
    line.unplug()
    line.link.symlink_to(line.link.with_name("gone"))


async def no_port(line):
    """The path exists, opens, and is no serial port."""
    line.unplug()
    line.link.symlink_to("/dev/null")


async def hangs_up_at_once(line):
    """It opens each time, under another /dev/pts/N each time, and hangs up as soon as somebody listens."""
    while True:
        line.unplug()
        line.plug_in()
        while not line.is_listened_to():
            await asyncio.sleep(0.01)


def test_unplugged_ports_cost_less_than_one_hundredth_of_the_processor(open_stage, run):
    """Four lanes at a time, each with its own trouble; the last is an exit."""
    troubles = [path_gone, link_without_a_node, no_port, hangs_up_at_once]

    async def scenario():
        crowd = make_people(*["may pass: visitor"] * len(troubles))
        async with open_stage(crowd, lanes=len(troubles)) as stage:
            await asyncio.gather(*(settled(lane) for lane in stage.lanes))
            tasks = [
                asyncio.ensure_future(trouble(line))
                for trouble, lane in zip(troubles, stage.lanes)
                for line in (lane.simulated.reader.line, lane.simulated.thermometer.line)
            ]
            for lane in stage.lanes:
                assert await lane.simulated.gate.wait_until(lambda: shows_the_loss(lane.simulated), BOUND)
            pids = [lane.daemon.process.pid for lane in stage.lanes]
            before = [processor_seconds(pid) for pid in pids]
            await asyncio.sleep(UNPLUGGED_SECONDS)
            used = [processor_seconds(pid) - was for pid, was in zip(pids, before)]
            for trouble, seconds in zip(troubles, used):
                share = seconds / UNPLUGGED_SECONDS
                print(f"{trouble.__name__}: {seconds:.2f} s of processor in {UNPLUGGED_SECONDS} s, {share:.2%}")
            assert max(used) < UNPLUGGED_SECONDS * MOST_SHARE
            for task in tasks:
                task.cancel()
            for lane, person in zip(stage.lanes, crowd):
                for line in (lane.simulated.reader.line, lane.simulated.thermometer.line):
                    line.unplug()
                    line.link.unlink(missing_ok=True)
                    line.plug_in()
                assert await lane.simulated.gate.wait_until(lane.simulated.is_ready, BOUND)
                assert (await lane.simulated.visit(person)).answer == crowd_log.RELEASED

    run(scenario())


async def settled(lane):
    assert await lane.simulated.gate.wait_until(lane.simulated.is_ready, BOUND)


def shows_the_loss(lane):
    """Out of service, or, at an exit, free for everybody."""
    level = lane.gate.level
    return bool(level["release"] if lane.settings.kind == "exit" else level["lamp_red"] and level["lamp_amber"])
