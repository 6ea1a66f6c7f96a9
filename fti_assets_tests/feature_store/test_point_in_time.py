"""The point-in-time join, case by case. An oracle on generated inputs is in test_point_in_time_oracle.py."""

from datetime import timedelta

import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError, event_time_column
from fti_assets.vocabulary import Entity, Feature
from fti_assets_tests.feature_store.examples import ARROW, DAY, HOUR, MICROSECOND, T0, YEAR, make_group, make_view, rows_of

TIME = ARROW["timestamp"]


class Joined:
    """One lake and one connection for all cases: each publishes over the rows of the one before."""

    def __init__(self, store, connection):
        self.store, self.connection = store, connection

    def publish(self, group, rows, window=None):
        self.store.draft(self.connection, group.table, rows, window)
        self.store.publish_draft(self.connection, group, window)

    def complete(self, view, spine):
        return self.store.complete(self.connection, self.connection.from_arrow(spine), view)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    with store.connect() as connection:
        yield Joined(store, connection)


def spine_of(*rows, names=("trip", "station", "asked_at")):
    kinds = {"trip": pa.int64(), "station": pa.string(), "line": pa.string(), "asked_at": TIME, "note": pa.string()}
    return pa.table({name: pa.array([row[n] for row in rows], kinds[name]) for n, name in enumerate(names)})


def completed(store, view, spine):
    return store.complete(view, spine).to_arrow_table()


def joined(store, view, spine, name="temp"):
    return completed(store, view, spine)[name].to_pylist()


@pytest.mark.parametrize(
    ("asked_at", "seen"),
    [
        pytest.param(T0, 3.0, id="equal_time_is_visible"),
        pytest.param(T0 - MICROSECOND, None, id="microsecond_before_is_not"),
        pytest.param(T0 + MICROSECOND, 3.0, id="microsecond_after_is_visible"),
        pytest.param(T0 + 20 * DAY, 3.0, id="without_ttl_for_ever"),
        pytest.param(None, None, id="null_time_matches_nothing"),
    ],
)
def test_a_value_is_visible_from_its_event_time_on(store, asked_at, seen):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 3.0)), YEAR)
    # The second row lets the whole group be read, so that it is the join that hides what is from the future.
    assert joined(store, make_view(group), spine_of((1, "a", asked_at), (2, "z", T0 + 30 * DAY)))[0] == seen
    assert joined(store, make_view(group), spine_of((1, "a", asked_at))) == [seen]


@pytest.mark.parametrize(
    ("asked_at", "seen"),
    [
        pytest.param(T0, 3.0, id="at_once"),
        pytest.param(T0 + 6 * HOUR, 3.0, id="exactly_at_the_ttl"),
        pytest.param(T0 + 6 * HOUR + MICROSECOND, None, id="after_the_ttl"),
    ],
)
def test_a_value_expires_after_its_ttl(store, asked_at, seen):
    group = make_group(ttl=6 * HOUR)
    store.publish(group, rows_of(group, ("a", T0, 3.0)), YEAR)
    rows = completed(store, make_view(group), spine_of((1, "a", asked_at), (2, "z", T0)))
    assert rows["temp"][0].as_py() == seen
    assert joined(store, make_view(group), spine_of((1, "a", asked_at))) == [seen]
    assert rows[event_time_column(group)][0].as_py() == (T0 if seen else None)


def test_the_newest_of_several_values_is_seen(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0), ("a", T0 + HOUR, 2.0), ("a", T0 + 2 * HOUR, 3.0)), YEAR)
    asked = [T0 + HOUR - MICROSECOND, T0 + HOUR, T0 + 3 * HOUR]
    assert joined(store, make_view(group), spine_of(*((n, "a", at) for n, at in enumerate(asked)))) == [1.0, 2.0, 3.0]


def test_an_expired_value_is_null_and_not_an_older_one(store):
    group = make_group(ttl=HOUR)
    store.publish(group, rows_of(group, ("a", T0 - HOUR, 1.0), ("a", T0, 2.0)), YEAR)
    spine = spine_of((1, "a", T0), (2, "a", T0 + HOUR), (3, "a", T0 + 2 * HOUR))
    assert joined(store, make_view(group), spine) == [2.0, 2.0, None]


def test_a_null_feature_is_a_value(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0), ("a", T0 + HOUR, None)), YEAR)
    rows = completed(store, make_view(group), spine_of((1, "a", T0 + HOUR)))
    assert rows["temp"].to_pylist() == [None]
    assert rows[event_time_column(group)].to_pylist() == [T0 + HOUR]


@pytest.mark.parametrize("station", [pytest.param(None, id="null_key"), pytest.param("z", id="unknown_key")])
def test_a_key_without_values_gets_null(store, station):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    assert joined(store, make_view(group), spine_of((1, station, T0), (2, "a", T0))) == [None, 1.0]


