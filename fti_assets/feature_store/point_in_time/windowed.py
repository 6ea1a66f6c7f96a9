"""Aggregates over windows that end at each row's own time, computed from the events themselves; by DuckDB where they are many."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow as pa
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.point_in_time.group_rows import has_superseded
from fti_assets.feature_store.point_in_time.key_codes import KeyCodes
from fti_assets.feature_store.point_in_time.latest_match import FOREVER, Questions
from fti_assets.feature_store.point_in_time.window_sums import MOST_EVENTS, added_up, can_add_up
from fti_assets.feature_store.publishing.schema import SQL_TYPES
from fti_assets.vocabulary import Aggregate, WindowedSelection, quoted

_TIES = 1 << 40
"""Events of one entity at one microsecond that are told apart, by publication and key, so that results do not depend on chance."""

_KNOWN = f"""WHERE published <= (SELECT min(known) FROM asked) AND superseded > (SELECT min(known) FROM asked)
                OR (SELECT min(known) FROM asked) = {FOREVER}"""
"""Leaves the events that were known at the one instant that all questions have in common."""


def windowed(connection: DuckDBPyConnection, selection: WindowedSelection, codes: KeyCodes, questions: Questions) -> pl.DataFrame:
    """The aggregates of a selection, one row for each question, in their order.

    An event counts for a window of length `last` when `t - last < event time <= t`. Rows whose key or time is null get nulls;
    where no event lies in the window, counts are 0 and everything else is null.
    """
    rows = np.flatnonzero(questions.codes >= 0)
    known_at = questions.known_at
    asked = pa.table(
        {
            "row": rows,
            "code": questions.codes[rows],
            "t": questions.times[rows],
            "known": np.full(len(rows), FOREVER) if known_at is None else known_at[rows],
        }
    )
    connection.register("asked", asked)
    connection.register("numbered", codes.numbered.to_arrow())
    try:
        one = known_at is None or len(np.unique(known_at[rows])) <= 1
        past = known_at is not None and has_superseded(connection, selection.group)
        events = _events(selection, asked, with_superseded=past)
        found = _added_up(connection, selection, events, asked) if one and can_add_up(selection) else None
        if found is None:
            query = _by_frames(selection, events) if one else _by_pairs(selection, events)
            found = pl.DataFrame(connection.execute(query).to_arrow_table())
    finally:
        connection.unregister("asked")
        connection.unregister("numbered")
    every = pl.DataFrame({"row": np.arange(len(questions.codes))})
    return every.join(found, on="row", how="left", maintain_order="left").drop("row")


def _events(selection: WindowedSelection, asked: pa.Table, *, with_superseded: bool) -> str:
    """A SELECT of the events that any window can hold, with the number of their entity and an order without ties."""
    group = selection.group
    assert group.event_time is not None  # checked by the selection
    time = quoted(group.event_time)
    columns = sorted({*selection.by, *group.table.key, *(a.column for a in selection.aggregates if a.column)})
    chosen = ", ".join([*map(quoted, columns), *([] if group.event_time in columns else [time]), '"_published_at"'])
    source = f'SELECT {chosen}, NULL::TIMESTAMPTZ AS "_superseded_at" FROM {group.table.sql}'
    if with_superseded:
        source += f' UNION ALL SELECT {chosen}, "_superseded_at" FROM lake.superseded.{quoted(group.table.name)}'
    on = " AND ".join(f"n.k{n} = {_comparable(selection, key)}" for n, key in enumerate(selection.by))
    ties = ", ".join(['e."_published_at"', *(f"e.{quoted(key)}" for key in group.table.key)])
    values = ", ".join(f"e.{quoted(name)} AS {_value(name)}" for name in columns)
    return f"""
        SELECT n.__code AS code, epoch_us(e.{time}) AS t, epoch_us(e."_published_at") AS published,
            coalesce(epoch_us(e."_superseded_at"), {FOREVER}) AS superseded, {values},
            epoch_us(e.{time})::HUGEINT * {_TIES}
                + row_number() OVER (PARTITION BY n.__code, e.{time} ORDER BY {ties}) - 1 AS moment
        FROM ({source}) AS e JOIN numbered AS n ON {on}
        WHERE {_reach(time, asked, max(a.last for a in selection.aggregates))}"""


def _comparable(selection: WindowedSelection, key: str) -> str:
    column = f"e.{quoted(key)}"
    return f"epoch_us({column})" if selection.group.table.column(key).type == "timestamp" else column


def _value(name: str) -> str:
    return f'"value_{name}"'  # longer than a name may be, by a known name


def _reach(time: str, asked: pa.Table, longest: timedelta) -> str:
    """Restricts the events to those that any window can hold, so that other files are not read."""
    if not asked.num_rows:
        return "false"
    times = asked["t"].to_numpy()
    first = int(times.min()) - _microseconds(longest)
    return f"e.{time} > make_timestamptz({first}) AND e.{time} <= make_timestamptz({int(times.max())})"


def _added_up(connection: DuckDBPyConnection, selection: WindowedSelection, events: str, asked: pa.Table) -> pl.DataFrame | None:
    """The aggregates without DuckDB's frames, where that is faster."""
    names = sorted({a.column for a in selection.aggregates if a.column})
    values = "".join(f", {_value(name)} AS {quoted(name)}" for name in names)
    query = f"""
        -- one row for each event
        WITH events AS ({events})
        SELECT code, t{values} FROM events {_KNOWN} ORDER BY code, moment LIMIT {MOST_EVENTS + 1}"""
    return added_up(selection, connection.execute(query).to_arrow_table(), asked)


