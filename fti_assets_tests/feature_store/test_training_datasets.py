"""Training datasets: what is in them, that they can be cut again, and that leaks are found."""

import shutil
from datetime import date, timedelta

import pyarrow as pa
import pytest
from pyarrow import parquet

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import LABEL_TIME, FeatureStore, MissingFeaturesError, event_time_column
from fti_assets.feature_store.publishing.content_hash import content_digest
from fti_assets.vocabulary import SPLITS
from fti_assets_tests.feature_store.examples import (
    DAYS,
    HOUR,
    MICROSECOND,
    OUTCOMES,
    TRIPS,
    YEAR,
    make_dataset,
    make_group,
    make_view,
    rows_of,
)

WEATHER = make_group()
VIEW = make_view(WEATHER, own=("distance",))
DATASET = make_dataset(VIEW)
CUTOFF = date(2024, 1, 6)
MIDNIGHT = DAYS.window("2024-01-06").start


def noon(day):
    return DAYS.window(f"2024-01-{day:02}").start + 12 * HOUR


def trips(days=range(1, 7)):
    """Two trips at noon of each day: number 10 * day and the one after it."""
    return rows_of(TRIPS, *((10 * day + n, noon(day), "a", "x", float(day)) for day in days for n in (0, 1)))


def outcomes(**known_at):
    """The outcome of each trip two hours later, unless said otherwise by `t40=...`; the second one of a day was late."""
    times = {n: known_at.get(f"t{n}", noon(n // 10) + 2 * HOUR) for day in range(1, 7) for n in (10 * day, 10 * day + 1)}
    return rows_of(OUTCOMES, *((n, at, n % 2 == 1) for n, at in times.items() if at is not None))


def weather(correction=0.0):
    return rows_of(WEATHER, *(("a", noon(day) - HOUR, day + correction) for day in range(1, 7)))


def fill(store):
    store.publish(TRIPS, trips(), YEAR)
    store.publish(OUTCOMES, outcomes(), YEAR)
    store.publish(WEATHER, weather(), YEAR)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store that the tests below only read and cut from."""
    store = FeatureStore(tmp_path_factory.mktemp("filled"))
    fill(store)
    return store


@pytest.fixture
def store(tmp_path, filled):
    """A copy of the filled store, to be published into."""
    shutil.copytree(filled.root, tmp_path / "store", ignore=shutil.ignore_patterns("training_datasets"))
    return FeatureStore(tmp_path / "store")


def cut(store, dataset=DATASET, cutoff=CUTOFF, snapshot=None):
    return store.cut(dataset, cutoff, code_version="1.0", snapshot=snapshot)


def read(folder, split):
    return parquet.read_table(folder / f"{split}.parquet")


def test_rows_are_split_by_time_and_completed(filled):
    folder, manifest = cut(filled)
    assert {name: read(folder, name)["trip"].to_pylist() for name in SPLITS} == {
        "train": [10, 11, 20, 21, 30, 31],
        "validation": [40, 41],
        "test": [50, 51],
    }
    assert read(folder, "test").to_pylist()[0] == {
        "trip": 50,
        "asked_at": noon(5),
        "station": "a",
        "line": "x",
        "distance": 5.0,
        "temp": 5.0,
        event_time_column(WEATHER): noon(5) - HOUR,
        "late": False,
        LABEL_TIME: noon(5) + 2 * HOUR,
    }
    assert manifest.rows == {"train": 6, "validation": 2, "test": 2}
    assert manifest.positive_share == {"train": 0.5, "validation": 0.5, "test": 0.5}
    assert manifest.unlabelled_rows == 0
    assert (manifest.features, manifest.label, manifest.code_version) == (("distance", "temp"), "late", "1.0")
    assert manifest.groups == {"trips": 1, "weather": 1, "outcomes": 1}
    assert manifest.cutoff == MIDNIGHT.isoformat()
    assert manifest.splits["test"] == (DAYS.window("2024-01-05").start.isoformat(), MIDNIGHT.isoformat())
    assert manifest.id == f"2024-01-06-s{manifest.snapshot}-{manifest.content_hash[:8]}"
    assert filled.audit(folder, VIEW) == {"no_feature_from_the_future": 0, "labels_known_at_cutoff": 0, "rows_in_their_split": 0}


def test_labels_count_only_when_known_at_the_cutoff(store):
    late = MIDNIGHT + MICROSECOND
    store.publish(OUTCOMES, outcomes(t40=late, t50=MIDNIGHT, t20=None), YEAR)
    folder, manifest = cut(store)
    assert read(folder, "train")["trip"].to_pylist() == [10, 11, 21, 30, 31]  # 20 has no outcome
    assert read(folder, "validation")["trip"].to_pylist() == [41]  # that of 40 is known too late
    assert read(folder, "test")["trip"].to_pylist() == [50, 51]  # that of 50 is known exactly at the cut-off
    assert manifest.unlabelled_rows == 2


def test_the_newest_label_known_at_the_cutoff_is_taken(store):
    rows = [(50, noon(5) + 3 * HOUR, True), (51, MIDNIGHT + HOUR, False), (40, noon(4) + 3 * HOUR, None)]
    store.publish(OUTCOMES, pa.concat_tables([outcomes(), rows_of(OUTCOMES, *rows)]), YEAR)
    folder, manifest = cut(store)
    assert read(folder, "test")["late"].to_pylist() == [True, True]
    assert read(folder, "validation")["trip"].to_pylist() == [41]  # the outcome of 40 was withdrawn
    assert manifest.unlabelled_rows == 1


def test_a_dataset_is_cut_again_from_its_snapshot_and_differs_after_a_correction(store):
    first_folder, first = cut(store)
    bytes_before = {path.name: path.read_bytes() for path in first_folder.iterdir()}
    store.publish(WEATHER, weather(correction=0.5), YEAR)
    again_folder, again = cut(store, snapshot=first.snapshot)
    assert (again_folder, again) == (first_folder, first)
    new_folder, new = cut(store)
    assert new.snapshot > first.snapshot
    assert new.content_hash != first.content_hash
    assert read(new_folder, "test")["temp"].to_pylist() == [5.5, 5.5]
    shutil.rmtree(first_folder)
    recut_folder, recut = cut(store, snapshot=first.snapshot)
    assert (recut.id, recut.content_hash) == (first.id, first.content_hash)
    assert {name: (recut_folder / name).read_bytes() for name in bytes_before if name != "manifest.json"} == {
        name: content for name, content in bytes_before.items() if name != "manifest.json"
    }


def test_a_stored_dataset_is_never_changed(filled):
    folder, manifest = cut(filled)
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    assert cut(filled) == (folder, manifest)
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
    assert not list(folder.parent.glob(".cutting-*"))


def test_stored_datasets_are_found_by_id_and_the_newest_without(store):
    first = cut(store)
    store.publish(WEATHER, weather(correction=1.0), YEAR)
    second = cut(store)
    (store.datasets_folder("delay") / ".cutting-x").mkdir()
    (store.datasets_folder("delay") / ".cutting-x" / "manifest.json").write_text("{}")  # left by a process that was killed
    assert store.datasets("delay") == [first, second]
    assert store.dataset("delay") == second
    assert store.dataset("delay", first[1].id) == first
    assert store.dataset_names() == ["delay"]
    with pytest.raises(NotFoundError, match=rf"'delay/nothing' is not there\..* It has: delay/{first[1].id}, .*Materialise"):
        store.dataset("delay", "nothing")
    with pytest.raises(NotFoundError, match=r"'other/newest' is not there\. It has none\."):
        store.dataset("other")


@pytest.mark.parametrize(
    ("column", "change", "promise"),
    [
        pytest.param(
            event_time_column(WEATHER), lambda row: noon(5) + MICROSECOND, "no_feature_from_the_future", id="future_feature"
        ),
        pytest.param(LABEL_TIME, lambda row: MIDNIGHT + MICROSECOND, "labels_known_at_cutoff", id="label_known_later"),
        pytest.param("asked_at", lambda row: MIDNIGHT, "rows_in_their_split", id="row_of_another_split"),
    ],
)
def test_the_audit_finds_what_is_planted(filled, tmp_path, column, change, promise):
    folder = shutil.copytree(cut(filled)[0], tmp_path / "planted")
    rows = read(folder, "test")
    values = [change(rows), *rows[column].to_pylist()[1:]]
    place = rows.column_names.index(column)
    parquet.write_table(rows.set_column(place, column, pa.array(values, rows.schema.field(column).type)), folder / "test.parquet")
    counts = filled.audit(folder, VIEW)
    assert counts == {"no_feature_from_the_future": 0, "labels_known_at_cutoff": 0, "rows_in_their_split": 0} | {promise: 1}


def test_equal_feature_and_row_times_are_no_leak(store):
    store.publish(WEATHER, rows_of(WEATHER, *(("a", noon(day), 1.0) for day in range(1, 7))), YEAR)
    folder, _ = cut(store)
    assert store.audit(folder, VIEW)["no_feature_from_the_future"] == 0
    assert read(folder, "test")["temp"].to_pylist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("cutoff", "error", "message"),
    [
        pytest.param(date(2024, 1, 3), DefinitionError, "none is left to train on: the data begins on 2024-01-01", id="too_early"),
        pytest.param(
            date(2024, 2, 1), MissingFeaturesError, "The validation split of 'delay' .* has no labelled row", id="too_late"
        ),
    ],
)
def test_a_cutoff_without_rows(filled, cutoff, error, message):
    with pytest.raises(error, match=message):
        cut(filled, cutoff=cutoff)
    folder = filled.datasets_folder("delay")
    assert not list(folder.glob(".cutting-*"))


def test_an_unknown_snapshot(filled):
    with pytest.raises(NotFoundError, match="There is no snapshot 999"):
        cut(filled, snapshot=999)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param((), "'features.trips_v1' was never published. Materialise 'features/trips_v1' first", id="no_spine"),
        pytest.param((TRIPS,), "'features.outcomes_v1' was never published", id="no_label"),
        pytest.param(
            (TRIPS, OUTCOMES), "features.weather_v1, which the features are read from, was never published", id="no_feature_group"
        ),
    ],
)
def test_a_group_that_was_never_published(tmp_path, groups, message):
    store = FeatureStore(tmp_path)
    for group in groups:
        store.publish(group, {TRIPS: trips, OUTCOMES: outcomes}[group](), YEAR)
    with pytest.raises(MissingFeaturesError, match=message):
        cut(store)


COLUMN = pa.array(["b", None, "a", "b"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(COLUMN, pa.chunked_array([["b"], [None, "a"], ["b"]]), True, id="chunks_do_not_matter"),
        pytest.param(COLUMN, pa.array(["b", None, "a", "c"]), False, id="another_word"),
        pytest.param(COLUMN, pa.array(["a", None, "b", "a"]), False, id="words_swapped"),
        pytest.param(COLUMN, pa.array(["b", "", "a", "b"]), False, id="null_is_not_an_empty_text"),
        pytest.param(pa.array([1.0, None]), pa.array([1.0, 0.0]), False, id="null_is_not_zero"),
        pytest.param(pa.array([1, 2]), pa.array([1.0, 2.0]), False, id="types_differ"),
        pytest.param(pa.array([1, 2]), pa.array([2, 1]), False, id="order_matters"),
        pytest.param(pa.array([True, None]), pa.array([True, None]), True, id="booleans"),
        pytest.param(pa.array([date(2024, 1, 1), None]), pa.array([date(2024, 1, 1), None]), True, id="dates"),
        pytest.param(pa.array([timedelta(1), None]), pa.array([timedelta(2), None]), False, id="durations"),
    ],
)
def test_content_digest(one, other, same):
    assert (content_digest(pa.table({"c": one})) == content_digest(pa.table({"c": other}))) is same
