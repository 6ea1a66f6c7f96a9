"""The point-in-time join: each row of a spine gets the values that were known at its time, and nothing later."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store.errors import MissingFeaturesError
from fti_assets.feature_store.lake import table_exists
from fti_assets.feature_store.reading import require_columns
from fti_assets.vocabulary import FeatureGroup, FeatureSelection, FeatureView, quoted

_ROW = '"__row"'
_NUMBERS = count()


def event_time_column(group: FeatureGroup) -> str:
    """Name of the column that says when the joined values of `group` became known."""
    return f"{group.versioned_name}__event_time"


def complete(connection: DuckDBPyConnection, spine: DuckDBPyRelation, view: FeatureView) -> DuckDBPyRelation:
    """Joins the features of `view` to `spine`, as known at the time `view.at` of each row.

    A value is visible when its event time is at or before the row's time and, with a ttl, no older than the ttl (both ends
    inclusive). After the ttl a value is null, not an older one. Null keys and null times match nothing. Groups without
    event time are joined by key alone.

    Args:
        connection: of the lake, at the snapshot to read from.
        spine: has the spine's columns under their names; others come through untouched.
        view: what to join.

    Returns:
        As many rows as the spine has, in its order: its columns, the features in the view's order of groups, and for each
        group with event time the column `event_time_column(group)`.

    Raises:
        NotFoundError: the spine lacks a column that the view joins by.
        DefinitionError: the spine has a column of the name of a feature to be joined.
        MissingFeaturesError: a group of the view was never published, or not yet with the chosen features.
    """
    _check_spine(spine, view)
    _check_published(connection, view)
    spine.create_view("spine_rows", replace=True)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE spine AS SELECT *, row_number() OVER () AS {_ROW} FROM spine_rows")
    completed = f"completed_{next(_NUMBERS)}"  # of its own, so that a later call does not change what this one returned
    query = f"SELECT * EXCLUDE ({_ROW}) FROM ({_query(connection, view)}) ORDER BY {_ROW}"
    connection.execute(f"CREATE TEMP TABLE {completed} AS {query}")
    connection.execute("DROP TABLE spine")
    return connection.table(completed)


def _check_spine(spine: DuckDBPyRelation, view: FeatureView) -> None:
    existing = ", ".join(spine.columns)
    needed = {view.at, *(key.name for selection in view.joined for key in selection.group.entity.keys)}
    missing = sorted(needed - set(spine.columns))
    if missing:
        raise NotFoundError(
            f"The spine lacks {', '.join(missing)}, which view '{view.versioned_name}' joins by. It has: {existing}."
        )
    hidden = [name for selection in view.joined for name in selection.names if name in spine.columns]
    if hidden:
        raise DefinitionError(
            f"The spine already has {', '.join(hidden)}, which view '{view.versioned_name}' joins. It has: {existing}.",
            next_step="Leave these columns out of the spine.",
        )


def _check_published(connection: DuckDBPyConnection, view: FeatureView) -> None:
    unpublished = [str(s.group.table) for s in view.joined if not table_exists(connection, s.group.table)]
    if unpublished:
        raise MissingFeaturesError(
            f"View '{view.versioned_name}' reads {', '.join(unpublished)}, which was never published.",
            next_step="Materialise these feature groups first.",
        )
    for selection in view.joined:
        require_columns(connection, selection.group.table, selection.names)


def _query(connection: DuckDBPyConnection, view: FeatureView) -> str:
    spine_time = f"s.{quoted(view.at)}"
    bounds = connection.execute(f"SELECT min({quoted(view.at)}), max({quoted(view.at)}) FROM spine").fetchone() or (None, None)
    selected, joins = [], []
    for n, selection in enumerate(view.joined):
        alias = f"g{n}"
        selected += _values(alias, selection, spine_time)
        joins.append(_join(alias, selection, spine_time, bounds))
    return "\n".join([f"SELECT {', '.join(['s.*', *selected])}", "FROM spine AS s", *joins])


def _values(alias: str, selection: FeatureSelection, spine_time: str) -> list[str]:
    group = selection.group
    names = [f"{alias}.{quoted(name)}" for name in selection.names]
    if group.event_time is None:
        return names
    event_time = f"{alias}.{quoted(group.event_time)}"
    if group.ttl is None:
        return [*names, f'{event_time} AS "{event_time_column(group)}"']
    # The ttl is applied after the as-of match: if the newest value has expired, so has every older one.
    fresh = f"{event_time} >= {spine_time} - {_interval(group.ttl)}"
    kept = [f"CASE WHEN {fresh} THEN {value} END AS {quoted(name)}" for name, value in zip(selection.names, names, strict=True)]
    return [*kept, f'CASE WHEN {fresh} THEN {event_time} END AS "{event_time_column(group)}"']


def _join(alias: str, selection: FeatureSelection, spine_time: str, bounds: tuple[object, object]) -> str:
    group = selection.group
    on = " AND ".join(f"s.{quoted(key)} = {alias}.{quoted(key)}" for key in group.entity.key_names)
    if group.event_time is None:
        return f"LEFT JOIN {group.table.sql} AS {alias} ON {on}"
    time = quoted(group.event_time)
    columns = ", ".join(quoted(name) for name in dict.fromkeys([*group.entity.key_names, group.event_time, *selection.names]))
    rows = f"(SELECT {columns} FROM {group.table.sql} WHERE {_reachable(time, group.ttl, bounds)})"
    return f"ASOF LEFT JOIN {rows} AS {alias} ON {on} AND {spine_time} >= {alias}.{time}"


def _reachable(time: str, ttl: timedelta | None, bounds: tuple[object, object]) -> str:
    """Restricts a group to the event times that a spine between `bounds` can see, so that other files are not read."""
    first, last = bounds
    if first is None or last is None:
        return "false"
    seen = f"{time} <= TIMESTAMPTZ '{last}'"
    return seen if ttl is None else f"{seen} AND {time} >= TIMESTAMPTZ '{first}' - {_interval(ttl)}"


def _interval(span: timedelta) -> str:
    microseconds = span // timedelta(microseconds=1)
    return f"to_microseconds({microseconds})"
