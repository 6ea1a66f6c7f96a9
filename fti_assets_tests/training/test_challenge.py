"""What comes of judging a challenger whose view is no longer that of the champion."""

from dataclasses import replace
from datetime import date

import pytest

from fti_assets.errors import FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.training import TrainingRun, train, training_program
from fti_assets.training.challenge import judge_challenger

from .programs import DATASET, MODEL, cut_flights, tiny

ONE = TrainingRun(threads=1)
VIEW = DATASET.view
SMALLER = replace(MODEL, dataset=replace(DATASET, view=replace(VIEW, features=(VIEW.spine["carrier", "delay"],))))


@pytest.mark.usefixtures("undrawn")
def test_a_champion_that_reads_what_the_dataset_lacks_is_named(tmp_path, registry):
    store = FeatureStore(tmp_path)
    cut_flights(store)
    champion = train(tiny, store, registry, run=ONE).version
    registry.promote(MODEL.name, champion.version, reason="first", figures={})
    _, manifest = store.cut(SMALLER.dataset, date(2024, 1, 3), code_version="test")
    train(training_program(SMALLER)(tiny.function), store, registry, dataset_id=manifest.id, run=ONE)

    with pytest.raises(FtiError, match="The champion, flights version 1, cannot be compared") as told:
        judge_challenger(SMALLER, store, registry)

    assert "Feature 'hour' is not in the rows" in str(told.value)
    assert "fti models promote flights:VERSION" in str(told.value)
    assert registry.get(MODEL.name, "champion").version == 1
