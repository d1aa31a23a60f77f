"""A serial line made of a pseudo-terminal. The device's end is ours; the daemon opens the path of the symlink.

The master stays open for the life of the simulator, so a daemon can be killed and started again. As on a real line,
bytes that nobody listens to are lost: they do not wait for the next daemon.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import tty
from pathlib import Path


class SerialLine:
    def __init__(self, link: Path) -> None:
        self.link = link
        self.is_plugged_in = False
        self.plug_in()

    def plug_in(self) -> None:
        self.master, slave = os.openpty()
        os.set_blocking(self.master, False)
        tty.setraw(slave)
        self._terminal = os.ttyname(slave)
        os.close(slave)  # from now on poll() reports POLLHUP until somebody opens the line
        self._poll = select.poll()
        self._poll.register(self.master, select.POLLIN)
        fresh = self.link.with_name(self.link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._terminal)
        fresh.replace(self.link)
        self.is_plugged_in = True

    def is_listened_to(self) -> bool:
        return self.is_plugged_in and not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def send(self, data: bytes) -> bool:
        """True when somebody listens and the bytes went out; otherwise they are lost, as on a wire."""
        if not self.is_listened_to():
            self.forget_unread()
            return False
        try:
            return os.write(self.master, data) == len(data)
        except (BlockingIOError, OSError):  # its reader hangs, or left between the two calls
            return False

    def receive(self) -> bytes:
        """What the daemon has written since the last call; empty when nothing."""
        if not self.is_plugged_in:
            return b""
        try:
            return os.read(self.master, 512)
        except (BlockingIOError, OSError):
            return b""

    def unread(self) -> int:
        """Bytes that were sent and that nobody has read yet."""
        if not self.is_plugged_in:
            return 0
        try:
            slave = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            return struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, bytes(4)))[0]
        finally:
            os.close(slave)

    def forget_unread(self) -> None:
        """Drops what a daemon that died left unread: a real port does not keep it for the next one."""
        if not self.is_plugged_in:
            return
        try:
            slave = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return
        termios.tcflush(slave, termios.TCIFLUSH)
        os.close(slave)

    def unplug(self) -> None:
        """The cable is pulled: whoever listens sees a hang-up, and the path is gone."""
        if self.is_plugged_in:
            self.is_plugged_in = False
            self.link.unlink(missing_ok=True)
            os.close(self.master)
