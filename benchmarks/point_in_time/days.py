"""Publishing a thousand days: what a day costs at the beginning and at the end, and what reading the days costs."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from benchmarks.measuring import Run, run, summary
from benchmarks.point_in_time.rivals import RIVALS
from benchmarks.sheets import Sheet, seconds
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, Window

ROWS = 5_000
FEATURES = 10
FIRST_DAY = date(2022, 1, 1)
CALENDAR = Daily(start=FIRST_DAY.isoformat())
MAINTAINED_EVERY = 30
WAYS = {
    "whole": "published at once",
    "maintained": f"published by day, maintained every {MAINTAINED_EVERY} days",
    "never": "published by day, never maintained",
}
"""The first is what a table that is wholly compacted reads like."""

GROUP = FeatureGroup(
    name="daily",
    version=1,
    entity=Entity("entity", (Column("entity_id", "int"),)),
    event_time="event_time",
    cadence=CALENDAR,
    features=tuple(Feature(f"f{number}", "float") for number in range(FEATURES)),
    contract=Contract(owner="team:benchmarks"),
)


def windows(days: int) -> list[Window]:
    return [CALENDAR.window((FIRST_DAY + timedelta(days=number)).isoformat()) for number in range(days)]


def rows(days: int) -> Iterator[pa.Table]:
    """The rows of each day, made one after another."""
    rng = np.random.default_rng(5)
    for window in windows(days):
        start = int(window.start.timestamp()) * 1_000_000
        times = start + np.sort(rng.integers(0, 86_400_000_000, ROWS))
        values = {f"f{number}": rng.standard_normal(ROWS) for number in range(FEATURES)}
        time = pa.array(times, pa.timestamp("us", tz="UTC"))
        yield pa.table({"entity_id": rng.permutation(ROWS), "event_time": time, **values})


@dataclass(frozen=True, slots=True)
class Days:
    """A store filled in one of the `WAYS`.

    Attributes:
        each: seconds of each publication, in order.
        maintenance: seconds of each maintenance.
        files: that the group then has.
        reads: of all its rows.
    """

    way: str
    each: Sequence[float]
    maintenance: Sequence[float]
    files: int
    reads: list[Run]


def fill_and_read(folder: Path, days: int, *, repeats: int, limit: float) -> list[Days]:
    filled = [_filled(folder, way, days, limit) for way in WAYS]
    for number in range(repeats + 1):
        for one in filled:
            read = run(Path(sys.executable), RIVALS / "days_ours.py", folder / one.way, days, "read", limit=limit)
            print(f"  {one.way}: read: {read.outcome}, {read.seconds:.2f} s", file=sys.stderr, flush=True)
            if number > 0 or repeats == 0:
                one.reads.append(read)
    return filled


def _filled(folder: Path, way: str, days: int, limit: float) -> Days:
    shutil.rmtree(folder / way, ignore_errors=True)
    done = run(Path(sys.executable), RIVALS / "days_ours.py", folder / way, days, way, limit=20 * limit)
    print(f"  {way}: {days} days published: {done.outcome}, {done.seconds:.0f} s", file=sys.stderr, flush=True)
    if not done.is_ok:
        raise RuntimeError(f"Publishing '{way}' went wrong: {done.outcome}")
    said = done.said
    return Days(way, cast("list[float]", said["each"]), cast("list[float]", said["maintenance"]), cast("int", said["files"]), [])


def sheet(found: Sequence[Days]) -> Sheet:
    compacted = summary(next(one for one in found if one.way == "whole").reads)
    lines = []
    for one in found:
        read = summary(one.reads)
        first, last = (statistics.median(part) * 1000 for part in (one.each[:50], one.each[-50:]))
        by_day = len(one.each) > 1
        lines.append(
            (
                WAYS[one.way],
                f"{first:.0f}" if by_day else "",
                f"{last:.0f}" if by_day else "",
                f"{last / first:.2f}" if by_day else "",
                f"{1000 * sum(one.maintenance) / len(one.each):.0f}" if one.maintenance else "",
                f"{one.files:,}",
                seconds(read.seconds) if read.outcome == "ok" else read.outcome,
                f"{read.seconds / compacted.seconds:.2f}",
            )
        )
    days = max(len(one.each) for one in found)
    columns = (
        "",
        "ms a day, first 50",
        "ms a day, last 50",
        "last / first",
        "maintenance, ms a day",
        "files",
        "read of all, s",
        "x published at once",
    )
    note = (
        f"{ROWS:,} rows of {FEATURES} features a day. Targets: a day costs the same on the last days as on the first, and a group"
        " that is kept compacted is read at most 1.3 times slower than one published at once."
    )
    return Sheet(f"Publishing {days:,} days, and reading them", columns, lines, note)
