"""The point-in-time join: each row of a spine gets the values that were known at its time, and nothing later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from threading import Thread

import numpy as np
import polars as pl
import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.errors import DefinitionError, not_found
from fti_assets.feature_store.catalogue.deprecation import warn_of_deprecated
from fti_assets.feature_store.errors import MissingFeaturesError
from fti_assets.feature_store.lake.lake import cursor, table_exists
from fti_assets.feature_store.point_in_time.completed import Completed, Joined, Piece
from fti_assets.feature_store.point_in_time.group_rows import GroupRows
from fti_assets.feature_store.point_in_time.join import Join, event_time_column
from fti_assets.feature_store.point_in_time.key_codes import KeyCodes
from fti_assets.feature_store.point_in_time.latest_match import Codes, Integers, Questions, compacted, load
from fti_assets.feature_store.point_in_time.spine import NO_TIME, Spine
from fti_assets.feature_store.point_in_time.windowed import windowed
from fti_assets.feature_store.publishing.reading import read, require_columns
from fti_assets.vocabulary import (
    FeatureSelection,
    FeatureView,
    Selection,
    Window,
    WindowedSelection,
    groups_of,
    join_sources,
)

_SPINE_BYTES = 40
"""What a row of the spine takes while it is joined: its time, its place in time, the numbers of its keys."""


def complete(connection: DuckDBPyConnection, spine: Spine, join: Join, *, memory: int | None = None) -> Completed:
    """Joins features to a spine, each value as known at the time of its row. See `docs/point-in-time.md` for the semantics.

    The connection is one of the lake, at the snapshot to read from, and stays open until the result has been asked for. A join
    that needs more than `memory` bytes, the connection's memory limit unless given, is made piece by piece.

    Raises:
        NotFoundError: the spine lacks a column that is joined by.
        DefinitionError: a column has the wrong type, or the name of a feature to be joined.
        MissingFeaturesError: a group was never published, or not yet with the chosen features.
    """
    check(connection, spine, join)
    return Completed(spine, join.names, lambda: pieces(connection, spine, join, memory=memory), join.computed)


def pieces(connection: DuckDBPyConnection, spine: Spine, join: Join, *, memory: int | None = None) -> Iterator[Piece]:
    """The pieces of a join that `check` has found nothing against."""
    with cursor(connection) as own:  # the reader may be busy on the connection with what is given to it
        limit = memory or _memory(own)
        for piece in spine.chunks(_chunk_rows(join, spine.rows, limit)):
            yield piece, _Work(own, piece, join, memory=limit).joined_all(join.selections)


@cache
def load_compiled_code() -> None:
    """Has the compiled search loaded in the background, which takes half a second once in a process."""
    Thread(target=load, name="load the search").start()


def check(connection: DuckDBPyConnection, spine: Spine, join: Join) -> None:
    """Sees that a join can be made; raises as `complete` does."""
    hidden = [name for name in join.names if name in spine.columns]
    if hidden:
        raise DefinitionError(
            f"The spine already has {', '.join(hidden)}, to be joined. It has: {', '.join(spine.columns)}.",
            next_step="Leave these columns out of the spine, or join with .prefixed('...').",
        )
    head = spine.head()
    head.instants(join.at)
    if isinstance(join.known_at, str):
        head.instants(join.known_at)
    elif join.known_at is not None and not isinstance(join.known_at, datetime):
        raise DefinitionError(f"known_at is a {type(join.known_at).__name__}; give a datetime or the name of a column.")
    unpublished = sorted({str(g.table) for s in join.selections for g in groups_of(s) if not table_exists(connection, g.table)})
    if unpublished:
        raise MissingFeaturesError(
            f"{', '.join(unpublished)}, which the features are read from, was never published.",
            next_step="Materialise these feature groups first.",
        )
    for selection in join.selections:
        _check_selection(connection, head, selection)
    if join.computed:
        join.computed.check(head)
    warn_of_deprecated([group for selection in join.selections for group in groups_of(selection)], connection)


def _check_selection(connection: DuckDBPyConnection, head: Spine, selection: Selection) -> None:
    group = selection.group
    names = selection.names if isinstance(selection, FeatureSelection) else [a.column for a in selection.aggregates if a.column]
    require_columns(connection, group.table, names)
    for key, source in join_sources(selection).items():
        if isinstance(source, FeatureSelection):
            _check_selection(connection, head, source)
        else:
            if source not in head.columns:
                raise not_found(
                    "Column",
                    source,
                    head.columns,
                    where=f"the spine, and '{group.versioned_name}' is joined by it",
                    next_step=f"Add it, or name another column: .on({key}='...').",
                )
            head.key(source, group.table.column(key).type, group.versioned_name)


def _chunk_rows(join: Join, rows: int, memory: int) -> int:
    """How many rows of a spine are joined at once, so that they and their values take half of the memory at most."""
    width = _SPINE_BYTES + sum(8 + 8 * len(selection.output_names) for selection in join.selections)
    return max(50_000, min(rows, memory // 2 // width))


def _memory(connection: DuckDBPyConnection) -> int:
    """The connection's memory limit in bytes."""
    row = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    amount, unit = str(row[0] if row else "").split()
    return int(float(amount) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))


