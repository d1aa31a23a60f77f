"""Where the fuzzing begins: the golden frames and files of this project, in the form that each target reads
(`Targets/Line.swift` says how a line's input is written).

    seeds.write(folder)    FOLDER/TARGET/seed-N
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
VECTORS = TOP / "Tests/FramingTests/Vectors"


def raw(data: bytes) -> bytes:
    return b"".join(bytes([0, len(part)]) + part for part in pieces(data))


def framed(data: bytes, form: int = 0) -> bytes:
    return bytes([1 | form << 3, len(data)]) + data


def wait(form: int) -> bytes:
    return bytes([2 | form << 3])


def answer(form: int = 0, more: bytes = b"") -> bytes:
    return bytes([5 | form << 3]) + more


def counted(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def pieces(data: bytes) -> list[bytes]:
    return [data[start:start + 255] for start in range(0, len(data), 255)]


def hexes(text: str) -> bytes:
    return bytes.fromhex(text)


OPEN_AGAIN, SHOW = bytes([6]), bytes([7 | 3 << 3])


def rdm6300() -> list[bytes]:
    frames = ["010063E9AE25", "3C00CE754CCB", "6F007B39725F", "100026F44426", "6f007b39725f"]
    whole = [b"\x02" + frame.encode() + b"\x03" for frame in frames]
    return [raw(frame) for frame in whole] + [
        raw(b"\x02" + frames[0].encode() + b"\r\n\x03") + wait(14) + raw(whole[1]),
        raw(whole[0][:7]) + wait(24) + raw(whole[0][7:]) + framed(b"\x6f\x00\x7b\x39\x72", 1),
    ]


def pn532() -> list[bytes]:
    target = hexes("0101000408 0424D34F59")
    steps = answer(0, counted(hexes(""))) * 2
    return [
        raw(hexes("0000FF00FF00 0000FF02FED5151600")),
        steps + answer(0, counted(target)) + answer(0, counted(b"\x00")) + wait(20),
        steps + answer(0, counted(hexes("01010044 0007 04A1B2C3D4E5F6"))) + wait(24) + steps,
        steps + answer(1) + wait(23) + raw(hexes("0000FF01FF7F8100")) + wait(21) + steps,
        steps + raw(hexes("010000FF00FF00 0000FF0CF4D54B01010004080424D34F592F00")) + OPEN_AGAIN + steps,
    ]


def scanner() -> list[bytes]:
    texts = [b"EXPO-00010442\r", b"]Q1HELLO\r", "展会-07\r\n".encode(), b"<A\x1dB>\x03", b"x" * 200 + b"\n"]
    return [bytes([ending, aim, affix, affix]) + raw(text) + wait(14)
            for text in texts for ending, aim, affix in [(0, 0, 0), (1, 1, 0), (2, 0, 1)]]


def uhf() -> list[bytes]:
    frames = [
        "BB02220011C9340030751FEB705C5904E3D50D703A76EF7E", "BB02220011D53000E20010710000529B0940B402EB980C7E",
        "BB01FF000115167E", "BB012800010 02A7E".replace(" ", ""), "BB0103000B004D31303020 56312E3030227E".replace(" ", ""),
    ]
    return [bytes([0, 0]) + raw(hexes(frame)) + wait(22) for frame in frames] + [
        bytes([2, 1]) + raw(hexes("".join(frames))) + wait(15) + framed(hexes("E20010710000529B0940B402"), 1),
        bytes([1, 0]) + raw(hexes(frames[0])[:9]) + wait(16) + raw(hexes(frames[0])[9:]) + framed(b"\x15", 3),
    ]


def gy() -> list[bytes]:
    frame = hexes("5A5A45040C780D19A7")
    return [b"\0" + raw(frame) + wait(26) + raw(frame), b"\1" + raw(frame[:5]) + wait(20) + raw(frame),
            b"\0" + raw(b"\x5a" + frame + frame[:3] + frame), b"\0" + framed(hexes("0E740A00"))]


def modbus() -> list[bytes]:
    return [
        bytes([0, 0, 0]) + raw(hexes("0104020171 7884")) + wait(18) + answer(0, counted(hexes("0171"))),
        bytes([0, 0, 0]) + raw(hexes("018402C2C1")) + wait(19) + answer(2, counted(b"\x02")),
        bytes([3, 0, 0]) + raw(hexes("010304000000 00FA33")) + wait(24) + raw(b"\x01") + wait(8),
        bytes([8 | 2, 3, 1]) + (answer(0, counted(hexes("00007531"))) + wait(18)) * 4,
        bytes([4, 1, 0]) + wait(20) + raw(hexes("01040201717884")) + wait(20) + answer(0, counted(hexes("FFFF"))),
    ]


def recorded(name: str, side: str) -> list[bytes]:
    frames = [hexes(frame["hex"]) for frame in json.loads((VECTORS / name).read_text())["frames"]
              if frame.get("from") == side]
    return sorted(set(frames), key=frames.index)


def osdp_packet() -> list[bytes]:
    frames = recorded("osdp_plain.json", "PD") + recorded("osdp_scbk.json", "PD") + [
        hexes("537F0D00046E00802500006E38"), hexes("5300080000610044"), hexes("53FF0F000250FF011A00CD22C71667"),
    ]
    return [bytes([0, len(frame)]) + frame for frame in frames[:24]] + [
        bytes([4, 3]) + hexes("501A00") + bytes([4 | 1, 5]) + hexes("0212760000") + bytes([4 | 2, 1]) + b"\x40",
    ]


def osdp_plain() -> list[bytes]:
    card, keys = hexes("50 00011A00 3D9CB940"), hexes("53 0002 3132")
    online = answer() * 6
    return [
        b"\0" + online + answer(4, counted(card[1:])) + answer() * 3,
        b"\0" + online + SHOW + answer() * 5 + answer(1) + wait(21) + answer() * 2,
        b"\1" + online + wait(11) + framed(card) + wait(11) + framed(keys) + wait(11) + framed(hexes("480100")),
        b"\0" + answer(6) + wait(15) + online + answer(2, b"\7") + wait(28) + online + OPEN_AGAIN + online,
        b"\0" + wait(21) + wait(21) + answer() + framed(hexes("4101")) + wait(24) + online,
    ]


def osdp_secure() -> list[bytes]:
    card = hexes("00011A003D9CB940")
    online = answer() * 8
    stories = [
        online + answer(4, counted(card)) + answer() * 3,
        online + answer(3) + online + answer(4, counted(card)) + online,
        online + answer(1) + wait(21) + wait(21) + online,
        online + answer(2, b"\x09") + online + SHOW + online,
        online + wait(11) + framed(hexes("50") + card) + wait(21) + online,
        online + answer(6) + wait(16) + answer(7, b"\3") + wait(21) + online,
        answer() * 2 + framed(hexes("031200 76") + bytes(32), 1) + wait(26) + online,
    ]
    return [bytes([flags]) + story for flags in (0, 6, 8) for story in stories] + [
        bytes([flags]) + online + wait(30) + online for flags in (1, 2, 3, 5, 7)]


def card_form() -> list[bytes]:
    return [
        b"\0" + struct.pack(">H", 26) + hexes("3D9CB940"), b"\1" + struct.pack(">H", 26) + hexes("3D9CB940"),
        b"\0" + struct.pack(">H", 34) + hexes("B7803D9CB9 00"), b"\0" + struct.pack(">H", 37) + hexes("8000000001 40"),
        b"\0" + struct.pack(">H", 56) + hexes("04A1B2C3D4E5F6"), b"\1" + struct.pack(">H", 5) + b"\xff",
    ]


def name(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


def record(kind: int, body: bytes) -> bytes:
    head = struct.pack("<IBBBB16sQqQ", 0, 1, kind, 0, 255, b"\1" * 16, 7, 1_800_000_000_000, 5_000_000)
    return head + name("north-07") + name("outside") + name("north-ring") + body.ljust(112, b"\0")


def record_bodies() -> list[tuple[int, bytes]]:
    found = bytes(range(1, 11)) + bytes([1, 3]) + struct.pack("<I", 42) + bytes([0, 1, 1, 0b01_10_01_11, 1, 3])
    ended = bytes(range(1, 11)) + bytes([1, 3]) + struct.pack("<I", 42) + bytes([0, 1, 1]) + bytes(5) + b"\5" + bytes(27)
    return [(1, b"\2" * 24), (2, found), (3, ended), (4, b"\1\1"), (5, found), (6, b"\1"), (7, b"\0\1"), (8, b"\1\1"),
            (9, b"\1\1"), (10, bytes(48) + b"\3" * 32), (11, b"\1" + bytes(7) + b"\4" * 8), (12, b"\5" * 52),
            (13, b"\1" * 32 + b"\1" + bytes(3) + b"\2" * 44), (14, b"")]


def journal_record() -> list[bytes]:
    return [b"\1" + record(kind, body) for kind, body in record_bodies()]


def crc32c(of: bytes) -> int:
    crc = 0xFFFF_FFFF
    for byte in of:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


def word() -> bytes:
    """What a lane says of itself, its checksum with it."""
    now = 1_800_000_000_000
    said = (struct.pack("<6BH", 1, 3, 0, 0, 1, 1, 8) + struct.pack("<qQQqqq", now, 7, 3, now - 4000, now - 3_600_000, 9)
            + struct.pack("<5I", 850, 1000, 0x30003, 2, 1 << 18) + b"\xab" * 16 + name("1.0.0"))
    return said + struct.pack("<I", crc32c(said))


def lane_word() -> list[bytes]:
    return [b"\1" + word(), b"\1" + word()[:16] + bytes(76) + word()[92:], b"\0" + word()]


def batch_head(lane: str, count: int, said: bytes = bytes(128)) -> bytes:
    head = b"LKBATCH1" + struct.pack("<II", 1, count) + bytes(16) + name(lane)
    return head + b"\1" * 16 + struct.pack("<Q", 3) + b"\1" * 16 + struct.pack("<QQ", 1, 2) + said + bytes(8)


def enrolment_file() -> list[bytes]:
    keys = b"".join(b"lanekeeper-%s-1 %s %s\n" % (kind, b"5f" * 16, b"a7" * count)
                    for kind, count in ((b"site-public", 32), (b"badge", 16)))
    head = "lanekeeper-enrolment-1\nlane north-07\nname 北登录厅-07\nurl https://collector.example:8480\n".encode()
    blocks = b"authorities 5\n-----identity 3\nabc"
    return [b"\1" + head + keys + blocks, b"\1" + head + blocks + keys, b"\0" + head + keys + blocks]


def intake() -> list[bytes]:
    records = [record(kind, body) for kind, body in record_bodies()]
    return [bytes([3]) + batch_head("north-07", 0) + one for one in records] + [
        bytes([3]) + batch_head("north-07", 0) + b"".join(records[:6]),
        bytes([7]) + batch_head("north-07", 0, word()) + records[0]]


def image_header() -> list[bytes]:
    def header(zones: list[str], sets: list[int], slots: int, regions: int) -> bytes:
        return (b"LKIMAGE1" + struct.pack("<II", 1, 4096) + b"\7" * 16
                + struct.pack("<QQqQQQqQ", 3, 0, 1_800_000_000_000, slots, slots // 2, slots // 2, 1_700_000_000, 99)
                + b"\xab" * 32 + struct.pack("<IIII", 1 << 20, regions, len(zones), len(sets))
                + b"".join(map(name, zones)) + b"".join(struct.pack("<Q", one) for one in sets)
                + b"".join(struct.pack("<I", one) for one in range(regions)))

    return [header([], [], 1, 1), header(["north-ring", "hall-4"], [0, 1, 3], 40_000, 2), b"LKIMAGE1" + bytes(24)]


def image_slot() -> list[bytes]:
    states = 1 | 3 << 2 | 3 << 6 | 1 << 8 | 2 << 10 | 1 << 12
    slot = bytes(range(1, 11)) + struct.pack("<IIIHQ", 42, 1_799_990_000, 1_799_999_000, states, 5 | 0x7FFFFFF << 27)
    conflict = bytes(range(3, 13)) + struct.pack("<IIIHQ", 0, 0, 0, 3, 0)
    return [struct.pack(">I", 1_700_000_000) + bytes([1]) + slot + conflict + bytes(32) + slot,
            bytes(4) + b"\0" + slot * 8]


def statement() -> list[bytes]:
    signed = (b"LKSTATE1" + struct.pack("<II", 1, 88) + b"\7" * 16 + struct.pack("<QQq", 3, 0, 1_800_000_000_000)
              + b"\xab" * 32)
    longer = b"LKSTATE1" + struct.pack("<II", 1, 96) + signed[16:] + b"extended"
    occupancy = (struct.pack("<IIqII", 1, 16 + 2 * 40, 1_800_000_000_000, 2, 0) + name("north-ring")
                 + struct.pack("<II", 5000, 3) + name("hall-4") + struct.pack("<II", 0, 0))
    told = signed[:12] + struct.pack("<I", 88 + len(occupancy)) + signed[16:] + occupancy
    return [signed + bytes(64), longer + bytes(64), told + bytes(64)]


def presence_list() -> list[bytes]:
    def made(after: int, zones: list[str], holders: list[tuple[int, int, int]]) -> bytes:
        tables = b"".join(map(name, zones)) + b"".join(struct.pack("<IIB", *one) for one in holders)
        return (b"LKPRESN1" + struct.pack("<II", 1, 80 + len(tables)) + b"\7" * 16 + b"\3" * 16
                + struct.pack("<QQqII", after, 9, 1_800_000_000_000, len(zones), len(holders)) + tables + bytes(64))

    return [made(0, [], []), made(0, ["north-ring", "hall-4"], [(1, 1_799_999_000, 2), (77, 5, 1)]),
            made(3, ["north-ring"], [(1, 0, 0), (2, 1_799_999_000, 1), (4_294_967_295, 0, 0)])]


def change_list() -> list[bytes]:
    def made(zones: list[str], sets: list[int], slots: list[bytes], first: int = 7) -> bytes:
        tables = (b"".join(map(name, zones)) + b"".join(struct.pack("<Q", one) for one in sets) + b"".join(slots))
        return (b"LKCHANG1" + struct.pack("<II", 1, 80 + len(tables)) + b"\7" * 16
                + struct.pack("<QqqQ", first, 1_800_000_000_000, 1_700_000_000, 99)
                + struct.pack("<IIII", len(slots), len(zones), len(sets), 0) + tables + bytes(64))

    states = 1 | 3 << 2 | 3 << 6 | 3 << 8 | 2 << 10 | 1 << 12
    red = bytes(range(1, 11)) + struct.pack("<IIIHQ", 42, 1_799_990_000, 1_799_999_000, states, 5 | 0x7FFFFFF << 27)
    removed = bytes(range(3, 13)) + struct.pack("<IIIHQ", 0, 0, 0, 1 | 1 << 14, 0)
    return [made([], [], [removed]), made(["north-ring", "hall-4"], [0, 3], [red, removed, red]),
            made([], [0], [red], first=2**63 - 2)]


def text_files() -> list[bytes]:
    epoch = "0123456789abcdef" * 2
    return [
        b"\0" + f"stored {epoch} 42\n".encode(), b"\1" + f"applied 3 0 {epoch}{epoch}\n".encode(),
        b"\2" + f"lanekeeper-osdp-scbk-1 {epoch}\n".encode(), b"\3" + b"00000000000000000042.seg",
        b"\4" + b"00ffA5", b"\5" + f"lanekeeper-badge-1 {epoch} {epoch}\n".encode(),
        b"\x0b" + f"lanekeeper-site-public-1 {epoch} {epoch}{epoch}\n".encode(),
        b"\x11" + f"lanekeeper-site-secret-1 {epoch} {epoch}{epoch}\n".encode(),
        b"\5" + f"lanekeeper-site-public-1 {epoch} {epoch}{epoch}\n".encode(),
    ]


def control_request() -> list[bytes]:
    explain = {"type": "chip", "identifier_hex": "6f007b3972", "temperature_centidegrees": 3650, "at_milliseconds": 1}
    return [json.dumps(message, separators=(",", ":")).encode() for message in [
        {"v": 1, "request": "status"}, {"v": 1, "request": "explain", "explain": explain},
        {"v": 2, "request": "status"}, {"v": 1, "request": "open"},
        {"v": 1, "request": "explain", "explain": {"type": 1}}]] + [b"{", b"[1,2]", b'{"v":1e99,"request":"\\ud800"}']


def control_reply() -> list[bytes]:
    row = {"subject": "test", "name": "48 h test", "state": "negative", "figure": "", "needs": "", "is_required": True,
           "turns": None}
    explain = {
        "lane_id": "north-07", "lane_name": "北登录厅-07", "lane_kind": "entry", "from": "outside", "to": "north-ring",
        "at_milliseconds": 1, "lookup": "found", "kind": "visitor", "type": "chip", "image_version": 3,
        "change_number": 0, "rows": [row], "verdict": "refused",
        "reasons": [{"name": "test-expired", "text": "test sampled 51 h ago"}], "display": "请 / please"}
    names = ["presented", "admitted", "refused", "passed", "annulled", "interrupted", "tailgating", "forced",
             "wrong_way", "anonymous_forward", "anonymous_backward"]
    counters = dict.fromkeys(names, 1)
    status = {
        "lane": {"id": "north-07", "name": "北", "kind": "entry", "from": "outside", "to": "ring"}, "version": "1",
        "process_id": 7, "started_at_milliseconds": 1, "now_milliseconds": 2, "mode": "normal", "mode_cause": "none",
        "fire_alarm": False, "lamps": "ready", "clock": "trusted",
        "devices": [{"name": "gate", "type": "gpio", "line": "/dev/gpiochip0", "state": "present",
                     "since_milliseconds": 1, "last_word": ""}],
        "credentials": {"image_version": 3, "change_number": 0, "image_issued_at_milliseconds": 1, "identifiers": 5,
                        "freshness": "fresh", "knows_destination": True},
        "journal": {"epoch": "00" * 16, "next_sequence": 2, "records_used": 1, "records_total": 9, "state": "roomy",
                    "unsynced": 0},
        "hour_start_milliseconds": 0, "hour": counters, "since_start": counters,
        "last_decisions": [{"wall_milliseconds": 1, "verdict": "admitted", "reasons": []}], "alarms": ["a"]}
    error = {"code": "busy", "message": "all places are taken", "advice": "wait"}
    return [json.dumps({"v": 1, "reply": kind, kind: body}, separators=(",", ":"), ensure_ascii=False).encode()
            for kind, body in [("status", status), ("explain", explain), ("error", error)]]


def configuration() -> list[bytes]:
    own = """duration: 5 min
