"""Lines, chips and ports that go and come back, or that somebody else holds."""

import pytest
from lane import BOUND, EMERGENCY, FIRE, OUT_OF_SERVICE, READY, RELEASE, configuration


def test_a_line_that_somebody_holds_is_told_with_his_name(running, crowd):
    running.stop()
    holder = running.background("gpioset --mode=signal bench 0=0", "/dev/null")
    assert running.guest.within(BOUND, f'grep -q "{RELEASE} *|gpioset" /sys/kernel/debug/gpio')
    running.start()
    assert running.says(f"cannot take GPIO line {RELEASE} of bench: gpioset holds it"), running.tail()
    assert running.says("out-of-service: gate-lost")
    running.guest.sh(f"kill {holder}")
    running.at_work()
    running.passes(crowd["may pass: visitor"])


@pytest.mark.parametrize("port", ["/dev/ttyS1", "/dev/ttyUSB0"])
def test_a_second_opener_of_a_serial_port_is_refused_and_told_who_holds_it(running, port):
    """Another lane's daemon, whose configuration names the same port."""
    other = configuration(running.guest.sh("cat /site/site.pub").split()[1], "locked", "/run/other")
    other = other.replace("bench-01", "bench-02").replace("chip: bench", "chip: no-such-chip")
    running.write("/run/other.yaml", other)
    running.guest.sh("rm -rf /run/other /run/other.log; touch /run/other.log")
    pid = running.background(f"{running.program} --config /run/other.yaml", "/run/other.log")
    wanted = f"cannot lock .*: process {running.pid} .lanekeeperd.*. holds it"
    name = "chip lost" if port == "/dev/ttyUSB0" else "thermometer lost"
    found = running.guest.within(BOUND, f'grep -q "{name}: {wanted}" /run/other.log')
    said = running.guest.sh(f"kill {pid}; cat /run/other.log")
    assert found, said
    running.expect(READY)


def test_a_chip_that_vanishes_puts_the_lane_out_of_service_until_it_is_back(running, crowd):
    running.passes(crowd["may pass: visitor"])
    running.chip_goes()
    assert running.says("gate lost: cannot"), running.tail()
    assert running.says("out-of-service: gate-lost"), running.tail()
    assert running.says("fire line: cannot"), "a fire line that cannot be read is an alarm"
    running.guest.sh("bench bench")
    # The loop of the new chip is open: an alarm until it is pulled up.
    running.expect({EMERGENCY: 1, RELEASE: 1})
    running.guest.sh(f"pull {FIRE} up")
    running.expect(READY)
    running.passes(crowd["may pass: media"])
    lost = [event["lost"] for event in running.events() if event["event"] == "device" and event["device"] == "gate"]
    assert lost[-2:] == [True, False]
    assert running.count("passed") == 2


def test_a_chip_under_another_label_is_told_and_found_again_under_its_own(running, crowd):
    running.chip_goes()
    running.guest.sh("bench renamed")
    assert running.status_says("cannot find GPIO chip bench: no chip has this name or label"), running.status()
    assert running.guest.values(RELEASE, EMERGENCY) == {RELEASE: 0, EMERGENCY: 0}
    running.chip_goes()
    running.guest.sh(f"bench bench; pull {FIRE} up")
    running.expect(READY)
    running.passes(crowd["may pass: visitor"])


def test_a_line_under_another_name_is_told_and_found_again_under_its_own(running, crowd):
    running.chip_goes()
    running.guest.sh(f"LINES=$(echo $USUAL | sed s/{RELEASE}/other0/); bench bench; pull {FIRE} up")
    assert running.status_says(f"cannot find GPIO line {RELEASE}: chip bench has no line of this name"), running.status()
    assert running.says("out-of-service: gate-lost")
    running.chip_goes()
    running.guest.sh(f"LINES=$USUAL; bench bench; pull {FIRE} up")
    running.expect(READY)
    running.passes(crowd["may pass: visitor"])


# A port that is unplugged: what issue and design ask of a device that is gone and back, judged by the guest's own clock:
# when the kernel took the node away and gave it back, and when the daemon recorded what it made of that.
LOST_WITHIN_MILLISECONDS = 2000
BACK_WITHIN_MILLISECONDS = 3000
# Of an emulated processor, many times slower than a real one; the hundredth of a real one is held by
# Tests/EndToEnd/test_unplugged.py.
MOST_SHARE = 0.03
# The daemon's attempts to open are 2 s apart, so that each window has the same of them. The guest counts as the daemon's
# what the machine under it does meanwhile: the window with the least of that tells what the daemon itself needs.
WINDOW_SECONDS = 10
WINDOWS = 8


def told(lane, lost: bool) -> int:
    """When the reader was last recorded as lost, or back; milliseconds since 1970."""
    return [
        event["wall_milliseconds"]
        for event in lane.events()
        if event["event"] == "device" and event["device"].startswith("reader") and event["lost"] == lost
    ][-1]


def pulled_out(lane) -> None:
    """The adapter goes, and its link with it as udev does; the lane closes, in time."""
    gone = lane.moment("/dev/ttyUSB0", "gone")
    lane.usb.unplug()
    gone = gone()
    lane.guest.sh("rm /dev/chip-reader")
    lane.expect(OUT_OF_SERVICE)
    assert lane.says("chip lost: cannot"), lane.tail()
    took = told(lane, True) - gone
    print(f"lost {took} ms after the kernel took the node away")
    assert took < LOST_WITHIN_MILLISECONDS


def plugged_in(lane, node: str) -> None:
    there = lane.moment(node, "there")
    lane.usb.plug_in()
    there = there()
    lane.guest.sh(f"ln -sf {node} /dev/chip-reader")
    lane.expect(READY)
    took = told(lane, False) - there
    print(f"back {took} ms after the kernel gave {node}")
    assert took < BACK_WITHIN_MILLISECONDS


def test_a_usb_adapter_that_is_pulled_out_closes_the_entrance_until_it_is_back(running, crowd):
    pulled_out(running)
    plugged_in(running, "/dev/ttyUSB0")
    running.passes(crowd["may pass: visitor"])


def test_a_port_that_comes_back_under_another_name_is_followed_by_its_link(running, crowd):
    """What /dev/serial/by-id does: the name stays, the node behind it is another."""
    holder = running.background("sleep 1000 <>/dev/ttyUSB0", "/dev/null")
    pulled_out(running)
    plugged_in(running, "/dev/ttyUSB1")
    running.passes(crowd["may pass: visitor"])
    # As it was, for the tests that follow.
    running.guest.sh(f"kill {holder}")
    running.usb.unplug()
    running.expect(OUT_OF_SERVICE)
    plugged_in(running, "/dev/ttyUSB0")


def test_an_unplugged_port_never_spins(running):
    """The thermometer, whose frames cost more than that there, is silent as well."""
    pulled_out(running)
    running.silent()
    assert running.says("thermometer lost"), running.tail()
    shares: list[float] = []
    while len(shares) < WINDOWS and (not shares or shares[-1] >= MOST_SHARE):
        before = running.processor_milliseconds()
        running.guest.sh(f"sleep {WINDOW_SECONDS}")
        shares.append((running.processor_milliseconds() - before) / (WINDOW_SECONDS * 1000))
    print("of the processor while unplugged:", ", ".join(f"{share:.2%}" for share in shares))
    assert min(shares) < MOST_SHARE, shares
    running.speaks()
    plugged_in(running, "/dev/ttyUSB0")