class _Work:
    """The join for one piece of a spine. What several selections need is worked out once."""

    def __init__(self, connection: DuckDBPyConnection, spine: Spine, join: Join, *, memory: int) -> None:
        self._connection, self._spine, self._join = connection, spine, join
        self._memory = memory
        self._times = spine.instants(join.at)
        self._known_at = _known_at(spine, join.known_at)
        self._numbered: dict[tuple[object, ...], tuple[KeyCodes, Codes]] = {}
        self._orders: dict[bool, Integers] = {}

    def joined_all(self, selections: Sequence[Selection]) -> list[Joined]:
        """The values of each selection for each row of the spine; two groups at a time are searched and read."""
        searches = [self._search(selection) for selection in selections]
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda search: search(), searches))

    def _search(self, selection: Selection) -> Callable[[], Joined]:
        """Windows are computed now, by all threads of DuckDB; other searches are left to be done, in any thread."""
        numbering, codes = self._codes(selection)
        questions = self._questions(codes, static=selection.group.event_time is None)
        if isinstance(selection, WindowedSelection):
            rows = windowed(self._connection, selection, numbering, questions)
            return lambda: Joined.of(rows, np.arange(self._spine.rows))
        return partial(self._newest, selection, numbering, questions)

    def _newest(self, selection: FeatureSelection, numbering: KeyCodes, questions: Questions) -> Joined:
        with cursor(self._connection) as own:
            rows = GroupRows.of(own, selection.group, questions)
            wanted, positions = compacted(rows.newest(numbering, questions, memory=self._memory // 8), rows.count)
            return Joined.of(rows.take(wanted, self._columns(selection)), positions)

    def _columns(self, selection: FeatureSelection) -> dict[str, str]:
        """The columns of the group that are joined, by the names they get."""
        columns = dict(zip(selection.output_names, selection.names, strict=True))
        if self._join.event_times and selection.group.event_time:
            columns[event_time_column(selection.group, selection.prefix)] = selection.group.event_time
        return columns

    def _codes(self, selection: Selection) -> tuple[KeyCodes, Codes]:
        """The entities that the rows of the spine are about."""
        kinds = {key: selection.group.table.column(key).type for key in selection.join_keys}
        sources = join_sources(selection)
        about = tuple((sources[key], kind) for key, kind in kinds.items())
        if about not in self._numbered:
            columns = [
                self._found(source)
                if isinstance(source, FeatureSelection)
                else self._spine.key(source, kinds[key], selection.group.versioned_name)
                for key, source in sources.items()
            ]
            self._numbered[about] = KeyCodes.of(columns)
        return self._numbered[about]

    def _found(self, source: FeatureSelection) -> pa.Array:
        """A key that is found in another group, for each row of the spine."""
        values = self._search(source)().values(0, self._spine.rows).to_series(0)
        return values.to_physical().to_arrow() if values.dtype == pl.Datetime else values.to_arrow()

    def _questions(self, codes: Codes, *, static: bool) -> Questions:
        known = self._known_at
        valid = codes >= 0 if static else (codes >= 0) & (self._times != NO_TIME)
        if known is not None:
            valid &= known != NO_TIME
        return Questions(
            np.where(valid, codes, np.int32(-1)), np.zeros_like(self._times) if static else self._times, self._order(static), known
        )

    def _order(self, static: bool) -> Integers:
        """Positions of the rows of the spine in order of time."""
        if static not in self._orders:
            times = self._times
            stands = static or bool(np.all(times[:-1] <= times[1:]))
            self._orders[static] = np.arange(len(times)) if stands else np.argsort(times, kind="stable")
        return self._orders[static]


def _known_at(spine: Spine, known_at: datetime | str | None) -> Integers | None:
    """For each row of the spine when its values had to be known, microseconds."""
    if known_at is None:
        return None
    if isinstance(known_at, str):
        return spine.instants(known_at)
    instant = known_at.replace(tzinfo=UTC) if known_at.tzinfo is None else known_at
    return np.full(spine.rows, (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def own_spine(
    connection: DuckDBPyConnection, features: FeatureView | Sequence[Selection], between: Window | None
) -> DuckDBPyRelation:
    """The rows of a view's own spine between two times, all of them unless a window is given.

    Raises:
        DefinitionError: there is no view, and so no spine of its own.
        MissingFeaturesError: the spine was never published.
    """
    if not isinstance(features, FeatureView):
        raise DefinitionError("There is no spine.", next_step="Give the rows to be completed, or a view, which has its own.")
    table = features.spine.table
    if not table_exists(connection, table):
        raise MissingFeaturesError(f"'{table}' was never published.", next_step=f"Materialise '{'/'.join(table.asset_key)}' first.")
    return read(connection, table, between)
