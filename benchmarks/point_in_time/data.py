"""Generated inputs of the join: a spine and three feature groups, written to disk in bounded memory, the same for a seed.

A case is a folder:

    spine.parquet               entity_id, event_time, label; in order of time
    spine_shuffled.parquet      the same rows in no order
    spine_known_at.parquet      the same rows with a fourth column: what was published by then may be used
    windows/GROUP/DAY.parquet   the rows of a day in no order, as a pipeline would publish them
    sorted/GROUP.parquet        the same rows in order of time, for the rivals that must be given them so
    first_published/GROUP/DAY.parquet   what some days held before they were corrected: same keys and times, other values
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = date(2024, 1, 1)
DAYS = 366
GROUPS = ("account", "device", "merchant")
FEATURES_EACH = 10
ENTITIES = 100_000
CORRECTED_DAYS = (50, 140, 230, 320)
PUBLICATION_DELAY = timedelta(hours=1)  # after the day's end
CORRECTION_DELAY = timedelta(days=20)
NULLS = 0.02  # of the last feature of each group
SIZES = {"tiny": (2_000, 20_000), "small": (200_000, 2_000_000), "large": (1_000_000, 10_000_000)}
KEYS = ("uniform", "zipf")

# Random numbers do not compress, and dictionaries of them only cost time: this is the quickest to read for every rival.
WRITING = {"compression": "NONE", "use_dictionary": False}

_DAY = np.int64(86_400_000_000)
_START = np.int64(datetime.combine(FIRST_DAY, datetime.min.time(), UTC).timestamp()) * 1_000_000
_VERSION = 1
_TIME = pa.timestamp("us", tz="UTC")
_DONE = "generated.json"


@dataclass(frozen=True, slots=True)
class Case:
    """One size and one distribution of keys, with its folder of files."""

    size: str
    keys: str
    folder: Path
    seed: int = 7

    @property
    def spine_rows(self) -> int:
        return SIZES[self.size][0]

    @property
    def group_rows(self) -> int:
        return SIZES[self.size][1]

    @property
    def spine(self) -> Path:
        return self.folder / "spine.parquet"

    @property
    def spine_shuffled(self) -> Path:
        return self.folder / "spine_shuffled.parquet"

    @property
    def spine_known_at(self) -> Path:
        return self.folder / "spine_known_at.parquet"

    def sorted(self, group: str) -> Path:
        return self.folder / "sorted" / f"{group}.parquet"

    def windows(self, group: str) -> Path:
        return self.folder / "windows" / group

    def first_published(self, group: str) -> Path:
        return self.folder / "first_published" / group


def feature_names(group: str) -> list[str]:
    return [f"{group}_f{n}" for n in range(FEATURES_EACH)]


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


@dataclass(frozen=True, slots=True, order=True)
class Publishing:
    """A day of a group that is published at some time: `path` holds its rows."""

    at: datetime
    group: str
    day: date
    path: Path


def publishings(case: Case) -> list[Publishing]:
    """The publications of all groups in order of time: every day, and the corrections of some."""
    found = []
    for group in GROUPS:
        for number in range(DAYS):
            this, name = day(number), f"{day(number).isoformat()}.parquet"
            end = datetime.combine(this + timedelta(days=1), datetime.min.time(), UTC)
            right = case.windows(group) / name
            first = case.first_published(group) / name if number in CORRECTED_DAYS else right
            found.append(Publishing(end + PUBLICATION_DELAY, group, this, first))
            if number in CORRECTED_DAYS:
                found.append(Publishing(end + CORRECTION_DELAY, group, this, right))
    return sorted(found)


def generate(case: Case) -> None:
    """Writes the files of `case`, unless they are there already."""
    stamp = {"version": _VERSION, "size": case.size, "keys": case.keys, "seed": case.seed, "rows": SIZES[case.size]}
    done = case.folder / _DONE
    if done.exists() and json.loads(done.read_text()) == json.loads(json.dumps(stamp)):
        return
    shutil.rmtree(case.folder, ignore_errors=True)
    case.folder.mkdir(parents=True)
    entities = _Entities(case)
    _write_spine(case, entities)
    for number, group in enumerate(GROUPS):
        _write_group(case, entities, group, np.random.default_rng((case.seed, 100 + number)))
    done.write_text(json.dumps(stamp))


class _Entities:
    """The entities' ids, which are scattered integers, and how often each comes."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng((case.seed, 1))
        self.ids = rng.permutation(np.unique(rng.integers(1, 2**40, ENTITIES + 1_000))[:ENTITIES])
        weights = np.ones(ENTITIES) if case.keys == "uniform" else 1 / np.arange(1, ENTITIES + 1)
        self._cumulated = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        return self.ids[np.minimum(np.searchsorted(self._cumulated, rng.random(rows)), ENTITIES - 1)]


