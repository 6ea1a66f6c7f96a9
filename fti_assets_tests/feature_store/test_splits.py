"""Which rows of a training dataset train, validate and test, and which are left out since their labels are not mature."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest
from pyarrow import parquet

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import FeatureStore
from fti_assets.feature_store.catalogue.definitions import as_data, from_data
from fti_assets.vocabulary import SPLITS, Daily, Feature, FeatureGroup, RandomSplit, TimeSplit
from fti_assets_tests.feature_store.examples import (
    DAYS,
    HOUR,
    OUTCOMES,
    PROMISE,
    TRIP,
    TRIPS,
    YEAR,
    make_dataset,
    make_group,
    make_view,
    rows_of,
)

WEATHER = make_group()
VIEW = make_view(WEATHER, own=("distance", "station"))
SPLIT = RandomSplit(validation_share=0.2, test_share=0.3, seed=1)
DATASET = replace(make_dataset(VIEW), split=SPLIT)
CUTOFF = date(2024, 1, 6)
TRIPS_A_DAY = 100


def noon(day):
    return DAYS.window(f"2024-01-{day:02}").start + 12 * HOUR


def trips(days):
    return [(100 * day + n, noon(day), f"s{n % 10}", "x", float(n)) for day in days for n in range(TRIPS_A_DAY)]


def outcomes(days):
    return [(100 * day + n, noon(day) + 2 * HOUR, n % 3 == 0) for day in days for n in range(TRIPS_A_DAY)]


def fill(store, *, order=1, days=range(1, 6)):
    store.publish(TRIPS, rows_of(TRIPS, *trips(days)[::order]), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, *outcomes(days)[::order]), YEAR)
    store.publish(WEATHER, rows_of(WEATHER, ("s1", noon(1), 5.0)), YEAR)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = FeatureStore(tmp_path_factory.mktemp("splits"))
    fill(made)
    return made


def members(store, dataset, cutoff=CUTOFF):
    folder, _ = store.cut(dataset, cutoff, code_version="1.0")
    assert set(store.audit(folder, dataset.view).values()) == {0}
    return {name: set(parquet.read_table(folder / f"{name}.parquet")["trip"].to_pylist()) for name in SPLITS}


def test_a_random_split_takes_every_row_once_in_about_its_shares(store):
    found = members(store, DATASET)

    assert sum(map(len, found.values())) == len(set().union(*found.values())) == 500
    assert len(found["validation"]) == pytest.approx(100, abs=25)
    assert len(found["test"]) == pytest.approx(150, abs=30)


def test_a_random_split_does_not_ask_for_the_order_or_number_of_rows(store, tmp_path):
    other = FeatureStore(tmp_path)
    fill(other, order=-1, days=range(1, 4))

    few, all_of_them = members(other, DATASET), members(store, DATASET)

    for name in SPLITS:
        assert few[name] == {trip for trip in all_of_them[name] if trip < 400}


def test_another_seed_is_another_division(store):
    other = replace(DATASET, split=replace(SPLIT, seed=2))

    assert members(store, other)["test"] != members(store, DATASET)["test"]


def test_rows_of_one_group_stay_together(store):
    found = members(store, replace(DATASET, split=replace(SPLIT, by=("station",))))

    stations = {name: {trip % 10 for trip in trips} for name, trips in found.items()}
    assert not stations["train"] & stations["test"]
    assert not stations["train"] & stations["validation"]
    assert not stations["validation"] & stations["test"]
    assert sum(map(len, found.values())) == 500


def test_a_row_in_the_wrong_split_is_found(store):
    folder, _ = store.cut(replace(DATASET, name="moved"), CUTOFF, code_version="1.0")
    train, test = (parquet.read_table(folder / f"{name}.parquet") for name in ("train", "test"))
    parquet.write_table(pa.concat_tables([train, test.slice(0, 1)]), folder / "train.parquet")

    assert store.audit(folder, VIEW)["rows_in_their_split"] == 1


@pytest.mark.parametrize(
    ("hours", "left"),
    [
        pytest.param(11.9, 500, id="the_last_noon_is_mature"),
        pytest.param(12, 500, id="exactly_mature"),
        pytest.param(12.001, 400, id="not_yet_mature"),
        pytest.param(48, 300, id="two_days"),
    ],
)
def test_rows_whose_label_is_not_mature_are_left_out_though_it_is_known(store, hours, left):
    dataset = replace(DATASET, name="mature", label_horizon=hours * HOUR)

    assert sum(map(len, members(store, dataset).values())) == left
    _, manifest = store.cut(dataset, CUTOFF, code_version="1.0")
    assert manifest.unlabelled_rows == 500 - left


@pytest.mark.parametrize(
    ("hours", "last_days"),
    [
        pytest.param(0, (3, 6, 9), id="no_horizon"),
        pytest.param(36, (2, 5, 8), id="exactly_mature"),
        pytest.param(36.001, (1, 4, 7), id="not_yet_mature"),
    ],
)
def test_labels_of_a_split_were_known_when_the_next_one_began(tmp_path, hours, last_days):
    store = FeatureStore(tmp_path)
    fill(store, days=range(1, 10))
    dataset = replace(DATASET, split=TimeSplit(validation_days=3, test_days=3), label_horizon=hours * HOUR)

    found = members(store, dataset, date(2024, 1, 10))

    first_days = zip(SPLITS, (1, 4, 7), last_days, strict=True)
    assert {name: {trip // 100 for trip in trips} for name, trips in found.items()} == {
        name: set(range(first, last + 1)) for name, first, last in first_days
    }


def test_an_immature_label_in_a_file_is_found(store):
    folder, _ = store.cut(replace(DATASET, name="immature", label_horizon=24 * HOUR), CUTOFF, code_version="1.0")
    late, _ = store.cut(DATASET, CUTOFF, code_version="1.0")
    for name in SPLITS:
        (folder / f"{name}.parquet").write_bytes((late / f"{name}.parquet").read_bytes())

    assert store.audit(folder, VIEW)["labels_known_at_cutoff"] == 100


def test_a_label_without_event_time_is_found_by_its_key(tmp_path):
    static = FeatureGroup(name="verdicts", version=1, entity=TRIP, features=(Feature("late", "bool"),), contract=PROMISE)
    store, dataset = FeatureStore(tmp_path), replace(DATASET, view=make_view(WEATHER, own=("distance",), label=static["late"]))
    fill(store)
    store.publish(static, rows_of(static, *((trip, late) for trip, _, late in outcomes(range(1, 6)))))

    folder, manifest = store.cut(dataset, CUTOFF, code_version="1.0")

    assert sum(manifest.rows.values()) == 500
    for name in SPLITS:
        rows = parquet.read_table(folder / f"{name}.parquet").to_pylist()
        assert [row["late"] for row in rows] == [row["trip"] % 100 % 3 == 0 for row in rows]


@pytest.mark.parametrize("split", [SPLIT, replace(SPLIT, by=("station",)), make_dataset(VIEW).split])
def test_a_split_is_stored_and_read_again(split):
    dataset = replace(DATASET, split=split, label_horizon=36 * HOUR)

    assert from_data(as_data(dataset)) == dataset


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        pytest.param(lambda: replace(SPLIT, test_share=0.8), DefinitionError, "leave rows to train on", id="nothing_left"),
        pytest.param(lambda: replace(SPLIT, validation_share=0), DefinitionError, "shares above 0", id="no_share"),
        pytest.param(lambda: replace(DATASET, split=replace(SPLIT, by=("lime",))), NotFoundError, "mean 'line'", id="column"),
        pytest.param(lambda: replace(DATASET, label_horizon=-HOUR), DefinitionError, "cannot be negative", id="horizon"),
        pytest.param(lambda: SPLIT.windows(Daily(start="2024-01-06"), CUTOFF), DefinitionError, "No day lies before", id="no_day"),
    ],
)
def test_what_cannot_be_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()
