"""What of a feature group in the lake is to be brought online: the newest row of each entity, or what has changed of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fti_assets.feature_store.lake.lake import current_snapshot, instant_literal
from fti_assets.feature_store.publishing.publications import PUBLICATIONS
from fti_assets.feature_store.publishing.reading import require_columns
from fti_assets.feature_store.publishing.schema import OF_TABLE, PUBLISHED_AT, SUPERSEDED_AT, stored_columns
from fti_assets.feature_store.publishing.superseded import superseded_table
from fti_assets.vocabulary import FeatureGroup, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the lake has come with a group.

    Attributes:
        snapshot: that is read.
        published: when the group was last published; None where it never was.
        lost: when rows of a damaged file were last given up, of which no trace is kept.
    """

    snapshot: int
    published: datetime | None
    lost: datetime | None

    @staticmethod
    def of(connection: DuckDBPyConnection, group: FeatureGroup) -> Reached:
        times: tuple[datetime | None, datetime | None] = (None, None)
        if stored_columns(connection, PUBLICATIONS):
            query = f"""SELECT max(published_at), max(published_at) FILTER (kind = 'lost')
            FROM {PUBLICATIONS.sql} WHERE {OF_TABLE}"""
            times = connection.execute(query, {"table": str(group.table)}).fetchone() or times
        return Reached(current_snapshot(connection), *times)


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows are meant.

    Attributes:
        since: publications after this one; None for all.
        beyond: rows with later event times too, whenever they were published: those that were left out before.
        until: no row with a later event time.
    """

    since: datetime | None = None
    beyond: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed.

    Attributes:
        rows: the newest of each entity of which something was published or withdrawn, with the publication time; of the rows
            with the latest event time of an entity there may be several.
        withdrawn: key, event time and time of withdrawal of rows that do not stand any more, and have no row in their place.
    """

    rows: pa.Table
    withdrawn: pa.Table | None

    @staticmethod
    def none(group: FeatureGroup) -> Changes:
        """Nothing has changed."""
        import pyarrow as pa

        from fti_assets.online_store.bulk import ARROW_TYPES

        kinds = {column.name: ARROW_TYPES[column.type] for column in group.table.columns}
        return Changes(pa.table({name: pa.array([], kind) for name, kind in kinds.items()}), None)


class GroupInLake:
    """A feature group as a connection to the lake sees it."""

    def __init__(self, connection: DuckDBPyConnection, group: FeatureGroup) -> None:
        """Sees that all columns are there.

        Raises:
            MissingFeaturesError: the group was published before the definition had all of its columns.
        """
        require_columns(connection, group.table, [column.name for column in group.table.columns])
        self._connection, self._group = connection, group
        self._keys = ", ".join(map(quoted, group.entity.key_names))
        self._columns = ", ".join([*(quoted(column.name) for column in group.table.columns), PUBLISHED_AT])
        self._time = quoted(group.event_time) if group.event_time else None

    def newest(self, until: datetime | None) -> pa.Table:
        """The newest row of each entity, up to an event time."""
        return self._read(self._newest_of(self._group.table.sql, self._conditions(Span(until=until))))

    def changes(self, span: Span) -> Changes:
        """What was published or withdrawn within a span."""
        withdrawn = self._withdrawn(span)
        rows = self._newest_of(self._group.table.sql, self._conditions(span))
        if withdrawn is None or not withdrawn.num_rows:
            return Changes(self._read(rows), None)
        # Their entities fall back to the newest row that is left, however old: all of their rows are looked through.
        self._connection.register("withdrawn_rows", withdrawn)
        touched = f"(FROM {self._group.table.sql} SEMI JOIN withdrawn_rows USING ({self._keys}))"
        left = self._newest_of(touched, self._conditions(Span(until=span.until)))
        return Changes(self._read(f"{rows} UNION ALL {left}"), withdrawn)

    def _conditions(self, span: Span) -> str:
        new = [f"{PUBLISHED_AT} > {instant_literal(span.since)}"] if span.since else []
        new += [f"{self._time} > {instant_literal(span.beyond)}"] if span.since and span.beyond and self._time else []
        upto = [f"{self._time} <= {instant_literal(span.until)}"] if span.until and self._time else []
        return " AND ".join([f"({' OR '.join(new)})", *upto] if new else upto) or "true"

    def _newest_of(self, source: str, where: str) -> str:
        """SQL of the rows with the latest event time of each entity; quicker than to number all rows."""
        if self._time is None:
            return f"SELECT {self._columns} FROM {source} WHERE {where}"
        newest = f"SELECT {self._keys}, max({self._time}) AS {self._time} FROM {source} WHERE {where} GROUP BY {self._keys}"
        rows = f"(SELECT {self._columns} FROM {source} WHERE {where})"
        return f"SELECT {self._columns} FROM {rows} SEMI JOIN ({newest}) USING ({self._keys}, {self._time})"

    def _withdrawn(self, span: Span) -> pa.Table | None:
        """Rows that were superseded in a span of publications and whose key no row has now."""
        past = superseded_table(self._group.table)
        if span.since is None or not stored_columns(self._connection, past):
            return None
        key = ", ".join([self._keys, *([self._time] if self._time else [])])
        return self._read(
            f"""SELECT {key}, max({SUPERSEDED_AT}) AS {SUPERSEDED_AT} FROM {past.sql}
            ANTI JOIN {self._group.table.sql} USING ({key})
            WHERE {SUPERSEDED_AT} > {instant_literal(span.since)} GROUP BY {key}"""
        )

    def _read(self, query: str) -> Any:
        return self._connection.execute(query).to_arrow_table()
