"""On-demand features of completed rows and of training datasets: computed after the join, by the same functions everywhere."""

import json
from dataclasses import replace
from datetime import date

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import FeatureStore
from fti_assets.feature_store.catalogue.definitions import as_data, from_data
from fti_assets.feature_store.catalogue.readers import columns_read
from fti_assets.feature_store.point_in_time import completed
from fti_assets.feature_store.point_in_time.join import Join
from fti_assets.feature_store.point_in_time.joining import complete
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.vocabulary import OnDemandError, as_array, as_values
from fti_assets_tests.feature_store import on_demand_functions as functions
from fti_assets_tests.feature_store.examples import DAYS, HOUR, OUTCOMES, TRIPS, YEAR, make_dataset, make_group, make_view, rows_of

WEATHER = make_group()
STEPS = (functions.temp_gap, functions.days, functions.warm, functions.place)
NAMES = ("temp_gap", "days", "warm", "place")
PLAIN = make_view(WEATHER, own=("distance",))
VIEW = replace(PLAIN, on_demand=STEPS)
TYPES = {"temp_gap": pa.float64(), "days": pa.int64(), "warm": pa.bool_(), "place": pa.string()}
CUTOFF = date(2024, 1, 6)


def noon(day):
    return DAYS.window(f"2024-01-{day:02}").start + 12 * HOUR


TRIP_ROWS = (
    (1, noon(2), "a", "x", 1.0),
    (2, noon(3), "a", None, -7.5),
    (3, noon(3), "Öst", "y", None),
    (4, noon(4), "b", "x", 0.0),
    (5, noon(5), None, "x", 2.0),
)
EXPECTED = {
    "temp_gap": [1.0, 10.5, None, None, None],
    "days": [1, 2, 2, 3, 4],
    "warm": [True, True, None, None, None],
    "place": ["a/x!", "a/-!", "Öst/y", "b/x", None],
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("filled"))
    store.publish(TRIPS, rows_of(TRIPS, *TRIP_ROWS), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, *((n, noon(5) + HOUR, n % 2 == 0) for n in range(1, 6))), YEAR)
    store.publish(WEATHER, rows_of(WEATHER, *(("a", noon(day) - HOUR, day * 1.0) for day in (2, 3)), ("b", noon(4), None)), YEAR)
    return store


def spine(rows=TRIP_ROWS):
    return rows_of(TRIPS, *rows)


def added(rows):
    table = rows if isinstance(rows, pa.Table) else pa.table(rows)
    return table.select(NAMES).to_pydict()


# Completed rows


def test_the_views_own_rows(filled):
    found = filled.get_features(VIEW).to_arrow()

    assert found.column_names == [column.name for column in TRIPS.table.columns] + ["temp", *NAMES]
    assert {name: found.schema.field(name).type for name in NAMES} == TYPES
    assert added(found) == EXPECTED


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda table, _: table, id="pyarrow"),
        pytest.param(lambda table, _: pl.from_arrow(table), id="polars"),
        pytest.param(lambda table, _: table.to_pandas(), id="pandas"),
        pytest.param(lambda table, folder: write(table, folder), id="parquet"),
    ],
)
def test_spines_of_every_kind(filled, tmp_path, given):
    features = filled.get_features(VIEW, given(spine(), tmp_path))

    assert added(features.to_arrow()) == EXPECTED
    assert added(pa.table(features.to_polars())) == EXPECTED
    assert added(features.reader().read_all()) == EXPECTED
    assert features.to_parquet(tmp_path / "out.parquet") == 5
    assert added(parquet.read_table(tmp_path / "out.parquet")) == EXPECTED


def write(table, folder):
    parquet.write_table(table, folder / "spine.parquet")
    return folder / "spine.parquet"


def test_a_pandas_frame_keeps_its_index(filled):
    frame = spine().to_pandas().set_index(pd.Index([7, 7, 8, 9, 3]))

    found = filled.get_features(VIEW, frame).to_pandas()

    assert found.index.tolist() == [7, 7, 8, 9, 3]
    assert found["place"].tolist()[:4] == EXPECTED["place"][:4]
    assert found["temp_gap"].tolist()[:2] == [1.0, 10.5]


def test_other_types_of_the_spine_are_converted(filled):
    table = spine()
    narrow = table.set_column(4, "distance", table["distance"].cast(pa.float32())).set_column(
        2, "station", table["station"].dictionary_encode()
    )

    assert added(filled.get_features(VIEW, narrow).to_arrow()) == EXPECTED


