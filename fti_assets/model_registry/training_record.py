"""What a training leaves behind for the registry: one record, independent of the framework that trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from fti_assets.predictive_models import PredictiveModel
from fti_assets.vocabulary import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReference:
    """The training dataset that a run read, by name and content.

    Attributes:
        digest: content hash; MLflow shows its first 36 characters.
        source: where it lies, as a path or URI.
        rows: number of rows by split.
    """

    name: str
    digest: str
    source: str
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """Everything that is logged about one training.

    Attributes:
        model: the fitted model.
        features: the columns that `model.predict` reads.
        example: a few raw rows of them.
        metrics: final figures by metric and split, as `auc_test`.
        learning_curve: values by boosting round or epoch, as `logloss_validation`; logged as `curve_logloss_validation`.
        figures: PNG images by name.
        tags: lineage: Dagster run, dataset id and hash, snapshot, view and group versions, code version.
        card: the model card, Markdown: what it is for, how good it is, where it must not be used; none when empty.
        slices: figures on slices of the test split, one mapping for each: column, value, rows, then figures by name.
        requirements: what must be installed to load the model, as pip writes it; worked out from here when not given.
    """

    run_name: str
    model: PredictiveModel
    features: tuple[Column, ...]
    example: pa.Table
    dataset: DatasetReference
    params: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    learning_curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    card: str = ""
    slices: Sequence[Mapping[str, str | int | float]] = ()
    requirements: tuple[str, ...] = ()
