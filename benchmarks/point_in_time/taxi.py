"""The taxi-shaped join of Hopsworks' benchmark on generated trips, and a plain read of one group, beside the published figures.

Trips, with the zones where they begin and end, are the spine. Two groups hold what happened in a zone within a window: pickups of
15 minutes, joined by the zone of the pickup, and dropoffs of 30 minutes, joined by the zone of the dropoff. As in the original
(github.com/featurestoreorg/featurestore-benchmarks, fs-offline-benchmark), both are made of the same trips, all columns are asked
for, and a month has 13 million trips. Other than there, a window's values are known when the window has ended.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.measuring import Run, run, summary
from benchmarks.point_in_time.answers import wrong_rows
from benchmarks.point_in_time.rivals import RIVALS
from benchmarks.sheets import Sheet, gib, seconds
from fti_assets.feature_store import FeatureStore
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup

MILLIONS = (1, 2, 5, 10)
TO_PANDAS = {1: 483_000, 2: 347_000, 5: 673_000, 10: 967_000}
TO_PARQUET = {1: 132_000, 2: 215_000, 5: 228_000, 10: 384_000}
PLAIN_READ = "2,300,000-3,300,000"
FIRST_DAY = date(2011, 1, 1)
TRIPS_PER_DAY = 430_000
ZONES = 263

CALENDAR = Daily(start=FIRST_DAY.isoformat(), end="2011-12-31")
_ZONE = Entity("zone", (Column("location_id", "int"),))
_CONTRACT = Contract(owner="team:benchmarks")
PICKUPS = FeatureGroup(
    name="pickups",
    version=1,
    entity=_ZONE,
    event_time="ts",
    cadence=CALENDAR,
    features=(Feature("borough", "string"), Feature("mean_fare", "float"), Feature("count_trips", "int")),
    contract=_CONTRACT,
)
DROPOFFS = FeatureGroup(
    name="dropoffs",
    version=1,
    entity=_ZONE,
    event_time="ts",
    cadence=CALENDAR,
    features=(Feature("borough", "string"), Feature("count_trips", "int"), Feature("is_weekend", "bool")),
    contract=_CONTRACT,
)
TRIPS = FeatureGroup(
    name="trips",
    version=1,
    entity=Entity("trip", (Column("trip_id", "int"),)),
    event_time="pickup_time",
    cadence=CALENDAR,
    features=(
        Feature("pu_location_id", "int"),
        Feature("pu_borough", "string"),
        Feature("pu_svc_zone", "string"),
        Feature("pu_zone", "string"),
    ),
    contract=_CONTRACT,
)
CHOSEN = (
    PICKUPS.all_features.on(location_id="pu_location_id").prefixed("pf_"),
    DROPOFFS.all_features.on(location_id="do_location_id").prefixed("df_"),
)

_WINDOWED = {
    "pickups": """
        -- one row for each zone and quarter of an hour in which a trip began there
        SELECT pu_location_id AS location_id, time_bucket(INTERVAL 15 MINUTE, pickup_time) + INTERVAL 15 MINUTE AS ts,
            any_value(pu_borough) AS borough, avg(fare_amount) AS mean_fare, count(*) AS count_trips
        FROM trips GROUP BY ALL ORDER BY ts, location_id
    """,
    "dropoffs": """
        -- one row for each zone and half hour in which a trip ended there
        SELECT do_location_id AS location_id, time_bucket(INTERVAL 30 MINUTE, dropoff_time) + INTERVAL 30 MINUTE AS ts,
            any_value(do_borough) AS borough, count(*) AS count_trips, isodow(min(dropoff_time)) > 5 AS is_weekend
        FROM trips GROUP BY ALL ORDER BY ts, location_id
    """,
}
_CHUNK = 1_000_000
_DAY = 86_400_000_000
_START = int(datetime.combine(FIRST_DAY, datetime.min.time(), UTC).timestamp()) * 1_000_000


@dataclass(frozen=True, slots=True)
class Taxi:
    """Some million trips, with a folder of files: trips.parquet, pickups.parquet, dropoffs.parquet, and `store`."""

    millions: int
    folder: Path

    @property
    def trips(self) -> Path:
        return self.folder / "trips.parquet"

    @property
    def rows(self) -> int:
        return self.millions * 1_000_000


def generate(taxi: Taxi, *, again: bool = False) -> None:
    """Writes the files and publishes the groups, unless they are there already."""
    done = taxi.folder / "generated.json"
    if not done.exists():
        shutil.rmtree(taxi.folder, ignore_errors=True)
        taxi.folder.mkdir(parents=True)
        _write_trips(taxi)
        _write_groups(taxi)
        done.write_text(json.dumps({"trips": taxi.rows}))
    published = taxi.folder / "published.json"
    if again or not published.exists():
        shutil.rmtree(taxi.folder / "store", ignore_errors=True)
        _publish(taxi)
        published.write_text("{}")


def _write_trips(taxi: Taxi) -> None:
    rng = np.random.default_rng(11)
    weights = 1 / np.arange(1, ZONES + 1) ** 0.8
    popularity = np.cumsum(weights / weights.sum())
    names = _zone_names(rng)
    writer: parquet.ParquetWriter | None = None
    for start in range(0, taxi.rows, _CHUNK):
        trips = _trips(rng, start, popularity, names)
        writer = writer or parquet.ParquetWriter(
            taxi.trips, trips.schema, compression="snappy", use_dictionary=_words(trips.schema)
        )
        writer.write_table(trips, row_group_size=_CHUNK // 2)
    assert writer is not None
    writer.close()


def _trips(rng: np.random.Generator, first: int, popularity: np.ndarray, names: dict[str, pa.Array]) -> pa.Table:
    """Trips in about the order of their pickups."""
    number = np.arange(first, first + _CHUNK)
    pickup = _START + number * (_DAY // TRIPS_PER_DAY) + rng.integers(0, 600_000_000, _CHUNK)
    minutes = rng.gamma(2.0, 6.0, _CHUNK)
    distance = np.round(minutes / 5 * rng.lognormal(0, 0.3, _CHUNK), 2)
    fare = np.round(2.5 + 2.5 * distance, 1)
    ends = {end: np.searchsorted(popularity, rng.random(_CHUNK)) for end in ("pu", "do")}
    zones = {f"{end}_{what}": names[what].take(pa.array(ends[end])) for end in ends for what in names}
    times = {"pickup_time": pickup, "dropoff_time": pickup + (minutes * 60_000_000).astype(np.int64)}
    return pa.table(
        {
            "trip_id": number,
            **{name: pa.array(values, pa.timestamp("us", tz="UTC")) for name, values in times.items()},
            "trip_distance": distance,
            "fare_amount": fare,
            "tip_amount": np.round(fare * rng.random(_CHUNK) * 0.3, 2),
            **{f"{end}_location_id": zone + 1 for end, zone in ends.items()},
            **zones,
        }
    )


def _zone_names(rng: np.random.Generator) -> dict[str, pa.Array]:
    boroughs = np.array(["Manhattan", "Queens", "Brooklyn", "Bronx", "Staten Island"])
    services = np.array(["Yellow Zone", "Boro Zone", "Airports"])
    return {
        "borough": pa.array(boroughs[rng.integers(0, len(boroughs), ZONES)].tolist()),
        "svc_zone": pa.array(services[rng.integers(0, len(services), ZONES)].tolist()),
        "zone": pa.array([f"Zone {number} of the city" for number in range(1, ZONES + 1)]),
    }


def _words(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type)]


def _write_groups(taxi: Taxi) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW trips AS FROM '{taxi.trips}'")
    for name, query in _WINDOWED.items():
        connection.execute(f"COPY ({query}) TO '{taxi.folder / name}.parquet' (FORMAT parquet)")


def _publish(taxi: Taxi) -> None:
    store = FeatureStore(taxi.folder / "store")
    rows = {PICKUPS: "pickups", DROPOFFS: "dropoffs", TRIPS: "trips"}
    names = [column.name for column in TRIPS.table.columns]
    days = -(-taxi.rows // TRIPS_PER_DAY) + 2  # trips of the last day end on the next
    for number in range(days):
        window = CALENDAR.window((FIRST_DAY + timedelta(days=number)).isoformat())
        for group, file in rows.items():
            within = [(group.event_time, ">=", window.start), (group.event_time, "<", window.end)]
            chosen = names if group == TRIPS else None
            found = parquet.read_table(taxi.folder / f"{file}.parquet", filters=within, columns=chosen)
            store.publish(group, found, window, may_be_empty=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way to join or read took; `their_rows` a second are Hopsworks' published ones."""

    taxi: Taxi
    what: str
    by: str
    theirs: str
    runs: list[Run]
    wrong: int | None = None

    @property
    def rows_per_second(self) -> float:
        return self.taxi.rows / summary(self.runs).seconds


