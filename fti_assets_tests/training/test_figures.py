import struct
import sys
from datetime import date, timedelta

import matplotlib
import numpy as np
import pytest

from fti_assets.training import Explanation, Interval, SliceMetrics, cost_curve, figures
from fti_assets.training.evaluation import threshold_row
from fti_assets.vocabulary import Costs

RANDOM = np.random.default_rng(0)
SCORE = RANDOM.beta(2, 5, 5000)
LABEL = RANDOM.random(5000) < SCORE
DAYS = [date(2013, 11, 1) + timedelta(days=n) for n in range(61)]
CURVE = {"logloss_train": np.geomspace(0.69, 0.40, 400), "logloss_validation": np.geomspace(0.69, 0.45, 400)}
EUR = Costs(false_positive=1, false_negative=4, unit="EUR")
FEW, FALSE = np.full(3, 0.5), np.zeros(3)
NAN = float("nan")
EFFECTS = RANDOM.normal(0, 1, (200, 15)) / np.arange(1, 16)
SHAP = Explanation(
    kind="shap",
    importance={f"a_feature_with_a_very_long_name_{n}": 1 / (n + 1) for n in range(15)},
    rows=200,
    contributions=EFFECTS,
    values=np.where(RANDOM.random((200, 15)) < 0.1, NAN, RANDOM.random((200, 15))),
)
SHUFFLED = Explanation(kind="permutation", importance={"delay": 0.1, "hour": -0.001, "nothing": NAN}, rows=200)
SLICES = [
    SliceMetrics("carrier", f"C{n}", 500, {"auc": 0.6 + n / 100}, Interval(0.6 + n / 100, 0.58 + n / 100, 0.62 + n / 100))
    for n in range(20)
]
UNKNOWN = [SliceMetrics("carrier", "C1", 500, {"auc": NAN}, Interval(NAN, NAN, NAN))]


def cost(label, score):
    return figures.cost(cost_curve(label, score, EUR), threshold_row(label, score, 0.2, EUR), "EUR")


FIGURES = [
    pytest.param(lambda: figures.precision_recall(LABEL, SCORE, np.round(SCORE, 1)), id="precision_recall"),
    pytest.param(lambda: figures.precision_recall(FALSE, FEW), id="precision_recall_of_one_class"),
    pytest.param(lambda: cost(LABEL, SCORE), id="cost"),
    pytest.param(lambda: cost(FALSE, FEW), id="cost_of_one_class"),
    pytest.param(lambda: figures.explanation(SHAP), id="shap"),
    pytest.param(lambda: figures.explanation(SHUFFLED), id="permutation"),
    pytest.param(lambda: figures.skew({"temp_f": 0.01, "wind_mph": 0.2}), id="skew"),
    pytest.param(lambda: figures.slices(SLICES, 0.7), id="slices"),
    pytest.param(lambda: figures.slices(UNKNOWN, NAN), id="slices_without_auc"),
    pytest.param(lambda: figures.roc(LABEL, SCORE, np.round(SCORE, 1)), id="roc"),
    pytest.param(lambda: figures.roc(np.zeros(10), np.linspace(0, 1, 10)), id="roc_of_one_class"),
    pytest.param(lambda: figures.calibration(LABEL, SCORE), id="calibration"),
    pytest.param(lambda: figures.feature_importance({f"late_share_28d_{n}": 1 / (n + 1) for n in range(30)}), id="importance"),
    pytest.param(lambda: figures.learning_curve(CURVE, 380), id="learning_curve"),
    pytest.param(lambda: figures.daily_quality(DAYS, [float("nan"), *np.linspace(0.7, 0.76, 60)], 0.745), id="daily_quality"),
    pytest.param(lambda: figures.daily_quality(DAYS[:1], [0.7]), id="daily_quality_of_one_day"),
]


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_is_a_small_png_and_always_the_same(draw):
    content = draw()
    assert content.startswith(b"\x89PNG\r\n")
    assert struct.unpack(">II", content[16:24]) == (480, 360)
    assert len(content) < 25_000
    assert draw() == content


def test_names_that_are_alike_at_their_beginning_keep_a_bar_each():
    long = {f"a_feature_with_a_very_long_name_{n}": 0.5 for n in range(2)}
    assert figures.feature_importance(long) != figures.feature_importance(dict(list(long.items())[:1]))


def test_drawing_leaves_pyplot_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    monkeypatch.delattr(matplotlib, "pyplot", raising=False)
    assert figures.calibration([0, 1], [0.2, 0.7])
    assert figures.explanation(SHAP)
    assert not [one for one in vars(figures.style).values() if getattr(one, "__name__", "") == "matplotlib.pyplot"]
