"""Calendars as Dagster partitions, and the window that a run is about."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

import dagster as dg

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary import Daily, FeatureGroup, Reach, StagedTable, Window


@cache
def partitions_of(calendar: Daily) -> dg.DailyPartitionsDefinition:
    """One partition for each local day of the calendar; one definition for each calendar, so that locations agree."""
    return dg.DailyPartitionsDefinition(start_date=calendar.start, end_date=calendar.end, timezone=calendar.timezone)


def optional_partitions(calendar: Daily | None) -> dg.DailyPartitionsDefinition | None:
    return None if calendar is None else partitions_of(calendar)


def calendar_of(definition: dg.PartitionsDefinition) -> Daily:
    """The calendar of a definition that `partitions_of` made."""
    if not isinstance(definition, dg.DailyPartitionsDefinition):
        raise DefinitionError(f"Only daily partitions are known here, not {type(definition).__name__}.")
    end = definition.end
    return Daily(start=f"{definition.start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}" if end else None, timezone=definition.timezone)


def window_of(context: dg.AssetExecutionContext) -> Window | None:
    """The window of the partitions of this run, one or a range; None for an asset without partitions."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return None
    span = context.partition_time_window
    return Window(span.start, span.end)


def cutoff_at(calendar: Daily, at: datetime) -> date:
    """The day before which everything counts that was complete at the instant `at`: its own day, or the end of the calendar."""
    day = calendar.day(calendar.key(at))
    return day if calendar.end is None else min(day, calendar.day(calendar.end))


def dependency(reach: Reach, downstream: Daily | None) -> dg.AssetDep:
    """The dependency on a table that is read over more days than the ones being made."""
    key = dg.AssetKey(list(reach.source.table.asset_key))
    if reach.source.table.cadence is None:
        return dg.AssetDep(key)
    if downstream is None:
        return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
    return dg.AssetDep(
        key,
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=-reach.days, end_offset=reach.ahead, allow_nonexistent_upstream_partitions=True
        ),
    )


def as_reach(source: Reach | StagedTable | FeatureGroup) -> Reach:
    return source if isinstance(source, Reach) else Reach(source)
