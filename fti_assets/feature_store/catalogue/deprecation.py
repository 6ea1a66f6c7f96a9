"""Deprecated feature groups: those who join one are told why, and what to read instead."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable

from duckdb import DuckDBPyConnection

from fti_assets.vocabulary import Deprecation, FeatureGroup

_TOLD: set[str] = set()


class DeprecatedFeatureGroupWarning(FutureWarning):
    """A feature group is read whose owner asks its readers to move to another one."""


def warn_of_deprecated(groups: Iterable[FeatureGroup], connection: DuckDBPyConnection | None = None) -> None:
    """Warns of each deprecated group, once in a process.

    A group is deprecated by the reader's own definition of it or, with a connection, by what its owner published last.
    """
    for group in groups:
        if group.versioned_name in _TOLD:
            continue
        deprecation = group.deprecated or (published_deprecation(connection, group) if connection else None)
        if deprecation is not None:
            _TOLD.add(group.versioned_name)
            message = f"Feature group '{group.versioned_name}' is deprecated: {deprecation}"
            warnings.warn(message, DeprecatedFeatureGroupWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """How far up the stack the code is that asked for the features: the first that is not part of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("fti_assets."):
        frame, level = frame.f_back, level + 1
    return level


def published_deprecation(connection: DuckDBPyConnection, group: FeatureGroup) -> Deprecation | None:
    """What the lake says of the group, whatever the reader's definition does."""
    row = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = $schema AND table_name = $name",
        {"schema": group.table.schema, "name": group.table.name},
    ).fetchone()
    said = json.loads(row[0] or "{}").get("deprecated") if row else None
    return Deprecation(**said) if said else None
