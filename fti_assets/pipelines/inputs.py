"""What a pipeline reads from the lake: that it is there, and the window over which it is read."""

from __future__ import annotations

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store import FeatureStore, MissingFeaturesError
from fti_assets.vocabulary import Reach, Table, Window

_SHOWN = 5


def read_input(store: FeatureStore, connection: DuckDBPyConnection, reach: Reach, window: Window | None) -> DuckDBPyRelation:
    """The rows of an input for `window`, with the days further back and ahead that its reader asks for.

    Raises:
        MissingFeaturesError: it was never published, or not for a day of the window. Days beyond the window may be missing:
            a calendar has a first day, and a backfill may begin anywhere.
    """
    table = reach.source.table
    if window is None or table.cadence is None:
        require_existing(store, connection, table)
        return store.read(connection, table)
    require_published(store, connection, table, window)
    days = table.cadence.keys(window)
    first, last = table.cadence.shifted(days[0], -reach.days), table.cadence.shifted(days[-1], reach.ahead)
    return store.read(connection, table, table.cadence.window(first, last))


def require_existing(store: FeatureStore, connection: DuckDBPyConnection, table: Table) -> None:
    """Raises MissingFeaturesError when nothing of the table was ever published."""
    if not store.exists(connection, table):
        raise MissingFeaturesError(f"'{table}' was never published.", next_step=f"Materialise '{'/'.join(table.asset_key)}' first.")


def require_published(store: FeatureStore, connection: DuckDBPyConnection, table: Table, window: Window) -> None:
    """Raises MissingFeaturesError, which names the days, when a day of the window was not published."""
    require_existing(store, connection, table)
    missing = store.unpublished_days(connection, table, window)
    if missing:
        more = f" and {len(missing) - _SHOWN} more days" if len(missing) > _SHOWN else ""
        raise MissingFeaturesError(
            f"'{table}' is not published for {', '.join(missing[:_SHOWN])}{more}.",
            next_step=f"Materialise '{'/'.join(table.asset_key)}' for these days first.",
        )
