import numpy as np
import pytest

from fti_assets.training import HistogramTrainer, NotExplainableError, TrainingRun, binary_metrics, explain, explain_rows
from fti_assets.vocabulary import SPLITS, Categorical, Numeric
from fti_assets_tests.training.examples import make_rows, write_dataset


@pytest.fixture(scope="module")
def histogram(data):
    return HistogramTrainer(rounds=30, min_samples_leaf=20).fit(data, TrainingRun(threads=1))


def logit(probability):
    return np.log(probability / (1 - probability))


def test_contributions_sum_to_the_logit(fitted, data):
    rows = data.split("test")
    sums = fitted.model.contributions(rows).sum(axis=1)
    np.testing.assert_allclose(sums, logit(fitted.model.predict(rows)), atol=1e-4)


def test_contributions_of_columns_that_come_of_one_feature_are_added_up(data):
    from fti_assets.training import XGBoostTrainer

    encoded = type(data)(data.folder, data.view, (Categorical(encode="one_hot"), Numeric(impute="mean", indicator=True)))
    model = XGBoostTrainer(rounds=30).fit(encoded, TrainingRun(threads=1)).model
    rows = data.split("test")
    found = model.contributions(rows)
    assert found.shape == (800, 5)
    np.testing.assert_allclose(found.sum(axis=1), logit(model.predict(rows)), atol=1e-4)


def test_shap_values_say_what_the_labels_were_made_of(fitted, tmp_path):
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, make_rows(200, 2)))
    found = explain(fitted.model, data)
    assert (found.kind, found.rows) == ("shap", 200)
    assert list(found.importance)[:2] == ["delay", "carrier"]  # as examples.make_rows makes them
    assert found.importance["delay"] > 5 * found.importance["hour"]
    by_hand = np.abs(fitted.model.contributions(data.split("test"))[:, :4]).mean(axis=0)
    np.testing.assert_allclose(sorted(found.importance.values()), np.sort(by_hand))
    assert found.contributions.shape == found.values.shape == (200, 4)
    delay, place = found.contributions[:, 0], found.values[:, 0]
    known = ~np.isnan(place)
    assert np.corrcoef(delay[known], place[known])[0, 1] > 0.8
    assert np.isnan(found.values[:, 1]).all()  # carriers have no order


def test_permutation_says_so_where_there_are_no_shap_values(histogram, data):
    found = explain(histogram.model, data)
    assert (found.kind, found.rows, found.contributions) == ("permutation", 800, None)
    assert list(found.importance)[:2] == ["delay", "carrier"]
    assert found.importance["delay"] > 0.1
    assert abs(found.importance["hour"]) < 0.02
    whole = binary_metrics(data.labels("test"), histogram.model.predict(data.split("test")))["auc"]
    assert 0 < found.importance["delay"] < whole


@pytest.mark.parametrize("which", ["fitted", "histogram"])
def test_the_same_seed_explains_the_same(which, data, request):
    model = request.getfixturevalue(which).model
    assert explain(model, data) == explain(model, data)


def test_a_large_split_is_sampled(fitted, tmp_path):
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, make_rows(2500)))
    first, again, other = explain(fitted.model, data), explain(fitted.model, data), explain(fitted.model, data, seed=1)
    assert first.rows == 200
    assert first == again
    assert first != other
    every = np.abs(fitted.model.contributions(data.split("test"))[:, 1]).mean()
    assert first.importance["delay"] == pytest.approx(every, rel=0.1)


def test_rows_are_drawn_from_every_batch_of_a_split(fitted, tmp_path):
    rows = make_rows(140_000)  # read in two batches
    data = write_dataset(tmp_path, {**dict.fromkeys(SPLITS, rows.slice(0, 50)), "test": rows})
    chosen = np.sort(np.random.default_rng(0).choice(140_000, 200, replace=False))
    assert chosen[-1] > 131_072
    contributions = fitted.model.contributions(rows.take(chosen))
    found = explain(fitted.model, data)
    assert found.importance["delay"] == pytest.approx(np.abs(contributions[:, 1]).mean())


def test_a_prediction_is_explained_by_its_largest_effects(fitted, data):
    rows = data.split("test").slice(0, 3)
    found = explain_rows(fitted.model, rows, most=2)
    contributions = fitted.model.contributions(rows)
    assert [len(one) for one in found] == [2, 2, 2]
    for n, effects in enumerate(found):
        assert abs(effects[0].contribution) == np.abs(contributions[n, :4]).max()
        assert abs(effects[0].contribution) >= abs(effects[1].contribution)
        assert effects[0].value == rows[effects[0].feature][n].as_py()
    assert explain_rows(fitted.model, rows.slice(0, 1), most=2)[0][0].feature == found[0][0].feature


def test_a_model_without_shap_values_says_so(histogram, data):
    with pytest.raises(NotExplainableError, match="A SklearnModel does not say what each feature contributed"):
        explain_rows(histogram.model, data.split("test").slice(0, 1))


@pytest.mark.parametrize("which", ["fitted", "histogram"])
def test_a_tiny_split_of_one_class_breaks_nothing(which, request, tmp_path):
    rows = make_rows(300)
    one = rows.filter(np.asarray(rows["late"])).slice(0, 2)
    data = write_dataset(tmp_path, {**dict.fromkeys(SPLITS, rows), "test": one})
    found = explain(request.getfixturevalue(which).model, data)
    assert found.rows == 2
    assert set(found.importance) == {"carrier", "delay", "hour", "holiday"}
