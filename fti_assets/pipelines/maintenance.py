"""The care of the lake as an asset: what is not needed expires, and small files become large ones, by a schedule."""

from pathlib import Path

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.feature_store import (
    FeatureStore,
    Hold,
    Maintenance,
    MaintenancePlan,
    RetentionPolicy,
    carry_out,
    holds_of_models,
    plan_maintenance,
)
from fti_assets.model_registry import ModelRegistry
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.markdown import table
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.schedules import Schedule, whole_schedule
from fti_assets.pipelines.specs import LAKE_WRITER

JOB = "lake_maintenance"
KEY = dg.AssetKey(["maintenance", "lake"])
_SQLITE = "sqlite:///"


class MaintenanceConfig(dg.Config):
    """Run configuration of the care of the lake."""

    keep_days: float = Field(
        default=30, description="Snapshots that are younger are kept, whether something refers to them or not."
    )
    grace_hours: float = Field(default=6, description="Replaced files are left for so long to those who may still read them.")
    only_plan: bool = Field(default=False, description="Say what would be done, and do nothing.")


def lake_maintenance(schedule: Schedule, *, owner: str) -> dg.Definitions:
    """The asset `maintenance/lake`, with its job and schedule; one code location of a workspace has it, for all systems.

    Snapshots expire, but never one that a training dataset, a model or a tag refers to; files are merged, rewritten and removed;
    checksums of new files are recorded.
    """
    spec = dg.AssetSpec(
        KEY,
        description="Snapshots that nothing needs expire, small files are merged, and files that nothing refers to are removed.",
        group_name="maintenance",
        owners=[owner],
        kinds={"duckdb"},
    )

    @dg.multi_asset(name="__".join(KEY.path), specs=[spec], pool=LAKE_WRITER)
    def maintain(
        context: dg.AssetExecutionContext, config: MaintenanceConfig, lake: LakeResource, registry: RegistryResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with told_plainly():
            return dg.MaterializeResult(metadata=_maintain(context, config, lake.store, registry.registry))

    job = dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(KEY))
    return dg.Definitions(assets=[maintain], jobs=[job], schedules=[whole_schedule(job, schedule)])


def _maintain(
    context: dg.AssetExecutionContext, config: MaintenanceConfig, store: FeatureStore, registry: ModelRegistry
) -> dict[str, RawMetadataValue]:
    if not store.lake.is_there:
        return {"plan": "There is no lake yet: nothing was ever published."}

    def holds() -> list[Hold]:
        return [*store.holds(), *(holds_of_models(registry) if registry_is_there(registry) else ())]

    policy = RetentionPolicy(keep_days=config.keep_days, grace_hours=config.grace_hours)
    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, holds(), policy)
        if config.only_plan:
            return {"plan": dg.MetadataValue.md(_plan(plan))}
        done = carry_out(store.lake, connection, plan, holds, lambda what, step, of: context.log.info(f"{step} of {of}: {what}"))
    return _metadata(done)


def registry_is_there(registry: ModelRegistry) -> bool:
    """Whether a model was ever registered: to ask an embedded registry would make one."""
    uri = registry.tracking_uri
    return not uri.startswith(_SQLITE) or Path(uri.removeprefix(_SQLITE)).exists()


def _metadata(done: Maintenance) -> dict[str, RawMetadataValue]:
    before, after = done.before, done.after
    return {
        "plan": dg.MetadataValue.md(_plan(done.plan)),
        "space": dg.MetadataValue.md(_space(done)),
        "snapshots_expired": len(done.expired),
        "snapshots_held": len({hold.snapshot for hold in done.plan.held}),
        "snapshots": after.snapshots,
        "files_before": before.files,
        "files": after.files,
        "bytes_before": before.bytes,
        "bytes": after.bytes,
        "files_to_be_removed": after.waiting,
        "checksums_recorded": done.recorded,
    }


def _plan(plan: MaintenancePlan) -> str:
    steps = plan.steps()
    if not steps:
        return "Nothing has to be done."
    rows = [(one.what, one.of, one.why, _number(one.files), _megabytes(one.bytes)) for one in steps]
    return table(("what", "of", "why", "files", "MB"), rows, right=2)


def _space(done: Maintenance) -> str:
    before, after = done.before, done.after
    rows = [
        (
            name,
            *(_number(tables.get(name, (0, 0))[0]) for tables in (before.tables, after.tables)),
            *(_megabytes(tables.get(name, (0, 0))[1]) for tables in (before.tables, after.tables)),
        )
        for name in sorted({*before.tables, *after.tables})
    ]
    rows.append(("all files", _number(before.files), _number(after.files), _megabytes(before.bytes), _megabytes(after.bytes)))
    return table(("table", "files before", "files after", "MB before", "MB after"), rows, right=4)


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:,.2f}"
