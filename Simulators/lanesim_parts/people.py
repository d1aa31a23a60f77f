"""Who comes: a crowd drawn from a seed; the same seed draws the same people with the same chips."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from . import sorts
from .sorts import Sort

SPECIAL_SHARE = 1 / 150  # of the people, for each sort that is not simply let in; at least one when there is room


@dataclass(frozen=True)
class Person:
    number: int
    sort: Sort
    kind: str
    chip: bytes
    celsius: float

    @property
    def holder(self) -> str:
        return f"H{self.number:06d}"

    @property
    def code(self) -> str:
        """Of the electronic badge."""
        return f"EXPO-{self.number:08d}"

    @property
    def epc(self) -> str:
        """Of the vehicle's pass, in hexadecimal."""
        return f"E200{self.number:020X}"

    def leaving(self, sort: Sort, chip: bytes | None = None) -> Person:
        """The same person later, on the way out."""
        return replace(self, sort=sort, chip=chip or self.chip)


def draw(count: int, chance: random.Random) -> list[Person]:
    """`count` people in the order in which they come. With 300, each sort of `sorts.SPECIAL` comes at least twice."""
    special = sorts.SPECIAL
    chosen: list[Sort] = []
    if count < 2 * len(special):
        chosen = chance.sample(special, count // 2)
    else:
        for sort in special:
            chosen += [sort] * max(1, round(count * SPECIAL_SHARE))
    kinds = list(sorts.MAY_PASS)
    chosen += [kinds[index % len(kinds)] for index in range(count - len(chosen))]
    chance.shuffle(chosen)
    chips = unused_chips(chance)
    return [
        Person(
            number=number,
            sort=sort,
            kind=sort.kind or chance.choice(sorts.PERSON_KINDS),
            chip=next(chips),
            celsius=sort.celsius or round(chance.uniform(36.2, 36.9), 2),
        )
        for number, sort in enumerate(chosen, 1)
    ]


def unused_chips(chance: random.Random):
    """Chip numbers of 5 bytes, no two alike, none of the filler's (whose first byte is F0)."""
    seen: set[bytes] = set()
    while True:
        chip = bytes([chance.randrange(0x00, 0x80)]) + chance.randbytes(4)
        if chip not in seen:
            seen.add(chip)
            yield chip