def race(taxi: Taxi, *, repeats: int, limit: float) -> list[Measured]:
    """Ours and polars in turns: the join to pandas, the join to Parquet, and the plain read."""
    n, out, right = taxi.millions, taxi.folder / "result.parquet", taxi.folder / "right.parquet"
    theirs = {"join to pandas": f"{TO_PANDAS[n]:,}", "join to Parquet": f"{TO_PARQUET[n]:,}", "read to pandas": PLAIN_READ}
    found = [Measured(taxi, what, by, theirs[what], []) for what in theirs for by in ("ours", "polars")]
    if not right.exists():
        _run("polars", taxi, right, "join to Parquet", limit)
    for number in range(repeats + 1):
        for measured in found:
            done = _run(measured.by, taxi, out, measured.what, limit)
            if number > 0 or repeats == 0:
                measured.runs.append(done)
    _run("ours", taxi, out, "join to Parquet", limit)
    _, wrong = wrong_rows(out, right)
    out.unlink()
    return [
        Measured(m.taxi, m.what, m.by, m.theirs, m.runs, wrong if m.by == "ours" and "Parquet" in m.what else None) for m in found
    ]


def _run(by: str, taxi: Taxi, out: Path, what: str, limit: float) -> Run:
    done = run(Path(sys.executable), RIVALS / f"taxi_{by}.py", taxi.folder, out, what.lower().replace(" ", "_"), limit=limit)
    print(f"  {taxi.millions} million trips: {what}: {by}: {done.outcome}, {done.seconds:.2f} s", file=sys.stderr, flush=True)
    return done


def sheet(found: Sequence[Measured]) -> Sheet:
    rows = []
    for one in sorted(found, key=lambda m: (m.what, m.taxi.millions, m.by)):
        took = summary(one.runs)
        speed = f"{one.rows_per_second:,.0f}" if took.outcome == "ok" else took.outcome
        wrong = "" if one.wrong is None else f"{one.wrong:,}"
        millions = f"{one.taxi.millions} million"
        rows.append((one.what, millions, one.by, seconds(took.seconds), speed, one.theirs, gib(took.peak_bytes), wrong))
    columns = ("", "trips", "by", "seconds", "rows/s", "Hopsworks' rows/s", "peak GiB", "wrong rows")
    note = "Hopsworks' figures are the published ones, on 16 virtual CPUs; everything else was measured in this run."
    return Sheet("Trips with two windowed groups by zone, and a plain read of one group", columns, rows, note)


def as_json(found: Sequence[Measured]) -> list[dict[str, object]]:
    return [
        {
            "millions": m.taxi.millions,
            "what": m.what,
            "by": m.by,
            "theirs": m.theirs,
            "wrong": m.wrong,
            "runs": list(map(asdict, m.runs)),
        }
        | {"rows_per_second": m.rows_per_second}
        for m in found
    ]
