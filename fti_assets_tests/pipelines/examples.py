"""A tiny system: readings of sensors, and one feature group made from them."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, StagedTable, expect

DAYS = Daily(start="2024-03-01", end="2024-04-01")
SENSOR = Entity("sensor", ("sensor",))

READINGS = StagedTable(
    name="readings",
    description="What sensors read.",
    columns=(Column("sensor", "string"), Column("read_at", "timestamp"), Column("value", "float", unit="°C")),
    key=("sensor", "read_at"),
    time="read_at",
    cadence=DAYS,
    contract=Contract(owner="team:test"),
)
SENSORS = StagedTable(
    name="sensors",
    description="Where sensors are.",
    columns=(Column("sensor", "string"), Column("place", "string")),
    key=("sensor",),
    contract=Contract(owner="team:test"),
)
WARMTH = FeatureGroup(
    name="warmth",
    version=1,
    description="How warm it is.",
    entity=SENSOR,
    event_time="known_at",
    cadence=DAYS,
    features=(Feature("warmth", "float", unit="°C"),),
    contract=Contract(
        owner="team:test",
        expectations=(
            expect.between("warmth", -50, 60, name="possible"),
            expect.between("warmth", -10, 40, name="usual", severity="warning"),
        ),
    ),
)
PLACES = FeatureGroup(
    name="places",
    version=1,
    entity=SENSOR,
    features=(Feature("place", "string"),),
    contract=Contract(owner="team:test", expectations=(expect.one_of("place", ("roof", "cellar")),)),
)


def at(text: str) -> datetime:
    """An instant of March 2024: `02 06:30`."""
    return datetime.fromisoformat(f"2024-03-{text}").replace(tzinfo=UTC)


def readings(*rows: tuple[str, str, float]) -> pa.Table:
    """Rows of READINGS: sensor, instant (see `at`), value."""
    schema = pa.schema([("sensor", pa.string()), ("read_at", pa.timestamp("us", tz="UTC")), ("value", pa.float64())])
    return pa.Table.from_pylist([{"sensor": s, "read_at": at(t), "value": v} for s, t, v in rows], schema=schema)
