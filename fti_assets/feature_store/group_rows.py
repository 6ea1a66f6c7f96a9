"""The rows of a feature group as a point-in-time join searches them: those that stand and, if asked for, those that once stood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.key_codes import KeyCodes
from fti_assets.feature_store.latest_match import FOREVER, NO_TTL, Candidates, Codes, Integers, Questions, latest
from fti_assets.feature_store.table_scan import TableScan
from fti_assets.vocabulary import ColumnType, FeatureGroup

PUBLISHED_AT, SUPERSEDED_AT = "_published_at", "_superseded_at"
_CANDIDATE_BYTES = {False: 13, True: 45}
"""What a row takes while it is searched, without and with the times of publications."""


@dataclass(frozen=True, slots=True)
class GroupRows:
    """The rows of a group that a spine can reach; positions count those that stand first, then those that are superseded."""

    group: FeatureGroup
    current: TableScan
    superseded: TableScan | None

    @staticmethod
    def of(connection: DuckDBPyConnection, group: FeatureGroup, questions: Questions) -> GroupRows:
        """The rows that the questions can reach; what is superseded only where they ask for what was known at a time."""
        reach = _reach(group, questions)
        types: dict[str, ColumnType] = {column.name: column.type for column in group.table.columns}
        types |= {PUBLISHED_AT: "timestamp", SUPERSEDED_AT: "timestamp"}
        past = questions.known_at is not None and has_superseded(connection, group)
        scans = [
            TableScan.of(connection, (schema, group.table.name), types, group.event_time, reach) if wanted else None
            for schema, wanted in (("features", True), ("superseded", past))
        ]
        assert scans[0] is not None
        return GroupRows(group, scans[0], scans[1])

    @property
    def count(self) -> int:
        return self.current.rows + (self.superseded.rows if self.superseded else 0)

    def newest(self, numbering: KeyCodes, questions: Questions, *, memory: int) -> Integers:
        """For each question the position of the newest visible row, or -1.

        A group that needs more than `memory` bytes is searched in several passes, each for some of the entities.
        """
        ttl = NO_TTL if self.group.ttl is None else self.group.ttl // timedelta(microseconds=1)
        passes = max(1, -(-self.count * _CANDIDATE_BYTES[questions.known_at is not None] // memory))
        found = np.full(len(questions.codes), -1, np.int64)
        for number in range(passes):
            candidates, positions = self._candidates(numbering, questions, number, passes)
            asked = replace(questions, known_at=None) if candidates.published is None else questions
            if passes > 1:
                asked = replace(asked, codes=np.where(asked.codes % passes == number, asked.codes, np.int32(-1)))
            rows = latest(candidates, asked, len(numbering), ttl)
            found[rows >= 0] = rows[rows >= 0] if positions is None else positions[rows[rows >= 0]]
        return found

    def take(self, positions: Integers, columns: Mapping[str, str]) -> pl.DataFrame:
        """The rows at some positions, which increase; with the given columns under the names by which they are given."""
        stored = list(dict.fromkeys(columns.values()))
        border = int(np.searchsorted(positions, self.current.rows))
        rows = self.current.take(positions[:border], stored)
        if self.superseded is not None and border < len(positions):
            rows = pl.concat([rows, self.superseded.take(positions[border:] - self.current.rows, stored)])
        return rows.select(pl.col(column).alias(name) for name, column in columns.items())

    def _candidates(
        self, numbering: KeyCodes, questions: Questions, number: int, passes: int
    ) -> tuple[Candidates, Integers | None]:
        """The rows of some of the entities, with their positions where these are not simply 0, 1, 2, ..."""
        loaded = list(self._loaded(numbering, questions, number, passes))
        if not loaded:
            return Candidates(np.empty(0, np.int32), np.empty(0, np.int64)), None
        columns = [np.concatenate(values) if len(values) > 1 else values[0] for values in zip(*loaded, strict=True)]
        positions = columns.pop() if passes > 1 else None
        candidates = Candidates(*columns)
        if candidates.published is None or candidates.superseded is None or questions.known_at is None:
            return candidates, positions
        asked = questions.known_at[questions.codes >= 0]
        all_known = len(asked) == 0 or len(candidates) == 0 or candidates.published.max() <= asked.min()
        if all_known and self.superseded is None and not self._may_repeat:
            return Candidates(candidates.codes, candidates.times), positions
        return candidates, positions

    def _loaded(self, numbering: KeyCodes, questions: Questions, number: int, passes: int) -> Iterator[list[Any]]:
        published = questions.known_at is not None or self._may_repeat
        scans = [(0, self.current), *([(self.current.rows, self.superseded)] if self.superseded else [])]
        for start, scan in scans:
            for position, frame in scan.batches(self._columns(scan, published=published)):
                codes: Codes = numbering.encode(frame.select(pl.col(key).alias(f"k{n}") for n, key in enumerate(self._keys)))
                values: list[np.ndarray[Any, Any]] = [codes, _times(frame, self.group.event_time)]
                if published:
                    values.append(_times(frame, PUBLISHED_AT))
                    values.append(_times(frame, SUPERSEDED_AT) if scan is self.superseded else np.full(len(frame), FOREVER))
                if passes > 1:
                    kept: Integers = np.flatnonzero((codes >= 0) & (codes % passes == number))
                    values = [*(value[kept] for value in values), kept + start + position]
                yield values

    @property
    def _keys(self) -> tuple[str, ...]:
        return self.group.entity.key_names

    @property
    def _may_repeat(self) -> bool:
        """Whether two rows of one entity may have one event time: in windows that are not cut by the event time."""
        return self.group.window_time is not None

    def _columns(self, scan: TableScan, *, published: bool) -> list[str]:
        times = [PUBLISHED_AT, *([SUPERSEDED_AT] if scan is self.superseded else [])] if published else []
        return [*dict.fromkeys([*self._keys, *([self.group.event_time] if self.group.event_time else [])]), *times]


def has_superseded(connection: DuckDBPyConnection, group: FeatureGroup) -> bool:
    """Whether the lake keeps rows of the group that were replaced or withdrawn."""
    query = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'superseded' AND table_name = $name"
    return connection.execute(query, {"name": group.table.name}).fetchone() is not None


def _times(frame: pl.DataFrame, column: str | None) -> Integers:
    """A time column in microseconds; that of a static group is always 0."""
    return np.zeros(len(frame), np.int64) if column is None else frame[column].rechunk().to_numpy()


def _reach(group: FeatureGroup, questions: Questions) -> tuple[int | None, int | None]:
    """The event times that the questions can reach, both ends inclusive, so that other files are not read."""
    times = questions.times[questions.codes >= 0]
    if group.event_time is None or not len(times):
        return None, None
    first = None if group.ttl is None else int(times.min()) - group.ttl // timedelta(microseconds=1)
    return first, int(times.max())
