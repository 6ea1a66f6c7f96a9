"""Reports and the card made of them, on a dataset of days and on tiny ones."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.feature_store import Manifest
from fti_assets.training import (
    FittedModel,
    TrainingData,
    TrainingRun,
    XGBoostTrainer,
    binary_metrics,
    measure,
    model_card,
    without_pictures,
)
from fti_assets.training.card import _duration
from fti_assets.training.report import extra_metrics, pictures
from fti_assets.vocabulary import (
    SPLITS,
    Categorical,
    Costs,
    Feature,
    Gate,
    Model,
    Numeric,
    RandomSplit,
    TimeSplit,
    TrainingDataset,
    on_demand,
)

from .examples import make_rows, make_view, write_dataset

DATASET = TrainingDataset(name="flights", view=make_view(), split=TimeSplit(validation_days=1, test_days=20), owner="team:test")
MODEL = Model(
    name="flight_delay",
    description="Whether a flight is late, before it leaves.",
    dataset=DATASET,
    owner="team:test",
    gates=(Gate(metric="auc", slice_rows=200),),
    slices=("carrier", "hour"),
    sensitive=("carrier",),
    costs=Costs(false_positive=1, false_negative=4, unit="EUR"),
    transformations=(Numeric(impute="median", indicator=True), Categorical(minimum_rows=5)),
)
PLAIN = replace(MODEL, slices=(), sensitive=(), costs=None, gates=())


def manifest(rows, **more):
    days = ("2024-01-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00", "2024-03-11T00:00:00+00:00", "2024-03-31T00:00:00+00:00")
    said = {
        "id": "20240331-5f5f",
        "dataset": "flights",
        "view": "flights_v1",
        "view_version": 1,
        "groups": {"flights": 1},
        "snapshot": 12,
        "cutoff": days[-1],
        "splits": {name: days[n : n + 2] for n, name in enumerate(SPLITS)},
        "rows": dict(rows),
        "positive_share": dict.fromkeys(SPLITS, 0.25),
        "unlabelled_rows": 7,
        "features": ("carrier", "delay", "hour", "holiday"),
        "label": "late",
        "content_hash": "5f" * 32,
        "code_version": "1",
        "created_at": "2024-03-31T00:00:00.000+00:00",
    }
    return Manifest(**{**said, **more})


def of_days(count, seed, days=20):
    rows = make_rows(count, seed)
    at = np.datetime64("2024-01-01T00:00:00", "us") + (np.arange(count) * (days * 86_400_000_000 // count)).astype(
        "timedelta64[us]"
    )
    return rows.set_column(1, "at", pa.array(at, pa.timestamp("us", tz="UTC")))


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    splits = {name: of_days(2000, seed) for seed, name in enumerate(SPLITS)}
    return TrainingData.of(MODEL, write_dataset(tmp_path_factory.mktemp("days"), splits).folder)


@pytest.fixture(scope="module")
def boosted(days):
    return XGBoostTrainer(rounds=60).fit(days, TrainingRun(threads=1))


@pytest.fixture(scope="module")
def report(boosted, days):
    return measure(MODEL, boosted, days, baseline=("carrier", "hour"))


def test_a_report_measures_all_that_the_contract_asks_for(report, boosted, days):
    assert list(report.evaluations) == list(SPLITS)
    score = boosted.model.predict(days.split("test"))
    assert report.test.metrics == binary_metrics(days.labels("test"), score)
    assert report.test.groups.unit == "day"
    assert not report.evaluations["train"].intervals
    assert report.test.intervals["auc"].low < report.test.metrics["auc"] < report.test.intervals["auc"].high
    assert report.worst == min((one for one in report.test.slices if one.rows >= 200), key=lambda one: one.metrics["auc"])
    assert report.worst.auc.low < report.worst.metrics["auc"]
    assert {one.value for one in report.fairness} == {"AA", "B6", "UA", "(missing)"}
    assert report.gain.improvement.low > 0
    assert report.explanation.kind == "shap"


def test_the_threshold_is_chosen_on_the_validation_split(report, boosted, days):
    score, label = boosted.model.predict(days.split("validation")), days.labels("validation")
    cost = {t: ((score >= t) & (label == 0)).sum() + 4 * ((score < t) & (label == 1)).sum() for t in np.unique(score)}
    assert cost[report.threshold.value] == min(cost.values())
    assert report.decided.threshold == report.threshold.value
    assert report.decided in report.thresholds


def test_the_same_model_gives_the_same_report(report, boosted, days):
    assert measure(MODEL, boosted, days, baseline=("carrier", "hour")) == report


def test_small_slices_are_measured_where_a_gate_judges_them(boosted, tmp_path):
    rows = of_days(200, 3)
    data = TrainingData.of(PLAIN, write_dataset(tmp_path, dict.fromkeys(SPLITS, rows)).folder)
    for judged, expected in ((100, set()), (30, {"AA", "B6", "UA"})):
        model = replace(PLAIN, slices=("carrier",), gates=(Gate(metric="auc", slice_rows=judged),))
        assert {one.value for one in measure(model, boosted, data).test.slices} == expected


def test_what_is_logged_beside_the_figures(report):
    found = extra_metrics(report)
    assert (found["auc_low_test"], found["auc_high_test"]) == (report.test.intervals["auc"].low, report.test.intervals["auc"].high)
    assert found["worst_slice_auc_test"] == report.worst.metrics["auc"]
    assert found["cost_test"] == report.decided.cost
    assert "cost_test" not in extra_metrics(replace(report, decided=replace(report.decided, cost=None)))


@pytest.fixture(scope="module")
def card(report, days):
    return model_card(MODEL, manifest(days.rows), report, tags={"snapshot": "12", "code_version": "abc"}, pictures=("roc", "cost"))


@pytest.mark.parametrize(
    "said",
    [
        "# flight_delay\n\nWhether a flight is late, before it leaves.\n\nOwner: team:test",
        "Training dataset `flights/20240331-5f5f` of view `flights_v1`, snapshot 12 of the lake, content hash `5f5f5f5f5f5f`.",
        "| test | 2024-03-11 | 2024-03-31 | 2,000 | 0.2500 |",
        "| figure | train | validation | test | 95% interval on test |",
        "A table of base rates reaches an AUC of 0.",
        "the least cost on the validation split, with 1 EUR for a false positive, 4 for a false negative",
        " | cost by row |",
        "Worst of the slices with at least 200 rows: ",
        "| carrier = UA | ",
        "## Groups beside one another",
        "| feature | mean absolute SHAP value, log-odds |",
        "| delay | float |  | missing: median, indicator |  |",
        "| carrier | string |  | codes, under 5 rows missing |  |",
        "- Tested on the 20 days from 2024-03-11 to 2024-03-31 (UTC) alone",
        "- 7 rows whose label was not known are in no split",
        "- Intervals come of 20 groups of rows (by day)",
        "| snapshot | 12 |",
        'model_registry().load("flight_delay", "champion")',
        "![cost](figures/cost.png)",
    ],
)
def test_the_card_says(said, card):
    assert said in card


def test_each_table_of_the_card_has_its_columns_in_every_row(card):
    blocks = [block for block in card.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 8
    for block in blocks:
        widths = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(widths) == 1, block


def test_the_card_is_small_and_goes_without_pictures(card):
    assert len(card) < 12_000
    assert "![" not in without_pictures(card)
    assert "## How to load it" in without_pictures(card)
    assert without_pictures("") == "\n"
    cut = without_pictures(card, most=2_000)
    assert len(cut) < 2_100
    assert cut.endswith("The rest stands in `card.md` of the version in the registry.\n")
    assert cut.startswith(card[:1_800])


def test_of_many_groups_the_card_shows_some(report, days):
    many = tuple(replace(report.fairness[0], value=str(n)) for n in range(100))
    said = model_card(MODEL, manifest(days.rows), replace(report, fairness=many), tags={})
    assert said.count("| carrier = ") == 40 + len([one for one in report.test.slices if one.column == "carrier"])
    assert "60 more groups were measured." in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"sensitive": ()}, "names no sensitive column", id="no_sensitive"),
        pytest.param({"costs": None}, "names no costs", id="no_costs"),
        pytest.param(
            {"dataset": replace(DATASET, split=RandomSplit(validation_share=0.2, test_share=0.2))},
            "Rows were divided at random",
            id="random_split",
        ),
    ],
)
def test_what_was_not_tested_is_said(change, said, card, report, days):
    assert said not in card
    assert said in model_card(replace(MODEL, **change), manifest(days.rows), report, tags={})


def test_days_are_counted_in_the_calendar_of_the_spine(report, days):
    view = make_view(timezone="America/New_York")
    local = replace(MODEL, dataset=replace(DATASET, view=view))
    march = ("2024-03-01T05:00:00+00:00", "2024-04-01T04:00:00+00:00")  # the clocks go forward on the 10th
    made = manifest(days.rows, splits={**dict.fromkeys(SPLITS, march)})
    said = "- Tested on the 31 days from 2024-03-01 to 2024-04-01 (America/New_York) alone"
    assert said in model_card(local, made, report, tags={})


@on_demand(Feature("delay_by_hour", "float", "Delay by hour.", unit="minutes"), reads=("delay", "hour"))
def delay_by_hour(delay, hour):
    return delay / hour


def test_features_that_are_computed_on_demand_say_of_what(report, days):
    computing = replace(MODEL, dataset=replace(DATASET, view=replace(make_view(), on_demand=(delay_by_hour,))))
    said = model_card(computing, manifest(days.rows), report, tags={})
    assert "| delay_by_hour | float | minutes | missing: median, indicator | Delay by hour. |" in said
    assert "`delay_by_hour` is computed on demand, of delay, hour." in said


def test_groups_of_few_rows_are_said_to_have_too_few(report, days):
    few = replace(report.fairness[0], value="few", rows=3, selection_ratio=math.nan)
    low = replace(report.fairness[0], value="low", selection_ratio=0.7)
    said = model_card(MODEL, manifest(days.rows), replace(report, fairness=(low, few)), tags={})
    assert "1 of 1 groups of at least 100 rows break the rule of four fifths" in said
    assert " | 0.70 ⚠ | " in said
    assert " | too few rows | " in said


def test_small_slices_and_few_days_are_said(boosted, tmp_path):
    few = TrainingData.of(MODEL, write_dataset(tmp_path, {name: of_days(400, n, days=3) for n, name in enumerate(SPLITS)}).folder)
    said = model_card(MODEL, manifest(few.rows), measure(MODEL, boosted, few), tags={})
    assert "400 test rows have a value of `hour` with under 100 rows: not measured by themselves." in said
    assert "Intervals take every row for independent" in said
    assert "No slice has 200 rows and an AUC." in said


def test_a_value_with_a_bar_stays_in_its_cell(report, days):
    odd = replace(report.test.slices[0], value="A|A\nB")
    test = replace(report.test, slices=(odd,))
    changed = replace(report, evaluations={**report.evaluations, "test": test})
    assert "| carrier = A\\|A B | " in model_card(MODEL, manifest(days.rows), changed, tags={})


def one_class(late):
    rows = make_rows(60)
    return rows.filter(np.asarray(rows["late"]) == late).slice(0, 4)


@pytest.mark.parametrize(
    ("model", "splits"),
    [
        pytest.param(MODEL, {"test": one_class(False)}, id="test_of_one_class"),
        pytest.param(MODEL, {"test": one_class(True).slice(0, 1)}, id="test_of_one_row"),
        pytest.param(MODEL, {"validation": one_class(False)}, id="validation_without_positives"),
        pytest.param(PLAIN, {"test": one_class(True).slice(0, 1), "validation": one_class(False)}, id="nothing_asked_for"),
    ],
)
def test_tiny_splits_break_nothing_and_say_that_nothing_is_known(model, splits, boosted, tmp_path):
    given = {**{name: make_rows(50, n) for n, name in enumerate(SPLITS)}, **splits}
    data = TrainingData.of(model, write_dataset(tmp_path, given).folder)
    report = measure(model, boosted, data, baseline=("carrier",))
    fitted = FittedModel(model=boosted.model, params={})
    assert all(content.startswith(b"\x89PNG") for content in pictures(report, fitted, model.costs).values())
    said = model_card(model, manifest(data.rows), report, tags={})
    if "test" in splits:
        assert math.isnan(report.test.metrics["auc"])
        assert "Not known, since the test split lacks a class: auc" in said
        assert "| auc | " in said
        assert not any(math.isnan(value) for value in extra_metrics(report).values())


@pytest.mark.parametrize(
    ("horizon", "words"),
    [
        (timedelta(hours=36), "36 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2), "2 days"),
        (timedelta(minutes=30), "0.5 hours"),
    ],
)
def test_a_horizon_is_told_in_whole_days_or_in_hours(horizon, words):
    assert _duration(horizon) == words
