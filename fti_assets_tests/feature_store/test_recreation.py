"""Training datasets cut again after the lake has moved on, and compared with others."""

import json
import shutil
from dataclasses import replace
from datetime import date

import pytest
from pyarrow import parquet

from fti_assets.errors import FtiError, NotFoundError
from fti_assets.feature_store import FeatureStore, RetentionPolicy, carry_out, compare_datasets, plan_maintenance
from fti_assets.file_hash import sha256_of
from fti_assets.vocabulary import TimeSplit
from fti_assets_tests.feature_store.examples import DAYS, HOUR, OUTCOMES, TRIPS, YEAR, make_dataset, make_group, make_view, rows_of

WEATHER = make_group(ttl=48 * HOUR)
DATASET = make_dataset(make_view(WEATHER, own=("distance",)))
CUTOFF = date(2024, 1, 6)


def noon(day):
    return DAYS.window(f"2024-01-{day:02}").start + 12 * HOUR


def trips(days=range(1, 6), distance=1.0):
    return rows_of(TRIPS, *((10 * day + n, noon(day), "a", "x", distance) for day in days for n in (0, 1)))


def outcomes(days=range(1, 6)):
    return rows_of(OUTCOMES, *((10 * day + n, noon(day) + 2 * HOUR, n == 1) for day in days for n in (0, 1)))


def weather(days=range(1, 6), **corrected):
    return rows_of(WEATHER, *(("a", noon(day) - HOUR, corrected.get(f"d{day}", float(day))) for day in days))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("filled"))
    store.publish(TRIPS, trips(), YEAR)
    store.publish(OUTCOMES, outcomes(), YEAR)
    store.publish(WEATHER, weather(), YEAR)
    return store


@pytest.fixture
def store(tmp_path, filled):
    shutil.copytree(filled.root, tmp_path / "store", ignore=shutil.ignore_patterns("training_datasets"))
    return FeatureStore(tmp_path / "store")


def cut(store, dataset=DATASET, snapshot=None):
    return store.cut(dataset, CUTOFF, code_version="1.0", snapshot=snapshot)


def go_on(store):
    """Later data, corrections of what was cut, a correction of a single key, and all the care that a lake can get."""
    store.publish(TRIPS, trips([7, 8]), DAYS.window("2024-01-07", "2024-01-08"))
    store.publish(WEATHER, weather([3], d3=33.0), DAYS.window("2024-01-03"))
    store.publish(WEATHER, weather([3], d3=34.0), DAYS.window("2024-01-03"))
    store.publish(OUTCOMES, outcomes([5, 7])[1:], DAYS.window("2024-01-05", "2024-01-07"))
    store.upsert(WEATHER, rows_of(WEATHER, ("a", noon(4) - HOUR, 44.0)))
    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, store.holds(), RetentionPolicy(keep_days=0, grace_hours=0, merge_from=2))
        carry_out(store.lake, connection, plan, store.holds)


def test_a_dataset_is_cut_again_after_later_data_corrections_and_compaction(store):
    folder, manifest = cut(store)
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    go_on(store)
    assert cut(store)[1].content_hash != manifest.content_hash
    again = store.recreate("delay", manifest.id)
    assert (again.folder, again.manifest, again.same, again.files, again.comparison) == (folder, manifest, True, "intact", None)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    assert not list(folder.parent.glob(".recreat*"))


def test_the_code_that_defined_it_is_not_needed(filled):
    folder, manifest = cut(filled)
    assert json.loads((folder / "manifest.json").read_text())["definition"]["kind"] == "TrainingDataset"
    assert manifest.defined == DATASET


@pytest.mark.parametrize("found", ["missing", "damaged"])
def test_files_that_were_lost_are_put_back(store, found):
    folder, manifest = cut(store)
    before = (folder / "train.parquet").read_bytes()
    go_on(store)
    if found == "missing":
        (folder / "train.parquet").unlink()
    else:
        (folder / "train.parquet").write_bytes(before[:-50])
    again = store.recreate("delay", manifest.id)
    assert (again.same, again.files) == (True, found)
    assert (folder / "train.parquet").read_bytes() == before


def test_values_that_were_changed_in_the_stored_files_are_found(store):
    folder, manifest = cut(store)
    rows = parquet.read_table(folder / "test.parquet")
    parquet.write_table(rows.set_column(4, "distance", [[9.0] * rows.num_rows]), folder / "test.parquet")
    again = store.recreate("delay", manifest.id)
    assert (again.same, again.files) == (True, "damaged")
    assert parquet.read_table(folder / "test.parquet") == rows


def test_the_same_rows_in_other_bytes_are_no_intact_file(store):
    """Whoever trains compares the bytes, so the manifest names those of what was put back."""
    folder, manifest = cut(store)
    file, before = folder / "test.parquet", (folder / "test.parquet").read_bytes()
    parquet.write_table(parquet.read_table(file), file, compression="none")
    again = store.recreate("delay", manifest.id)
    assert (again.same, again.files) == (True, "damaged")
    assert file.read_bytes() == before
    (_, known), *_ = store.datasets("delay")
    assert known.sha256 == {name: sha256_of(folder / f"{name}.parquet") for name in known.splits} == manifest.sha256


