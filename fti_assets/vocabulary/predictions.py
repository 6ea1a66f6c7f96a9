"""Predictions and how they turned out: what is promised to those who read a model's decisions."""

from __future__ import annotations

from dataclasses import dataclass, field

from fti_assets.vocabulary.contract import Contract
from fti_assets.vocabulary.model import Model
from fti_assets.vocabulary.table import Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The contract of a batch of predictions: `predictions.NAME`, one row for each row of the view's spine."""

    name: str
    model: Model
    contract: Contract
    description: str = ""
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        spine = self.model.view.spine
        time = spine.table.time
        assert time is not None  # the dataset has a cadence
        columns = [*spine.entity.keys, Column(self.model.view.at, "timestamp", "The features are as known at this time.")]
        if time not in {column.name for column in columns}:
            columns.append(spine.table.column(time))
        columns += [
            Column("prediction", "float", "Predicted probability of the label, or its predicted value."),
            Column("model_version", "int", "Version of the champion in the registry."),
            Column("view_version", "int", "Version of the feature view."),
            Column("snapshot", "int", "Snapshot of the lake that the features were read from."),
            Column("predicted_at", "timestamp", "When the prediction was made."),
        ]
        key = spine.entity.key_names
        table = Table(schema="predictions", name=self.name, columns=tuple(columns), key=key, time=time, cadence=spine.cadence)
        object.__setattr__(self, "table", table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """How predictions turned out, by day: `monitoring.NAME`, one row for each partition of the predictions.

    Attributes:
        outcome_days: for how many days after a prediction its outcome may still become known.
    """

    name: str
    predictions: Predictions
    contract: Contract
    description: str = ""
    outcome_days: int = 1
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        columns = (
            Column("day", "timestamp", "Start of the day that was predicted."),
            Column("predictions", "int", "Predictions made for the day."),
            Column("outcomes", "int", "Predictions whose outcome is known."),
            Column("auc", "float", "Area under the ROC curve; null where all outcomes are the same."),
            Column("log_loss", "float"),
            Column("brier", "float", "Mean squared difference of prediction and outcome."),
            Column("calibration_error", "float", "Mean distance of predicted and observed share, by tenths of the predictions."),
            Column("base_rate", "float", "Observed share of positives."),
            Column("mean_prediction", "float", "Mean prediction where the outcome is known."),
            Column("model_version", "int", "Newest version among the predictions."),
            Column("training_auc", "float", "AUC of that version on its test split."),
        )
        cadence = self.predictions.table.cadence
        table = Table(schema="monitoring", name=self.name, columns=columns, key=("day",), time="day", cadence=cadence)
        object.__setattr__(self, "table", table)
