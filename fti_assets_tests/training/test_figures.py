import struct
import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pytest

from fti_assets.training import figures

RANDOM = np.random.default_rng(0)
SCORE = RANDOM.beta(2, 5, 5000)
LABEL = RANDOM.random(5000) < SCORE
DAYS = [date(2013, 11, 1) + timedelta(days=n) for n in range(61)]
CURVE = {"logloss_train": np.geomspace(0.69, 0.40, 400), "logloss_validation": np.geomspace(0.69, 0.45, 400)}

FIGURES = [
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


def test_drawing_leaves_pyplot_alone():
    code = (
        "import sys; from fti_assets.training import figures; figures.calibration([0, 1], [0.2, 0.7])\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
