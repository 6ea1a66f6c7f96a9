import numpy as np
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.training import TrainingRun
from fti_assets.training.weights import positive_weight


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"seed": -1}, "The seed of a training is -1. Give a whole number from 0 on", id="negative_seed"),
        pytest.param({"threads": 0}, "A training is given 0 threads. Give at least 1, or None", id="no_threads"),
    ],
)
def test_a_run_that_cannot_be_is_refused(given, message):
    with pytest.raises(DefinitionError, match=message):
        TrainingRun(**given)


def test_a_run_needs_nothing_said():
    assert (TrainingRun().seed, TrainingRun().threads, TrainingRun(seed=0, threads=1).threads) == (0, None, 1)


@pytest.mark.parametrize(
    ("weight", "labels", "expected"),
    [
        pytest.param("balanced", [1, 0, 0, 0], 3.0, id="balanced"),
        pytest.param("balanced", [1, 1, 1], 1.0, id="no_negatives"),
        pytest.param("balanced", [0, 0], 1.0, id="no_positives"),
        pytest.param(2, [1, 0], 2.0, id="a_number"),
    ],
)
def test_the_weight_of_a_positive_row(weight, labels, expected):
    assert positive_weight(weight, np.array(labels, dtype=float)) == expected
