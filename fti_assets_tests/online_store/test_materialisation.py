"""From the lake to the online store: what has changed, or everything; and whether both say the same."""

import random
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError
from fti_assets.online_store import OnlineStore, tables
from fti_assets.online_store.materialisation import materialise
from fti_assets.online_store.parity import compare
from fti_assets.vocabulary import Entity, Feature, FeatureView, aggregate
from fti_assets_tests.feature_store.examples import ARROW, DAY, HOUR, MINUTE, OUTCOMES, STATION, T0, TRIPS, day, make_group, rows_of
from fti_assets_tests.online_store.examples import WEATHER, at
from fti_assets_tests.online_store.test_tables import SUPPRESSED, temperatures

TODAY, TOMORROW = day("2024-01-10"), day("2024-01-11")
ROADS = replace(make_group("roads", ("lanes", Feature("kind", "string")), static=True), online=True)


def publish(store, *rows, window=TODAY, group=WEATHER):
    """Rows as `(station, hours after T0, temperature)`."""
    made = rows_of(group, *((station, at(hours), temp, *[None] * (len(group.features) - 1)) for station, hours, temp in rows))
    store.publish(group, made, window, may_be_empty=True)


def bring(store, online, group=WEATHER, **options):
    found = materialise(store, online, group, **options)
    return found.kind, found.read, found.written, found.withdrawn, found.entities


def test_the_first_time_everything_is_loaded(store, online):
    publish(store, ("a", 0, 1.0), ("a", 2, 2.0), ("b", 1, 3.0))
    assert bring(store, online) == ("full", 2, 2, 0, 2)
    assert temperatures(online, "a", "b") == [(2.0, 2.0), (3.0, 1.0)]
    table = online.table(WEATHER)
    assert table.snapshot == store.snapshots()[-1].number
    assert table.published_until == store.last_published()["features.weather_v1"]


def test_after_that_what_was_published_since(store, online):
    publish(store, ("a", 0, 1.0), ("b", 1, 1.0))
    bring(store, online)
    assert bring(store, online) == ("unchanged", 0, 0, 0, 2)
    publish(store, ("a", 24, 5.0), ("c", 25, 5.0), ("c", 24, 4.0), window=TOMORROW)
    assert bring(store, online) == ("incremental", 2, 2, 0, 3)
    assert temperatures(online, "a", "b", "c") == [(5.0, 24.0), (1.0, 1.0), (5.0, 25.0)]


def test_an_older_window_that_is_published_late_changes_nothing(store, embedded):
    publish(store, ("a", 24, 5.0), window=TOMORROW)
    bring(store, embedded)
    publish(store, ("a", 0, 1.0), ("b", 0, 2.0))
    assert bring(store, embedded) == ("incremental", 2, 1, 0, 2)
    assert temperatures(embedded, "a", "b") == [(5.0, 24.0), (2.0, 0.0)]


def test_a_correction_takes_the_place_of_what_it_corrects(store, embedded):
    publish(store, ("a", 0, 1.0), ("b", 0, 1.0))
    bring(store, embedded)
    publish(store, ("a", 0, 9.0), ("b", 0, 1.0))
    assert bring(store, embedded) == ("incremental", 1, 1, 0, 2)
    assert temperatures(embedded, "a", "b") == [(9.0, 0.0), (1.0, 0.0)]


def test_a_withdrawn_newest_event_falls_back_to_the_newest_that_is_left(store, online):
    publish(store, ("a", 0, 1.0), ("b", 0, 1.0))
    publish(store, ("a", 24, 2.0), ("a", 25, 3.0), ("c", 24, 2.0), window=TOMORROW)
    bring(store, online)
    publish(store, ("a", 24, 2.0), window=TOMORROW)
    assert bring(store, online) == ("incremental", 1, 1, 2, 2)
    assert temperatures(online, "a", "b", "c") == [(2.0, 24.0), (1.0, 0.0), None]
    publish(store, window=TOMORROW)
    bring(store, online)
    assert temperatures(online, "a") == [(1.0, 0.0)]


