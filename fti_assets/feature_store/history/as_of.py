"""Which state of the lake is meant: by the number of a snapshot, by a tag, or by a time."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from duckdb import DuckDBPyConnection

from fti_assets.errors import DefinitionError
from fti_assets.feature_store.history.snapshots import snapshot_at, snapshots
from fti_assets.feature_store.history.tags import tagged
from fti_assets.feature_store.lake.lake import newest_snapshot

AsOf: TypeAlias = int | str | datetime | None
"""The number of a snapshot, a tag, an instant, or None for the newest."""


def resolve(connection: DuckDBPyConnection, as_of: AsOf) -> int:
    """The number of the snapshot that is meant.

    A text is a tag, or a number or an instant as one writes it, such as `12` and `2024-01-31`: tags begin with a letter. A naive
    instant is in UTC.

    Raises:
        NotFoundError: there is no such tag, or no snapshot shows what the lake was then.
        DefinitionError: it is of another type.
    """
    meant = read_as_of(as_of) if isinstance(as_of, str) else as_of
    if meant is None:
        return newest_snapshot(connection)
    if isinstance(meant, datetime):
        return snapshot_at(snapshots(connection), meant)
    if isinstance(meant, str):
        return tagged(connection, meant).snapshot
    if isinstance(meant, bool) or not isinstance(meant, int):
        raise DefinitionError(
            f"{meant!r} is no state of the lake.", next_step="Give the number of a snapshot, a tag or a datetime."
        )
    return meant


def read_as_of(text: str) -> int | str | datetime:
    """What a text means: a number, an instant, or else a tag."""
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text
