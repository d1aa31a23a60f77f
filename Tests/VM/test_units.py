"""The units as they are installed, under a real systemd: the gate rests as gate.on_stop says whenever lanekeeperd@ is not
running, and the lane is back by itself. Last of the files: systemd stays PID 1 of the guest."""

import pytest
from lane import BOUND, OPEN, LOCKED, READY, configuration

UNIT = "lanekeeperd@bench-01.service"
REST = "lanekeeperd-rest@bench-01.service"
UNIT_FILES = "/etc/systemd/system"
RESTART_SECONDS = 12
START_SECONDS = 60
CONFIGURATION = "/etc/lanekeeper/bench-01/lanekeeperd.yaml"
STATE = "/var/lib/lanekeeper/bench-01"


@pytest.fixture(scope="module")
def supervised(lane):
    """systemd as PID 1, the programs where the units expect them, the lane's files in their places."""
    lane.stop()
    guest = lane.guest
    lane.find_usb()
    guest.sh(f"ln -s /bin/{lane.program} /usr/local/bin/lanekeeperd")
    guest.sh(f"mkdir -p {STATE} && cp -r /site/state/. {STATE}/ && chown -R lanekeeper:lanekeeper {STATE}")
    guest.sh("mkdir -p /etc/lanekeeper/bench-01 && cp /site/site.pub /site/badge.key /etc/lanekeeper/")
    guest.sh("chown lanekeeper /etc/lanekeeper/badge.key; chmod 600 /etc/lanekeeper/badge.key")
    # What 60-lanekeeper.rules and Debian's own rules do.
    guest.sh("chgrp lanekeeper-gpio /dev/gpiochip*; chgrp dialout /dev/ttyS1 /dev/ttyUSB0; chmod 660 /dev/gpiochip*")
    guest.sh("chmod 660 /dev/ttyS1 /dev/ttyUSB0; pull estop up")
    # An emulated processor takes seconds to start what a real one starts at once: time for the gate to be seen at rest
    # before the lane's own program is back.
    guest.sh(f"mkdir {UNIT_FILES}/lanekeeperd@.service.d")
    lane.write(f"{UNIT_FILES}/lanekeeperd@.service.d/slow.conf", f"[Service]\nRestartSec={RESTART_SECONDS}\n")
    guest.start_systemd()
    yield lane
    guest.ask(f"/usr/bin/systemctl stop {UNIT} {REST}")


def systemctl(lane, words: str) -> str:
    return lane.guest.ask(f"/usr/bin/systemctl {words}")[1].strip()


def state(lane) -> str:
    units = f"/usr/bin/systemctl -l status {UNIT} {REST}; dmesg | tail -20"
    return lane.guest.ask(f"{units}; lanectl status --config {CONFIGURATION}")[1]


def ready(lane) -> None:
    """At work, and has found its reader: what a badge says before that is lost."""
    reader = f'lanectl status --config {CONFIGURATION} | grep -q "chip .* present"'
    assert lane.guest.within(RESTART_SECONDS + START_SECONDS, reader), state(lane)
    try:
        lane.expect(READY)
    except AssertionError as failure:
        raise AssertionError(f"{failure}: {state(lane)}") from None


@pytest.mark.parametrize("on_stop", ["locked", "open"])
def test_the_gate_rests_as_configured_after_sigkill_and_a_stop(supervised, crowd, on_stop):
    lane = supervised
    rest = {"locked": LOCKED, "open": OPEN}[on_stop]
    text = configuration(lane.guest.sh("cat /site/site.pub").split()[1], on_stop, STATE)
    text = text.replace(f"{STATE}.run", "/run/lanekeeper/bench-01").replace("/site/", "/etc/lanekeeper/")
    lane.write(CONFIGURATION, text)
    lane.speaks()
    systemctl(lane, f"start {UNIT}")
    assert lane.guest.within(START_SECONDS, f"/usr/bin/systemctl is-active {UNIT}"), state(lane)
    ready(lane)
    lane.passes(crowd["may pass: visitor"])

    before = systemctl(lane, f"show -P MainPID {UNIT}")
    systemctl(lane, f"kill -s KILL --kill-who=main {UNIT}")
    # Until it starts again the other unit holds the gate.
    assert lane.guest.within(BOUND, f"/usr/bin/systemctl is-active {REST}"), state(lane)
    lane.expect(rest, seconds=RESTART_SECONDS // 2)
    ready(lane)
    assert systemctl(lane, f"is-active {UNIT}") == "active", state(lane)
    assert systemctl(lane, f"is-active {REST}") == "inactive", state(lane)
    assert systemctl(lane, f"show -P MainPID {UNIT}") != before
    lane.passes(crowd["may pass: media"])

    systemctl(lane, f"stop {UNIT}")
    assert lane.guest.within(BOUND, f"/usr/bin/systemctl is-active {REST}"), state(lane)
    lane.expect(rest)
    lane.guest.sh(f"sleep {RESTART_SECONDS + 3}")
    assert lane.guest.values(*rest) == rest, "a gate that was stopped stays as it is"
    assert systemctl(lane, f"is-active {UNIT}") == "inactive", state(lane)

    # The holder itself is killed: it comes back.
    holder = systemctl(lane, f"show -P MainPID {REST}")
    systemctl(lane, f"kill -s KILL {REST}")
    another = f'[ "$(/usr/bin/systemctl show -P MainPID {REST})" != {holder} ]'
    assert lane.guest.within(BOUND, f"{another} && /usr/bin/systemctl is-active {REST}"), state(lane)
    lane.expect(rest)

    systemctl(lane, f"start {UNIT}")
    ready(lane)
    systemctl(lane, f"restart {UNIT}")
    ready(lane)
    lane.passes(crowd["may pass: visitor"])
    assert systemctl(lane, f"is-active {REST}") == "inactive", state(lane)
    systemctl(lane, f"stop {UNIT} {REST}")
