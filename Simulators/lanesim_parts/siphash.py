"""SipHash-2-4 with 128 bits (Aumasson, Bernstein), to know a badge's pseudonym without the product's help."""

from __future__ import annotations

MASK = (1 << 64) - 1
CHIP = 1


def siphash128(key: bytes, data: bytes) -> bytes:
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(x: int, bits: int) -> int:
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    whole = len(data) // 8 * 8
    last = data[whole:].ljust(7, b"\0") + bytes([len(data) & 0xFF])
    for block in [data[i : i + 8] for i in range(0, whole, 8)] + [last]:
        word = int.from_bytes(block, "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    high = v[0] ^ v[1] ^ v[2] ^ v[3]
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


def tag(key: bytes, type: int, identifier: bytes) -> bytes:
    """The ten bytes under which the site knows an identifier: hash of type ‖ length ‖ bytes."""
    return siphash128(key, bytes([type, len(identifier)]) + identifier)[:10]


def chip_tag(key: bytes, chip: bytes) -> bytes:
    """A chip's number, most significant byte first."""
    return tag(key, CHIP, chip)
