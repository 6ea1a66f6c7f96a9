"""What is served, made once: features of every account, two versions of a model, and the right answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.serving.contracts import CATEGORIES, FLOATS_PER_GROUP, GROUPS, KNOWN_AT, MODEL, TREES, VIEW
from fti_assets.model_registry import DatasetReference, ModelRegistry, TrainingRecord
from fti_assets.predictive_models import XGBoostModel
from fti_assets.predictive_models.xgboost import feature_names, feature_types
from fti_assets.transformations import fit_transformations

ROWS = (1, 10, 100, 500)
"""Entities of one request. Predictions are asked for up to 100 of them."""
_REQUESTS = {1: 2000, 10: 500, 100: 200, 500: 50}
_VERSIONS = 2
_MISSING = 0.05


@dataclass(frozen=True)
class Data:
    """A folder with all of it.

    `features/GROUP.parquet`: a row for each account; `matrix.npy`: the same as the booster reads them;
    `expected.npy`: the prediction of each version for each account; `model.ubj`: the booster of the first version.
    """

    folder: Path

    @property
    def registry_uri(self) -> str:
        return f"sqlite:///{self.folder.resolve() / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def expected(self) -> np.ndarray:
        found: np.ndarray = np.load(self.folder / "expected.npy")
        return found

    @cached_property
    def requests(self) -> dict[int, list[list[int]]]:
        """For each number of rows, the accounts of each request."""
        made = json.loads((self.folder / "requests.json").read_text())
        return {int(rows): accounts for rows, accounts in made.items()}

    @cached_property
    def features(self) -> Mapping[str, list[Any]]:
        """The values of each feature by account, null where one is missing."""
        tables = [pq.read_table(self.features_file(group)) for group in GROUPS]
        return {name: table[name].to_pylist() for table in tables for name in table.column_names[2:]}

    def features_file(self, group: str) -> Path:
        return self.folder / "features" / f"{group}.parquet"


def generate(folder: Path, accounts: int) -> Data:
    """All of it for so many accounts, unless it is there already."""
    made = Data(folder)
    done = folder / "made.json"
    said = {"accounts": accounts, "trees": TREES, "versions": _VERSIONS}
    if done.exists() and json.loads(done.read_text()) == said:
        return made
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "features").mkdir(parents=True)
    rng = np.random.default_rng(0)
    tables = [_features(group, accounts, rng) for group in GROUPS]
    for group, table in zip(GROUPS, tables, strict=True):
        pq.write_table(table, made.features_file(group))
    requests = {rows: rng.integers(0, accounts, (count, rows)).tolist() for rows, count in _REQUESTS.items()}
    (folder / "requests.json").write_text(json.dumps(requests))
    _train(made, pa.table({name: table[name] for table in tables for name in table.column_names[2:]}), rng)
    done.write_text(json.dumps(said))
    return made


def _features(group: str, accounts: int, rng: np.random.Generator) -> pa.Table:
    columns: dict[str, Any] = {
        "account_id": np.arange(accounts),
        "known_at": pa.array([KNOWN_AT] * accounts, pa.timestamp("us", tz="UTC")),
    }
    for n in range(FLOATS_PER_GROUP):
        # Every system gets the values that the model reads: what float32 holds.
        values = rng.standard_normal(accounts).astype(np.float32).astype(np.float64)
        columns[f"{group}_{n}"] = pa.array(values, mask=rng.random(accounts) < _MISSING)
    columns[f"{group}_count"] = rng.integers(0, 1000, accounts)
    for name, size in CATEGORIES.items():
        words = pa.array([f"{name}-{n:02d}" for n in range(size)])
        columns[f"{group}_{name}"] = words.take(pa.array(rng.integers(0, size, accounts)))
    return pa.table(columns)


def _train(data: Data, features: pa.Table, rng: np.random.Generator) -> None:
    """Two boosters of as many trees, the versions 1 and 2 of the model; the first is the champion."""
    fitted = fit_transformations((), VIEW.feature_columns, lambda name: features[name])
    matrix = fitted.matrix(features)
    np.save(data.folder / "matrix.npy", matrix)
    kinds = [column.categories is not None for column in fitted.columns]
    known = np.nan_to_num(matrix)
    weights = rng.standard_normal(matrix.shape[1]) * np.where(kinds, 0.05, 1.0) / np.maximum(known.std(axis=0), 1e-9)
    logit = np.sin(known * weights).sum(axis=1) + known[:, 0] * known[:, 10] - known[:, 20] * known[:, 1]
    labels = rng.random(len(matrix)) < 1 / (1 + np.exp(-logit))
    registry = ModelRegistry(data.registry_uri)
    expected = []
    for seed in range(_VERSIONS):
        model = XGBoostModel(_booster(matrix, labels, fitted.columns, seed), fitted, "is_late")
        registry.log_training(MODEL, _record(model, features, seed))
        expected.append(model.booster.inplace_predict(matrix, validate_features=False))
        if seed == 0:
            model.booster.save_model(data.folder / "model.ubj")
    np.save(data.folder / "expected.npy", np.stack(expected))
    registry.promote(MODEL.name, 1, reason="The first one.", figures={})


def _booster(matrix: np.ndarray, labels: np.ndarray, columns: Any, seed: int) -> Any:
    import xgboost

    data = xgboost.QuantileDMatrix(matrix, label=labels, feature_names=feature_names(columns), feature_types=feature_types(columns))
    params = {"objective": "binary:logistic", "learning_rate": 0.05, "max_depth": 6, "subsample": 0.8, "colsample_bytree": 0.5}
    return xgboost.train({**params, "min_child_weight": 20, "seed": seed}, data, num_boost_round=TREES)


def _record(model: XGBoostModel, features: pa.Table, seed: int) -> TrainingRecord:
    return TrainingRecord(
        run_name=f"seed {seed}",
        model=model,
        features=VIEW.feature_columns,
        example=features.slice(0, 5),
        dataset=DatasetReference(name=VIEW.name, digest="0" * 64, source="generated", rows={"train": features.num_rows}),
        tags={"view_version": str(VIEW.version)},
    )
