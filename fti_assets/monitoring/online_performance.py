"""How online predictions turned out, by day of request, role and version: champion, challenger and shadow side by side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from fti_assets.feature_store import FeatureStore, instant_literal
from fti_assets.monitoring.log_lines import schema
from fti_assets.monitoring.performance import measured, with_outcomes
from fti_assets.vocabulary import Daily, OnlineMonitor

_KEPT = ("role", "model_version")


def logged_with_outcomes(store: FeatureStore, connection: DuckDBPyConnection, monitor: OnlineMonitor, *, now: datetime) -> pa.Table:
    """Every prediction of the days about which something was logged lately, with its newest outcome.

    Returns:
        See `with_outcomes`; `role` and `model_version` are kept. Each request counts, also where several are about one row.
    """
    log, since = monitor.log, instant_literal(now - timedelta(days=monitor.lookback_days))
    day = f"timezone('{monitor.timezone}', request_time)::DATE"
    store.read(connection, log.table).create_view("logged", replace=True)
    of_late = connection.sql(
        f"FROM logged WHERE {day} IN (SELECT {day} FROM logged WHERE logged_at >= {since})"
        " QUALIFY row_number() OVER (PARTITION BY request_id, role ORDER BY logged_at) = 1"
    )
    return with_outcomes(store, connection, of_late, log.view.label, time="request_time", timezone=monitor.timezone, keep=_KEPT)


def performance_by_role(monitor: OnlineMonitor, rows: pa.Table, training_auc: Mapping[int, float]) -> pa.Table:
    """One row of the monitor's table for each day, role and version in `rows`.

    Args:
        monitor: whose table is made.
        rows: see `logged_with_outcomes`.
        training_auc: AUC on the test split by model version.
    """
    days = Daily(start="1970-01-01", timezone=monitor.timezone)
    keys = sorted(set(zip(*(rows[name].to_pylist() for name in ("day", *_KEPT)), strict=True)))
    made: list[dict[str, Any]] = []
    for day, role, version in keys:
        mask = pc.and_(pc.and_(pc.equal(rows["day"], day), pc.equal(rows["role"], role)), pc.equal(rows["model_version"], version))
        own = rows.filter(mask)
        made.append(
            {
                "day": days.window(day).start,
                "role": role,
                "model_version": version,
                **measured(*(own[name].to_numpy().astype(np.float64) for name in ("outcome", "prediction"))),
                "training_auc": training_auc.get(version),
            }
        )
    return pa.Table.from_pylist(made, schema=schema(monitor.table))


def with_earlier_days(store: FeatureStore, connection: DuckDBPyConnection, monitor: OnlineMonitor, made: pa.Table) -> pa.Table:
    """The rows that were measured, and those of the published table that are about other days."""
    published = store.read(connection, monitor.table).to_arrow_table().cast(schema(monitor.table))
    others = published.filter(pc.invert(pc.is_in(published["day"], made["day"].combine_chunks())))
    return pa.concat_tables([others, made]).sort_by([("day", "ascending"), ("role", "ascending"), ("model_version", "ascending")])
