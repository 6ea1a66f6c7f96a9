"""The rows of a feature group as a point-in-time join searches them: those that stand and, if asked for, those that once stood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.point_in_time.key_codes import KeyCodes
from fti_assets.feature_store.point_in_time.latest_match import (
    FOREVER,
    NO_TTL,
    NONE,
    OPEN,
    Candidates,
    Codes,
    Integers,
    Questions,
    Walk,
    newest_known,
)
from fti_assets.feature_store.point_in_time.table_scan import TableScan
from fti_assets.feature_store.publishing.schema import PUBLISHED_AT, SUPERSEDED_AT, stored_columns
from fti_assets.feature_store.publishing.superseded import superseded_table
from fti_assets.vocabulary import ColumnType, FeatureGroup

_SORTED_BYTES, _HISTORY_BYTES = 64, 96
"""What a row takes while it is sorted, and while the history of its entity is searched."""

Entities = np.ndarray[Any, np.dtype[np.bool_]]
"""Whether an entity is meant, by its number."""


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
        """For each question the position of the newest visible row, or -1; while it searches it holds about `memory` bytes.

        The rows that stand pass by once, file after file. Where they are in no order of time they are sorted, those of some of
        the entities at a time; and where the newest two of an entity do not tell what was known, its whole history is searched.
        """
        if not np.any(questions.codes >= 0):
            return np.full(len(questions.codes), NONE)
        replaced = self._replaced(numbering)
        walk = self._walk(questions, numbering, replaced)
        if self._passes_by(walk, numbering, questions):
            found, rows = walk.found(), walk.passed
        else:
            found, rows = np.where(questions.codes < 0, NONE, OPEN), np.zeros(len(numbering), np.int64)
            for asked, entities in _portions(found, questions, len(numbering), self.current.rows * _SORTED_BYTES, memory):
                rows += self._sort_by(found, asked, numbering, entities, replaced)
        if np.any(found == OPEN):
            past = self.superseded.rows if self.superseded else 0
            size = (int(rows[np.unique(questions.codes[found == OPEN])].sum()) + past) * _HISTORY_BYTES
            for asked, entities in _portions(found, questions, len(numbering), size, memory):
                self._search_history(found, asked, numbering, entities)
        return found

    def _walk(self, questions: Questions, numbering: KeyCodes, replaced: tuple[Codes, Integers] | None) -> Walk:
        return Walk(questions, len(numbering), self._ttl, replaced, repeats=self.group.window_time is not None)

    def _passes_by(self, walk: Walk, numbering: KeyCodes, questions: Questions) -> bool:
        """Whether the rows that stand were in order of time; the walk has seen them all then."""
        dated = self._is_dated(questions)
        for position, frame in self.current.batches(self._columns(dated=dated)):
            published = _times(frame, PUBLISHED_AT) if dated else None
            if not walk.pass_by(position, self._codes(frame, numbering), _times(frame, self.group.event_time), published):
                return False
        return True

    def _sort_by(
        self, found: Integers, asked: Questions, numbering: KeyCodes, entities: Entities, replaced: tuple[Codes, Integers] | None
    ) -> Integers:
        """Answers questions by a walk along rows that are sorted first. Returns how many rows each entity has."""
        codes, times, published, positions = self._rows(self.current, 0, numbering, entities, dated=self._is_dated(asked))
        order = np.argsort(times, kind="stable")  # merges what is in order already
        walk = self._walk(asked, numbering, replaced)
        walk.pass_by(0, codes[order], times[order], published[order] if len(published) else None)
        _fill(found, asked, walk.found(), positions[order])
        return walk.passed

    def _search_history(self, found: Integers, asked: Questions, numbering: KeyCodes, entities: Entities) -> None:
        """Answers questions by all that was ever published about their entities."""
        pieces = [[*self._rows(self.current, 0, numbering, entities, dated=True)]]
        pieces[0].append(np.full(len(pieces[0][0]), FOREVER))
        if self.superseded is not None:
            pieces.append(self._rows(self.superseded, self.current.rows, numbering, entities, dated=True, past=True))
        codes, times, published, positions, ends = (np.concatenate(values) for values in zip(*pieces, strict=True))
        rows = newest_known(Candidates(codes, times, published, ends), asked, len(numbering), self._ttl)
        _fill(found, asked, rows, positions)

    def _rows(
        self, scan: TableScan, start: int, numbering: KeyCodes, entities: Entities, *, dated: bool, past: bool = False
    ) -> list[np.ndarray[Any, Any]]:
        """Numbers, event times, publication times (if `dated`), positions and ends (if `past`) of the rows of some entities."""
        pieces: list[list[np.ndarray[Any, Any]]] = [[np.empty(0, np.int32), *(np.empty(0, np.int64) for _ in range(3 + past))]]
        for position, frame in scan.batches(self._columns(dated=dated, past=past)):
            codes = self._codes(frame, numbering)
            kept = np.flatnonzero((codes >= 0) & entities[codes])
            published = _times(frame, PUBLISHED_AT)[kept] if dated else np.empty(0, np.int64)
            ends = [_times(frame, SUPERSEDED_AT)[kept]] if past else []
            pieces.append([codes[kept], _times(frame, self.group.event_time)[kept], published, kept + start + position, *ends])
        return [np.concatenate(values) for values in zip(*pieces, strict=True)]

    def _replaced(self, numbering: KeyCodes) -> tuple[Codes, Integers] | None:
        """The entities and event times, in order, of what no longer stands."""
        if self.superseded is None:
            return None
        all_codes, all_times = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for _, frame in self.superseded.batches(self._columns()):
            own = self._codes(frame, numbering)
            all_codes.append(own[own >= 0])
            all_times.append(_times(frame, self.group.event_time)[own >= 0])
        codes, times = np.concatenate(all_codes), np.concatenate(all_times)
        order = np.argsort(times, kind="stable")
        return codes[order], times[order]

    def take(self, positions: Integers, columns: Mapping[str, str]) -> pl.DataFrame:
        """The rows at some positions, which increase; with the given columns under the names by which they are given."""
        stored = list(dict.fromkeys(columns.values()))
        border = int(np.searchsorted(positions, self.current.rows))
        rows = self.current.take(positions[:border], stored)
        if self.superseded is not None and border < len(positions):
            rows = pl.concat([rows, self.superseded.take(positions[border:] - self.current.rows, stored)])
        return rows.select(pl.col(column).alias(name) for name, column in columns.items())

    def _codes(self, frame: pl.DataFrame, numbering: KeyCodes) -> Codes:
        return numbering.encode(frame.select(pl.col(key).alias(f"k{n}") for n, key in enumerate(self._keys)))

    @property
    def _ttl(self) -> int:
        return NO_TTL if self.group.ttl is None else self.group.ttl // timedelta(microseconds=1)

    def _is_dated(self, questions: Questions) -> bool:
        """Whether it matters when a row was published: for what was known at a time, and among rows of one event time."""
        return questions.known_at is not None or self.group.window_time is not None

    @property
    def _keys(self) -> tuple[str, ...]:
        return self.group.entity.key_names

    def _columns(self, *, dated: bool = False, past: bool = False) -> list[str]:
        times = [PUBLISHED_AT, *([SUPERSEDED_AT] if past else [])] if dated else []
        return [*dict.fromkeys([*self._keys, *([self.group.event_time] if self.group.event_time else [])]), *times]


def has_superseded(connection: DuckDBPyConnection, group: FeatureGroup) -> bool:
    """Whether the lake keeps rows of the group that were replaced or withdrawn."""
    return bool(stored_columns(connection, superseded_table(group.table)))


def _portions(found: Integers, questions: Questions, entities: int, size: int, memory: int) -> Iterator[tuple[Questions, Entities]]:
    """The open questions, those about some of the entities at a time, so that the rows of these fit into the memory."""
    is_open = np.zeros(entities, np.bool_)
    is_open[questions.codes[found == OPEN]] = True
    portions = max(1, -(-size // memory))
    for number in range(portions):
        meant = is_open & (np.arange(entities) % portions == number)
        chosen = (found == OPEN) & meant[questions.codes]
        yield replace(questions, codes=np.where(chosen, questions.codes, np.int32(-1))), meant


def _fill(found: Integers, asked: Questions, rows: Integers, positions: Integers) -> None:
    """Puts the positions of rows, `NONE` or `OPEN` into what was found."""
    meant = asked.codes >= 0
    found[meant] = np.concatenate([positions, [OPEN, NONE]])[rows[meant]]  # these two count from the end


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