integer: 3
number: 1.5
text: "a"
id: north-7
truth: true
path: a/b
choice: locked
choices: [open, locked]
texts:
  - x
readers:
  - port: /dev/ttyS0
    baud: 9600
    more: absent
  - {port: b, baud: 300, more: {key: 00112233445566778899aabbccddeeff}}
zones:
  hall-4: {name: 四号馆}
colours: {a: red}
"""
    broken = ["a: &x 1\nb: *x\n", "a: 1\na: 2\n", "\ta: 1\n", "a: [1, {b: !t c\n", "---\na: 1\n---\nb: 2\n", "? [a]\n: b\n",
              "\ufeffinteger: 11\nnumbr: 2\n", "duration: 5 years\ntext: |\n  long\n  text\n"]
    return [own.encode(), *(text.encode() for text in broken), (TOP / "Config/lanekeeper-collector.yaml").read_bytes()[:1500]]


def csv() -> list[bytes]:
    return [bytes([piece]) + text for piece, text in [
        (0, b"a,b,c\r\nd,,\"e,\"\"f\"\n"), (3, b"\xef\xbb\xbfx\n\n\"two\nlines\",y\n"), (7, b"a\"b,c\nd\"e\",\"f\"g\n\"open\n1,2\n"),
        (1, b"1,2,3,4,5,6\n" + b"x" * 30 + b"\n" + b"12345678,12345678\r\r\n\0\n"), (0, b"a,b")]]


def feed_row() -> list[bytes]:
    lines = (TOP / "Config/feed.csv").read_bytes().splitlines()[1:]
    # Days that the target's validity holds.
    return [line.replace(b"2026-", b"2024-") for line in lines] + [b"A,visitor,zz,,,a|a,full,red,2024-13-01T00:00:00Z,,,,,"]


def timestamp() -> list[bytes]:
    return [b"2026-11-21T17:05:50.123+08:00", b"2024-02-29t00:00:00z", b"9999-12-31 23:59:59.999999999-23:59", b"1900-02-29T"]


def http_range() -> list[bytes]:
    return [struct.pack(">Q", 5000) + b"\0" + text for text in
            [b"bytes=0-99", b"bytes=100-", b"bytes=-5", b"bytes=9-3", b"bytes=0-1,3-4", b"bytes=99999999999999999999-"]]


def segment_header() -> list[bytes]:
    return [b"\1LKJRNL1\n" + struct.pack("<IIQI", 1, 256, 42, 1000) + bytes(4) + name("north-07")]


def record_batch() -> list[bytes]:
    return [b"\1" + batch_head("north-07", 0)[:256], b"\1" + batch_head("a", 1)[:256] + bytes(256),
            b"\1" + batch_head("north-07", 0, word())[:256]]


SEEDS = {
    "rdm6300": rdm6300, "pn532": pn532, "scanner": scanner, "uhf": uhf, "gy-mcu90615": gy, "modbus": modbus,
    "osdp-packet": osdp_packet, "osdp-plain": osdp_plain, "osdp-secure": osdp_secure, "card-form": card_form,
    "journal-record": journal_record, "segment-header": segment_header, "record-batch": record_batch,
    "lane-word": lane_word,
    "image-header": image_header, "image-slot": image_slot, "statement": statement,
    "change-list": change_list, "presence-list": presence_list, "text-files": text_files,
    "enrolment-file": enrolment_file,
    "control-request": control_request, "control-reply": control_reply, "configuration": configuration, "csv": csv,
    "feed-row": feed_row, "timestamp": timestamp, "intake": intake, "http-range": http_range,
}


def write(folder: Path) -> None:
    for target, make in SEEDS.items():
        place = folder / target
        place.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(make()):
            (place / f"seed-{number}").write_bytes(seed)
