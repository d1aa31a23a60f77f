"""The figures of `Tests/bench cache` as a table, and the limits that they are judged by."""

from __future__ import annotations

from collections.abc import Iterator

# Name: (what it is, at most or, for a factor, at least). MB are 1,000,000 bytes.
LIMITS: dict[str, tuple[str, float]] = {
    "lookup_p99_ns": ("the slowest kind of lookup, p99", 1000),
    "times_faster_than_sqlite": ("a prepared SQLite select's mean by a lookup's, 5,000,000 identifiers, at least", 25),
    "live_502000_ms": ("an image of 502,000 identifiers live, median", 25),
    "live_5000000_ms": ("an image of 5,000,000 identifiers live, median", 200),
    "changes_live_ms": ("5,000 changes live and durable, median", 5),
    "memory_one_identifier_mb": ("memory of lanekeeperd, 502,000 holders with one identifier", 45),
    "memory_two_identifiers_mb": ("memory of lanekeeperd, 502,000 holders with two identifiers", 70),
    "allocations_of_10000_decisions": ("heap allocations of 10,000 decisions", 0),
}
AT_LEAST = {"times_faster_than_sqlite"}
LARGE = 5_000_000
KINDS = ("image_hit", "change_hit", "miss", "unchanged_hit", "unchanged_miss")
SHOWN = (
    ("image_hit", "image under changes, found"),
    ("change_hit", "changes, found"),
    ("miss", "image under changes, not found"),
    ("unchanged_hit", "bare image, found"),
    ("unchanged_miss", "bare image, not found"),
    ("dictionary_hit", "Swift Dictionary, found"),
    ("dictionary_miss", "Swift Dictionary, not found"),
    ("sqlite_hit", "prepared SQLite select, found"),
    ("sqlite_miss", "prepared SQLite select, not found"),
    ("favoured_sqlite_hit", "SQLite mapped, one transaction"),
    ("favoured_sqlite_miss", "the same, not found"),
    ("tag", "(a chip's number to its tag)"),
)


def times_faster(lookups: dict) -> float:
    """Of badges that are found, in the table that a lane uses."""
    return lookups["sqlite_hit"]["mean_nanoseconds"] / lookups["image_hit"]["mean_nanoseconds"]


def found(figures: dict) -> Iterator[tuple[str, int, float]]:
    """(limit, identifiers, figure)."""
    yield "allocations_of_10000_decisions", 0, figures["allocations_of_10000_decisions"]
    for size in figures["sizes"]:
        count, holders = size["identifiers"], size["holders"]
        if "lookups" in size:
            yield "lookup_p99_ns", count, max(size["lookups"][kind]["p99_nanoseconds"] for kind in KINDS)
            if count >= LARGE:
                yield "times_faster_than_sqlite", count, round(times_faster(size["lookups"]), 1)
            yield f"live_{count}_ms", count, size["live"]["on_disk"]["median_milliseconds"]
            yield "changes_live_ms", count, size["changes"]["live"]["median_milliseconds"]
        if holders == 502_000:
            each = "two_identifiers" if count > holders else "one_identifier"
            yield f"memory_{each}_mb", count, size["daemon"]["resident_mb"]


def judged(figures: dict, limits: dict[str, tuple[str, float]]) -> list[dict]:
    verdicts = []
    for name, count, figure in found(figures):
        if name not in limits:
            continue
        what, limit = limits[name]
        holds = figure >= limit if name in AT_LEAST else figure <= limit
        verdicts.append(
            {"name": name, "what": what, "identifiers": count, "figure": figure, "limit": limit, "holds": holds}
        )
    return verdicts


def table(figures: dict, verdicts: list[dict]) -> str:
    lines: list[str] = []
    for size in figures["sizes"]:
        lines += ["", f"{size['identifiers']:,} identifiers of {size['holders']:,} holders", *of_size(size)]
    lines += ["", "limits"]
    for verdict in verdicts:
        mark = "holds" if verdict["holds"] else "DOES NOT HOLD"
        which = f"{verdict['identifiers']:,}" if verdict["identifiers"] else ""
        lines.append(f"  {mark:13} {verdict['what']} {which}: {verdict['figure']:g}, limit {verdict['limit']:g}")
    return "\n".join(lines)


def of_size(size: dict) -> Iterator[str]:
    step, daemon = size["import"], size["daemon"]
    yield (
        f"  import        {step['rows_a_second']:,} rows/s, {step['seconds']:.1f} s, most memory {step['most_memory_mb']:.0f} MiB"
    )
    if "lookups" in size:
        yield from of_lookups(size)
        yield from of_going_live(size)
    yield (
        f"  lanekeeperd   {daemon['resident_mb']:.1f} MB ({daemon['anonymous_mb']:.1f} of its own, {daemon['files_mb']:.1f} mapped; "
        f"without an image {daemon['empty_mb']:.1f}, most {daemon['most_resident_mb']:.1f}); "
        f"look to applied {daemon['look_to_applied_ms']:.1f} ms"
    )


def of_lookups(size: dict) -> Iterator[str]:
    lookups, count = size["lookups"], size["identifiers"]
    yield f"  {'lookup, ns':34} {'mean*':>9} {'p50':>7} {'p99':>7} {'p99.9':>7}"
    for name, what in SHOWN:
        yield of_latency(what, lookups[name])
    yield of_latency("(two looks at the clock, in p50 to p99.9)", size["clock_nanoseconds"])
    yield "    * of processor time, without the clock"
    yield f"  {times_faster(lookups):.1f} times as fast as SQLite"
    yield (
        f"  bytes an identifier: image {size['image_bytes'] / count:.1f}, SQLite {lookups['sqlite_bytes'] / count:.1f}, "
        f"Dictionary {lookups['dictionary_bytes'] / count:.1f}"
    )


def of_latency(what: str, latency: dict) -> str:
    return (
        f"    {what:32} {latency['mean_nanoseconds']:9.1f} {latency['p50_nanoseconds']:7} {latency['p99_nanoseconds']:7} "
        f"{latency['p999_nanoseconds']:7}"
    )


def of_going_live(size: dict) -> Iterator[str]:
    live, changes = size["live"], size["changes"]
    yield f"  {'going live, ms':34} {'median':>9} {'least':>7} {'most':>7}   processor (least)"
    yield of_times("image, on the disk", live["on_disk"])
    yield of_times("image, without a disk", live["in_memory"])
    yield of_times("control: plain copy of the file", live["controls"]["copy"])
    yield of_times("control: fsync of that copy", live["controls"]["sync"])
    yield of_times("control: SHA-256 by libcrypto", live["controls"]["digest"])
    yield of_times("control: memcpy", live["controls"]["memcpy"])
    yield of_times(f"{changes['changes']:,} changes, to {changes['overlaid']:,}", changes["live"])
    yield of_times("control: the same bytes synced", changes["control"])


def of_times(what: str, times: dict) -> str:
    return (
        f"    {what:32} {times['median_milliseconds']:9.2f} {times['least_milliseconds']:7.2f} {times['most_milliseconds']:7.2f}"
        f"   {times['median_processor_milliseconds']:.2f} ({times['least_processor_milliseconds']:.2f})"
    )
