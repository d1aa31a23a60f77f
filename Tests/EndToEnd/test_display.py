"""What visitors read: on a screen over the lane, as `lanectl display` shows it."""

import asyncio
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from fcntl import ioctl

from conftest import make_people
from test_lanectl import BOUND, Technician

OTHER_LANE = {"lamps": "out-of-service", "chinese": "请走其他通道", "english": "Please use another lane"}


class Screen:
    """`lanectl display --json`, read line by line."""

    def __init__(self, technician):
        self.technician = technician

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            self.technician.program, "display", "--json", "--config", self.technician.configuration,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(self.process.wait(), BOUND) == 0, "Ctrl-C ends it well"

    async def until(self, **wanted):
        seen = []
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), BOUND)
            assert line, seen
            seen.append(json.loads(line))
            if wanted.items() <= seen[-1].items():
                return seen


def test_the_screen_says_what_to_do_in_both_languages_and_no_more(open_stage, run):
    async def scenario():
        walker, unvaccinated = make_people("may pass: visitor", "vaccine and test missing")
        async with open_stage([walker, unvaccinated]) as stage, Screen(Technician(stage)) as screen:
            await screen.until(lamps="ready", chinese="请刷证件", english="Please present your badge")
            await stage.lanes[0].simulated.visit(walker)
            await screen.until(lamps="admitted", chinese="请通行", english="Please walk through")
            await stage.lanes[0].simulated.visit(unvaccinated)
            shown = (await screen.until(lamps="refused"))[-1]
            assert "服务台" in shown["chinese"] and "desk" in shown["english"]
            assert "红" not in shown["chinese"] and "°" not in shown["chinese"] + shown["english"]
            stage.lanes[0].daemon.kill()
            stage.components.remove(stage.lanes[0].daemon)
            await screen.until(**OTHER_LANE)
            stage.lanes[0].start_daemon()
            await screen.until(lamps="ready")

    run(scenario())


def test_the_screen_fills_a_terminal_and_gives_it_back(open_stage, run):
    async def scenario():
        async with open_stage(make_people("may pass: visitor")) as stage:
            technician = Technician(stage)
            master, slave = pty.openpty()
            ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 60, 0, 0))
            screen = subprocess.Popen(
                [technician.program, "display", "--config", technician.configuration], stdout=slave
            )
            os.close(slave)
            os.set_blocking(master, False)
            shown = b""

            def read():
                nonlocal shown
                try:
                    shown += os.read(master, 65536)
                except BlockingIOError:
                    pass
                except OSError:  # nobody has the other end any more
                    return True
                return "请刷证件".encode() in shown

            await stage.wait_for("the words", read)
            assert b"\x1b[5;27H" + "请刷证件".encode() in shown, "in the middle: 8 columns of 60, above row 6"
            screen.send_signal(signal.SIGTERM)
            assert screen.wait(BOUND) == 0
            await stage.wait_for("the rest", lambda: shown.endswith(b"\x1b[?1049l") or (read() and False))
            os.close(master)

    run(scenario())
