"""Rows that are to be kept online, as they were given: typed, the newest of each entity, in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.rows import NO_TIME
from fti_assets.online_store.tables import kept_columns
from fti_assets.vocabulary import Column, FeatureGroup

if TYPE_CHECKING:
    import pyarrow as pa

    from fti_assets.online_store.bulk import Integers
    from fti_assets.online_store.rows import Layout

PUBLISHED_AT, SUPERSEDED_AT = "_published_at", "_superseded_at"
"""The lake's names of when a row was published, and when it was replaced or withdrawn."""


@dataclass(frozen=True, slots=True)
class Given:
    """Rows in the order of their keys, the newest of each entity.

    Attributes:
        keys: as bytes.
        arrays: the kept columns of the group.
        event_times: in microseconds, `NO_TIME` of static groups.
        published_at: in microseconds.
        count: of all rows that were given, older ones of an entity included.
    """

    keys: list[bytes]
    arrays: list[pa.Array]
    event_times: Integers
    published_at: Integers
    count: int

    @staticmethod
    def of(group: FeatureGroup, rows: pa.Table, now: datetime) -> Given:
        """Reads the rows of a group; a publication time is taken from `_published_at`, or is now.

        Raises:
            OnlineStoreError: a column is missing or of another type, or a key or event time is null.
        """
        from fti_assets.online_store import bulk

        columns = kept_columns(group)
        keys, event_times = key_arrays(group, rows)
        published_at = times_of(rows, PUBLISHED_AT, now)
        order = bulk.newest_in_order(keys, event_times, published_at)
        arrays = [typed(group, rows, column).take(order) for column in columns]
        return Given(bulk.as_bytes(keys.take(order)), arrays, event_times[order], published_at[order], len(keys))

    def items(self, layout: Layout, chosen: Integers | None = None) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Keys and encoded rows, some thousands at a time; those at some places only, if these are given."""
        from fti_assets.online_store import bulk

        keys, arrays, event_times, published_at = self.keys, self.arrays, self.event_times, self.published_at
        if chosen is not None:
            keys, arrays = [keys[n] for n in chosen.tolist()], [array.take(chosen) for array in arrays]
            event_times, published_at = event_times[chosen], published_at[chosen]
        start = 0
        for rows in bulk.encoded_rows(layout, arrays, event_times, published_at):
            yield keys[start : start + len(rows)], rows
            start += len(rows)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An event that does not stand any more.

    Attributes:
        key: of its entity, as bytes.
        event_time: in microseconds, `NO_TIME` of static groups.
        at: when it was withdrawn, in microseconds; what was published after that is not meant.
    """

    key: bytes
    event_time: int
    at: int

    def is_of(self, event_time: int, published_at: int) -> bool:
        """Whether a row of the same entity is the one that was withdrawn."""
        return event_time == self.event_time and published_at <= self.at

    @staticmethod
    def all_of(group: FeatureGroup, rows: pa.Table | None, now: datetime) -> list[Withdrawn]:
        """Reads entity keys and event times; when it was withdrawn is taken from `_superseded_at`, or is now.

        Raises:
            OnlineStoreError: a column is missing or of another type, or null.
        """
        from fti_assets.online_store import bulk

        if rows is None or not rows.num_rows:
            return []
        keys, event_times = key_arrays(group, rows)
        at = times_of(rows, SUPERSEDED_AT, now)
        return [Withdrawn(*one) for one in zip(bulk.as_bytes(keys), event_times.tolist(), at.tolist(), strict=True)]


def key_arrays(group: FeatureGroup, rows: pa.Table) -> tuple[pa.Array, Integers]:
    """Keys and event times of some rows.

    Raises:
        OnlineStoreError: one is missing, of another type, or null.
    """
    import numpy as np

    from fti_assets.online_store import bulk

    arrays = [_known(group, rows, key) for key in group.entity.keys]
    keys = bulk.encoded_keys(group.entity.keys, arrays)
    if group.event_time is None:
        return keys, np.full(len(keys), NO_TIME)
    return keys, bulk.integers(_known(group, rows, group.table.column(group.event_time)))


def _known(group: FeatureGroup, rows: pa.Table, column: Column) -> pa.Array:
    array = typed(group, rows, column)
    if array.null_count:
        raise OnlineStoreError(
            f"{array.null_count:,} rows of '{group.versioned_name}' have no '{column.name}'; an entity is told by it.",
            next_step="Leave these rows out.",
        )
    return array


def typed(group: FeatureGroup, rows: pa.Table, column: Column) -> pa.Array:
    """A column of the rows as one array, in the type that the group has it in; nanoseconds are cut off.

    Raises:
        OnlineStoreError: it is missing, or of another type.
    """
    from fti_assets.online_store import bulk

    if column.name not in rows.column_names:
        raise OnlineStoreError(
            f"The rows of '{group.versioned_name}' have no column '{column.name}'. They have: {', '.join(rows.column_names)}.",
            next_step="Give all columns of the group.",
        )
    found = rows.column(column.name)
    if not bulk.fits(column.type, found.type):
        raise OnlineStoreError(
            f"Column '{column.name}' of '{group.versioned_name}' is {found.type} where a {column.type} is promised."
        )
    return found.cast(bulk.ARROW_TYPES[column.type], safe=column.type != "timestamp").combine_chunks()


def times_of(rows: pa.Table, name: str, otherwise: datetime) -> Integers:
    """A column of the platform's times in microseconds; the other time for all rows where there is no such column."""
    import numpy as np

    if name not in rows.column_names:
        return np.full(rows.num_rows, microseconds(otherwise))
    from fti_assets.online_store import bulk

    return bulk.integers(rows.column(name).cast(bulk.ARROW_TYPES["timestamp"]).combine_chunks())
