import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import FtiError, NotFoundError
from fti_assets.training import BaseRateTable, binary_metrics

TRAIN = pa.table({"carrier": ["AA", "AA", "AA", "UA", None, None], "hour": [6, 6, 7, 6, 6, 6]})
LATE = [1, 0, 1, 0, 1, 1]


def test_rates_are_drawn_towards_the_overall_rate():
    table = BaseRateTable(("carrier",), smoothing=2).fit(TRAIN, LATE)
    overall = 4 / 6
    expected = [(2 + 2 * overall) / 5, (0 + 2 * overall) / 3, overall, (2 + 2 * overall) / 4]
    rows = pa.table({"carrier": ["AA", "UA", "ZZ", None]})
    np.testing.assert_allclose(table.predict(rows), expected)


def test_groups_are_formed_by_all_columns_together():
    table = BaseRateTable(("carrier", "hour"), smoothing=0).fit(TRAIN, LATE)
    rows = pa.table({"hour": [6, 7, 6, 7], "carrier": ["AA", "AA", "UA", "UA"]})
    np.testing.assert_allclose(table.predict(rows), [0.5, 1.0, 0.0, 4 / 6])


def test_predictions_keep_the_order_of_the_rows():
    random = np.random.default_rng(0)
    rows = pa.table({"carrier": random.choice(["AA", "UA", "B6"], 5000)})
    late = np.asarray(rows["carrier"]) == "UA"
    score = BaseRateTable(("carrier",)).fit(rows, late).predict(rows)
    assert binary_metrics(late, score)["auc"] == 1
    np.testing.assert_array_equal(score > 0.5, late)


def test_it_learns_on_a_training_dataset(data):
    table = BaseRateTable(("carrier", "hour")).fit(data.split("train"), data.labels("train"))
    assert 0.55 < binary_metrics(data.labels("test"), table.predict(data.split("test")))["auc"] < 0.75


def test_errors_say_what_to_do():
    with pytest.raises(FtiError, match="Call fit with the training split"):
        BaseRateTable(("carrier",)).predict(TRAIN)
    with pytest.raises(NotFoundError, match="Column 'route' is not in the table given to the base rates"):
        BaseRateTable(("route",)).fit(TRAIN, LATE)
