"""The feeds of a compressed day: everybody's keys, and what becomes of thousands of them from one feed to the next."""

from __future__ import annotations

import random
from array import array
from datetime import datetime, timedelta, timezone
from pathlib import Path

from lanesim_parts.sorts import ENTRY_ZONE, PERSON_KINDS

HEADER = (
    "holder,kind,chip,code,epc,zones,vaccine,health_code,assessed_at,test_result,sampled_at,activation,valid_from,"
    "valid_until"
)
SITE_OFFSET = timezone(timedelta(hours=8))
DAY = 86_400
TEST_WINDOW = 2 * DAY
SOON = 400  # s: within the compressed day, or shortly after it
VACCINE, CODE, TEST, ACTIVATION = (
    ("full", "partial", "none"),
    ("green", "yellow", "red", "unknown"),
    ("negative", "positive", "none"),
    ("activated", "inactive", "suspended", "revoked"),
)


def text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, SITE_OFFSET).isoformat(timespec="seconds") if seconds else ""


class Roster:
    """Holder number i is `H…i` with the chip F0 and i in four bytes. The first `hot` are those whom urgent changes are
    about, and who never leave the feed."""

    def __init__(self, holders: int, hot: int, now: int, chance: random.Random) -> None:
        self.holders, self.hot, self.chance = holders, hot, chance
        self.vaccine, self.code = bytearray(holders), bytearray(holders)
        self.test, self.activation = bytearray(holders), bytearray(holders)
        self.present = bytearray([1]) * holders
        self.assessed = array("q", (now - 1800 - 7 * (index % 3000) for index in range(holders)))
        self.sampled = array("q", (now - 3600 - 29 * (index % 5000) for index in range(holders)))
        self.until = array("q", [now + 5 * DAY]) * holders
        self.begin = now - 2 * DAY
        for index in chance.sample(range(holders), holders // 10):
            self._stir(index, now)
        # They expire one after the other while the day goes on.
        for index in range(0, hot, 3):
            self.test[index], self.sampled[index] = 0, now - TEST_WINDOW + chance.randrange(SOON)
        for index in range(1, hot, 9):
            self.until[index] = now + chance.randrange(SOON)

    @staticmethod
    def holder(index: int) -> str:
        return f"H{index:06d}"

    @staticmethod
    def chip(index: int) -> bytes:
        return b"\xf0" + index.to_bytes(4, "big")

    def turn(self, now: int) -> None:
        """What the next feed says otherwise: of one in a hundred, and of every third of the hot."""
        for index in self.chance.sample(range(self.hot, self.holders), (self.holders - self.hot) // 100):
            if self.chance.random() < 0.1:
                self.present[index] ^= 1  # leaves, or is new
            else:
                self._stir(index, now)
        for index in self.chance.sample(range(self.hot), self.hot // 3):
            self._stir(index, now)

    def _stir(self, index: int, now: int) -> None:
        chance = self.chance
        match chance.randrange(6):
            case 0 | 1:
                self.code[index] = chance.choice((0, 0, 1, 2, 3))
                self.assessed[index] = now
            case 2:
                self.test[index] = chance.choice((0, 0, 1))
                self.sampled[index] = now - chance.randrange(3600)
            case 3:
                self.test[index] = 0
                self.sampled[index] = now - TEST_WINDOW + chance.randrange(-SOON, SOON)
            case 4:
                self.vaccine[index] = chance.randrange(3)
            case _:
                self.activation[index] = chance.choice((0, 0, 1, 2, 3))

    def write(self, path: Path, now: int) -> int:
        """The feed; how many rows it has. Those of the wrong zone stay so."""
        texts: dict[int, str] = {0: ""}

        def when(seconds: int) -> str:
            if seconds not in texts:
                texts[seconds] = text(seconds)
            return texts[seconds]

        begin, rows = when(self.begin), 0
        with path.open("w", encoding="ascii", newline="") as file:
            file.write(f"#lanekeeper-feed made={text(now)}\n{HEADER}\n")
            for index in range(self.holders):
                if not self.present[index]:
                    continue
                rows += 1
                zones = "vip-hall" if index % 50 == 49 else ENTRY_ZONE
                file.write(
                    f"{self.holder(index)},{PERSON_KINDS[index % 6]},F0{index:08X},,,{zones},"
                    f"{VACCINE[self.vaccine[index]]},{CODE[self.code[index]]},{when(self.assessed[index])},"
                    f"{TEST[self.test[index]]},{when(self.sampled[index])},{ACTIVATION[self.activation[index]]},"
                    f"{begin},{when(self.until[index])}\n"
                )
            file.write(f"#end rows={rows}\n")
        return rows
