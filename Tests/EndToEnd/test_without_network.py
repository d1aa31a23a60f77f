"""The daemon works where no socket but AF_UNIX can be made."""

import subprocess
import sys
from pathlib import Path

from conftest import make_people
from test_one_badge import judged

LAUNCHER = [sys.executable, str(Path(__file__).with_name("only_unix_sockets.py"))]


def test_the_launcher_forbids_what_it_says():
    program = "import socket; socket.socket(socket.AF_UNIX); print('unix'); socket.socket(socket.AF_INET)"
    ran = subprocess.run([*LAUNCHER, sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "unix\n" and "Address family not supported" in ran.stderr


def test_a_daemon_without_any_address_family_but_unix_does_all_its_work(open_stage, run):
    async def scenario():
        crowd = make_people("may pass: visitor", "code red", "fever")
        async with open_stage(crowd, launchers={"lanekeeperd": LAUNCHER}) as stage:
            for person in crowd:
                await stage.lanes[0].simulated.visit(person)
            result = await judged(stage)
            assert result.differences == [] and result.unexpected == []

    run(scenario())
