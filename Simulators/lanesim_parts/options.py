"""Command lines in one way: a wrong option is told in one sentence and ends with status 64 (EX_USAGE)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

EX_USAGE = 64


class Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\nTry `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(EX_USAGE)


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"`{text}` is not a whole number") from None
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{value} is outside {lowest}…{highest}")
        return value

    return parse


def number(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"`{text}` is not a number") from None
        if not lowest <= value <= highest:  # also refuses NaN
            raise argparse.ArgumentTypeError(f"{text} is outside {lowest:g}…{highest:g}")
        return value

    return parse