def test_what_comes_out_otherwise_is_told_and_kept_aside(store):
    folder, manifest = cut(store)
    said = json.loads((folder / "manifest.json").read_text())
    for selection in said["definition"]["view"]["features"]:
        if selection["group"]["name"] == "weather":
            selection["group"]["ttl"] = "PT30M"  # as if another ttl had been in force
    (folder / "manifest.json").write_text(json.dumps(said))
    again = store.recreate("delay", manifest.id)
    assert not again.same
    assert again.folder == folder.parent / ".recreated" / again.manifest.id
    assert [(column.name, dict(column.rows)) for column in again.comparison.columns] == [
        ("temp", {"train": 6, "validation": 2, "test": 2}),
        ("weather_v1__event_time", {"train": 6, "validation": 2, "test": 2}),
    ]
    assert again.comparison.columns[0].examples[0] == ({"trip": 10, "asked_at": noon(1)}, 1.0, None)
    assert again.comparison.splits == ("train", "validation", "test")
    assert [path for path, _ in store.datasets("delay")] == [folder]  # what is aside is no version
    assert store.recreate("delay", manifest.id).folder == again.folder


def test_a_dataset_from_before_definitions_were_kept(store):
    folder, manifest = cut(store)
    said = json.loads((folder / "manifest.json").read_text())
    del said["definition"]
    (folder / "manifest.json").write_text(json.dumps(said))
    with pytest.raises(FtiError, match=rf"'delay/{manifest.id}' was cut before definitions were kept"):
        store.recreate("delay")
    assert compare_datasets(folder, folder).key == ()


def test_a_snapshot_that_is_gone(store):
    folder, manifest = cut(store)
    (folder / "manifest.json").write_text(json.dumps(json.loads((folder / "manifest.json").read_text()) | {"snapshot": 999}))
    with pytest.raises(NotFoundError, match=rf"'delay/{manifest.id}' was cut from snapshot 999, which the lake does not have"):
        store.recreate("delay")
    assert not list(folder.parent.glob(".recreat*"))


def test_a_dataset_that_is_not_there(store):
    with pytest.raises(NotFoundError, match="'delay/x' is not there"):
        store.recreate("delay", "x")


def test_versions_are_compared_by_manifest_and_by_row(store):
    one, first = cut(store)
    go_on(store)
    longer = replace(DATASET, split=TimeSplit(validation_days=1, test_days=2))
    other, second = cut(store, longer)
    found = compare_datasets(one, other)
    facts = {fact.name: (fact.first, fact.second) for fact in found.facts}
    assert facts["snapshot"] == (first.snapshot, second.snapshot)
    assert (facts["train: rows"], facts["test: rows"]) == ((6, 4), (2, 3))
    assert "view" not in facts
    assert [(fact.name, fact.first, fact.second) for fact in found.definition] == [("split.test_days", 1, 2)]
    assert found.key == ("trip", "asked_at")
    assert (found.only_first, found.only_second) == ({"test": 1}, {})  # the outcome of trip 50 was withdrawn
    assert found.examples["only_first"] == ({"trip": 50, "asked_at": noon(5)},)
    assert found.moved == {"validation": 2, "test": 2}
    (column,) = found.columns
    assert (column.name, column.rows) == ("temp", {"validation": 2, "test": 2})
    assert column.examples[:2] == (({"trip": 30, "asked_at": noon(3)}, 3.0, 34.0), ({"trip": 31, "asked_at": noon(3)}, 3.0, 34.0))
    assert not found.same_rows
    assert compare_datasets(other, one).only_second == {"test": 1}


def test_a_version_does_not_differ_from_itself(filled):
    folder, _ = cut(filled)
    found = compare_datasets(folder, folder)
    assert found.same_rows
    assert (found.facts, found.definition, found.splits) == ((), (), ())


def test_columns_that_one_version_lacks_or_has_in_another_type(store):
    one, _ = cut(store)
    other = store.datasets_folder("delay") / "other"
    shutil.copytree(one, other)
    for split in ("train", "validation", "test"):
        rows = parquet.read_table(other / f"{split}.parquet")
        changed = (
            rows.drop_columns(["line"]).set_column(3, "distance", rows["distance"].cast("int64")).append_column("new", rows["line"])
        )
        parquet.write_table(changed, other / f"{split}.parquet")
    found = compare_datasets(one, other)
    assert (found.columns_only_first, found.columns_only_second) == (("line",), ("new",))
    assert [(fact.name, fact.first, fact.second) for fact in found.types] == [("distance", "DOUBLE", "BIGINT")]
    assert not found.same_rows
