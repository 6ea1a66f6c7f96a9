"""Monitoring as an asset: how the predictions of a day turned out, once outcomes are known."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pyarrow as pa
from dagster._core.definitions.metadata import RawMetadataValue

from fti_assets.feature_store import FeatureStore, MissingFeaturesError
from fti_assets.model_registry import ModelRegistry
from fti_assets.monitoring import daily_performance, predictions_with_outcomes
from fti_assets.pipelines.audit import Outcome, publish_audited
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.inputs import require_published
from fti_assets.pipelines.partitions import dependency, window_of
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, table_spec, validation_spec
from fti_assets.pipelines.training import picture
from fti_assets.training import binary_metrics, figures
from fti_assets.vocabulary import Monitor, Reach


@dataclass(frozen=True, slots=True)
class MonitoringPipeline:
    """Realised quality by day, next to the figures of training."""

    monitor: Monitor

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [table_spec(self.monitor.predictions), table_spec(self.monitor.predictions.model.view.label.group)]

    def assets(self) -> list[dg.AssetsDefinition]:
        cadence, label = self.monitor.table.cadence, self.monitor.predictions.model.view.label.group
        outcomes = dependency(Reach(label, ahead=self.monitor.outcome_days if label.cadence else 0), cadence)
        deps = [dg.AssetDep(asset_key(self.monitor.predictions.table.asset_key)), outcomes]
        specs = [table_spec(self.monitor, deps=deps, skippable=True)]
        if self.monitor.contract.expectations:
            specs.append(validation_spec(self.monitor, deps=deps))

        @dg.multi_asset(
            name="__".join(self.monitor.table.asset_key),
            specs=specs,
            check_specs=check_specs(self.monitor),
            pool=LAKE_WRITER,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def observe(context: dg.AssetExecutionContext, lake: LakeResource, registry: RegistryResource) -> Iterator[Outcome]:
            with told_plainly():
                yield from self._observe(context, lake.store, registry.registry)

        return [observe]

    def _observe(self, context: dg.AssetExecutionContext, store: FeatureStore, registry: ModelRegistry) -> Iterator[Outcome]:
        window = window_of(context)
        assert window is not None  # predictions have a cadence
        key, name = asset_key(self.monitor.table.asset_key), self.monitor.predictions.model.name
        with store.connect() as connection:
            require_published(store, connection, self.monitor.predictions.table, window)
            rows = predictions_with_outcomes(store, connection, self.monitor, window)
            if rows.num_rows == 0:
                raise MissingFeaturesError(
                    f"'{self.monitor.predictions.table}' has no rows for {window}, so there is nothing to measure.",
                    next_step=f"Materialise '{'/'.join(self.monitor.predictions.table.asset_key)}' for days that have some.",
                )
            versions = {version.version: version.metrics.get("auc_test", float("nan")) for version in registry.versions(name)}
            made = daily_performance(self.monitor, rows, versions)
            for outcome in publish_audited(context, store, connection, self.monitor, made, window, may_be_empty=True):
                if isinstance(outcome, dg.MaterializeResult) and outcome.asset_key == key:
                    outcome = dg.MaterializeResult(asset_key=key, metadata={**(outcome.metadata or {}), **_metadata(rows, made)})
                yield outcome


def performance_monitoring(monitor: Monitor) -> MonitoringPipeline:
    """The asset of realised quality by day: AUC, calibration, base rate, next to what training promised."""
    return MonitoringPipeline(monitor)


def _metadata(rows: pa.Table, made: pa.Table) -> dict[str, RawMetadataValue]:
    prediction, outcome = rows["prediction"].to_numpy(), rows["outcome"].to_numpy()
    known = ~np.isnan(outcome)
    measured = binary_metrics(outcome[known], prediction[known])
    shown: dict[str, RawMetadataValue] = {name: value for name, value in measured.items() if not np.isnan(value)}
    shown["share_of_known_outcomes"] = float(known.mean())
    training = made["training_auc"].to_pylist()[-1]
    if training is not None:
        shown["training_auc"] = training
    if known.any():
        shown["calibration"] = picture(figures.calibration(outcome[known], prediction[known]), "calibration")
    if made.num_rows > 1:
        aucs = [float("nan") if auc is None else auc for auc in made["auc"].to_pylist()]
        shown["auc_by_day"] = picture(
            figures.daily_quality([day.date() for day in made["day"].to_pylist()], aucs, training), "AUC by day"
        )
    return shown
