"""Models: what each is trained on, what becomes of its features, who owns it, and what it must reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary.feature_view import FeatureView
from fti_assets.vocabulary.metric import LOWER_IS_BETTER, METRICS
from fti_assets.vocabulary.names import checked_name, checked_owner
from fti_assets.vocabulary.training_dataset import TrainingDataset
from fti_assets.vocabulary.transformation import Transformation, check_transformations

SMALLEST_SLICE = 100
"""Rows of the test split that a slice has at least to be measured, unless a gate judges smaller ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a challenger must reach before it is promoted, on the test split.

    Attributes:
        metric: one of `METRICS`: `auc`, `average_precision`, `log_loss`, `brier`, `calibration_error`.
        minimum: lowest value allowed overall.
        maximum: highest value allowed overall.
        champion_margin: how much worse than the champion it may be, on the same rows: the interval of its improvement must lie
            above minus the margin. 0.005 is "with confidence not worse by more than 0.005", 0 "better, or the same model", and
            -0.005 "with confidence better by 0.005". None compares with nobody.
        confidence: of the interval of the improvement.
        slice_minimum: lowest value allowed on any slice of at least `slice_rows` rows, of a metric where higher is better.
        slice_maximum: highest value allowed on any such slice, of a metric where lower is better.
        slice_rows: rows of the test split that a slice must have to be judged.

    Raises:
        NotFoundError: the metric is not one of `METRICS`.
        DefinitionError: a bound cannot be held against, or bounds the good side of slices.
    """

    metric: str
    minimum: float | None = None
    maximum: float | None = None
    champion_margin: float | None = None
    confidence: float = 0.95
    slice_minimum: float | None = None
    slice_maximum: float | None = None
    slice_rows: int = 500

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise not_found("Metric", self.metric, METRICS, where="what a gate may ask for")
        if not 0.5 <= self.confidence < 1:
            raise DefinitionError(
                f"The gate on {self.metric} has a confidence of {self.confidence!r}; it lies from 0.5 to below 1.",
                next_step="Write 0.95 for 95%.",
            )
        if self.slice_rows < 1:
            raise DefinitionError(f"The gate on {self.metric} judges slices of {self.slice_rows} rows; a slice has at least 1.")
        for name in ("minimum", "maximum", "champion_margin", "slice_minimum", "slice_maximum"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise DefinitionError(f"The gate on {self.metric} has the {name} {value}, which no figure can be held against.")
        wrong, right = ("minimum", "maximum") if self.metric in LOWER_IS_BETTER else ("maximum", "minimum")
        if getattr(self, f"slice_{wrong}") is not None:
            raise DefinitionError(
                f"The gate on {self.metric} has a slice_{wrong}, which the worst slices would pass:"
                f" {'lower' if wrong == 'minimum' else 'higher'} is better.",
                next_step=f"Give a slice_{right}.",
            )

    @property
    def name(self) -> str:
        return f"{self.metric}_gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a wrong decision costs: they choose the threshold from which on a row is taken for positive.

    Attributes:
        false_positive: for acting on a row that turns out negative.
        false_negative: for not acting on a row that turns out positive.
        unit: in which both are counted, such as `EUR` or `minutes`.
    """

    false_positive: float
    false_negative: float
    unit: str

    def __post_init__(self) -> None:
        for name in ("false_positive", "false_negative"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise DefinitionError(f"The cost of a {name.replace('_', ' ')} is {value!r}.", next_step="Give a number from 0 on.")
        if not self.false_positive and not self.false_negative:
            raise DefinitionError("Neither a false positive nor a false negative costs anything, so no threshold is best.")
        if not self.unit.strip():
            raise DefinitionError("The costs have no unit.", next_step="Name what they are counted in, such as unit='EUR'.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The contract of a model: what it is trained on, who owns it, and what it must reach.

    Attributes:
        slices: features of the view by whose values quality is reported and gated as well.
        sensitive: columns of the view or its spine by whose values it is reported whether the model treats groups alike.
        costs: of wrong decisions; they choose the threshold on the validation split. Without them it is the one of the best F1.
        transformations: what becomes of features before the model reads them; by default numbers pass as they are and
            categories become codes.
        needs_gpu: whether it is trained on a GPU.
    """

    name: str
    dataset: TrainingDataset
    owner: str
    gates: tuple[Gate, ...]
    slices: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    costs: Costs | None = None
    transformations: tuple[Transformation, ...] = ()
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
        _check_sensitive(self.sensitive, self.view, f"Model '{self.name}'")
        check_transformations(self.transformations, self.view.feature_columns, f"Model '{self.name}'")
        names = [gate.name for gate in self.gates]
        if len(set(names)) != len(names):
            raise DefinitionError(f"Model '{self.name}' has two gates on one metric: {', '.join(names)}.")

    @property
    def view(self) -> FeatureView:
        return self.dataset.view

    @property
    def slice_rows(self) -> int:
        """Rows that a slice must have to be judged: as the gate on the AUC says, or as a gate does where nothing is said."""
        return next((gate.slice_rows for gate in self.gates if gate.metric == "auc"), Gate(metric="auc").slice_rows)

    @property
    def smallest_slice(self) -> int:
        """Rows that a slice must have to be measured: `SMALLEST_SLICE`, or fewer where a gate judges smaller ones."""
        return min([SMALLEST_SLICE, *(gate.slice_rows for gate in self.gates)])

    @property
    def asset_key(self) -> tuple[str, str]:
        return ("models", self.name)

    @property
    def validation_key(self) -> tuple[str, str]:
        return ("models", f"{self.name}_validation")


def _check_sensitive(names: Sequence[str], view: FeatureView, where: str) -> None:
    columns = {column.name: column for column in (*view.spine.table.columns, *view.feature_columns)}
    for name in names:
        if name not in columns:
            raise not_found("Sensitive column", name, columns, where=f"view '{view.name}' and its spine, but {where} names it")
        is_key = columns[name].type == "int" and (name,) == view.spine.entity.key_names
        kind = "key" if is_key else columns[name].type
        if kind not in ("string", "bool", "int"):
            raise DefinitionError(
                f"{where} compares groups by '{name}', a {kind}, of which each value would be a group.",
                next_step="Derive groups from it (such as ranges of age) in a feature pipeline, as a string, and name those.",
            )
    if len(set(names)) != len(names):
        raise DefinitionError(f"{where} names a sensitive column twice: {', '.join(names)}.")
