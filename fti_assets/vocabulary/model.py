"""Training datasets, models and predictions: what is promised on the way from a feature view to a decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.contract import Contract
from fti_assets.vocabulary.feature_view import FeatureView
from fti_assets.vocabulary.names import checked_name, checked_owner
from fti_assets.vocabulary.table import Column, Table
from fti_assets.vocabulary.window import Daily, Window

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Splits by time, counted in days back from the cut-off: the last days test, those before validate, the rest trains."""

    validation_days: int
    test_days: int

    def __post_init__(self) -> None:
        if self.validation_days < 1 or self.test_days < 1:
            raise DefinitionError("A time split needs at least one day of validation and one of test.")

    def windows(self, calendar: Daily, cutoff: date) -> dict[SplitName, Window]:
        """The window of each split for rows before the day `cutoff`, in the calendar's time zone.

        Raises:
            DefinitionError: no day is left to train on.
        """
        test = cutoff - timedelta(days=self.test_days)
        validation = test - timedelta(days=self.validation_days)
        start = calendar.day(calendar.start)
        if validation <= start:
            raise DefinitionError(
                f"With {self.test_days} days of test and {self.validation_days} of validation before {cutoff}, none is left"
                f" to train on: the data begins on {start}.",
                next_step="Choose a later cut-off or shorter splits.",
            )
        borders = [calendar.midnight(day) for day in (start, validation, test, cutoff)]
        return {name: Window(borders[n], borders[n + 1]) for n, name in enumerate(SPLITS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDataset:
    """A view cut at one snapshot: spine, features and label of every row whose label is known at the cut-off."""

    name: str
    view: FeatureView
    split: TimeSplit
    owner: str
    description: str = ""

    def __post_init__(self) -> None:
        checked_name(self.name, "A training dataset")
        checked_owner(self.owner)
        if self.view.spine.cadence is None:
            raise DefinitionError(f"Training dataset '{self.name}' is split by time, but the spine of its view has no cadence.")

    @property
    def asset_key(self) -> tuple[str, str]:
        return ("training_datasets", self.name)

    @property
    def calendar(self) -> Daily:
        cadence = self.view.spine.cadence
        assert cadence is not None  # checked in __post_init__
        return cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a challenger must reach before it is promoted, on the test split.

    Attributes:
        metric: name of the metric (`auc`, `average_precision`, `log_loss`, `brier`, `calibration_error`).
        minimum: lowest value allowed overall.
        maximum: highest value allowed overall.
        champion_margin: how much worse than the champion it may be; None compares with nobody.
        slice_minimum: lowest value allowed on any slice of at least `slice_rows` rows.
    """

    metric: str
    minimum: float | None = None
    maximum: float | None = None
    champion_margin: float | None = None
    slice_minimum: float | None = None
    slice_rows: int = 500

    @property
    def name(self) -> str:
        return f"{self.metric}_gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The contract of a model: what it is trained on, who owns it, and what it must reach.

    Attributes:
        slices: features of the view by whose values quality is reported and gated as well.
        needs_gpu: whether it is trained on a GPU.
    """

    name: str
    dataset: TrainingDataset
    owner: str
    gates: tuple[Gate, ...]
    slices: tuple[str, ...] = ()
    description: str = ""
    needs_gpu: bool = False

    def __post_init__(self) -> None:
        checked_name(self.name, "A model")
        checked_owner(self.owner)
        columns = {*self.view.feature_names, *self.view.spine.entity.key_names}
        unknown = [name for name in self.slices if name not in columns]
        if unknown:
            raise DefinitionError(
                f"Model '{self.name}' is sliced by {', '.join(unknown)}, which its view '{self.view.name}' lacks."
            )
        names = [gate.name for gate in self.gates]
        if len(set(names)) != len(names):
            raise DefinitionError(f"Model '{self.name}' has two gates on one metric: {', '.join(names)}.")

    @property
    def view(self) -> FeatureView:
        return self.dataset.view

    @property
    def asset_key(self) -> tuple[str, str]:
        return ("models", self.name)

    @property
    def validation_key(self) -> tuple[str, str]:
        return ("models", f"{self.name}_validation")


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
