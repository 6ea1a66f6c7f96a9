"""Whether a table is as fresh as its contract promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.publishing.publications import PUBLICATIONS
from fti_assets.feature_store.publishing.schema import stored_columns
from fti_assets.vocabulary import Daily

Verdict = Literal["fresh", "late", "complete", "not promised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a table is, and whether that keeps its promise.

    Attributes:
        verdict: `complete` when its calendar has ended and all of it is published.
        newest: until when it is published: the end of its last window, but not later than now; of a table without windows
            its last publication. None when nothing was published.
        promised: how old it may get; None when nothing is promised.
    """

    verdict: Verdict
    newest: datetime | None
    age: timedelta | None
    promised: timedelta | None


def freshness(contract: Mapping[str, Any], newest: datetime | None, now: datetime) -> Freshness:
    """Judges a table by its contract.

    Args:
        contract: as the lake keeps it.
        newest: until when it is published, as `published_until` says.
        now: the present instant.
    """
    until = min(newest, now) if newest else None
    age = now - until if until else None
    microseconds = contract.get("fresh_within_microseconds")
    promised = None if microseconds is None else timedelta(microseconds=microseconds)
    end = _end(contract)
    verdict: Verdict = "not promised"
    if end is not None and newest is not None and newest >= end:
        verdict = "complete"
    elif promised is not None:
        verdict = "fresh" if age is not None and age <= promised else "late"
    return Freshness(verdict=verdict, newest=until, age=age, promised=promised)


def _end(contract: Mapping[str, Any]) -> datetime | None:
    cadence = contract.get("cadence")
    if not cadence or not cadence["end"]:
        return None
    return Daily(**cadence).midnight(date.fromisoformat(cadence["end"]))


def published_until(connection: DuckDBPyConnection) -> dict[str, datetime]:
    """Until when each table is published, by `schema.name`: the end of its last window, or its last publication."""
    if not stored_columns(connection, PUBLICATIONS):
        return {}
    return dict(connection.execute(_UNTIL).fetchall())


_UNTIL = f"""
-- one row for each table that was published
SELECT table_name, coalesce(max(window_end), max(published_at)) FROM {PUBLICATIONS.sql} GROUP BY table_name
"""
