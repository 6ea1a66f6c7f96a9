"""The taxi-shaped join, and the plain read, of the feature store."""

import numba  # noqa: F401  imports are not counted
import pandas as pd
import polars as pl  # noqa: F401
from inputs import arguments

from benchmarks.point_in_time.taxi import CHOSEN, TRIPS
from benchmarks.timed import timed
from fti_assets.feature_store import FeatureStore

TAXI, RESULT, WHAT = arguments()


def work() -> dict[str, int]:
    store = FeatureStore(TAXI / "store")
    if WHAT == "read_to_pandas":
        with store.reading() as connection:
            return _rows(store.read(connection, TRIPS.table).to_arrow_table().to_pandas(split_blocks=True, self_destruct=True))
    features = store.get_features(CHOSEN, TAXI / "trips.parquet", at="pickup_time")
    if WHAT == "join_to_pandas":
        return _rows(features.to_pandas())
    return {"rows": features.to_parquet(RESULT)}


def _rows(frame: pd.DataFrame) -> dict[str, int]:
    return {"rows": len(frame)}


timed(work)
