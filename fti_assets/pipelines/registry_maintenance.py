"""The care of the model registry as an asset: old rejected versions and runs without a version are deleted, by a schedule."""

from collections.abc import Collection, Sequence

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.model_registry.retention import RegistryRetention, Removal, carry_out, plan_for
from fti_assets.monitoring import predicted_versions
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.maintenance import registry_is_there
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.schedules import Schedule, whole_schedule

JOB = "registry_maintenance"
KEY = dg.AssetKey(["maintenance", "registry"])


class RegistryMaintenanceConfig(dg.Config):
    """Run configuration of the care of the model registry."""

    keep_days: float = Field(default=90, description="Rejected versions that are younger are kept.")
    keep_run_days: float = Field(default=30, description="Runs without a version that are younger are kept.")
    only_plan: bool = Field(default=False, description="Say what would be deleted, and delete nothing.")


def registry_maintenance(schedule: Schedule, *, owner: str) -> dg.Definitions:
    """The asset `maintenance/registry`, with its job and schedule; one code location of a workspace has it, for all systems.

    Deleted are rejected versions and runs that made no version, when they are old, with their files; never a version with an
    alias, or one that predictions refer to. If that cannot be found out, nothing is deleted.
    """
    spec = dg.AssetSpec(
        KEY,
        description="Old rejected versions of models, and old runs without a version, are deleted with their files.",
        group_name="maintenance",
        owners=[owner],
        kinds={"mlflow"},
    )

    @dg.multi_asset(name="__".join(KEY.path), specs=[spec])
    def maintain(
        context: dg.AssetExecutionContext, config: RegistryMaintenanceConfig, lake: LakeResource, registry: RegistryResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with told_plainly():
            return dg.MaterializeResult(metadata=_maintain(context, config, lake.store, registry.registry))

    job = dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(KEY))
    return dg.Definitions(assets=[maintain], jobs=[job], schedules=[whole_schedule(job, schedule)])


def _maintain(
    context: dg.AssetExecutionContext, config: RegistryMaintenanceConfig, store: FeatureStore, registry: ModelRegistry
) -> dict[str, RawMetadataValue]:
    if not registry_is_there(registry):
        return {"plan": "There is no registry yet: no model was ever trained."}

    def predicted(name: str) -> Collection[int]:
        return predicted_versions(store, name)

    policy = RegistryRetention(keep_days=config.keep_days, keep_run_days=config.keep_run_days)
    plan = plan_for(registry, predicted, policy)
    shown = {"plan": dg.MetadataValue.md(_plan(plan))}
    if config.only_plan:
        return {**shown}
    done = carry_out(registry, plan, predicted)
    for removal in done:
        context.log.info(f"Deleted {removal}: {removal.why}")
    counts = {f"{what}s_deleted": sum(one.what == what for one in done) for what in ("version", "run")}
    return {**shown, **counts}


def _plan(plan: Sequence[Removal]) -> str:
    if not plan:
        return "Nothing has to be done."
    return "\n".join(["| what | why |", "| --- | --- |", *(f"| {removal} | {removal.why} |" for removal in plan)])
