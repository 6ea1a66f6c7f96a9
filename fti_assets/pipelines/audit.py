"""Write, audit, publish: the part that every pipeline into the lake shares."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection

from fti_assets.feature_store import DRAFT, FeatureStore, PublishError, Stored
from fti_assets.pipelines.check_events import report_by_partition, summary
from fti_assets.pipelines.specs import asset_key, validation_key
from fti_assets.validation import VALIDATION_RESULTS, ExpectationResult, as_rows, broken, validate
from fti_assets.vocabulary import Table, Window, quoted

Outcome = dg.AssetCheckResult | dg.MaterializeResult  # type: ignore[type-arg]


def publish_audited(
    context: dg.AssetExecutionContext,
    store: FeatureStore,
    connection: DuckDBPyConnection,
    target: Stored,
    rows: Any,
    window: Window | None,
    *,
    may_be_empty: bool = False,
) -> Iterator[Outcome]:
    """Drafts `rows`, validates the draft by the contract, and publishes it unless a critical expectation failed.

    Every result is yielded as an asset check, reported on its partition, and kept in `validation.results`.

    Raises:
        PublishError: the rows do not fit the table, or a partition has none and emptiness was not meant.
        ContractBrokenError: a critical expectation failed; nothing was published.
    """
    started, run = time.monotonic(), context.run.run_id
    count = store.draft(connection, target.table, rows, window)
    days = _days_of_rows(connection, target.table, window)
    if not may_be_empty:
        _refuse_empty(target.table, days, window)
    results = _audit(connection, target, days)
    yield from _checks(context, target, results)
    if results:
        _record(store, connection, target, results, window, run)
        yield dg.MaterializeResult(asset_key=validation_key(target.table), metadata=_verdict(results))
    error = broken(target.table, results)
    if error is not None:
        raise error
    published = store.publish_draft(connection, target, window, run=run, may_be_empty=may_be_empty)
    yield dg.MaterializeResult(
        asset_key=asset_key(target.table.asset_key),
        metadata={
            **_row_count(window, count, context),
            "replaced_rows": published.replaced,
            **({} if published.changed is None else {"changed_rows": published.changed}),
            "snapshot": published.snapshot,
            "seconds": round(time.monotonic() - started, 3),
        },
    )


def _days_of_rows(connection: DuckDBPyConnection, table: Table, window: Window | None) -> pd.Categorical[Any]:
    """The partition key of each row of the draft.

    Found by a search among the midnights of the window: to convert each time into the calendar's zone takes ten times as long.
    """
    keys = _partitions(table, window)
    categories = pd.Index(keys)
    if table.time is None or table.cadence is None:
        row = connection.execute(f"SELECT count(*) FROM {DRAFT}").fetchone()
        return pd.Categorical.from_codes(np.zeros(row[0] if row else 0, dtype=np.int8), categories=categories)
    borders = [int(table.cadence.window(key).start.timestamp()) * 1_000_000 for key in keys]
    times = connection.execute(f"SELECT epoch_us({quoted(table.time)}) AS t FROM {DRAFT}").fetchnumpy()["t"]
    return pd.Categorical.from_codes(np.searchsorted(borders, times, side="right") - 1, categories=categories)


def _refuse_empty(table: Table, days: pd.Categorical, window: Window | None) -> None:
    """Raises PublishError when a partition has no rows: a range is refused where a run of that day alone would be."""
    counts = np.bincount(days.codes, minlength=len(days.categories))
    empty = [str(key) for key, rows in zip(days.categories, counts, strict=True) if not rows]
    if empty:
        more = f" and {len(empty) - 5} more days" if len(empty) > 5 else ""
        shown = f" for {', '.join(empty[:5])}{more}" if window else ""
        raise PublishError(
            f"The pipeline of '{table}' gave no rows{shown}; nothing was published.",
            next_step="See whether its source has rows for it, or state may_be_empty=True if emptiness is meant.",
        )


def _audit(connection: DuckDBPyConnection, target: Stored, days: pd.Categorical) -> list[ExpectationResult]:
    expectations = target.contract.expectations
    if not expectations:
        return []
    columns = [quoted(name) for name in dict.fromkeys(name for e in expectations for name in e.columns)]
    query = f"SELECT {', '.join(columns) or '1'} FROM {DRAFT}"
    frame = connection.execute(query).to_arrow_table().to_pandas(strings_to_categorical=True)
    return validate(frame, pd.Series(days), expectations, list(days.categories))


def _checks(
    context: dg.AssetExecutionContext, target: Stored, results: Sequence[ExpectationResult]
) -> Iterator[dg.AssetCheckResult]:
    key = asset_key(target.table.asset_key)
    if len({result.partition for result in results}) > 1:
        report_by_partition(context, key, results)
    for _, of_one in groupby(results, key=lambda result: result.expectation.name):
        yield summary(key, list(of_one))


def _record(
    store: FeatureStore,
    connection: DuckDBPyConnection,
    target: Stored,
    results: list[ExpectationResult],
    window: Window | None,
    run: str,
) -> None:
    cadence = target.table.cadence
    windows = {key: cadence.window(key) for key in cadence.keys(window)} if cadence and window else {}
    rows = as_rows(
        results,
        table=target.table,
        version=getattr(target, "version", None),
        windows={key: (day.start, day.end) for key, day in windows.items()},
        run=run,
    )
    store.append(connection, VALIDATION_RESULTS, rows, description="Every result of every validation.", run=run)


def _partitions(table: Table, window: Window | None) -> list[str]:
    return table.cadence.keys(window) if table.cadence and window else [""]


def _row_count(window: Window | None, rows: int, context: dg.AssetExecutionContext) -> dict[str, int]:
    if window is None:
        return {"dagster/row_count": rows}
    return {"dagster/partition_row_count": rows} if context.has_partition_key else {"rows_of_the_range": rows}


def _verdict(results: Sequence[ExpectationResult]) -> dict[str, int]:
    return {
        "expectations": len(results),
        "failed_critical": sum(result.is_critical_failure for result in results),
        "failed_warning": sum(not result.passed and not result.is_critical_failure for result in results),
    }
