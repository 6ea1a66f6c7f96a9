import json

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.file_hash import sha256_of
from fti_assets.training import TrainingData, TrainingDataError
from fti_assets.vocabulary import SPLITS

from .examples import FEATURES, make_rows, make_view, write_dataset


def test_a_dataset_says_what_it_holds(data):
    assert data.manifest["snapshot"] == 12
    assert data.feature_names == ("carrier", "delay", "hour", "holiday")
    assert tuple((one.name, one.type) for one in data.feature_columns) == tuple((one.name, one.type) for one in FEATURES)
    assert data.label == "late"
    assert data.rows == {"train": 2000, "validation": 800, "test": 800}


def test_a_split_has_all_its_columns_or_those_asked_for(data):
    assert data.split("test").equals(make_rows(800, 2))
    assert data.split("test", ["hour", "flight"]).column_names == ["hour", "flight"]


def test_labels_are_numbers_in_the_order_of_the_rows(data):
    labels = data.labels("validation")
    assert labels.dtype == np.float64
    np.testing.assert_array_equal(labels, data.split("validation")["late"].to_numpy())


def test_example_rows_are_whole(data):
    example = data.example(4)
    assert example.num_rows == 4
    assert example.column_names == list(data.feature_names)
    assert sum(column.null_count for column in example.columns) == 0


def test_example_rows_come_from_anywhere_when_none_is_whole(tmp_path):
    rows = make_rows(20).set_column(3, "delay", pa.nulls(20, pa.float64()))
    assert write_dataset(tmp_path, dict.fromkeys(SPLITS, rows)).example(3).num_rows == 3


@pytest.mark.parametrize("column", [pytest.param("hour", id="feature"), pytest.param("late", id="label")])
def test_a_missing_column_is_named(tmp_path, column):
    splits = {name: make_rows(20) for name in SPLITS}
    splits["test"] = splits["test"].drop_columns([column])
    with pytest.raises(NotFoundError, match=rf"Column '{column}' is not in the test split of .*view has changed"):
        write_dataset(tmp_path, splits)


def test_an_empty_split_is_named(tmp_path):
    splits = {name: make_rows(20) for name in SPLITS} | {"validation": make_rows(20).slice(0, 0)}
    with pytest.raises(TrainingDataError, match=r"The validation split of .* has no row"):
        write_dataset(tmp_path, splits)


@pytest.mark.parametrize("file", ["manifest.json", "train.parquet", "test.parquet"])
def test_a_missing_file_is_named(tmp_path, file):
    write_dataset(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(NotFoundError, match=rf"File '{file}' is not in training dataset .*It has: .*Materialise the dataset"):
        TrainingData(tmp_path, make_view())


def test_a_file_of_which_one_bit_has_changed_is_refused(tmp_path):
    write_dataset(tmp_path)
    hashes = {name: sha256_of(tmp_path / f"{name}.parquet") for name in SPLITS}
    (tmp_path / "manifest.json").write_text(json.dumps({"dataset": "flights", "id": "x-s1", "sha256": hashes}))
    assert TrainingData(tmp_path, make_view()).rows["test"] == 800
    file = tmp_path / "validation.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(TrainingDataError, match=r"The validation split of .* 'flights/x-s1' .*recreate flights/x-s1"):
        TrainingData(tmp_path, make_view())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"not in training dataset .*nowhere.* It has none\."):
        TrainingData(tmp_path / "nowhere", make_view())


def test_a_row_without_a_label_is_refused(tmp_path):
    rows = make_rows(20)
    unknown = rows.set_column(6, "late", pa.array([None, *[True] * 19]))
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, unknown))
    with pytest.raises(TrainingDataError, match=r"1 of 20 rows of the train split in .* have no label 'late'"):
        data.labels("train")
