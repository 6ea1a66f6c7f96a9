"""Feast's `get_historical_features` from one of its offline stores (`duckdb`, or `file`, its default), in its own environment."""

import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64
from inputs import GROUPS, arguments, sorted_files
from pyarrow import parquet

from benchmarks.timed import timed

CASE, RESULT, STORE = arguments()
ENTITY = Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.INT64)


def view(group: str, path: Path) -> FeatureView:
    names = [name for name in parquet.read_schema(path).names if name not in ("entity_id", "event_time")]
    source = FileSource(name=group, path=str(path), timestamp_field="event_time")
    schema = [Field(name=name, dtype=Float64) for name in names]
    return FeatureView(name=group, entities=[ENTITY], ttl=timedelta(0), schema=schema, source=source, online=False)


def opened(folder: str) -> FeatureStore:
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=f"{folder}/registry.db",
        online_store={"type": "sqlite", "path": f"{folder}/online.db"},
        offline_store={"type": STORE},
        entity_key_serialization_version=3,
    )
    return FeatureStore(repo_path=folder, config=config)


def join(folder: str, views: list[FeatureView]) -> None:
    spine = pd.read_parquet(CASE / "spine.parquet")
    features = [f"{one.name}:{field.name}" for one in views for field in one.schema if field.name != "entity_id"]
    rows = opened(folder).get_historical_features(entity_df=spine, features=features).to_arrow()
    parquet.write_table(rows, RESULT, compression="NONE", use_dictionary=False)


with TemporaryDirectory() as home:
    shown = [view(group, path) for group, path in zip(GROUPS, sorted_files(CASE), strict=True)]
    opened(home).apply([ENTITY, *shown])
    timed(lambda: join(home, shown))
sys.stdout.flush()