def test_no_rows_have_their_types(filled):
    found = filled.get_features(VIEW, spine(())).to_arrow()

    assert found.num_rows == 0
    assert {name: found.schema.field(name).type for name in NAMES} == TYPES


def test_the_event_times_come_last(filled):
    found = filled.get_features(VIEW, event_times=True)

    assert found.names == ("temp", *NAMES, "weather_v1__event_time")
    assert found.to_arrow().column_names[-1] == "weather_v1__event_time"


def test_the_time_of_the_row_is_that_of_the_join(filled):
    table = spine().append_column("later", pa.array([noon(20)] * 5, pa.timestamp("us", "UTC")))

    found = filled.get_features(VIEW, table, at="later").to_arrow()

    assert found["days"].to_pylist() == [19] * 5


def test_a_view_that_joins_nothing(filled):
    alone = replace(make_view(own=("distance",)), on_demand=(functions.days,))

    assert filled.get_features(alone).to_arrow()["days"].to_pylist() == EXPECTED["days"]


def test_piece_by_piece_is_the_same(filled, monkeypatch, tmp_path):
    many = pa.concat_tables([spine()] * 20_000)
    whole = filled.get_features(VIEW, many).to_arrow()

    monkeypatch.setattr(completed, "_SLICE", 1_003)
    with filled.reading() as connection:
        pieces = complete(connection, Spine.of(many), Join.of(VIEW), memory=1)
        pieces.to_parquet(tmp_path / "pieces.parquet")
        assert pieces.to_arrow().equals(whole)
    assert parquet.read_table(tmp_path / "pieces.parquet").equals(whole)
    assert added(whole.slice(50_000, 5)) == EXPECTED


def test_each_row_is_what_it_is_by_itself(filled):
    found = filled.get_features(VIEW).to_arrow()

    for row in found.to_pylist():
        kinds = {name: column.type for name, column in VIEW.readable.items()}
        inputs = {
            name: as_array([row["asked_at" if name == "request_time" else name]], kinds[name])
            for name in kinds
            if name not in NAMES
        }
        for step in STEPS:
            inputs[step.name] = step.compute(inputs)
        assert {step.name: as_values(inputs[step.name], step.result.type)[0] for step in STEPS} == {
            name: row[name] for name in NAMES
        }


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        pytest.param(
            lambda table: table.drop_columns(["distance"]),
            NotFoundError,
            "Column 'distance' is not in the spine",
            id="missing_column",
        ),
        pytest.param(
            lambda table: table.set_column(4, "distance", pa.array(["far"] * 5)),
            DefinitionError,
            "column 'distance' is of type string, but on-demand feature 'temp_gap' reads it as float",
            id="wrong_type",
        ),
        pytest.param(
            lambda table: table.append_column("warm", pa.array([True] * 5)),
            DefinitionError,
            "The spine already has warm",
            id="name",
        ),
    ],
)
def test_what_is_wrong_with_a_spine_is_said_when_it_is_asked(filled, change, error, what):
    with pytest.raises(error, match=what):
        filled.get_features(VIEW, change(spine()))


def test_a_function_that_looks_at_other_rows_is_refused(filled):
    looking = replace(PLAIN, on_demand=(functions.of_all,))

    with pytest.raises(
        OnDemandError, match=r"'of_all .*' is 0.0 for row 0 by itself, but 1.0 among 3 rows. Compute each value from its"
    ):
        filled.get_features(looking, spine([TRIP_ROWS[0], TRIP_ROWS[3], (6, noon(5), "a", "x", -1.0)])).to_arrow()


def test_a_function_that_fails_is_named(filled):
    failing = replace(PLAIN, on_demand=(functions.fails,))

    with pytest.raises(
        OnDemandError, match=r"On-demand feature 'fails .*' cannot be computed: ValueError: operands could not be broadcast"
    ):
        filled.get_features(failing).to_arrow()


# Training datasets


@pytest.fixture
def cut(filled, tmp_path):
    store = FeatureStore(tmp_path / "store")
    for group, rows in ((TRIPS, trips()), (OUTCOMES, outcomes()), (WEATHER, rows_of(WEATHER, ("a", noon(1), 3.0)))):
        store.publish(group, rows, YEAR)
    folder, manifest = store.cut(make_dataset(VIEW), CUTOFF, code_version="1")
    return store, folder, manifest


