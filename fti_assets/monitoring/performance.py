"""Realised quality of predictions by day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store import FeatureStore
from fti_assets.training import binary_metrics
from fti_assets.vocabulary import FeatureSelection, Monitor, Window, quoted

MEASURES = ("auc", "log_loss", "brier", "calibration_error", "base_rate", "mean_prediction")


def predictions_with_outcomes(store: FeatureStore, connection: DuckDBPyConnection, monitor: Monitor, window: Window) -> pa.Table:
    """Every prediction of the window with its newest outcome.

    Returns:
        Columns `day` (partition key), `prediction`, `model_version` and `outcome` (0 or 1; null while it is unknown).
    """
    predictions = monitor.predictions.table
    assert predictions.time is not None
    assert predictions.cadence is not None
    made = store.read(connection, predictions, window)
    label, zone = monitor.predictions.model.view.label, predictions.cadence.timezone
    return with_outcomes(store, connection, made, label, time=predictions.time, timezone=zone, keep=("model_version",))


def with_outcomes(
    store: FeatureStore,
    connection: DuckDBPyConnection,
    made: DuckDBPyRelation,
    label: FeatureSelection,
    *,
    time: str,
    timezone: str,
    keep: Sequence[str] = (),
) -> pa.Table:
    """Every prediction with the newest outcome of its entity, whenever that became known.

    Args:
        store: with the outcomes.
        connection: of the lake, in which `made` lives.
        made: predictions, in a column `prediction`, with the keys of the label.
        label: the outcome.
        time: column whose day is that of a prediction.
        timezone: of the days.
        keep: further columns of `made`.

    Returns:
        Columns `day` (partition key), `prediction`, `outcome` (0 or 1; null while it is unknown), then those kept.
    """
    keys, zone = ", ".join(map(quoted, label.group.entity.key_names)), timezone.replace("'", "''")
    made.create_view("made", replace=True)
    store.read(connection, label.group.table).create_view("known", replace=True)
    newest = (
        f" QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {quoted(label.group.event_time)} DESC) = 1"
        if label.group.event_time
        else ""
    )
    query = f"""
    SELECT strftime(timezone('{zone}', {quoted(time)}), '%Y-%m-%d') AS day, prediction,
        {quoted(label.names[0])}::DOUBLE AS outcome{"".join(f", {quoted(name)}" for name in keep)}
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
        newest = int(version[of_day].max())
        made.append(
            {
                "day": cadence.window(day).start,
                **measured(outcome[of_day], prediction[of_day]),
                "model_version": newest,
                "training_auc": training_auc.get(newest),
            }
        )
    return pa.Table.from_pylist(made, schema=_schema(monitor))


def measured(outcome: npt.NDArray[np.float64], prediction: npt.NDArray[np.float64]) -> dict[str, float | int | None]:
    """How many predictions there are, of how many the outcome is known, and the figures of those; None where one is undefined."""
    known = ~np.isnan(outcome)
    figures = binary_metrics(outcome[known], prediction[known])
    counts = {"predictions": len(known), "outcomes": int(known.sum())}
    return {**counts, **{name: None if math.isnan(figures[name]) else figures[name] for name in MEASURES}}


def _schema(monitor: Monitor) -> pa.Schema:
    return pa.schema([(column.name, _ARROW[column.type]) for column in monitor.table.columns])
