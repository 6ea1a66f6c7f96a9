"""The log of a model's online predictions, and what is measured on it: how they turned out, and whether what was served is what
training sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.contract import Contract
from fti_assets.vocabulary.feature_group import FeatureSelection, Selection
from fti_assets.vocabulary.feature_view import FeatureView, join_sources
from fti_assets.vocabulary.model import Model
from fti_assets.vocabulary.table import Column, Table

FLOAT_TOLERANCE = 1e-6
"""By how much two floats may differ, relative to the larger of them, and still be the same value served and seen in training."""
ROLES = ("champion", "challenger", "shadow")
"""In what role a version answered: `challenger` by a share of the requests, `shadow` beside the champion without being heard."""
_BEFORE = (
    Column("request_id", "string", "One for each row that was asked for."),
    Column("logged_at", "timestamp", "When the prediction was made."),
    Column("request_time", "timestamp", "The features are as known at this time."),
)
_AFTER = (
    Column("given", "string", "JSON list of the columns that came with the request."),
    Column("missing", "string", "JSON list of the sources that had no value: missing, expired, of the future, or without a key."),
    Column("role", "string", f"One of {', '.join(ROLES)}."),
    Column("model_version", "int", "Version in the registry."),
    Column("view_version", "int", "Version of the feature view."),
    Column("prediction", "float", "Predicted probability of the label, or its predicted value."),
    Column("latency_us", "int", "From the request to its answer.", unit="µs"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceLog:
    """The history of what a model was asked online: `inference_log.MODEL`, one row for each request and role.

    Raises:
        DefinitionError: a feature of the view has the name of one of the log's own columns.
    """

    model: Model
    contract: Contract
    description: str = ""
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        about = {column.name: column for column in (*spine_columns(self.view), *self.view.feature_columns)}
        own = [column.name for column in (*_BEFORE, *_AFTER) if column.name in about]
        if own:
            raise DefinitionError(
                f"The log of model '{self.name}' has columns of its own named {', '.join(own)}, as has view '{self.view.name}'.",
                next_step="Join the feature in a role, .prefixed('...'), or rename it.",
            )
        columns = (*_BEFORE, *about.values(), *_AFTER)
        table = Table(schema="inference_log", name=self.name, columns=columns, key=("request_id", "role"))
        object.__setattr__(self, "table", table)

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def view(self) -> FeatureView:
        return self.model.view


def spine_columns(view: FeatureView) -> tuple[Column, ...]:
    """What a request can say of its row: the spine's entity keys, then its columns that something is joined by or computed from."""
    table = view.spine.table
    joined = [name for selection in (*view.joined, view.label) for name in _joined_by(selection)]
    chosen = [column.name for selection in view.features if selection not in view.joined for column in selection.columns]
    read = [name for one in view.on_demand for name in one.reads if name != view.at]  # that is the time of the request
    own = {column.name for column in table.columns}
    names = dict.fromkeys(name for name in (*view.spine.entity.key_names, *joined, *chosen, *read) if name in own)
    return tuple(table.column(name) for name in names)


def _joined_by(selection: Selection) -> Iterator[str]:
    """The spine's columns by which a selection is joined, directly or by way of other groups."""
    for source in join_sources(selection).values():
        if isinstance(source, FeatureSelection):
            yield from _joined_by(source)
        else:
            yield source


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewMonitor:
    """Whether features as served are those that training sees: `monitoring.MODEL_skew`, one row for each check and feature.

    Attributes:
        tolerance: relative, of floats.
        sample_rows: how many logged rows are compared at most, the newest.
        lag: how long what was published may take to be served; a value that stood so long before counts as `lagging`, not as
            different.
        allowed_share: share of differing values of a feature up to which the check passes.
    """

    log: InferenceLog
    contract: Contract
    description: str = ""
    tolerance: float = FLOAT_TOLERANCE
    sample_rows: int = 10_000
    lag: timedelta = timedelta(minutes=10)
    allowed_share: float = 0.0
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        where = f"The check for skew of '{self.log.name}'"
        if self.sample_rows < 1 or self.lag < timedelta():
            raise DefinitionError(f"{where} compares {self.sample_rows} rows with a lag of {self.lag}.")
        if not 0 <= self.tolerance < 1 or not 0 <= self.allowed_share < 1:
            raise DefinitionError(
                f"{where} has a tolerance of {self.tolerance:g} and allows a share of {self.allowed_share:g}; both lie in [0, 1)."
            )
        table = Table(schema="monitoring", name=f"{self.log.name}_skew", columns=_SKEW, key=())
        object.__setattr__(self, "table", table)


_SKEW = (
    Column("checked_at", "timestamp"),
    Column("first_logged", "timestamp", "When the first of the compared rows was logged."),
    Column("last_logged", "timestamp", "When the last of them was."),
    Column("feature", "string"),
    Column("rows", "int", "Rows compared."),
    Column("given", "int", "Rows left out, since the value came with the request."),
    Column("differing", "int", "Rows whose value was not the one that the join gives for the time of the request."),
    Column("share", "float", "Share of differing rows."),
    Column("missing_online", "int", "Differing rows that had no value online."),
    Column("only_online", "int", "Differing rows that had a value online only."),
    Column("lagging", "int", "Rows whose value had been replaced shortly before the request; not counted as differing."),
    Column("ahead", "int", "Rows whose value the lake learned after the request; not counted as differing."),
    Column("corrected", "int", "Rows for which the join gives another value now than at the time of the request."),
    Column("mean_age", "float", "Mean age of the joined values.", unit="seconds"),
    Column("greatest_age", "float", "Age of the oldest one.", unit="seconds"),
    Column("examples", "string", "JSON list of differing rows with both values."),
    Column("run", "string", "Dagster run that checked."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineMonitor:
    """How online predictions turned out: `monitoring.MODEL_online`, one row for each day of request, role and version.

    Attributes:
        lookback_days: days of which a prediction was logged so long ago at most are measured anew, as outcomes become known.
    """

    log: InferenceLog
    contract: Contract
    description: str = ""
    lookback_days: int = 14
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        if self.lookback_days < 1:
            raise DefinitionError(f"The monitor of '{self.log.name}' looks back {self.lookback_days} days; it needs at least 1.")
        name, key = f"{self.log.name}_online", ("day", "role", "model_version")
        object.__setattr__(self, "table", Table(schema="monitoring", name=name, columns=_ONLINE, key=key))

    @property
    def timezone(self) -> str:
        """Of the days: that of the view's spine."""
        cadence = self.log.view.spine.cadence
        assert cadence is not None  # a training dataset has one
        return cadence.timezone


_ONLINE = (
    Column("day", "timestamp", "Start of the day that was asked about."),
    Column("role", "string", f"One of {', '.join(ROLES)}."),
    Column("model_version", "int", "Version in the registry."),
    Column("predictions", "int", "Predictions that were logged."),
    Column("outcomes", "int", "Predictions whose outcome is known."),
    Column("auc", "float", "Area under the ROC curve; null where all outcomes are the same."),
    Column("log_loss", "float"),
    Column("brier", "float", "Mean squared difference of prediction and outcome."),
    Column("calibration_error", "float", "Mean distance of predicted and observed share, by tenths of the predictions."),
    Column("base_rate", "float", "Observed share of positives."),
    Column("mean_prediction", "float", "Mean prediction where the outcome is known."),
    Column("training_auc", "float", "AUC of that version on its test split."),
)
