"""How online predictions turned out, as an asset: champion, challenger and shadow side by side, by day of request."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from dagster._core.definitions.metadata import RawMetadataValue

from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.monitoring import logged_with_outcomes, performance_by_role, with_earlier_days
from fti_assets.pipelines.audit import Outcome, publish_audited
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.maintenance import registry_is_there
from fti_assets.pipelines.markdown import table
from fti_assets.pipelines.partitions import dependency
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, table_spec, validation_spec
from fti_assets.vocabulary import OnlineMonitor, Reach

_SHOWN_DAYS = 14


@dataclass(frozen=True, slots=True)
class OnlinePerformancePipeline:
    """Joins the log with what has become known since, and measures the days of late anew.

    Attributes:
        job: name of the job that runs it; that of its location when None.
    """

    monitor: OnlineMonitor
    job: str | None = None

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [table_spec(self.monitor.log), table_spec(self.monitor.log.view.label.group)]

    def assets(self) -> list[dg.AssetsDefinition]:
        log, label = self.monitor.log, self.monitor.log.view.label.group
        deps = [dg.AssetDep(asset_key(log.table.asset_key)), dependency(Reach(label), None)]
        specs = [table_spec(self.monitor, deps=deps, skippable=True)]
        if self.monitor.contract.expectations:
            specs.append(validation_spec(self.monitor, deps=deps))

        @dg.multi_asset(
            name="__".join(self.monitor.table.asset_key), specs=specs, check_specs=check_specs(self.monitor), pool=LAKE_WRITER
        )
        def observe(context: dg.AssetExecutionContext, lake: LakeResource, registry: RegistryResource) -> Iterator[Outcome]:
            with told_plainly():
                yield from self._observe(context, lake.store, registry.registry)

        return [observe]

    def _observe(self, context: dg.AssetExecutionContext, store: FeatureStore, registry: ModelRegistry) -> Iterator[Outcome]:
        key = asset_key(self.monitor.table.asset_key)
        with store.connect() as connection:
            rows = logged_with_outcomes(store, connection, self.monitor, now=datetime.now(UTC))
            made = performance_by_role(self.monitor, rows, self._training_auc(registry))
            every = with_earlier_days(store, connection, self.monitor, made)
            for outcome in publish_audited(context, store, connection, self.monitor, every, None, may_be_empty=True):
                if isinstance(outcome, dg.MaterializeResult) and outcome.asset_key == key:
                    outcome = dg.MaterializeResult(asset_key=key, metadata={**(outcome.metadata or {}), **_metadata(rows, every)})
                yield outcome

    def _training_auc(self, registry: ModelRegistry) -> dict[int, float]:
        if not registry_is_there(registry) or self.monitor.log.name not in registry.models():
            return {}
        versions = registry.versions(self.monitor.log.name)
        return {one.version: one.metrics["auc_test"] for one in versions if "auc_test" in one.metrics}


def online_performance_monitoring(monitor: OnlineMonitor, *, job: str | None = None) -> OnlinePerformancePipeline:
    """The asset `monitoring/MODEL_online`: realised quality of online predictions by day, role and version.

    Args:
        monitor: its contract.
        job: name of a job of its own, whose schedule the location gives; the location's job runs it unless given.
    """
    return OnlinePerformancePipeline(monitor, job)


def _metadata(rows: pa.Table, made: pa.Table) -> dict[str, RawMetadataValue]:
    known = rows.num_rows - rows["outcome"].null_count
    shown: dict[str, RawMetadataValue] = {
        "predictions": rows.num_rows,
        "share_of_known_outcomes": known / rows.num_rows if rows.num_rows else 0.0,
        "days": pc.count_distinct(made["day"]).as_py(),
    }
    return {**shown, "quality": dg.MetadataValue.md(_quality(made))} if made.num_rows else shown


def _quality(made: pa.Table) -> str:
    """One row for each day, role and version, the newest days first."""
    rows = made.to_pylist()
    days = sorted({row["day"] for row in rows}, reverse=True)[:_SHOWN_DAYS]
    figures = ("auc", "brier", "calibration_error", "base_rate", "training_auc")
    columns = ("day", "role", "version", "predictions", "outcomes", *(name.replace("_", " ") for name in figures))
    shown = [
        (
            f"{row['day']:%Y-%m-%d}",
            row["role"],
            str(row["model_version"]),
            *(f"{row[name]:,}" for name in ("predictions", "outcomes")),
            *("" if row[name] is None else f"{row[name]:.4f}" for name in figures),
        )
        for day in days
        for row in rows
        if row["day"] == day
    ]
    return table(columns, shown, right=len(columns) - 2)
