"""A code location: the pipelines of a few modules, with their jobs, schedules and sensors, as one Dagster program."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Protocol, runtime_checkable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from fti_assets.pipelines.resources import LakeResource, LandingResource, RegistryResource
from fti_assets.pipelines.schedules import Schedule, daily_schedule, landing_sensor, plain_schedule
from fti_assets.pipelines.specs import GPU_TAGS
from fti_assets.pipelines.tables import TablePipeline
from fti_assets.vocabulary import CsvSource, Daily


@runtime_checkable
class Pipeline(Protocol):
    """What a module offers to a code location: assets, and the assets of others that they read."""

    def assets(self) -> list[dg.AssetsDefinition]: ...

    @property
    def upstream(self) -> list[dg.AssetSpec]: ...


def code_location(*modules: str, name: str, schedule: Schedule | None = None) -> dg.Definitions:
    """All pipelines of some modules as one code location.

    What they read from other locations is shown as external assets, so that lineage runs across locations. There is a job
    `NAME` for the partitioned assets and `NAME_whole` for those without partitions (only `NAME` where there is one kind).

    Args:
        modules: names of the modules, `__name__` for the calling one.
        name: name of the job, unique in the workspace; `flights_features`.
        schedule: when the job runs. A job with partitions runs for the last complete day.
    """
    pipelines = [
        pipeline for module in modules for pipeline in pipelines_of(sys.modules.get(module) or importlib.import_module(module))
    ]
    assets = [asset for pipeline in pipelines for asset in pipeline.assets()]
    own = {key for asset in assets for key in asset.keys}
    external = {spec.key: spec for pipeline in pipelines for spec in pipeline.upstream if spec.key not in own}
    jobs = _jobs(name, assets)
    calendar = _calendar(assets)
    schedules, sensors = [], []
    if schedule is not None:
        main = jobs[0]
        tags = GPU_TAGS if _needs_gpu(assets) else {}
        schedules.append(daily_schedule(main, calendar, schedule) if calendar else plain_schedule(main, schedule, tags))
    if calendar and any(
        isinstance(source, CsvSource) and source.cadence for pipeline in pipelines for source in _sources(pipeline)
    ):
        whole = [key for asset in assets for key in asset.keys if asset.specs_by_key[key].partitions_def is None]
        sensors.append(landing_sensor(jobs[0], calendar, jobs[1] if whole else None, whole))
    if any(spec.automation_condition for asset in assets for spec in asset.specs):
        sensors.append(dg.AutomationConditionSensorDefinition(f"{name}_automation", target=dg.AssetSelection.keys(*own)))
    return dg.Definitions(
        assets=[*assets, *external.values()],
        jobs=jobs,
        schedules=schedules,
        sensors=sensors,
        resources={"lake": LakeResource(), "landing": LandingResource(), "registry": RegistryResource()},
        executor=dg.in_process_executor,
    )


def pipelines_of(module: ModuleType) -> list[Pipeline]:
    """The pipelines that a module defines, in the order in which they stand there."""
    return [value for value in vars(module).values() if isinstance(value, Pipeline) and not isinstance(value, type)]


def _jobs(name: str, assets: Sequence[dg.AssetsDefinition]) -> list[UnresolvedAssetJobDefinition]:
    partitioned = [key for asset in assets for key in asset.keys if asset.specs_by_key[key].partitions_def is not None]
    whole = [key for asset in assets for key in asset.keys if asset.specs_by_key[key].partitions_def is None]
    jobs = [_job(name, keys) for keys in (partitioned, whole) if keys][:1]
    if partitioned and whole:
        jobs.append(_job(f"{name}_whole", whole))
    return jobs


def _job(name: str, keys: Iterable[dg.AssetKey]) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(name, selection=dg.AssetSelection.keys(*keys))


def _calendar(assets: Sequence[dg.AssetsDefinition]) -> Daily | None:
    for asset in assets:
        for spec in asset.specs:
            definition = spec.partitions_def
            if isinstance(definition, dg.DailyPartitionsDefinition):
                end = definition.end
                return Daily(
                    start=f"{definition.start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}" if end else None, timezone=definition.timezone
                )
    return None


def _sources(pipeline: Pipeline) -> Iterable[object]:
    return pipeline.sources.values() if isinstance(pipeline, TablePipeline) else ()


def _needs_gpu(assets: Sequence[dg.AssetsDefinition]) -> bool:
    return any(GPU_TAGS.items() <= spec.tags.items() for asset in assets for spec in asset.specs)
