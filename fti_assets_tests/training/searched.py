"""Programs with spaces to search. Imported by the workers of a search too."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from fti_assets.errors import FtiError
from fti_assets.training import XGBoostTrainer, training_program

from .programs import MODEL


def few_trees(trial):
    return XGBoostTrainer(rounds=12, learning_rate=trial.suggest_float("learning_rate", 0.001, 0.5, log=True), max_depth=3)


@training_program(MODEL, space=few_trees)
def flights(data, run):
    return XGBoostTrainer(rounds=5, max_depth=3).fit(data, run)


class Ends:
    """A trainer that ends the whole search after two fits, until the file is there."""

    def __init__(self, marker: Path, trainer: XGBoostTrainer) -> None:
        self.marker, self.trainer = marker, trainer

    def fit(self, data, run):
        fits = int(self.marker.read_text()) if self.marker.exists() else 0
        if fits == 2:
            self.marker.write_text("3")
            raise KeyboardInterrupt
        self.marker.write_text(str(fits + 1))
        return self.trainer.fit(data, run)


def choices(trial):
    """A choice among tuples, which the study's database makes lists of."""
    trial.suggest_categorical("unused", ["a", "b"])
    metrics = trial.suggest_categorical("metrics", [("logloss",), ("auc", "logloss")])
    return XGBoostTrainer(rounds=5, max_depth=3, metrics=metrics)


@training_program(MODEL, space=choices)
def chooses(data, run):
    raise AssertionError


def sometimes_fails(trial):
    trainer = few_trees(trial)
    return replace(trainer, metrics=("auc",)) if trial.number == 1 else trainer


@training_program(MODEL, space=sometimes_fails)
def unlucky(data, run):
    raise AssertionError


def kills(trial):
    if trial.number == 1:
        os._exit(9)
    return few_trees(trial)


@training_program(MODEL, space=kills)
def deadly(data, run):
    raise AssertionError


def always_fails(trial):
    trial.suggest_float("learning_rate", 0.1, 0.2)
    raise FtiError("This space is empty.")


@training_program(MODEL, space=always_fails)
def hopeless(data, run):
    raise AssertionError
