"""Feature groups that the commands speak of: found by name, and what is said of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fti_assets.cli.stores import lake_place
from fti_assets.vocabulary import Deprecation, Window, quoted

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore, TableInfo
    from fti_assets.feature_store.publishing.freshness import Freshness

Name: TypeAlias = Annotated[str, typer.Argument(help="Feature group; its newest version unless one is given.", metavar="NAME[_vN]")]

NEXT = "`fti run SYSTEM --only features` publishes the feature groups of a system."


def find(store: FeatureStore, name: str) -> TableInfo:
    """The feature group of that name, or the newest version of it.

    Raises:
        DefinitionError: it is no name at all.
        NotFoundError: there is none; the error names those that exist.
    """
    from fti_assets.feature_store.catalogue.search import find_group
    from fti_assets.vocabulary import checked_name

    return find_group(store.tables("features"), checked_name(name, "A feature group"), where=lake_place(), next_step=NEXT)


def deprecation(info: TableInfo) -> Deprecation | None:
    """Why a group should not be read any more, as its owner published it."""
    said = info.description.get("deprecated")
    return Deprecation(**said) if said else None


def newest(store: FeatureStore, tables: Sequence[TableInfo]) -> dict[str, datetime | None]:
    """The newest event time of each group; None for a static or an empty one."""
    found: dict[str, datetime | None] = {info.name: None for info in tables}
    times = {info.name: info.description.get("time") for info in tables}
    if not tables:
        return found
    with store.connect() as connection:
        for name, time in times.items():
            if time is not None:
                row = connection.execute(f"SELECT max({quoted(time)}) FROM lake.features.{quoted(name)}").fetchone()
                found[name] = row[0] if row else None
    return found


def freshness_of(store: FeatureStore, tables: Sequence[TableInfo]) -> dict[str, Freshness]:
    """Whether each group is as fresh as it promises, now."""
    from fti_assets.feature_store.publishing.freshness import freshness, published_until

    if not tables:
        return {}
    now = datetime.now(UTC)
    with store.connect() as connection:
        until = published_until(connection)
    return {info.name: freshness(info.description, until.get(str(info)), now) for info in tables}


def summary(info: TableInfo, newest_time: datetime | None, fresh: Freshness) -> dict[str, Any]:
    """What is said of a group in a line, for programs."""
    said = info.description
    return {
        "table": info.name,
        "group": said.get("group", info.name),
        "version": said.get("version"),
        "entity": said.get("entity"),
        "features": len(said.get("features", ())),
        "rows": info.rows,
        "files": info.files,
        "bytes": info.bytes,
        "newest": newest_time or ("static" if said.get("time") is None else None),
        "owner": said.get("owner"),
        "tags": said.get("tags") or [],
        "deprecated": said.get("deprecated"),
        "freshness": {
            "verdict": fresh.verdict,
            "published_until": fresh.newest,
            "age_seconds": None if fresh.age is None else round(fresh.age.total_seconds()),
            "promised_seconds": None if fresh.promised is None else round(fresh.promised.total_seconds()),
        },
    }


def days(window: Window | None, timezone: str | None) -> str:
    """A window as the days of a calendar, or as instants (UTC) where it does not consist of whole days."""
    from zoneinfo import ZoneInfo

    if window is None:
        return "all"
    first, end = (instant.astimezone(ZoneInfo(timezone or "UTC")) for instant in (window.start, window.end))
    if any((one.hour, one.minute, one.second, one.microsecond) != (0, 0, 0, 0) for one in (first, end)):
        return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
    last = end - timedelta(days=1)
    return f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def age(span: timedelta) -> str:
    """A span of time as people say it: `5 hours`, `12 days`."""
    minutes = int(span.total_seconds() // 60)
    for size, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        count = minutes // size
        if count >= 2 or (unit == "minute"):
            return f"{count:,} {unit}{'s' if count != 1 else ''}"
    raise AssertionError("minutes end the loop")