def test_upserts_and_retractions_are_brought_too(store, embedded):
    publish(store, ("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 3.0))
    bring(store, embedded)
    store.upsert(WEATHER, rows_of(WEATHER, ("b", at(0), 4.0, None), ("a", at(0), 5.0, None)))
    store.retract(WEATHER, pa.table({"station": ["a"], "at": pa.array([at(1)], ARROW["timestamp"])}))
    bring(store, embedded)
    assert temperatures(embedded, "a", "b") == [(5.0, 0.0), (4.0, 0.0)]


def test_a_withdrawn_event_that_comes_back_is_there_again(store, embedded):
    publish(store, ("a", 0, 1.0), ("a", 1, 2.0))
    bring(store, embedded)
    publish(store, ("a", 0, 1.0))
    publish(store, ("a", 0, 1.0), ("a", 1, 2.0))
    bring(store, embedded)
    assert temperatures(embedded, "a") == [(2.0, 1.0)]


def test_static_groups_are_followed(store, embedded):
    store.publish(ROADS, rows_of(ROADS, ("a", 1.0, "x"), ("b", 1.0, "x"), ("c", 1.0, "x")))
    assert bring(store, embedded, ROADS) == ("full", 3, 3, 0, 3)
    store.publish(ROADS, rows_of(ROADS, ("a", 1.0, "x"), ("b", 2.0, "x")))
    assert bring(store, embedded, ROADS) == ("incremental", 1, 1, 1, 2)
    assert compare(store, embedded, ROADS).is_equal


def test_what_was_pushed_meanwhile_stays_where_it_is_newer(store, embedded):
    publish(store, ("a", 0, 1.0), ("b", 0, 1.0))
    bring(store, embedded)
    embedded.update(WEATHER, rows_of(WEATHER, ("a", at(30), 7.0, None)))
    publish(store, ("a", 24, 5.0), ("b", 24, 5.0), window=TOMORROW)
    assert bring(store, embedded) == ("incremental", 2, 1, 0, 2)
    assert temperatures(embedded, "a", "b") == [(7.0, 30.0), (5.0, 24.0)]
    assert bring(store, embedded, full=True) == ("full", 2, 2, 0, 2)
    assert temperatures(embedded, "a") == [(5.0, 24.0)]


def test_everything_is_loaded_again_on_request_and_a_generation_later(store, embedded):
    publish(store, ("a", 0, 1.0))
    bring(store, embedded)
    embedded.update(WEATHER, rows_of(WEATHER, ("z", at(0), 1.0, None)))
    assert bring(store, embedded, full=True) == ("full", 1, 1, 0, 1)
    assert temperatures(embedded, "z") == [None]
    assert embedded.table(WEATHER).generation == 2


def test_history_is_replayed_step_by_step(store, embedded):
    publish(store, ("a", 0, 1.0), ("a", 2, 2.0), ("b", 3, 3.0))
    assert bring(store, embedded, until=at(1)) == ("full", 1, 1, 0, 1)
    assert temperatures(embedded, "a", "b") == [(1.0, 0.0), None]
    assert bring(store, embedded, until=at(2)) == ("incremental", 1, 1, 0, 1)
    assert temperatures(embedded, "a", "b") == [(2.0, 2.0), None]
    assert embedded.table(WEATHER).until == at(2)
    publish(store, ("c", 24, 1.0), ("c", 30, 1.0), window=TOMORROW)
    assert bring(store, embedded, until=at(25)) == ("incremental", 2, 2, 0, 3)
    assert bring(store, embedded, until=at(25)) == ("unchanged", 0, 0, 0, 3)
    assert bring(store, embedded) == ("incremental", 1, 1, 0, 3)
    assert temperatures(embedded, "b", "c") == [(3.0, 3.0), (1.0, 30.0)]
    assert embedded.table(WEATHER).until is None
    assert bring(store, embedded, until=at(1)) == ("full", 1, 1, 0, 1)


def test_a_naive_time_is_in_utc(store, embedded):
    publish(store, ("a", 0, 1.0), ("a", 2, 2.0))
    bring(store, embedded, until=at(1).replace(tzinfo=None))
    assert embedded.table(WEATHER).until == at(1)


def test_a_lake_that_was_put_back_is_loaded_anew(tmp_path, embedded):
    late, early = FeatureStore(tmp_path / "late"), FeatureStore(tmp_path / "early")
    publish(early, ("a", 0, 1.0))
    publish(late, ("a", 0, 2.0), ("b", 0, 2.0))
    bring(late, embedded)
    assert bring(early, embedded) == ("full", 1, 1, 0, 1)


def test_a_column_that_was_added_is_brought_with_what_is_published_from_then_on(store, embedded):
    publish(store, ("a", 0, 1.0), ("b", 0, 1.0))
    bring(store, embedded)
    wider = replace(make_group("weather", ("temp", "wind", "rain")), online=True)
    store.publish(wider, rows_of(wider, ("a", at(24), 2.0, 3.0, 4.0)), TOMORROW)
    assert bring(store, embedded, wider) == ("incremental", 1, 1, 0, 2)
    assert compare(store, embedded, wider, at=at(30)).is_equal


def test_a_table_of_more_columns_than_the_group_has_is_loaded_anew(store, embedded):
    wider = replace(make_group("weather", ("temp", "wind", "rain")), online=True)
    publish(store, ("a", 0, 1.0))
    embedded.replace(wider, rows_of(wider, ("a", at(0), 2.0, 3.0, 4.0)), snapshot=1, published_until=at(0))
    assert bring(store, embedded)[0] == "full"
    assert [column.name for column in embedded.table(WEATHER).columns] == ["temp", "wind"]


def test_what_cannot_be_brought_is_said(store, tmp_path, embedded):
    with pytest.raises(MissingFeaturesError, match="There is no lake in"):
        materialise(store, embedded, WEATHER)
    assert not (tmp_path / "lake").exists()
    with pytest.raises(DefinitionError, match=r"'weather_v1' is not online\. Say so in its contract: online=True"):
        materialise(store, embedded, replace(WEATHER, online=False))
    publish(store, ("a", 0, 1.0))
    with pytest.raises(MissingFeaturesError, match=r"'features\.roads_v1' was never published\. Materialise 'features/roads_v1'"):
        materialise(store, embedded, ROADS)
    wider = replace(make_group("weather", ("temp", "wind", "rain")), online=True)
    with pytest.raises(MissingFeaturesError, match="without rain"):
        materialise(store, embedded, wider)
    assert embedded.tables() == []


WINDOWED = WEATHER.windowed(aggregate.count(last=DAY), aggregate.mean("temp", last=3 * HOUR))


def view_of(*features, spine=TRIPS):
    return FeatureView(name="delay", version=1, spine=spine, at="asked_at", features=features, label=OUTCOMES["late"])


def test_a_group_that_is_read_through_windows_only_has_events_and_no_rows(store, embedded):
    publish(store, ("a", 0, 1.0), ("a", 1, 2.0))
    view = view_of(WINDOWED)
    found = materialise(store, embedded, WEATHER, views=[view])
    assert (found.kind, found.entities, found.windows.added) == ("events", 0, 2)
    assert embedded.tables() == []
    (row,) = embedded.get_online_features(view, {"trip": 1, "station": "a"}, at=at(2)).rows
    assert row.values == (2, 1.5)


def test_a_group_that_is_read_both_ways_has_both(store, online):
    publish(store, ("a", 0, 1.0), ("a", 1, 2.0))
    view = view_of(WINDOWED, WEATHER["temp"])
    found = materialise(store, online, WEATHER, views=[view, view_of(ROADS.all_features)])
    assert (found.kind, found.entities, found.windows.added) == ("full", 1, 2)
    assert online.get_online_features(view, {"trip": 1, "station": "a"}, at=at(2)).rows[0].values == (2, 1.5, 2.0)


LINE = Entity("line", ("line",))
SPEEDS = replace(make_group("speeds", ("speed", Feature("depot", "string")), entity=LINE, ttl=3 * HOUR), online=True)
SPINE = replace(TRIPS, online=True)
WHOLE_VIEW = view_of(
    SPINE["distance"],
    WEATHER.all_features,
    replace(WEATHER, ttl=2 * HOUR)["temp"].prefixed("fresh_"),
    SPEEDS["speed"],
    WEATHER["temp"].on(station=SPEEDS["depot"]).prefixed("depot_"),
    ROADS.all_features,
    WINDOWED.on(station="station").prefixed("day_"),
    spine=SPINE,
)
STATIONS, LINES = ["a", "b", "c", "d"], ["x", "y", "z"]


def about(value):
    """Sums are added up in another order online."""
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value


def random_history(store, chance):
    """Some publications of two days, with corrections and withdrawals, of all groups."""

    def rows(group, names, window, make):
        minutes = sorted(chance.sample(range(0, 24 * 60, 20), chance.randint(0, 12)))
        return rows_of(group, *((chance.choice(names), window.start + minute * MINUTE, *make()) for minute in minutes))

    def some_float():
        return chance.choice([None, -0.0, chance.random()])

    for window in (TODAY, TOMORROW, chance.choice([TODAY, TOMORROW])):
        store.publish(WEATHER, rows(WEATHER, STATIONS, window, lambda: (some_float(), some_float())), window, may_be_empty=True)
        speeds = rows(SPEEDS, LINES, window, lambda: (some_float(), chance.choice([None, *STATIONS])))
        store.publish(SPEEDS, speeds, window, may_be_empty=True)
        yield
    known = chance.sample(STATIONS, 2)
    store.publish(ROADS, rows_of(ROADS, *((station, some_float(), None) for station in known)))
    yield


@pytest.mark.parametrize("seed", range(2))
def test_online_is_what_the_join_gives_at_any_moment(store, embedded, seed):
    """History is made, corrected and withdrawn, and brought online step by step; then both are read for the same rows."""
    chance = random.Random(seed)
    store.publish(ROADS, rows_of(ROADS, ("a", 1.0, "x"), ("d", 1.0, "x")))
    store.publish(SPINE, rows_of(SPINE, (1, at(0), "a", "x", 1.0)), TODAY)
    groups = (WEATHER, SPEEDS, ROADS)
    for _ in random_history(store, chance):
        for group in groups:
            if group.versioned_name in {info.name for info in store.tables("features")}:
                materialise(store, embedded, group, views=[WHOLE_VIEW])
    spine = {
        "trip": list(range(40)),
        "station": [chance.choice([*STATIONS, "unknown", None]) for _ in range(40)],
        "line": [chance.choice([*LINES, None]) for _ in range(40)],
        "distance": [chance.choice([1.0, None]) for _ in range(40)],
    }
    moment = TOMORROW.end - chance.choice([0, 1, 50]) * MINUTE
    table = pa.table({name: pa.array(values, ARROW[SPINE.table.column(name).type]) for name, values in spine.items()})
    times = pa.array([moment] * 40, ARROW["timestamp"])
    offline = store.get_features(WHOLE_VIEW, table.append_column("asked_at", times)).to_arrow().to_pylist()
    found = embedded.get_online_features(WHOLE_VIEW, table.to_pylist(), at=moment)
    compared = 0
    for names, row, expected in zip(found.to_dicts(), found.rows, offline, strict=True):
        if "future" not in row.statuses:  # the row before one that is not known yet is not kept
            assert list(names.values()) == [about(expected[name]) for name in names]
            compared += 1
    assert compared > 10


def test_parity_of_a_group_and_of_a_view(store, online):
    publish(store, *((f"s{n}", n % 5, float(n)) for n in range(50)))
    store.publish(SPINE, rows_of(SPINE, *((n, at(0), f"s{n}", None, 1.0) for n in range(70))), TODAY)
    view = view_of(SPINE["distance"], WEATHER["temp"], spine=SPINE)
    for group in (WEATHER, SPINE):
        materialise(store, online, group)
    found = compare(store, online, WEATHER, sample=30)
    assert (found.of, found.at, found.checked, found.visible) == ("weather_v1", at(4), 30, 30)
    assert (found.differing, found.behind, found.is_equal) == ((), (), True)
    assert found.snapshot == online.table(WEATHER).snapshot
    found = compare(store, online, view, sample=60, at=at(2))
    assert (found.of, found.checked, found.visible, found.is_equal) == ("delay_v1", 60, 30, True)


def test_parity_finds_what_differs_and_shows_both_values(store, embedded):
    publish(store, ("a", 0, 1.0), ("b", 0, 2.0), ("c", 0, 3.0))
    materialise(store, embedded, WEATHER)
    long_ago = pa.array([at(-1)] * 2, ARROW["timestamp"])
    wrong = rows_of(WEATHER, ("a", at(0), 1.5, None), ("b", at(0), 2.0, None))
    embedded.replace(
        WEATHER,
        wrong.append_column("_published_at", long_ago),
        snapshot=embedded.table(WEATHER).snapshot,
        published_until=embedded.table(WEATHER).published_until,
    )
    found = compare(store, embedded, WEATHER)
    assert sorted(map(str, found.differing)) == [
        "at of station=c: online null, offline 2024-01-10 12:00:00.000000",
        "temp of station=a: online 1.5, offline 1.0",
        "temp of station=c: online null, offline 3.0",
    ]
    assert (found.checked, found.differing_entities, found.is_equal) == (3, 2, False)


def test_parity_does_not_count_what_was_pushed_and_is_not_in_the_lake_yet(store, embedded):
    publish(store, ("a", 0, 1.0), ("b", 0, 2.0))
    materialise(store, embedded, WEATHER)
    embedded.update(WEATHER, rows_of(WEATHER, ("a", at(1), 9.0, None)))
    found = compare(store, embedded, WEATHER)
    assert (found.checked, found.ahead, found.is_equal) == (1, 1, True)


def test_parity_reads_the_lake_as_of_what_was_brought_and_names_what_is_behind(store, embedded):
    publish(store, ("a", 0, 1.0))
    materialise(store, embedded, WEATHER)
    publish(store, ("a", 0, 2.0))
    assert compare(store, embedded, WEATHER).is_equal
    store.publish(ROADS, rows_of(ROADS, ("a", 1.0, "x")))
    materialise(store, embedded, ROADS)
    store.publish(SPINE, rows_of(SPINE, (1, at(0), "a", None, 1.0)), TODAY)
    materialise(store, embedded, ROADS)
    found = compare(store, embedded, view_of(WEATHER["temp"], ROADS["lanes"], spine=SPINE), at=at(1))
    assert found.behind == ("weather_v1",)
    assert [str(one) for one in found.differing] == ["temp of trip=1: online 1.0, offline 2.0"]


def test_parity_of_a_replay_is_for_its_moment(store, embedded):
    group = replace(WEATHER, ttl=90 * MINUTE)
    publish(store, ("a", 0, 1.0), ("b", 1, 2.0), ("a", 5, 9.0), group=group)
    materialise(store, embedded, group, until=at(2))
    found = compare(store, embedded, group)
    assert (found.at, found.checked, found.visible, found.is_equal) == (at(2), 2, 1, True)


def test_parity_of_what_is_not_there(store, tmp_path, embedded):
    with pytest.raises(NotFoundError, match="There is no lake"):
        compare(store, embedded, WEATHER)
    assert not (tmp_path / "lake").exists()
    publish(store, ("a", 0, 1.0))
    with pytest.raises(NotFoundError, match="Online table 'weather_v1' is not in"):
        compare(store, embedded, WEATHER)


STEPS = st.lists(
    st.tuples(st.sampled_from([TODAY, TOMORROW]), st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)))), max_size=5
)


