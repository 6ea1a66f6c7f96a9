"""Realised quality of predictions by day."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from fti_assets.feature_store import FeatureStore
from fti_assets.training import binary_metrics
from fti_assets.vocabulary import Monitor, Window, quoted

MEASURES = ("auc", "log_loss", "brier", "calibration_error", "base_rate", "mean_prediction")


def predictions_with_outcomes(store: FeatureStore, connection: DuckDBPyConnection, monitor: Monitor, window: Window) -> pa.Table:
    """Every prediction of the window with its newest outcome.

    Returns:
        Columns `day` (partition key), `prediction`, `model_version` and `outcome` (0 or 1; null while it is unknown).
    """
    predictions, label = monitor.predictions.table, monitor.predictions.model.view.label
    assert predictions.time is not None
    assert predictions.cadence is not None
    keys = ", ".join(map(quoted, label.group.entity.key_names))
    zone = predictions.cadence.timezone.replace("'", "''")
    store.read(connection, predictions, window).create_view("made", replace=True)
    store.read(connection, label.group.table).create_view("known", replace=True)
    newest = (
        f" QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {quoted(label.group.event_time)} DESC) = 1"
        if label.group.event_time
        else ""
    )
    query = f"""
    SELECT strftime(timezone('{zone}', {quoted(predictions.time)}), '%Y-%m-%d') AS day, prediction, model_version,
        {quoted(label.names[0])}::DOUBLE AS outcome
    FROM made LEFT JOIN (SELECT {keys}, {quoted(label.names[0])} FROM known{newest}) USING ({keys})
    ORDER BY day
    """
    return connection.execute(query).to_arrow_table()


_ARROW = {"int": pa.int64(), "float": pa.float64(), "timestamp": pa.timestamp("us", tz="UTC")}


def daily_performance(monitor: Monitor, rows: pa.Table, training_auc: Mapping[int, float]) -> pa.Table:
    """One row of the monitor's table for each day in `rows`.

    Args:
        monitor: whose table is made.
        rows: see `predictions_with_outcomes`.
        training_auc: AUC on the test split by model version.
    """
    cadence = monitor.predictions.table.cadence
    assert cadence is not None
    days = np.asarray(rows["day"].to_pylist(), dtype=object)
    prediction, outcome, version = (rows[name].to_numpy() for name in ("prediction", "outcome", "model_version"))
    made = []
    for day in sorted(set(days)):
        of_day = days == day
        known = of_day & ~np.isnan(outcome)
        measured = binary_metrics(outcome[known], prediction[known])
        newest = int(version[of_day].max())
        made.append(
            {
                "day": cadence.window(day).start,
                "predictions": int(of_day.sum()),
                "outcomes": int(known.sum()),
                **{name: None if math.isnan(measured[name]) else measured[name] for name in MEASURES},
                "model_version": newest,
                "training_auc": training_auc.get(newest),
            }
        )
    return pa.Table.from_pylist(made, schema=_schema(monitor))


def _schema(monitor: Monitor) -> pa.Schema:
    return pa.schema([(column.name, _ARROW[column.type]) for column in monitor.table.columns])
