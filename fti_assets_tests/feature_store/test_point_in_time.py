"""The point-in-time join, case by case. An oracle on generated inputs is in test_point_in_time_oracle.py."""

from contextlib import nullcontext
from datetime import timedelta

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError, event_time_column
from fti_assets.feature_store.point_in_time.join import Join
from fti_assets.feature_store.point_in_time.joining import complete
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.vocabulary import Column, Entity, Feature, FeatureGroup
from fti_assets_tests.feature_store.examples import (
    ARROW,
    DAY,
    DAYS,
    HOUR,
    MICROSECOND,
    PROMISE,
    STATION,
    T0,
    TRIPS,
    YEAR,
    day,
    make_group,
    make_view,
    rows_of,
)

TIME = ARROW["timestamp"]


class Joined:
    """One lake and one connection for all cases: each publishes over the rows of the one before."""

    def __init__(self, store, connection):
        self.store, self.connection = store, connection

    def publish(self, group, rows, window=None):
        self.store.draft(self.connection, group.table, rows, window)
        self.store.publish_draft(self.connection, group, window, may_be_empty=True)

    def complete(self, view, spine):
        return self.store.complete(self.connection, spine, view, event_times=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    with store.connect() as connection:
        yield Joined(store, connection)


def spine_of(*rows, names=("trip", "station", "asked_at")):
    kinds = {"trip": pa.int64(), "station": pa.string(), "line": pa.string(), "asked_at": TIME, "note": pa.string()}
    return pa.table({name: pa.array([row[n] for row in rows], kinds[name]) for n, name in enumerate(names)})


def completed(store, view, spine):
    return store.complete(view, spine).to_arrow()


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
    group = make_group("fleeting", ttl=6 * HOUR)
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
    group = make_group("brief", ttl=HOUR)
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
    assert rows.column_names[3:] == ["l1", "l2", "seats", "s", event_time_column(long), event_time_column(short)]


def test_features_of_the_spine_are_taken_from_the_row_itself(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    view = make_view(group, own=("station",))
    assert view.feature_names == ("station", "temp")
    assert completed(store, view, spine_of((1, "a", T0))).to_pylist()[0]["station"] == "a"


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
    match = r"Column 'station' is not in the spine, and 'weather_v1' is joined by it\. .*It has: asked_at, trip\. Add it, or name"
    with pytest.raises(NotFoundError, match=match):
        completed(store, make_view(group), spine)


def test_a_spine_that_has_a_joined_feature_already(store):
    group = make_group()
    store.publish(group, rows_of(group, ("a", T0, 1.0)), YEAR)
    spine = spine_of((1, "a", T0)).append_column("temp", pa.array([9.0]))
    with pytest.raises(DefinitionError, match=r"The spine already has temp, to be joined\. .*\.prefixed"):
        completed(store, make_view(group), spine)


def test_never_published_group(store):
    with pytest.raises(MissingFeaturesError, match=r"features\.never_v1, which .* was never published\. Materialise"):
        completed(store, make_view(make_group("never")), spine_of((1, "a", T0)))


def test_group_published_before_a_chosen_feature_was_defined(store):
    before, now = make_group("grown"), make_group("grown", features=("temp", "wind"))
    store.publish(before, rows_of(before, ("a", T0, 1.0)), YEAR)
    with pytest.raises(MissingFeaturesError, match=r"was last published without wind\. It has: station, at, temp\."):
        completed(store, make_view(now), spine_of((1, "a", T0)))


def test_rows_written_before_a_feature_was_added_have_null(store):
    before, now = make_group("widened"), make_group("widened", features=("temp", "wind"))
    store.publish(before, rows_of(before, ("a", T0, 1.0)), day("2024-01-10"))
    store.publish(now, rows_of(now, ("a", T0 + DAY, 2.0, 3.0)), day("2024-01-11"))
    rows = completed(store, make_view(now), spine_of((1, "a", T0), (2, "a", T0 + DAY)))
    assert rows["wind"].to_pylist() == [None, 3.0]


@pytest.mark.parametrize("days", [["2024-01-10", "2024-01-11", "2024-01-12"], ["2024-01-12", "2024-01-10", "2024-01-11"]])
def test_the_order_in_which_days_were_published_makes_no_difference(store, days):
    group = make_group("shuffled", version=len(days[0]) + days.index("2024-01-10"))
    for key in days:
        noon = DAYS.window(key).start + 12 * HOUR
        store.publish(group, rows_of(group, ("a", noon, float(key[-2:])), ("b", noon - HOUR, 0.5)), day(key))
    spine = spine_of(*((n, "a", DAYS.window(f"2024-01-{n}").end) for n in (12, 10, 11)))
    assert joined(store, make_view(group), spine) == [12.0, 10.0, 11.0]


def test_two_rows_of_one_event_time_the_latest_published_wins(store):
    group = FeatureGroup(
        name="forecasts",
        version=1,
        entity=STATION,
        event_time="at",
        window_time="issued",
        cadence=DAYS,
        features=(Feature("issued", "timestamp"), Feature("temp", "float")),
        contract=PROMISE,
    )
    later, earlier = ("a", T0, T0 + DAY, 2.0), ("a", T0, T0, 1.0)
    store.publish(group, rows_of(group, later), day("2024-01-11"))
    store.publish(group, rows_of(group, earlier), day("2024-01-10"))
    assert joined(store, make_view(group), spine_of((1, "a", T0))) == [1.0]


class TestRequests:
    """`FeatureStore.get_features`: what may be asked, in which forms it is answered, and how it is refused."""

    WEATHER = make_group("sky", features=("temp", "wind"))

    @pytest.fixture(scope="class")
    @classmethod
    def published(cls, tmp_path_factory):
        store = FeatureStore(tmp_path_factory.mktemp("requests"))
        store.publish(cls.WEATHER, rows_of(cls.WEATHER, ("a", T0, 1.0, 5.0), ("b", T0 + HOUR, 2.0, None)), YEAR)
        return store

    SPINE = spine_of((1, "a", T0 + 2 * HOUR), (2, "b", T0 + 2 * HOUR), (3, None, T0))

    @pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow", "relation", "path", "text"])
    def test_spines_of_every_form(self, published, form, tmp_path):
        path = tmp_path / "spine.parquet"
        parquet.write_table(self.SPINE, path)
        forms = {
            "pandas": self.SPINE.to_pandas,
            "polars": lambda: pl.from_arrow(self.SPINE),
            "pyarrow": lambda: self.SPINE,
            "relation": lambda: duckdb.from_arrow(self.SPINE),
            "path": lambda: path,
            "text": lambda: str(path),
        }
        found = published.get_features([self.WEATHER["temp"]], forms[form](), at="asked_at").to_arrow()
        assert found["temp"].to_pylist() == [1.0, 2.0, None]
        assert found["trip"].to_pylist() == [1, 2, 3]

    def test_answers_of_every_form(self, published, tmp_path):
        answer = published.get_features([self.WEATHER.all_features], self.SPINE, at="asked_at")
        wanted = answer.to_arrow()
        assert answer.to_polars().to_arrow().to_pylist() == wanted.to_pylist()
        assert answer.to_pandas()["temp"].tolist()[:2] == [1.0, 2.0]
        assert answer.to_parquet(tmp_path / "answer.parquet") == 3
        assert parquet.read_table(tmp_path / "answer.parquet").equals(wanted)
        assert [path.name for path in tmp_path.iterdir()] == ["answer.parquet"]

    def test_a_pandas_frame_keeps_its_index_and_its_columns(self, published):
        spine = self.SPINE.to_pandas().set_index(pd.Index(["x", "y", "z"], name="id")).assign(odd=[object(), 1, "w"])
        found = published.get_features([self.WEATHER["wind"]], spine, at="asked_at").to_pandas()
        assert list(found.index) == ["x", "y", "z"]
        assert found["odd"].tolist() == spine["odd"].tolist()
        assert found["wind"].fillna(-1).tolist() == [5.0, -1.0, -1.0]

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            pytest.param(T0.replace(tzinfo=None), pa.timestamp("us"), id="naive"),
            pytest.param(T0, pa.timestamp("us", tz="America/New_York"), id="other_zone"),
            pytest.param(T0, pa.timestamp("s", tz="UTC"), id="seconds"),
            pytest.param(T0, pa.timestamp("ns", tz="Asia/Tokyo"), id="nanoseconds"),
        ],
    )
    def test_times_of_any_zone_and_unit(self, published, values, kind):
        spine = pa.table({"station": ["a", "a"], "t": pa.array([values, values - timedelta(seconds=1)], kind)})
        assert published.get_features([self.WEATHER["temp"]], spine, at="t").to_arrow()["temp"].to_pylist() == [1.0, None]

    def test_nanoseconds_below_a_microsecond_are_cut_off_before_1970_too(self, published):
        spine = pa.table({"station": ["a"] * 2, "t": pa.array([int(T0.timestamp()) * 10**9 - 1, -1], pa.timestamp("ns"))})
        assert published.get_features([self.WEATHER["temp"]], spine, at="t").to_arrow()["temp"].to_pylist() == [None, None]

    @pytest.mark.parametrize(
        "column", [pa.array(["2024-01-10"]), pa.array([T0.date()]), pa.array([1_700_000_000])], ids=["text", "date", "number"]
    )
    def test_times_of_another_type_are_refused(self, published, column):
        spine = pa.table({"station": ["a"], "t": column})
        with pytest.raises(DefinitionError, match=r"The spine's time 't' is of type .* must be a timestamp"):
            published.get_features([self.WEATHER["temp"]], spine, at="t")

    def test_keys_of_another_type_are_refused(self, published):
        spine = pa.table({"station": [1], "t": pa.array([T0], TIME)})
        with pytest.raises(DefinitionError, match="'station' is of type int64, but 'sky_v1' is joined by it as string"):
            published.get_features([self.WEATHER["temp"]], spine, at="t")

    def test_whole_numbers_that_pandas_made_floats_are_keys(self, tmp_path):
        group = make_group("planes", entity=Entity("plane", (Column("plane", "int"),)), static=True)
        store = FeatureStore(tmp_path)
        store.publish(group, rows_of(group, (7, 70.0)))
        spine = pd.DataFrame({"plane": [7, None], "t": [T0, T0]})
        assert store.get_features([group.all_features], spine, at="t").to_arrow()["temp"].to_pylist() == [70.0, None]
        with pytest.raises(DefinitionError, match="'plane' is of type double"):
            store.get_features([group.all_features], spine.assign(plane=[7.5, 8]), at="t")

    def test_what_contradicts_itself_is_refused(self, published):
        for features, message in (
            ([], "No features are asked for"),
            ([self.WEATHER["temp"], self.WEATHER["wind"]], r"names a group twice: sky_v1\. Choose all its features at once"),
            ([self.WEATHER["temp"], self.WEATHER["temp"].prefixed("x")], None),
            ([self.WEATHER["temp"], make_group("other")["temp"]], r"asked for twice: temp\. Choose one, or join"),
        ):
            with pytest.raises(DefinitionError, match=message) if message else nullcontext():
                published.get_features(features, self.SPINE, at="asked_at")
        with pytest.raises(DefinitionError, match="The time of the spine's rows is not said"):
            published.get_features([self.WEATHER["temp"]], self.SPINE)
        with pytest.raises(NotFoundError, match=r"Column 'asked_on' is not in the spine\. Did you mean 'asked_at'\?"):
            published.get_features([self.WEATHER["temp"]], self.SPINE, at="asked_on")
        with pytest.raises(NotFoundError, match=r"'temq' is not in .*Did you mean 'temp'\?"):
            published.get_features([self.WEATHER["temq"]], self.SPINE, at="asked_at")
        with pytest.raises(NotFoundError, match=r"'statoin' is not in 'sky_v1'\. Did you mean 'station'\?"):
            self.WEATHER["temp"].on(statoin="a")
        with pytest.raises(DefinitionError, match="A spine of type 'list' cannot be read"):
            published.get_features([self.WEATHER["temp"]], [1], at="asked_at")
        with pytest.raises(NotFoundError, match=r"There is no spine 'nowhere\.parquet'"):
            published.get_features([self.WEATHER["temp"]], "nowhere.parquet", at="asked_at")
        with pytest.raises(DefinitionError, match="There is no spine"):
            published.get_features([self.WEATHER["temp"]], at="asked_at")

    def test_a_views_own_rows_between_two_times(self, published):
        published.publish(TRIPS, rows_of(TRIPS, (1, T0, "a", "x", 1.0), (2, T0 + DAY, "b", "x", 1.0)), YEAR)
        view = make_view(self.WEATHER)
        assert published.get_features(view).to_arrow()["temp"].to_pylist() == [1.0, 2.0]
        assert published.get_features(view, between=day("2024-01-11")).to_arrow()["trip"].to_pylist() == [2]

    def test_inputs_larger_than_memory(self, tmp_path):
        """A group is searched in several passes, a spine joined in several pieces; the answer is the same."""
        group, rows = make_group("large"), 120_000
        stations = pa.array([f"s{n % 997}" for n in range(rows)])
        times = pa.array([T0 + timedelta(seconds=n) for n in range(rows)], TIME)
        table = pa.table({"station": stations, "at": times, "temp": pa.array(range(rows), pa.float64())})
        spine = pa.table({"station": stations, "t": times})
        store = FeatureStore(tmp_path)
        store.publish(group, table, YEAR)
        join = Join.of([group.all_features], at="t")
        with store.reading() as connection:
            found = complete(connection, Spine.of(spine), join, memory=2_000_000)
            assert len(list(found.pieces())) > 2
            assert found.to_arrow()["temp"].to_pylist() == list(range(rows))
            assert found.to_parquet(tmp_path / "large.parquet") == rows
        assert parquet.read_table(tmp_path / "large.parquet")["temp"].to_pylist() == list(range(rows))