def test_all_spine_times_null(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    assert joined(store, make_view(group), spine_of((1, "a", None), (2, "a", None))) == [None, None]


def test_duplicate_spine_rows_are_kept(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    assert joined(store, make_view(group), spine_of(*[(1, "a", T0)] * 3)) == [1.0, 1.0, 1.0]


def test_empty_spine(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    rows = completed(store, make_view(group), spine_of())
    assert rows.num_rows == 0
    assert rows.column_names == ["trip", "station", "asked_at", "temp", event_time_column(group)]


def test_empty_group(store):
    group = make_group()
    store.publish(group, rows_of(group), YEAR)
    assert joined(store, make_view(group), spine_of((1, "a", T0))) == [None]


def test_static_group_is_joined_by_key_alone(store):
    group = make_group("profile", ("seats",), static=True)
    store.publish(group, rows_of(group, ("a", 50.0)))
    rows = completed(store, make_view(group), spine_of((1, "a", T0), (2, "b", T0), (3, "a", None), (4, None, T0)))
    assert rows["seats"].to_pylist() == [50.0, None, 50.0, None]
    assert rows.column_names == ["trip", "station", "asked_at", "seats"]


def test_composite_keys_match_as_a_whole(store):
    group = make_group("lines", entity=Entity("line_at_station", ("station", "line")))
    store.publish(group, rows_of(group, ("a", "x", T0, 1.0), ("a", "y", T0, 2.0), ("b", "x", T0, 3.0)), YEAR)
    spine = spine_of(
        (1, "a", "y", T0), (2, "b", "y", T0), (3, "b", "x", T0), (4, "a", None, T0), names=("trip", "station", "line", "asked_at")
    )
    assert joined(store, make_view(group), spine) == [2.0, None, 3.0, None]


def test_spine_order_and_extra_columns_come_through_untouched(store):
    group = make_group()
    store.publish(group, rows_of(group, *(("a", T0 + n * HOUR, float(n)) for n in range(5))), YEAR)
    hours = [3, 0, 4, 1, 2, 0]
    spine = spine_of(
        *((n, "a", T0 + h * HOUR, f"n{h}") for n, h in enumerate(hours)), names=("trip", "station", "asked_at", "note")
    )
    rows = completed(store, make_view(group), spine)
    assert rows.select(spine.column_names).to_pylist() == spine.to_pylist()
    assert rows["temp"].to_pylist() == [float(h) for h in hours]


def test_groups_of_different_ttl_are_joined_side_by_side_in_the_order_of_the_view(store):
    short, long = make_group("short", ("s",), ttl=HOUR), make_group("long", ("l1", "l2"), ttl=DAY)
    profile = make_group("profile", ("seats",), static=True)
    store.publish(short, rows_of(short, ("a", T0, 1.0)), YEAR)
    store.publish(long, rows_of(long, ("a", T0 - HOUR, 2.0, 3.0)), YEAR)
    store.publish(profile, rows_of(profile, ("a", 4.0)))
    rows = completed(
        store, make_view(long, profile, short), spine_of((1, "a", T0), (2, "a", T0 + 2 * HOUR), (3, "a", T0 + 2 * DAY))
    )
    assert rows.select(["l1", "l2", "seats", "s"]).to_pylist() == [
        {"l1": 2.0, "l2": 3.0, "seats": 4.0, "s": 1.0},
        {"l1": 2.0, "l2": 3.0, "seats": 4.0, "s": None},
        {"l1": None, "l2": None, "seats": 4.0, "s": None},
    ]
    assert rows.column_names[3:] == ["l1", "l2", event_time_column(long), "seats", "s", event_time_column(short)]


def test_features_of_the_spine_are_taken_from_the_row_itself(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    view = make_view(group, own=("station",))
    assert view.feature_names == ("station", "temp")
    assert completed(store, view, spine_of((1, "a", T0))).to_pylist()[0]["station"] == "a"


def test_a_later_join_on_the_same_connection_leaves_an_earlier_result_alone(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0), ("b", T0, 2.0)), YEAR)
    first = store.complete(make_view(group), spine_of((1, "a", T0)))
    store.complete(make_view(group), spine_of((2, "b", T0)))
    assert first.fetchall()[0][0] == 1


def test_naive_spine_times_count_as_utc(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    spine = spine_of((1, "a", T0), (2, "a", T0 - MICROSECOND)).set_column(
        2, "asked_at", pa.array([T0.replace(tzinfo=None), (T0 - MICROSECOND).replace(tzinfo=None)])
    )
    assert joined(store, make_view(group), spine) == [1.0, None]


def test_values_of_every_type_come_through(store):
    group = make_group(
        "types", features=(Feature("i", "int"), Feature("b", "bool"), Feature("s", "string"), Feature("t", "timestamp"))
    )
    store.publish(group, rows_of(group, ("a", T0, 7, True, "ü", T0 + timedelta(days=400))), YEAR)
    row = completed(store, make_view(group), spine_of((1, "a", T0))).to_pylist()[0]
    assert (row["i"], row["b"], row["s"], row["t"]) == (7, True, "ü", T0 + timedelta(days=400))


def test_missing_key_column(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    spine = spine_of((1, T0), names=("trip", "asked_at"))
    with pytest.raises(NotFoundError, match=r"lacks station, which view 'delay_v1' joins by\. It has: trip, asked_at\."):
        completed(store, make_view(group), spine)


def test_a_spine_that_has_a_joined_feature_already(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    spine = spine_of((1, "a", T0)).append_column("temp", pa.array([9.0]))
    with pytest.raises(DefinitionError, match="already has temp, which view 'delay_v1' joins"):
        completed(store, make_view(group), spine)


def test_never_published_group(store):
    with pytest.raises(MissingFeaturesError, match=r"reads features\.never_v1, which was never published\. Materialise"):
        completed(store, make_view(make_group("never")), spine_of((1, "a", T0)))


def test_group_published_before_a_chosen_feature_was_defined(store):
    before, now = make_group("grown"), make_group("grown", features=("temp", "wind"))
    store.publish(before, rows_of(before, ("a", T0, 1.0)), YEAR)
    with pytest.raises(MissingFeaturesError, match=r"was last published without wind\. It has: station, at, temp\."):
        completed(store, make_view(now), spine_of((1, "a", T0)))
