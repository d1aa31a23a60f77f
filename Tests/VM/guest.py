"""The virtual machine: a Debian kernel under QEMU, whose console takes commands and whose serial ports are sockets."""

from __future__ import annotations

import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

# What only a hang reaches.
BOOT_SECONDS = 300.0
COMMAND_SECONDS = 120.0
END_SECONDS = 60.0
QEMU = "qemu-system-x86_64"


class GuestFailure(Exception):
    pass


def connect(path: Path, seconds: float) -> socket.socket:
    end = time.monotonic() + seconds
    while True:
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(str(path))
            return peer
        except OSError:
            peer.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Guest:
    """Boots at once. /dev/ttyS1 (16550A) is `uart`, /dev/ttyUSB0 (FTDI behind xHCI) is `usb` in its directory. What its
    console and QEMU say is in `logs`."""

    def __init__(self, directory: Path, kernel: Path, initramfs: Path, logs: Path) -> None:
        if not shutil.which(QEMU):
            raise GuestFailure(f"{QEMU} is not installed: Tests/install-packages")
        self.directory = directory
        self.uart = directory / "uart"
        self.usb = directory / "usb"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = (logs / "console.log").open("w", encoding="utf-8")
        console = directory / "console"
        # An emulated processor everywhere: machines that build have no KVM as a rule, or one that opens and then hangs.
        arguments = (
            "-accel tcg,thread=multi -M pc -cpu max -smp 1 -m 768 -nodefaults -no-user-config -display none -no-reboot"
            f" -kernel {kernel / 'vmlinuz'} -initrd {initramfs}"
            f" -chardev socket,id=console,path={console},server=on,wait=on -serial chardev:console"
            f" -chardev socket,id=uart,path={self.uart},server=on,wait=off -device isa-serial,chardev=uart,index=1"
            f" -device qemu-xhci -chardev socket,id=usb,path={self.usb},server=on,wait=off"
            " -device usb-serial,chardev=usb"
        ).split()
        # Clock and timers from the emulated HPET: TSC and local APIC are calibrated at boot, and on a machine with other
        # work that comes out wrong, by several times.
        clock = "tsc=unstable clocksource=hpet noapictimer"
        append = f"console=ttyS0,115200 quiet loglevel=1 panic=-1 nokaslr mitigations=off {clock}"
        self._errors = (logs / "qemu.log").open("wb")
        self.process = subprocess.Popen(
            [QEMU, *arguments, "-append", append], stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors
        )
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._number = 0
        try:
            self._console = connect(console, 10)
            threading.Thread(target=self._listen, daemon=True).start()
            self._answer(0, BOOT_SECONDS)
        except BaseException as failure:
            self.kill()
            if isinstance(failure, OSError):
                raise GuestFailure(self._ended()) from None
            raise

    def _listen(self) -> None:
        with self._console.makefile("r", encoding="utf-8", errors="replace", newline="\n") as lines:
            for line in lines:
                self.log.write(line)
                self.log.flush()
                self._answers.put(line.rstrip("\r\n"))
        self._answers.put(None)

    def _answer(self, number: int, seconds: float) -> tuple[int, str]:
        said: list[str] = []
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise GuestFailure(f"no answer within {seconds:g} s; it said: {said[-5:]}") from None
            if line is None:
                raise GuestFailure(f"{self._ended()}; it said: {said[-20:]}")
            if line.startswith(f"@{number} "):
                return int(line.split()[1]), "\n".join(said)
            said.append(line)

    def ask(self, command: str, seconds: float = COMMAND_SECONDS) -> tuple[int, str]:
        """The exit status of a shell command of one line in the guest, and what it printed."""
        assert "\n" not in command
        self._send(command)
        return self._answer(self._number, seconds)

    def _send(self, command: str) -> None:
        self._number += 1
        try:
            self._console.sendall(f"{self._number} {command}\n".encode())
        except OSError:
            raise GuestFailure(self._ended()) from None

    def _ended(self) -> str:
        try:
            status = f"with status {self.process.wait(1)}"
        except subprocess.TimeoutExpired:
            status = "its console"
        qemu = Path(self._errors.name).read_text(encoding="utf-8", errors="replace").splitlines()
        return f"the guest ended {status}; QEMU said: {qemu[-3:]}; the console's log: {self.log.name}"

    def sh(self, command: str, seconds: float = COMMAND_SECONDS) -> str:
        status, said = self.ask(command, seconds)
        if status:
            raise GuestFailure(f"`{command}` ended with status {status}: {said}")
        return said

    def within(self, seconds: int, condition: str) -> bool:
        """Whether a condition of the guest's shell holds within so many seconds of the guest."""
        return self.ask(f"within {seconds} '{condition}'", seconds * 3 + COMMAND_SECONDS)[0] == 0

    def start_systemd(self) -> None:
        """As PID 1, which then starts the agent that takes further commands."""
        self._send("systemd")
        self._answer(0, BOOT_SECONDS)

    def values(self, *lines: str) -> dict[str, int]:
        """The levels of GPIO lines, as the kernel has them."""
        return dict(zip(lines, map(int, self.sh("values " + " ".join(lines)).split())))

    def end(self) -> str:
        """Powers it off; the last thing that it said, before what the kernel says of that."""
        self._send("end")
        last = ""
        end = time.monotonic() + END_SECONDS
        while (line := self._answers.get(timeout=max(0.0, end - time.monotonic()))) is not None:
            if line and not line.startswith("["):
                last = line
        self.process.wait(END_SECONDS)
        self.log.close()
        return last

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Wire:
    """The device's end of one of the guest's serial ports. What the guest writes is read and dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._every: Callable[[], bytes] | None = None
        self._lock = threading.Lock()
        self._peer: socket.socket | None = None
        self.plug_in()
        threading.Thread(target=self._run, daemon=True).start()

    def plug_in(self) -> None:
        peer = connect(self._path, 10)
        peer.setblocking(False)
        with self._lock:
            self._peer = peer

    def unplug(self) -> None:
        """Behind a USB port: the adapter is pulled out."""
        with self._lock:
            if self._peer:
                self._peer.close()
                self._peer = None

    def send(self, data: bytes) -> None:
        """What the port does not take is lost, as on a wire."""
        with self._lock:
            if not self._peer:
                return
            try:
                self._peer.send(data)
            except OSError:
                pass

    def say(self, make: Callable[[], bytes] | None) -> None:
        """From now on this ten times a second, or nothing."""
        self._every = make

    def _run(self) -> None:
        while True:
            if make := self._every:
                self.send(make())
            with self._lock:
                try:
                    if self._peer:
                        self._peer.recv(4096)
                except OSError:
                    pass
            time.sleep(0.1)
