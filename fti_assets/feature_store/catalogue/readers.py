"""Who reads a feature group: the views of training datasets and predictions, kept in the lake itself as `catalog.views`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.catalogue.definitions import as_data, from_data
from fti_assets.feature_store.lake.lake import Lake
from fti_assets.feature_store.publishing.publications import next_snapshot
from fti_assets.feature_store.publishing.schema import as_text, ensure_table, stored_columns
from fti_assets.vocabulary import Column, FeatureSelection, FeatureView, Selection, Table

Kind = Literal["training_datasets", "predictions"]
VIEWS = Table(
    schema="catalog",
    name="views",
    columns=(
        Column("kind", "string", "Of the reader: training_datasets or predictions."),
        Column("reader", "string", "Its name."),
        Column("view", "string"),
        Column("version", "int", "Of the view."),
        Column("reads", "string", "JSON: the columns that are read of each table."),
        Column("definition", "string", "JSON: the view, see fti_assets.feature_store.catalogue.definitions."),
        Column("recorded_at", "timestamp", "When the reader first read so."),
        Column("snapshot", "int", "First snapshot that shows it."),
    ),
    key=(),
)
_FIELDS = ", ".join(f'"{column.name}"' for column in VIEWS.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A training dataset or predictions that read feature groups through a view.

    Attributes:
        reads: the columns that it reads, by table (`features.x_v1`).
        definition: the view as data.
        since: when it first read so.
    """

    kind: Kind
    name: str
    view: str
    version: int
    reads: dict[str, tuple[str, ...]]
    definition: dict[str, Any]
    since: datetime

    @property
    def defined(self) -> FeatureView:
        """The view as it was defined; the code that defined it is not needed."""
        view = from_data(self.definition)
        assert isinstance(view, FeatureView)  # that is what is written
        return view


def register(lake: Lake, kind: Kind, name: str, view: FeatureView) -> bool:
    """Records that a reader reads through `view`, where that is new; nothing is written or locked otherwise.

    Returns:
        Whether it was new.
    """
    definition = as_text(as_data(view))
    with lake.connect() as connection:
        if _last(connection, kind, name) == definition:
            return False
        with lake.writing(connection, purpose=f"noting that {kind}.{name} reads view {view.versioned_name}"):
            ensure_table(connection, VIEWS)
            if _last(connection, kind, name) == definition:  # another process was quicker
                return False
            reads = as_text(columns_read(view, label=kind == "training_datasets"))
            values = [kind, name, view.name, view.version, reads, definition, datetime.now(UTC), next_snapshot(connection)]
            connection.execute(f"INSERT INTO {VIEWS.sql} ({_FIELDS}) VALUES ({', '.join('?' for _ in values)})", values)
    return True


def _last(connection: DuckDBPyConnection, kind: Kind, name: str) -> str | None:
    if not stored_columns(connection, VIEWS):
        return None
    query = f"SELECT definition FROM {VIEWS.sql} WHERE kind = ? AND reader = ? ORDER BY recorded_at DESC LIMIT 1"
    row = connection.execute(query, [kind, name]).fetchone()
    return row[0] if row else None


def columns_read(view: FeatureView, *, label: bool) -> dict[str, list[str]]:
    """The columns that a view reads of each table, besides keys and times; by what is computed on demand, too.

    Args:
        view: what is read through.
        label: whether the label is read as well, as training does.
    """
    found: dict[str, list[str]] = {str(view.spine.table): []}
    for selection in (*view.features, *([view.label] if label else [])):
        for table, name in _columns(selection):
            names = found.setdefault(table, [])
            if name is not None and name not in names:
                names.append(name)
    chosen, read = found[str(view.spine.table)], {name for one in view.on_demand for name in one.reads}
    chosen += [name for name in view.spine.feature_names if name in read and name not in chosen]
    return found


def _columns(selection: Selection) -> Iterator[tuple[str, str | None]]:
    """Tables and columns that a selection reads; None stands for its rows, which are only counted."""
    for _, source in selection.sources:
        if isinstance(source, FeatureSelection):
            yield from _columns(source)
    if isinstance(selection, FeatureSelection):
        yield from ((str(selection.group.table), name) for name in selection.names)
    else:
        yield from ((str(selection.group.table), one.column) for one in selection.aggregates)


def readers(connection: DuckDBPyConnection, table: str | None = None) -> list[Reader]:
    """Those who read a table (`features.x_v1`), or any, as each of them last did: by kind and name."""
    if not stored_columns(connection, VIEWS):
        return []
    rows = connection.execute(_READERS).fetchall()
    found = [
        Reader(
            kind=kind,
            name=name,
            view=view,
            version=version,
            reads={of: tuple(columns) for of, columns in json.loads(reads).items()},
            definition=json.loads(definition),
            since=since,
        )
        for kind, name, view, version, reads, definition, since in rows
    ]
    return [reader for reader in found if table is None or table in reader.reads]


_READERS = f"""
-- one row for each reader: how it last read
SELECT kind, reader, view, version, reads, definition, recorded_at FROM {VIEWS.sql}
QUALIFY row_number() OVER (PARTITION BY kind, reader ORDER BY recorded_at DESC) = 1
ORDER BY kind DESC, reader
"""
