import numpy as np
import pyarrow as pa
import pytest

from fti_assets.training import Groups, row_groups
from fti_assets.training.evaluation import kept_together
from fti_assets.vocabulary import SPLITS, RandomSplit, TimeSplit, TrainingDataset
from fti_assets_tests.training.examples import make_rows, make_view, write_dataset


def spread(count=240, hours=1):
    """Rows an hour apart, from 2024-01-01 00:00 UTC."""
    rows = make_rows(count)
    at = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(count) * np.timedelta64(hours * 3600, "s")
    return rows.set_column(1, "at", pa.array(at.astype("datetime64[us]"), pa.timestamp("us", tz="UTC")))


def written(folder, rows):
    return write_dataset(folder, dict.fromkeys(SPLITS, rows))


def test_rows_of_a_day_belong_together(tmp_path):
    found = row_groups(written(tmp_path, spread(240)), "test")
    assert (found.count, found.unit) == (10, "day")
    np.testing.assert_array_equal(found.codes, np.arange(240) // 24)


def test_few_days_say_too_little(tmp_path):
    found = row_groups(written(tmp_path, spread(239 - 24)), "test")
    assert (found.count, found.unit) == (215, "row")


def test_a_split_without_times_has_rows(tmp_path):
    assert row_groups(written(tmp_path, make_rows(50).drop_columns(["at"])), "test").unit == "row"


def test_other_columns_may_say_what_belongs_together(tmp_path):
    found = row_groups(written(tmp_path, spread(240)), "test", ["carrier", "hour"])
    rows = spread(240)
    pairs = list(zip(rows["carrier"].to_pylist(), rows["hour"].to_pylist(), strict=True))
    assert (found.count, found.unit) == (len(set(pairs)), "carrier and hour")
    assert len({(pair, code) for pair, code in zip(pairs, found.codes, strict=True)}) == found.count


def test_dictionaries_are_grouped_by_their_values():
    days = [[str(n % 12) for n in range(start, start + 30)] for start in (0, 5)]
    plain = pa.table({"day": pa.chunked_array(days)})
    coded = pa.table({"day": pa.chunked_array([pa.array(one).dictionary_encode() for one in days])})
    found, expected = (Groups.of(table, ["day"], "day") for table in (coded, plain))
    assert found.count == expected.count == 12
    np.testing.assert_array_equal(found.codes, expected.codes)


def test_some_of_the_rows(tmp_path):
    found = row_groups(written(tmp_path, spread(480)), "test")
    some = found.among(np.arange(24, 24 * 15))
    assert (some.count, some.codes[0], some.codes[-1], some.unit) == (14, 0, 13, "day")
    assert found.among(np.arange(24 * 9)).unit == "row"


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        pytest.param(TimeSplit(validation_days=1, test_days=1), (), id="by_time"),
        pytest.param(RandomSplit(validation_share=0.2, test_share=0.2), (), id="at_random"),
        pytest.param(RandomSplit(validation_share=0.2, test_share=0.2, by=("carrier",)), ("carrier",), id="by_customer"),
    ],
)
def test_what_a_split_keeps_together_is_resampled_together(split, expected):
    assert kept_together(TrainingDataset(name="flights", view=make_view(), split=split, owner="team:test")) == expected