def _by_frames(selection: WindowedSelection, events: str) -> str:
    """One pass over events and questions in order of time; each window is a frame."""
    spans = {span: f"w{n}" for n, span in enumerate(dict.fromkeys(a.last for a in selection.aggregates))}
    frames = ", ".join(
        f"{name} AS (PARTITION BY code ORDER BY moment"
        f" RANGE BETWEEN {_microseconds(span) * _TIES - 1}::HUGEINT PRECEDING AND CURRENT ROW)"
        for span, name in spans.items()
    )
    figures = ", ".join(
        f"({_figure(a, 'row IS NULL')} OVER {spans[a.last]})::{_type(selection, a)} AS {quoted(name)}"
        for a, name in zip(selection.aggregates, selection.output_names, strict=True)
    )
    return f"""
        -- one row for each question
        WITH events AS ({events}), everything AS (
            SELECT row, code, t::HUGEINT * {_TIES} + {_TIES - 1} AS moment FROM asked
            UNION ALL BY NAME
            SELECT code, moment, {_values(selection)} FROM events {_KNOWN}
        ), figures AS (SELECT row, {figures} FROM everything WINDOW {frames})
        FROM figures WHERE row IS NOT NULL ORDER BY row"""


def _by_pairs(selection: WindowedSelection, events: str) -> str:
    """Each question with each event of its longest window, since each sees what was known at a time of its own.

    Events and questions meet by slices of time as long as that window: an event lies in the question's slice or the one before.
    """
    longest = _microseconds(max(a.last for a in selection.aggregates))
    figures = ", ".join(
        f"({_figure(a, f'e.t > q.t - {_microseconds(a.last)}')})::{_type(selection, a)} AS {quoted(name)}"
        for a, name in zip(selection.aggregates, selection.output_names, strict=True)
    )
    return f"""
        -- one row for each question
        WITH events AS ({events}),
        sliced AS (FROM (SELECT *, t // {longest} AS slice FROM asked) UNION ALL FROM (SELECT *, t // {longest} - 1 FROM asked)),
        pairs AS (
            SELECT q.row, q.t AS asked_t, e.* FROM sliced AS q JOIN events AS e ON e.code = q.code AND e.t // {longest} = q.slice
                AND e.t <= q.t AND e.t > q.t - {longest} AND e.published <= q.known AND e.superseded > q.known
        )
        SELECT q.row, {figures} FROM asked AS q LEFT JOIN pairs AS e ON e.row = q.row GROUP BY q.row ORDER BY q.row"""


def _values(selection: WindowedSelection) -> str:
    names = sorted({a.column for a in selection.aggregates if a.column})
    return ", ".join(map(_value, names)) or "1 AS one"


def _figure(aggregate: Aggregate, condition: str) -> str:
    value = _value(aggregate.column) if aggregate.column else "moment"
    expressions = {
        "count": f"count({value})",
        "sum": f"sum({value})",
        "mean": f"avg({value})",
        "min": f"min({value})",
        "max": f"max({value})",
        "std": f"stddev_samp({value})",
        "first": f"arg_min_null({value}, moment)",
        "last": f"arg_max_null({value}, moment)",
        "distinct_count": f"count(DISTINCT {value})",
        "percentile": f"quantile_cont({value}, {aggregate.share})",
    }
    return f"{expressions[aggregate.function]} FILTER ({condition})"


def _type(selection: WindowedSelection, aggregate: Aggregate) -> str:
    return SQL_TYPES[aggregate.result(selection.group.table).type]


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
