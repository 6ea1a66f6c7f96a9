"""Small definitions and literal rows that the feature store's tests share."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from fti_assets.vocabulary import (
    Column,
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    TimeSplit,
    TrainingDataset,
    Window,
)

T0 = datetime(2024, 1, 10, 12, tzinfo=UTC)
MICROSECOND, MINUTE, HOUR, DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DAYS = Daily(start="2024-01-01", end="2024-03-01")
YEAR = DAYS.span()
PROMISE = Contract(owner="team:test")
STATION = Entity("station", ("station",))
TRIP = Entity("trip", (Column("trip", "int"),))
ARROW = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


def day(key: str) -> Window:
    return DAYS.window(key)


def make_group(name="weather", features=("temp",), *, entity=STATION, ttl=None, static=False, version=1, contract=PROMISE):
    return FeatureGroup(
        name=name,
        version=version,
        entity=entity,
        event_time=None if static else "at",
        cadence=None if static else DAYS,
        ttl=ttl,
        features=tuple(one if isinstance(one, Feature) else Feature(one, "float") for one in features),
        contract=contract,
    )


TRIPS = FeatureGroup(
    name="trips",
    version=1,
    entity=TRIP,
    event_time="asked_at",
    cadence=DAYS,
    features=(Feature("station", "string"), Feature("line", "string"), Feature("distance", "float")),
    contract=PROMISE,
)
OUTCOMES = FeatureGroup(
    name="outcomes",
    version=1,
    entity=TRIP,
    event_time="known_at",
    cadence=DAYS,
    features=(Feature("late", "bool"),),
    contract=PROMISE,
)


def make_view(*groups, spine=TRIPS, label=None, own=()):
    selections = tuple(group.all_features for group in groups)
    features = ((spine[own],) if own else ()) + selections
    return FeatureView(name="delay", version=1, spine=spine, at="asked_at", features=features, label=label or OUTCOMES["late"])


def rows_of(group, *rows):
    """An Arrow table with the columns of `group.table`, from rows in the order of its columns."""
    columns = group.table.columns
    return pa.table({c.name: pa.array([row[n] for row in rows], ARROW[c.type]) for n, c in enumerate(columns)})


def make_dataset(view, *, validation_days=1, test_days=1):
    split = TimeSplit(validation_days=validation_days, test_days=test_days)
    return TrainingDataset(name="delay", view=view, split=split, owner="team:test")


def read_all(store, table, window=None):
    """The rows of a table of the lake, sorted."""
    with store.connect() as connection:
        return sorted(store.read(connection, table, window).fetchall())