def trips():
    return rows_of(TRIPS, *((10 * day + n, noon(day), "a", "x", float(n)) for day in range(1, 6) for n in range(4)))


def outcomes():
    return rows_of(OUTCOMES, *((10 * day + n, noon(day) + HOUR, n == 1) for day in range(1, 6) for n in range(4)))


def test_a_dataset_has_them_and_says_of_what_they_are_made(cut):
    store, folder, manifest = cut

    assert manifest.features == ("distance", "temp", *NAMES)
    rows = parquet.read_table(folder / "test.parquet")
    assert rows["temp_gap"].to_pylist() == [3.0, 2.0, 1.0, 0.0]
    assert rows["warm"].to_pylist() == [True, True, True, False]
    assert rows["place"].to_pylist() == ["a/x!"] * 3 + ["a/x"]
    assert rows["days"].to_pylist() == [4] * 4
    assert {name: rows.schema.field(name).type for name in NAMES} == TYPES
    stored = json.loads((folder / "manifest.json").read_text())["definition"]["view"]["on_demand"]
    assert [(one["reference"], one["sha256"]) for one in stored] == [(one.reference, one.sha256) for one in STEPS]
    assert stored[0]["reads"] == ["temp", "distance"]
    assert store.audit(folder, VIEW) == {"no_feature_from_the_future": 0, "labels_known_at_cutoff": 0, "rows_in_their_split": 0}


def test_cut_again_it_is_the_same(cut):
    store, folder, manifest = cut

    assert store.cut(make_dataset(VIEW), CUTOFF, code_version="1") == (folder, manifest)
    again = store.recreate("delay")
    assert (again.same, again.files) == (True, "intact")
    (folder / "train.parquet").unlink()
    assert (store.recreate("delay").same, (folder / "train.parquet").is_file()) == (True, True)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        pytest.param("sha256", "0" * 64, "was defined by another function than the one that is there now", id="changed"),
        pytest.param(
            "reference",
            "fti_assets_tests.feature_store.on_demand_functions:gone",
            "needs its function, but there is none",
            id="gone",
        ),
    ],
)
def test_another_function_is_refused(cut, field, value, what):
    store, folder, manifest = cut
    said = json.loads((folder / "manifest.json").read_text())
    said["definition"]["view"]["on_demand"][0][field] = value
    (folder / "manifest.json").write_text(json.dumps(said))
    before = sorted(path.name for path in folder.parent.iterdir())

    with pytest.raises(OnDemandError, match=what) as refused:
        store.recreate("delay", manifest.id)

    assert "Use the code with which it was defined" in str(refused.value)
    assert sorted(path.name for path in folder.parent.iterdir()) == before


def test_what_needs_no_computation_needs_no_function(cut):
    """Manifests, comparisons, audits and readers are read wherever the functions are not installed."""
    store, folder, _ = cut
    said = json.loads((folder / "manifest.json").read_text())
    said["definition"]["view"]["on_demand"][0]["reference"] = "not_installed:temp_gap"
    (folder / "manifest.json").write_text(json.dumps(said))

    _, manifest = store.dataset("delay")
    assert manifest.defined.view.on_demand[0].reference == "not_installed:temp_gap"
    assert manifest.defined.view.feature_names == VIEW.feature_names
    assert sum(store.audit(folder, manifest.defined.view).values()) == 0
    (reader,) = store.readers("features.weather_v1")
    assert reader.defined == VIEW


def test_datasets_without_them_have_the_content_they_had(cut):
    store, *_ = cut
    _, manifest = store.cut(replace(make_dataset(PLAIN), name="plain"), CUTOFF, code_version="1")

    assert manifest.content_hash == "82bd1ba634b1c7b5ed2bf067612804fb3bc407dc34435468197d44366d56f2a5"


# Definitions


def test_a_definition_comes_back_from_json():
    data = json.loads(json.dumps(as_data(VIEW)))

    assert from_data(data) == VIEW
    assert [one.function for one in from_data(data).on_demand] == [one.function for one in STEPS]


def test_a_definition_from_before_on_demand_features():
    data = as_data(PLAIN)
    del data["on_demand"]

    assert from_data(data) == PLAIN


def test_columns_read_for_on_demand_features():
    assert columns_read(VIEW, label=False) == {
        "features.trips_v1": ["distance", "station", "line"],
        "features.weather_v1": ["temp"],
    }
    assert columns_read(PLAIN, label=False) == {"features.trips_v1": ["distance"], "features.weather_v1": ["temp"]}
