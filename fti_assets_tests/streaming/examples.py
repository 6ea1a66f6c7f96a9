"""Groups, events and streams that the tests of streaming share."""

import time
from datetime import UTC, datetime, timedelta

import orjson

from fti_assets.streaming.dead_letters import DeadLetters
from fti_assets.streaming.groups import streamed_groups
from fti_assets.streaming.processor import StreamProcessor
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, aggregate, expect
from fti_assets_tests.online_store.windowing import view_of

T0 = datetime(2024, 1, 10, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAYS = Daily(start="2024-01-01", end="2024-03-01")
RIDES = FeatureGroup(
    name="rides",
    version=1,
    entity=Entity("ride", ("station", Column("ride", "int"))),
    event_time="left_at",
    cadence=DAYS,
    online=True,
    features=(Feature("delay", "float"), Feature("line", "string")),
    contract=Contract(
        owner="team:test",
        expectations=(
            expect.between("delay", -60, 600),
            expect.one_of("station", ("a", "b", "c")),
            expect.matches("line", r"[A-Z]\d"),
            expect.between("delay", 0, 10, severity="warning", name="delay_is_usual"),
            expect.not_null("line", mostly=0.5),
            expect.row_count(low=10),
        ),
    ),
)
STATIONS = FeatureGroup(
    name="stations",
    version=2,
    entity=Entity("station", ("station",)),
    event_time="known_at",
    cadence=DAYS,
    online=True,
    features=(Feature("open", "bool"), Feature("since", "date")),
    contract=Contract(owner="team:test"),
)
COUNT, MEAN = aggregate.count(last=HOUR), aggregate.mean("delay", last=HOUR)
VIEW = view_of(RIDES.windowed(COUNT, MEAN, by=("station",)))
GROUPS = streamed_groups([RIDES, STATIONS], [VIEW])


def ride(at=T0, ride=0, *, station="a", delay=5.0, line="L1", **others):
    """A ride as it is sent."""
    return orjson.dumps({"station": station, "ride": ride, "left_at": at.isoformat(), "delay": delay, "line": line, **others})


def processor_of(online, folder, **options):
    """A processor, at T0 and an hour, of an online store in which nothing was before."""
    from fti_assets.online_store.windows import register

    with online.writing() as writer:
        register(writer, VIEW, is_beginning=True)
    return StreamProcessor(online, GROUPS, DeadLetters(folder / "refused"), **({"clock": lambda: T0 + HOUR} | options))


def wait_until(holds):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
