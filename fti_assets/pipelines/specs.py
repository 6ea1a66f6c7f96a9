"""How tables look in the Dagster UI: keys, groups, kinds, owners, column schemas with units, freshness, checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg

from fti_assets.feature_store import Stored
from fti_assets.pipelines.partitions import optional_partitions
from fti_assets.vocabulary import CsvFile, CsvSource, Expectation, FeatureGroup, Model, StagedTable, Table, TrainingDataset

_SEVERITY = {"critical": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}
LAKE_WRITER = "lake_writer"
ONLINE_WRITER = "online_writer"
GPU = "gpu"
GPU_TAGS = {"fti/gpu": "true"}
"""Tags of assets and runs that need a GPU; `dagster.yaml` limits how many such runs there are at once."""


def gpu_options(model: Model) -> dict[str, Any]:
    """The tags and the pool of the step that trains a model, where it needs a GPU."""
    return {"op_tags": GPU_TAGS, "pool": GPU} if model.needs_gpu else {}


def asset_key(parts: Sequence[str]) -> dg.AssetKey:
    return dg.AssetKey(list(parts))


def validation_key(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["validation", *table.asset_key])


def table_spec(target: Stored, *, deps: Iterable[dg.AssetDep] = (), **options: Any) -> dg.AssetSpec:
    """The asset of a table of the lake, as its own location and every other one shows it."""
    fresh = target.contract.fresh_within
    return dg.AssetSpec(
        key=asset_key(target.table.asset_key),
        deps=list(deps),
        description=_description(target),
        metadata={**table_metadata(target.table), **_deprecation(target)},
        group_name=target.table.schema,
        owners=[target.contract.owner],
        kinds={"duckdb", "parquet"},
        tags=_tags(target),
        partitions_def=optional_partitions(target.table.cadence),
        freshness_policy=None if fresh is None else dg.FreshnessPolicy.time_window(fail_window=fresh),
        **options,
    )


def validation_spec(target: Stored, *, deps: Iterable[dg.AssetDep]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=validation_key(target.table),
        deps=list(deps),
        description=(
            f"Results of the contract of `{target.table}`, kept in `validation.results`, also where they stopped a publication."
        ),
        group_name="validation",
        owners=[target.contract.owner],
        kinds={"greatexpectations", "duckdb"},
        partitions_def=optional_partitions(target.table.cadence),
        skippable=True,
    )


def check_specs(target: Stored) -> list[dg.AssetCheckSpec]:
    """One asset check for each expectation, on each partition."""
    return [
        dg.AssetCheckSpec(
            name=expectation.name,
            asset=asset_key(target.table.asset_key),
            description=expectation.sentence,
            metadata={"severity": expectation.severity, "expectation": expectation.kind},
            partitions_def=optional_partitions(target.table.cadence),
        )
        for expectation in target.contract.expectations
    ]


def severity_of(expectation: Expectation) -> dg.AssetCheckSeverity:
    return _SEVERITY[expectation.severity]


def table_metadata(table: Table) -> dict[str, Any]:
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=" ".join(filter(None, [column.description, f"[{column.unit}]" if column.unit else ""])) or None,
            constraints=dg.TableColumnConstraints(nullable=column.name not in table.key),
        )
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.{table}",
        "key": ", ".join(table.key) or "none",
    }


def source_spec(source: CsvSource | CsvFile) -> dg.AssetSpec:
    """The delivered files of a source, which nothing of ours makes."""
    return dg.AssetSpec(
        key=asset_key(source.asset_key),
        description=source.description or f"Files of '{source.name}' as they were delivered.",
        group_name="landing",
        kinds={"csv"},
        partitions_def=optional_partitions(source.cadence) if isinstance(source, CsvSource) else None,
    )


def dataset_spec(dataset: TrainingDataset, *, deps: Iterable[dg.AssetDep] = (), **options: Any) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=asset_key(dataset.asset_key),
        deps=list(deps),
        description=dataset.description or f"Training dataset of view `{dataset.view.versioned_name}`.",
        group_name="training_datasets",
        owners=[dataset.owner],
        kinds={"duckdb", "parquet"},
        tags={"fti/view": dataset.view.versioned_name},
        **options,
    )


def model_spec(model: Model, beside: str | None = None, **options: Any) -> dg.AssetSpec:
    """The asset of a model, as its own location and every other one shows it, or of what is done beside it, such as `search`."""
    shown = {"kinds": {"mlflow"}, "description": model.description or f"A model of view `{model.view.versioned_name}`."}
    return dg.AssetSpec(
        asset_key(("models", f"{model.name}_{beside}") if beside else model.asset_key),
        group_name="models",
        owners=[model.owner],
        tags=GPU_TAGS if model.needs_gpu else {},
        **{**shown, **options},
    )


def _description(target: Stored) -> str | None:
    """What a table is; of a deprecated group first of all that, and what to read instead."""
    if isinstance(target, FeatureGroup) and target.deprecated is not None:
        return f"**Deprecated.** {target.deprecated}\n\n{target.description}".strip()
    return target.description or None


def _deprecation(target: Stored) -> dict[str, str]:
    deprecated = target.deprecated if isinstance(target, FeatureGroup) else None
    if deprecated is None:
        return {}
    return {"deprecated": deprecated.reason, **({"successor": deprecated.successor} if deprecated.successor else {})}


def _tags(target: Stored) -> dict[str, str]:
    if isinstance(target, FeatureGroup):
        own = {f"fti/tag_{tag}": "" for tag in target.tags} | ({"fti/deprecated": "true"} if target.deprecated else {})
        return {"fti/entity": target.entity.name, "fti/version": str(target.version), **own}
    return {"fti/stage": "staging" if isinstance(target, StagedTable) else "predictions"}


def online_spec(group: FeatureGroup, **options: Any) -> dg.AssetSpec:
    """The online table of a feature group, as its own location and every other one shows it."""
    fresh = group.contract.fresh_within
    return dg.AssetSpec(
        asset_key(("online", group.versioned_name)),
        description=f"The newest row of each {group.entity.name} of `{group.table}`, for predictions at the moment of asking.",
        metadata=table_metadata(group.table),
        group_name="online",
        owners=[group.contract.owner],
        kinds={"lmdb", "redis"},
        tags=_tags(group),
        freshness_policy=None if fresh is None else dg.FreshnessPolicy.time_window(fail_window=fresh),
        **options,
    )