def _write_spine(case: Case, entities: _Entities) -> None:
    rng = np.random.default_rng((case.seed, 2))
    times = np.sort(rng.integers(_START, _START + DAYS * _DAY, case.spine_rows))
    columns = {
        "entity_id": pa.array(entities.draw(rng, case.spine_rows)),
        "event_time": pa.array(times, _TIME),
        "label": pa.array(rng.random(case.spine_rows)),
    }
    table = pa.table(columns)
    _write(table, case.spine)
    _write(table.take(pa.array(rng.permutation(case.spine_rows))), case.spine_shuffled)
    known_at = pa.array(times + rng.integers(0, 30 * _DAY, case.spine_rows), _TIME)
    _write(table.append_column("known_at", known_at), case.spine_known_at)


def _write_group(case: Case, entities: _Entities, group: str, rng: np.random.Generator) -> None:
    for folder in (case.windows(group), case.first_published(group), case.sorted(group).parent):
        folder.mkdir(parents=True, exist_ok=True)
    writer: _SortedWriter | None = None
    for number, rows in enumerate(_group_days(case, entities, group, rng)):
        writer = writer or _SortedWriter(case.sorted(group), rows.schema)
        writer.add(rows)
        name = f"{day(number).isoformat()}.parquet"
        order = pa.array(rng.permutation(len(rows)))
        _write(rows.take(order), case.windows(group) / name)
        if number in CORRECTED_DAYS:
            keys = {name: rows[name] for name in ("entity_id", "event_time")}
            _write(pa.table({**keys, **_values(group, rng, len(rows))}), case.first_published(group) / name)
    assert writer is not None
    writer.close()


def _group_days(case: Case, entities: _Entities, group: str, rng: np.random.Generator) -> Iterator[pa.Table]:
    """The rows of each day, in order of time; no time comes twice, so no rival's answer hangs on how it breaks ties."""
    counts = np.diff(np.linspace(0, case.group_rows, DAYS + 1).astype(np.int64))
    for number, rows in enumerate(counts):
        drawn = np.sort(rng.integers(0, _DAY - rows, rows)) + np.arange(rows)
        times = pa.array(_START + number * _DAY + drawn, _TIME)
        yield pa.table({"entity_id": entities.draw(rng, rows), "event_time": times, **_values(group, rng, rows)})


def _values(group: str, rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    values = {name: pa.array(rng.standard_normal(rows)) for name in feature_names(group)}
    last = feature_names(group)[-1]
    values[last] = pa.array(rng.standard_normal(rows), mask=rng.random(rows) < NULLS)
    return values


class _SortedWriter:
    """Writes days one after another into one file, in row groups of even size."""

    ROWS = 250_000

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, **WRITING)
        self._held: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        self._held.append(rows)
        if sum(map(len, self._held)) >= self.ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.concat_tables(self._held), row_group_size=2 * self.ROWS)
        self._held = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, row_group_size=2 * _SortedWriter.ROWS, **WRITING)
