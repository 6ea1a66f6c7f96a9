"""What was published, and when: kept in the lake itself, whatever becomes of its snapshots."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from fti_assets.feature_store import PublishError
from fti_assets.vocabulary import Daily, Window
from fti_assets_tests.feature_store.examples import DAY, HOUR, MICROSECOND, T0, YEAR, day, make_group, rows_of

WEATHER = make_group()
PROFILE = make_group("profile", ("seats",), static=True)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def missing(store, group, window=None):
    with store.connect() as connection:
        return store.unpublished_days(connection, group.table, window or YEAR)


def publish(store, value=1.0, key="2024-01-10", **options):
    return store.publish(WEATHER, rows_of(WEATHER, ("a", T0, value)), day(key), **options)


def expire_all(store):
    with store.connect() as connection:
        connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
        assert connection.execute("SELECT count(*) FROM lake.snapshots()").fetchone() == (1,)


def test_publications_are_newest_first_and_name_run_and_code(store):
    first = publish(store, run="r1", code_version="c1")
    second = publish(store, 2.0, run="r2")
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0)))
    assert store.publications("features.weather_v1") == [second, first]
    assert (first.kind, first.window, first.run, first.code_version) == ("publish", day("2024-01-10"), "r1", "c1")
    assert [(one.rows, one.replaced, one.changed) for one in (first, second)] == [(1, 0, 1), (1, 1, 1)]
    assert store.publications("features.weather_v1", limit=1) == [second]
    assert store.publications("features.nothing_v1") == []


def test_a_publication_names_the_first_snapshot_that_shows_it(store):
    publish(store)
    second = publish(store, 2.0)
    for snapshot, value in ((second.snapshot, 2.0), (second.snapshot - 1, 1.0)):
        with store.reading(snapshot) as connection:
            assert store.read(connection, WEATHER.table).select("temp").fetchall() == [(value,)]
    assert [one.snapshot for one in store.publications("features.weather_v1")] == [second.snapshot, second.snapshot - 1]


def test_rows_that_are_appended_are_a_publication_too(store):
    table = make_group("log", static=True).table
    history = type(table)(schema="validation", name="log", columns=table.columns, key=())
    with store.connect() as connection:
        appended = store.append(connection, history, rows_of(make_group("log", static=True), ("a", 1.0)), description="", run="r")
    assert store.publications("validation.log") == [appended]
    assert (appended.kind, appended.rows, appended.run) == ("append", 1, "r")


def test_expired_snapshots_are_no_loss(store):
    for key in ("2024-01-09", "2024-01-10", "2024-01-11"):
        publish(store, key=key, may_be_empty=True, run=key)
    store.publish(make_group(features=("temp", "wind")), rows_of(make_group(features=("temp", "wind"))), YEAR, may_be_empty=True)
    before = store.publications("features.weather_v1"), store.contracts("features", "weather_v1"), store.last_published()
    expire_all(store)
    assert (store.publications("features.weather_v1"), store.contracts("features", "weather_v1"), store.last_published()) == before
    assert [len(some) for some in before] == [4, 2, 1]
    assert missing(store, WEATHER, WEATHER.cadence.window("2024-01-09", "2024-01-11")) == []


def test_what_is_kept_of_a_publication_takes_no_file(store):
    for value in range(12):
        publish(store, float(value))
    (contracts, publications) = store.tables("catalog")
    assert (publications.rows, publications.files, contracts.rows, contracts.files) == (12, 0, 1, 0)


def test_the_author_and_message_of_a_commit_are_for_those_who_look_at_the_lake(store):
    publish(store, run="it's me")
    with store.connect() as connection:
        query = "SELECT author, commit_message FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1"
        assert connection.execute(query).fetchone() == ("it's me", "publish features.weather_v1")


# publication times


def test_publication_times_are_of_now_and_increase(store):
    before = datetime.now(UTC)
    times = [publish(store, float(n % 2)).published_at for n in range(4)]
    assert before <= times[0] < times[-1] <= datetime.now(UTC)
    assert all(one < other for one, other in pairwise(times))


def test_a_clock_that_is_set_back_does_not_turn_time_around(store, monkeypatch):
    first = publish(store)
    with store.connect() as connection:
        ahead = first.published_at + DAY
        connection.execute(f"UPDATE lake.catalog.publications SET published_at = TIMESTAMPTZ '{ahead.isoformat()}'")
    assert publish(store, 2.0).published_at == ahead + MICROSECOND


def test_history_is_imported_with_its_own_times(store):
    stated = [publish(store, float(n), published_at=LONG_AGO + n * DAY).published_at for n in range(3)]
    assert stated == [LONG_AGO, LONG_AGO + DAY, LONG_AGO + 2 * DAY]
    assert publish(store, 9.0).published_at > datetime.now(UTC) - DAY


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        pytest.param(LONG_AGO, "was published at 2020-01-01T00:00:00.* already.*oldest first", id="the_same_again"),
        pytest.param(LONG_AGO - DAY, "was published at 2020-01-01T00:00:00.* already.*oldest first", id="before_the_last"),
        pytest.param(datetime(2999, 1, 1, tzinfo=UTC), "at 2999-01-01.*which is in the future", id="in_the_future"),
        pytest.param(datetime(2021, 1, 1), "carries no time zone", id="naive"),  # noqa: DTZ001
    ],
)
def test_a_stated_time_that_cannot_be(store, stated, message):
    publish(store, published_at=LONG_AGO)
    for write in (
        lambda: publish(store, 2.0, published_at=stated),
        lambda: store.upsert(WEATHER, rows_of(WEATHER, ("a", T0, 2.0)), published_at=stated),
        lambda: store.retract(WEATHER, rows_of(WEATHER, ("a", T0, 2.0)).select(["station", "at"]), published_at=stated),
    ):
        with pytest.raises(PublishError, match=message):
            write()
    assert len(store.publications("features.weather_v1")) == 1


def test_a_stated_time_in_another_zone_is_the_same_instant(store):
    from zoneinfo import ZoneInfo

    assert publish(store, published_at=LONG_AGO.astimezone(ZoneInfo("Asia/Tokyo"))).published_at == LONG_AGO


# days that are covered


def test_days_without_a_publication_are_told(store):
    window = WEATHER.cadence.window("2024-01-09", "2024-01-12")
    assert missing(store, WEATHER, window) == ["2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12"]
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), WEATHER.cadence.window("2024-01-10", "2024-01-11"))
    assert missing(store, WEATHER, window) == ["2024-01-09", "2024-01-12"]


def test_a_day_that_was_published_empty_is_covered_at_the_first_publication_and_later(store):
    for key in ("2024-01-09", "2024-01-10", "2024-01-11"):
        publication = store.publish(WEATHER, rows_of(WEATHER), day(key), run=key, may_be_empty=True)
        assert (publication.rows, publication.replaced) == (0, 0)
    assert missing(store, WEATHER, WEATHER.cadence.window("2024-01-08", "2024-01-11")) == ["2024-01-08"]
    assert [one.run for one in store.publications("features.weather_v1")] == ["2024-01-11", "2024-01-10", "2024-01-09"]
    assert store.table("features", "weather_v1").description["group"] == "weather"


def test_half_a_day_is_not_a_published_day_but_two_halves_are(store):
    whole = day("2024-01-10")
    noon = whole.start + DAY / 2
    store.publish(WEATHER, rows_of(WEATHER, ("a", whole.start, 1.0)), Window(whole.start, noon))
    assert missing(store, WEATHER, whole) == ["2024-01-10"]
    store.publish(WEATHER, rows_of(WEATHER, ("a", noon, 1.0)), Window(noon, whole.end))
    assert missing(store, WEATHER, whole) == []
    assert missing(store, WEATHER, Window(noon + HOUR, whole.end)) == []  # the day counts, of which the first half lies before


def test_rows_given_by_key_cover_no_day(store):
    store.upsert(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)))
    assert missing(store, WEATHER, day("2024-01-10")) == ["2024-01-10"]


def test_a_table_without_time_is_there_or_not(store):
    assert missing(store, PROFILE) == ["as a whole"]
    store.publish(PROFILE, rows_of(PROFILE), may_be_empty=True)
    assert missing(store, PROFILE) == []


def test_days_of_a_zone_are_those_of_the_calendar_also_where_the_clocks_change(store):
    local = Daily(start="2024-01-01", end="2024-12-31", timezone="America/New_York")
    group = replace(WEATHER, cadence=local)
    for key in ("2024-03-09", "2024-03-10", "2024-03-12"):  # the 10th has 23 hours
        store.publish(group, rows_of(group), local.window(key), may_be_empty=True)
    assert missing(store, group, local.window("2024-03-09", "2024-03-12")) == ["2024-03-11"]
    assert (
        missing(store, group, Window(local.window("2024-03-10").start + timedelta(hours=3), local.window("2024-03-10").end)) == []
    )


def test_a_thousand_publications_are_looked_through_quickly(store):
    calendar = Daily(start="2010-01-01")
    group = replace(WEATHER, cadence=calendar)
    store.publish(group, rows_of(group), calendar.window("2010-01-01"), may_be_empty=True)
    with store.connect() as connection:
        connection.execute(
            """INSERT INTO lake.catalog.publications
            SELECT p.* REPLACE (window_start + to_days(n::INT * 2) AS window_start, window_end + to_days(n::INT * 2) AS window_end)
            FROM lake.catalog.publications AS p, range(1, 2000) AS r(n)"""
        )
    started = time.process_time()
    days = missing(store, group, calendar.window("2010-01-01", "2020-12-13"))
    assert time.process_time() - started < 2  # seconds; a tenth of one is usual
    assert (len(days), days[:2], days[-1]) == (2000, ["2010-01-02", "2010-01-04"], "2020-12-13")
