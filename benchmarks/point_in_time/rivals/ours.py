"""The feature store's own join, through its public interface."""

from datetime import UTC, datetime

import numba  # noqa: F401  imports are not counted
import pandas as pd  # noqa: F401
import polars as pl  # noqa: F401
from inputs import GROUPS, arguments

from benchmarks.point_in_time.published import TTL, folder, group
from benchmarks.timed import timed
from fti_assets.feature_store import FeatureStore

CASE, RESULT, VARIANT = arguments()
SPINES = {"shuffled": "spine_shuffled.parquet", "known_at_each": "spine_known_at.parquet", "limited": "spine_known_at.parquet"}
KNOWN_AT = {"known_at": datetime(2026, 1, 1, tzinfo=UTC), "known_at_each": "known_at", "limited": "known_at"}
HAS_TTL = VARIANT in ("ttl", "known_at", "known_at_each", "limited")


def join() -> None:
    limit = {"memory_limit": "500MB"} if VARIANT == "limited" else {}
    store = FeatureStore(folder(CASE, compacted=VARIANT != "as_published"), **limit)
    chosen = [group(name, TTL[name] if HAS_TTL else None).all_features for name in GROUPS]
    spine = CASE / SPINES.get(VARIANT, "spine.parquet")
    store.get_features(chosen, spine, at="event_time", known_at=KNOWN_AT.get(VARIANT)).to_parquet(RESULT, compression="none")


timed(join)
