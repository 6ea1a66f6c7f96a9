"""Schedules and sensors: when a pipeline runs, and for which days."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from fti_assets.pipelines.datasets import DatasetPipeline
from fti_assets.pipelines.resources import LandingResource
from fti_assets.vocabulary import Daily


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the job of a code location runs: a cron expression in a time zone."""

    cron: str
    timezone: str = "UTC"


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make a run cover the partitions `first` to `last` in one pass."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def daily_schedule(job: UnresolvedAssetJobDefinition, calendar: Daily, schedule: Schedule) -> dg.ScheduleDefinition:
    """Runs `job` for the last day that was complete at the tick; outside the calendar it skips and says so."""

    @dg.schedule(name=f"{job.name}_daily", job=job, cron_schedule=schedule.cron, execution_timezone=schedule.timezone)
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at = context.scheduled_execution_time
        day = calendar.shifted(calendar.key(at), -1)
        if not calendar.holds(day):
            return dg.SkipReason(
                f"{day} is not in the calendar of this system ({calendar.start} to {calendar.end or 'open'}, end exclusive)."
            )
        return dg.RunRequest(partition_key=day, run_key=day)

    return tick


def whole_schedule(
    job: UnresolvedAssetJobDefinition, schedule: Schedule, datasets: Sequence[DatasetPipeline] = ()
) -> dg.ScheduleDefinition:
    """Runs a job without partitions. Training datasets are cut at the day of the tick, however late the run begins."""

    @dg.schedule(name=f"{job.name}_schedule", job=job, cron_schedule=schedule.cron, execution_timezone=schedule.timezone)
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        at = context.scheduled_execution_time
        ops = {name: config for pipeline in datasets for name, config in pipeline.op_config(at).items()}
        return dg.RunRequest(run_key=at.astimezone(ZoneInfo(schedule.timezone)).isoformat(), run_config={"ops": ops} if ops else {})

    return tick


def landing_sensor(
    job: UnresolvedAssetJobDefinition,
    calendar: Daily,
    reference_job: UnresolvedAssetJobDefinition | None = None,
    reference_keys: Sequence[dg.AssetKey] = (),
) -> dg.SensorDefinition:
    """Requests the partitions of newly complete, and of redelivered, days: one run for each stretch of days in a row.

    Days wait for the reference tables that they are linked with: until these have been materialised, and while they are
    being made anew.
    """
    jobs = [job, *([reference_job] if reference_job else [])]

    @dg.sensor(name=f"{job.name}_landing", jobs=jobs, minimum_interval_seconds=30)
    def landed(context: dg.SensorEvaluationContext, landing: LandingResource) -> dg.SensorResult | dg.SkipReason:
        seen = Seen.read(context.cursor)
        reference = landing.zone.reference_digest()
        if reference_job and reference and reference != seen.reference:
            seen = replace(seen, reference=reference, requests=seen.requests + 1)
            request = dg.RunRequest(job_name=reference_job.name, run_key=f"reference-{seen.requests}-{reference[:12]}")
            return dg.SensorResult(run_requests=[request], cursor=seen.text)
        waiting = _waiting(context.instance, reference_job.name, reference_keys) if reference_job else None
        if waiting:
            return dg.SkipReason(waiting)
        complete = {day: digest for day, digest in landing.zone.days().items() if calendar.holds(day)}
        new = [day for day, digest in complete.items() if seen.days.get(day) != digest]
        if not new:
            return dg.SkipReason(f"No day was newly completed; {len(complete)} are complete.")
        seen = replace(seen, days={**seen.days, **complete}, requests=seen.requests + 1)
        requests = [
            dg.RunRequest(job_name=job.name, run_key=f"{first}-{last}-{seen.requests}", tags=range_tags(first, last))
            for first, last in stretches(calendar, new)
        ]
        return dg.SensorResult(run_requests=requests, cursor=seen.text)

    return landed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a landing sensor has requested; its cursor.

    Attributes:
        reference: digest of the delivery note of the reference tables.
        days: digest of the delivery note of each day.
        requests: number of evaluations that requested runs. It is part of the run keys, so that a day that is delivered as it
            once was, after a correction, is requested again, while an evaluation that is repeated after a crash is not.
    """

    reference: str | None = None
    days: Mapping[str, str] = field(default_factory=dict)
    requests: int = 0

    @classmethod
    def read(cls, cursor: str | None) -> Seen:
        return cls(**json.loads(cursor)) if cursor else cls()

    @property
    def text(self) -> str:
        return json.dumps(asdict(self))


def _waiting(instance: dg.DagsterInstance, job: str, keys: Sequence[dg.AssetKey]) -> str | None:
    """Why days have to wait for the reference tables, and what to do about it; None when they need not."""
    runs = instance.get_runs(filters=dg.RunsFilter(job_name=job), limit=1)
    if runs and not runs[0].is_finished:
        return f"Waits for run {runs[0].run_id} of '{job}', which makes the reference tables."
    lacking = ", ".join(key.to_user_string() for key in keys if instance.get_latest_materialization_event(key) is None)
    if not lacking:
        return None
    if runs and not runs[0].is_success:
        return f"Waits for the reference tables {lacking}: run {runs[0].run_id} of '{job}' failed. Mend its cause and run it again."
    return f"Waits for the reference tables {lacking}: have them delivered, or run '{job}'."


def stretches(calendar: Daily, days: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The first and last of each run of consecutive days."""
    first = last = None
    for day in sorted(days):
        if last is not None and day == calendar.shifted(last, 1):
            last = day
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = day
    if first is not None and last is not None:
        yield first, last
