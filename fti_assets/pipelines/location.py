"""A code location: the pipelines of a few modules, with their jobs, schedules and sensors, as one Dagster program."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from fti_assets.errors import DefinitionError, not_found
from fti_assets.pipelines.compute import ComputeResource
from fti_assets.pipelines.datasets import DatasetPipeline
from fti_assets.pipelines.partitions import calendar_of
from fti_assets.pipelines.resources import (
    InferenceLogResource,
    LakeResource,
    LandingResource,
    OnlineResource,
    RegistryResource,
)
from fti_assets.pipelines.schedules import Schedule, daily_schedule, landing_sensor, whole_schedule
from fti_assets.pipelines.specs import GPU_TAGS
from fti_assets.pipelines.tables import TablePipeline
from fti_assets.vocabulary import CsvSource, Daily


@runtime_checkable
class Pipeline(Protocol):
    """What a module offers to a code location: assets, and the assets of others that they read.

    One that has an attribute `job` other than None is run by the job of that name and not by the location's. It may have asset
    checks that are run beside its assets, `checks()`, and sensors of its job, `sensors(job)`.
    """

    def assets(self) -> list[dg.AssetsDefinition]: ...

    @property
    def upstream(self) -> list[dg.AssetSpec]: ...


def code_location(
    *modules: str, name: str, schedule: Schedule | None = None, schedules: Mapping[str, Schedule] | None = None
) -> dg.Definitions:
    """All pipelines of some modules as one code location.

    What they read from other locations is shown as external assets, so that lineage runs across locations. There is a job
    `NAME` for the partitioned assets and `NAME_whole` for those without partitions (only `NAME` where there is one kind), and
    one for each job that pipelines name themselves.

    Args:
        modules: names of the modules, `__name__` for the calling one.
        name: name of the job, unique in the workspace; `flights_features`.
        schedule: when the job runs. A job with partitions runs for the last complete day; one that cuts a training dataset
            cuts what was known before the day of the tick.
        schedules: when the jobs that pipelines name themselves run, by their names; the others run when somebody asks.

    Raises:
        DefinitionError: there is no pipeline, there are several calendars, or a schedule is of no job.
    """
    pipelines = _pipelines(modules)
    assets = [asset for pipeline in pipelines for asset in pipeline.assets()]
    specs = [spec for asset in assets for spec in asset.specs]
    own = {spec.key for spec in specs}
    external = {spec.key: spec for pipeline in pipelines for spec in pipeline.upstream if spec.key not in own}
    apart = _specs_by_job(pipelines)
    _check_schedules(schedules or {}, apart)
    regular = [spec for spec in specs if spec.key not in {one.key for others in apart.values() for one in others}]
    calendar, jobs = _calendar(name, regular), _jobs(name, regular)
    own_jobs = {job: _job(job, others) for job, others in apart.items()}
    return dg.Definitions(
        assets=[*assets, *external.values()],
        asset_checks=[check for pipeline in pipelines for check in getattr(pipeline, "checks", list)()],
        jobs=[*jobs, *own_jobs.values()],
        schedules=[
            *([] if schedule is None else [_schedule(jobs[0], schedule, calendar, pipelines)]),
            *(whole_schedule(own_jobs[job], when) for job, when in (schedules or {}).items()),
        ],
        sensors=[
            *_landing_sensors(jobs, calendar, pipelines, regular),
            *_own_sensors(own_jobs, pipelines),
            *_automation_sensors(name, specs),
        ],
        resources=_resources(),
        executor=dg.in_process_executor,
    )


def _resources() -> dict[str, dg.ConfigurableResource[Any]]:
    """The stores, as the environment names them."""
    return {
        "lake": LakeResource(),
        "landing": LandingResource(),
        "registry": RegistryResource(),
        "compute": ComputeResource(),
        "online": OnlineResource(),
        "inference_logs": InferenceLogResource(),
    }


def pipelines_of(module: ModuleType) -> list[Pipeline]:
    """The pipelines that a module defines, in the order in which they stand there."""
    return [value for value in vars(module).values() if isinstance(value, Pipeline) and not isinstance(value, type)]


def _pipelines(modules: Sequence[str]) -> list[Pipeline]:
    """The pipelines of some modules, each once, also where one module imports it from another."""
    loaded = [sys.modules.get(module) or importlib.import_module(module) for module in modules]
    found = {id(pipeline): pipeline for module in loaded for pipeline in pipelines_of(module)}
    if not found:
        raise DefinitionError(
            f"There is no pipeline in {', '.join(modules)}.",
            next_step="Define some there, above the call of code_location: a function under @feature_pipeline, for example.",
        )
    return list(found.values())


def _specs_by_job(pipelines: Iterable[Pipeline]) -> dict[str, list[dg.AssetSpec]]:
    """The assets of pipelines that have jobs of their own, by job."""
    found: dict[str, list[dg.AssetSpec]] = {}
    for pipeline in pipelines:
        job = getattr(pipeline, "job", None)
        if job is not None:
            found.setdefault(job, []).extend(spec for asset in pipeline.assets() for spec in asset.specs)
    return found


def _check_schedules(schedules: Mapping[str, Schedule], jobs: Mapping[str, object]) -> None:
    for name in schedules:
        if name not in jobs:
            raise not_found(
                "Job", name, jobs, where="what the pipelines of this location name as their own", next_step="Name it: job=."
            )


def _own_sensors(jobs: Mapping[str, UnresolvedAssetJobDefinition], pipelines: Iterable[Pipeline]) -> list[dg.SensorDefinition]:
    """The sensors that pipelines have for the jobs that they name."""
    found = [(jobs[job], pipeline) for pipeline in pipelines if (job := getattr(pipeline, "job", None)) is not None]
    return [sensor for job, pipeline in found if hasattr(pipeline, "sensors") for sensor in pipeline.sensors(job)]


def _calendar(name: str, specs: Sequence[dg.AssetSpec]) -> Daily | None:
    calendars = {spec.partitions_def: spec.key for spec in specs if spec.partitions_def is not None}
    if len(calendars) > 1:
        raise DefinitionError(
            f"The assets of location '{name}' have {len(calendars)} calendars,"
            f" such as those of {' and '.join(key.to_user_string() for key in list(calendars.values())[:2])}.",
            next_step="Give them one calendar, or put them into code locations of their own.",
        )
    return next((calendar_of(definition) for definition in calendars), None)


def _jobs(name: str, specs: Sequence[dg.AssetSpec]) -> list[UnresolvedAssetJobDefinition]:
    partitioned = [spec for spec in specs if spec.partitions_def is not None]
    whole = [spec for spec in specs if spec.partitions_def is None]
    if not (partitioned and whole):
        return [_job(name, specs)]
    return [_job(name, partitioned), _job(f"{name}_whole", whole)]


def _job(name: str, specs: Iterable[dg.AssetSpec]) -> UnresolvedAssetJobDefinition:
    specs = list(specs)
    return dg.define_asset_job(name, selection=dg.AssetSelection.assets(*(spec.key for spec in specs)), tags=_queue_tags(specs))


def _schedule(
    job: UnresolvedAssetJobDefinition, schedule: Schedule, calendar: Daily | None, pipelines: Sequence[Pipeline]
) -> dg.ScheduleDefinition:
    if calendar:
        return daily_schedule(job, calendar, schedule)
    return whole_schedule(job, schedule, [pipeline for pipeline in pipelines if isinstance(pipeline, DatasetPipeline)])


def _landing_sensors(
    jobs: Sequence[UnresolvedAssetJobDefinition],
    calendar: Daily | None,
    pipelines: Sequence[Pipeline],
    specs: Sequence[dg.AssetSpec],
) -> list[dg.SensorDefinition]:
    sources = [source for pipeline in pipelines if isinstance(pipeline, TablePipeline) for source in pipeline.sources.values()]
    if calendar is None or not any(isinstance(source, CsvSource) and source.cadence for source in sources):
        return []
    whole = [spec.key for spec in specs if spec.partitions_def is None]
    return [landing_sensor(jobs[0], calendar, jobs[1] if whole else None, whole)]


def _automation_sensors(name: str, specs: Sequence[dg.AssetSpec]) -> list[dg.SensorDefinition]:
    automated = [spec for spec in specs if spec.automation_condition]
    if not automated:
        return []
    target = dg.AssetSelection.assets(*(spec.key for spec in specs))
    return [dg.AutomationConditionSensorDefinition(f"{name}_automation", target=target, run_tags=_queue_tags(automated))]


def _queue_tags(specs: Iterable[dg.AssetSpec]) -> dict[str, str]:
    """The tags of a run of these assets, by which the run queue limits how many run at once."""
    return GPU_TAGS if any(GPU_TAGS.items() <= spec.tags.items() for spec in specs) else {}