@settings(max_examples=4, deadline=None, suppress_health_check=SUPPRESSED)
@given(STEPS, st.data())
def test_whatever_is_published_a_full_load_changes_nothing(tmp_path_factory, steps, data):
    folder = tmp_path_factory.mktemp("house")
    store, online = FeatureStore(folder), OnlineStore(folder / "online")
    publish(store)
    for number, (window, rows) in enumerate(steps):
        hours = (window.start - T0) // HOUR
        publish(store, *((station, hours + n, float(number)) for station, n in dict.fromkeys(rows)), window=window)
        if data.draw(st.booleans()):
            materialise(store, online, WEATHER)
    materialise(store, online, WEATHER)
    step_by_step = temperatures(online, "a", "b")
    entities = online.table(WEATHER).entities
    materialise(store, online, WEATHER, full=True)
    assert temperatures(online, "a", "b") == step_by_step
    assert online.table(WEATHER).entities == entities
    online.close()


def test_what_a_table_was_brought_from_outlives_later_pushes(store, embedded):
    publish(store, ("a", 0, 1.0))
    materialise(store, embedded, WEATHER)
    before = embedded.table(WEATHER)
    embedded.update(WEATHER, rows_of(WEATHER, ("a", at(1), 9.0, None)))
    with embedded.reading() as reader:
        after = tables.find(reader, "weather_v1")
    assert (after.snapshot, after.published_until, after.loaded_at) == (before.snapshot, before.published_until, before.loaded_at)
    assert after.updated_at - before.updated_at < timedelta(minutes=5)
    assert STATION.key_names == tuple(key.name for key in after.keys)
