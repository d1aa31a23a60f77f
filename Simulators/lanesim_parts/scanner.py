"""A scanner of QR codes on a serial line: the text of a code, ended by CR LF, once a scan."""

from __future__ import annotations

from pathlib import Path

from .serial_line import SerialLine


class Scanner:
    def __init__(self, link: Path) -> None:
        self.line = SerialLine(link)

    def scan(self, code: str) -> bool:
        """True when somebody listens."""
        return self.line.send(code.encode() + b"\r\n")

    def close(self) -> None:
        self.line.unplug()
