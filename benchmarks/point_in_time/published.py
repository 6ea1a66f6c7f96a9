"""The same rows in a feature store of ours: their groups, and their publication day by day through the public interface."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from datetime import timedelta
from pathlib import Path

from pyarrow import parquet

from benchmarks.point_in_time.data import DAYS, FIRST_DAY, GROUPS, Case, feature_names, publishings
from fti_assets.feature_store import FeatureStore, carry_out, plan_maintenance
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup

CALENDAR = Daily(start=FIRST_DAY.isoformat(), end=(FIRST_DAY + timedelta(days=DAYS)).isoformat())
ENTITY = Entity("entity", (Column("entity_id", "int"),))
TTL = {"account": timedelta(days=10), "device": timedelta(days=30), "merchant": timedelta(days=90)}


def group(name: str, ttl: timedelta | None = None) -> FeatureGroup:
    return FeatureGroup(
        name=name,
        version=1,
        entity=ENTITY,
        event_time="event_time",
        cadence=CALENDAR,
        features=tuple(Feature(feature, "float") for feature in feature_names(name)),
        contract=Contract(owner="team:benchmarks"),
        ttl=ttl,
    )


def folder(case: Path, *, compacted: bool) -> Path:
    return case / ("store_compacted" if compacted else "store")


def publish(case: Case, *, again: bool = False) -> dict[str, float]:
    """Publishes the groups of `case`, unless that was done before, and says what it took.

    Every day at the time at which it could have been published, some of them with rows that are corrected later, so that the
    store holds superseded rows as well. Another store with the same rows is compacted.
    """
    done = case.folder / "published.json"
    if done.exists() and not again:
        return dict(json.loads(done.read_text()))
    for compacted in (False, True):
        shutil.rmtree(folder(case.folder, compacted=compacted), ignore_errors=True)
    took = _publish_all(case) | _compact(case)
    done.write_text(json.dumps(took))
    return took


def _publish_all(case: Case) -> dict[str, float]:
    store = FeatureStore(folder(case.folder, compacted=False))
    groups = {name: group(name) for name in GROUPS}
    seconds = []
    for one in publishings(case):
        rows = parquet.read_table(one.path)
        started = time.perf_counter()
        store.publish(groups[one.group], rows, CALENDAR.window(one.day.isoformat()), published_at=one.at)
        seconds.append(time.perf_counter() - started)
    return {
        "publications": len(seconds),
        "publishing_seconds": sum(seconds),
        "median_publication_seconds": statistics.median(seconds),
    }


def _compact(case: Case) -> dict[str, float]:
    """A copy of the store, of which only the catalogue's database takes space, put through the store's own maintenance."""
    source, target = folder(case.folder, compacted=False), folder(case.folder, compacted=True)
    shutil.copytree(source, target, copy_function=_linked)
    started = time.perf_counter()
    maintain(FeatureStore(target))
    took = time.perf_counter() - started
    return {"compaction_seconds": took, "files": _files(FeatureStore(source)), "files_compacted": _files(FeatureStore(target))}


def maintain(store: FeatureStore) -> None:
    """What `fti lake maintain` does: small files are merged, and what is not needed any more goes."""
    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, store.holds())
        carry_out(store.lake, connection, plan, store.holds)


def _linked(source: str, target: str) -> str:
    if source.endswith(".parquet"):
        os.link(source, target)  # files of rows are never changed, only unlinked
    else:
        shutil.copy2(source, target)
    return target


def _files(store: FeatureStore) -> int:
    return sum(table.files for table in store.tables("features"))
