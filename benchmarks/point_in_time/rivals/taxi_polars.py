"""The taxi-shaped join, and the plain read, with polars: sorts the trips, which are not quite in order, and trusts the groups."""

import polars as pl
import pyarrow  # noqa: F401  imports are not counted
from inputs import arguments

from benchmarks.timed import timed

TAXI, RESULT, WHAT = arguments()
READ = ("trip_id", "pickup_time", "pu_location_id", "pu_borough", "pu_svc_zone", "pu_zone")


def joined() -> pl.LazyFrame:
    rows = pl.scan_parquet(TAXI / "trips.parquet").sort("pickup_time")
    for name, prefix, zone in (("pickups", "pf_", "pu_location_id"), ("dropoffs", "df_", "do_location_id")):
        group = pl.scan_parquet(TAXI / f"{name}.parquet")
        named = {column: f"{prefix}{column}" for column in group.collect_schema().names() if column not in ("location_id", "ts")}
        rows = rows.join_asof(
            group.rename(named), left_on="pickup_time", right_on="ts", by_left=zone, by_right="location_id", check_sortedness=False
        ).drop("ts", strict=False)
    return rows


def work() -> dict[str, int]:
    if WHAT == "join_to_parquet":
        joined().sink_parquet(RESULT, compression="uncompressed")
        return {}
    rows = joined() if WHAT == "join_to_pandas" else pl.scan_parquet(TAXI / "trips.parquet").select(READ)
    return {"rows": len(rows.collect(engine="streaming").to_pandas())}


timed(work)
