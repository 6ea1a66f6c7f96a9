"""Schedules and sensors: when a pipeline runs, and for which days."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

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


def plain_schedule(job: UnresolvedAssetJobDefinition, schedule: Schedule, tags: dict[str, str]) -> dg.ScheduleDefinition:
    """Runs a job without partitions, with the tags that its queue needs."""

    @dg.schedule(name=f"{job.name}_schedule", job=job, cron_schedule=schedule.cron, execution_timezone=schedule.timezone)
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=_local(context.scheduled_execution_time, schedule.timezone), tags=tags)

    return tick


def landing_sensor(
    job: UnresolvedAssetJobDefinition,
    calendar: Daily,
    reference_job: UnresolvedAssetJobDefinition | None = None,
    reference_keys: Sequence[dg.AssetKey] = (),
) -> dg.SensorDefinition:
    """Requests the partitions of newly complete, and of redelivered, days: one run for each stretch of days in a row.

    The cursor remembers the digest of each day's delivery note, and that of the reference tables. Days wait until the
    reference tables that they are linked with have been materialised.
    """
    jobs = [job, *([reference_job] if reference_job else [])]

    @dg.sensor(name=f"{job.name}_landing", jobs=jobs, minimum_interval_seconds=30)
    def landed(context: dg.SensorEvaluationContext, landing: LandingResource) -> dg.SensorResult | dg.SkipReason:
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        reference = landing.zone.reference_digest()
        if reference_job and reference and seen.get(_REFERENCE) != reference:
            request = dg.RunRequest(job_name=reference_job.name, run_key=f"reference-{reference[:12]}")
            return dg.SensorResult(run_requests=[request], cursor=json.dumps({**seen, _REFERENCE: reference}))
        waiting = [key for key in reference_keys if context.instance.get_latest_materialization_event(key) is None]
        if waiting:
            return dg.SkipReason(f"Waits for the reference tables: {', '.join(key.to_user_string() for key in waiting)}.")
        complete = {day: digest for day, digest in landing.zone.days().items() if calendar.holds(day)}
        new = [day for day, digest in complete.items() if seen.get(day) != digest]
        if not new:
            return dg.SkipReason(f"No day was newly completed; {len(complete)} are complete.")
        requests = [
            dg.RunRequest(job_name=job.name, run_key=_digest(complete, first, last), tags=range_tags(first, last))
            for first, last in stretches(calendar, new)
        ]
        return dg.SensorResult(run_requests=requests, cursor=json.dumps({**seen, **complete}))

    return landed


_REFERENCE = "reference"


def _digest(complete: dict[str, str], first: str, last: str) -> str:
    """Names a stretch of days together with what was delivered for them: redelivery gives another run key."""
    content = "".join(digest for day, digest in sorted(complete.items()) if first <= day <= last)
    return f"{first}-{last}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


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


def _local(instant: datetime, timezone: str) -> str:
    return instant.astimezone(ZoneInfo(timezone)).isoformat()
