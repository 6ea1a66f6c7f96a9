"""One job in a process of its own. The arguments: what is done, folder of the dataset, folder for its own files, rounds."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.timed import timed
from benchmarks.training.data import NETWORK, view
from fti_assets.model_registry import DatasetReference, ModelRegistry, TrainingRecord
from fti_assets.training import TorchTrainer, TrainingData, TrainingRun, XGBoostTrainer
from fti_assets.training.matrix import matrices
from fti_assets.training.trainers.torch_batches import shuffled
from fti_assets.vocabulary import Model, TimeSplit, TrainingDataset

# For all alike: threads that wait give their core away.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
WHAT, DATASET, WORK, ROUNDS = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
DATA = TrainingData(DATASET, view())
TRAINER = XGBoostTrainer(rounds=ROUNDS, early_stopping_rounds=ROUNDS)
NETWORK_TRAINER = TorchTrainer(epochs=1)


def read() -> dict[str, object]:
    """Every row of the training split in batches, and nothing else."""
    return {"rows": sum(batch.num_rows for batch in DATA.batches("train", DATA.feature_names))}


def prepare() -> dict[str, object]:
    """The matrix that plain XGBoost reads, written beforehand."""
    with matrices(DATA, TrainingRun()) as made:
        for name, split in made.splits.items():
            np.save(WORK / f"{name}.npy", split.values)
            np.save(WORK / f"{name}-labels.npy", split.labels)
        kinds = ["c" if column.categories else "q" for column in made.transformations.columns]
    (WORK / "kinds.txt").write_text(" ".join(kinds))
    return {}


def plain() -> dict[str, object]:
    """`xgboost.train` on the same matrix, held in memory, with the same parameters."""
    import xgboost

    kinds = (WORK / "kinds.txt").read_text().split()
    made = {}
    for name in ("train", "validation"):
        rows, labels = np.load(WORK / f"{name}.npy"), np.load(WORK / f"{name}-labels.npy")
        made[name] = xgboost.QuantileDMatrix(rows, label=labels, feature_types=kinds, ref=made.get("train"))
    params = TRAINER._booster_params(TrainingRun(), 1.0)
    evals = [(matrix, name) for name, matrix in made.items()]
    curve: dict[str, dict[str, list[float]]] = {}
    xgboost.train(params, made["train"], num_boost_round=ROUNDS, evals=evals, evals_result=curve, verbose_eval=False)
    return {"rows": DATA.rows["train"], "log_loss": curve["validation"]["logloss"][-1]}


def ours() -> dict[str, object]:
    """From the Parquet files of the dataset to the fitted model: transformations, matrices, training."""
    fitted = TRAINER.fit(DATA, TrainingRun())
    return {"rows": DATA.rows["train"], "log_loss": fitted.learning_curve["logloss_validation"][-1]}


def torch_stream() -> dict[str, object]:
    """One epoch of batches for a network, without the network."""
    data = TrainingData(DATASET, view(), NETWORK)
    with matrices(data, TrainingRun()) as made:
        started = time.perf_counter()
        rows = sum(len(labels) for _, labels in shuffled(made.train, 1024, np.random.default_rng(0)))
        return {"rows": rows, "epoch_seconds": time.perf_counter() - started}


def torch_epoch() -> dict[str, object]:
    """One epoch of the network."""
    fitted = NETWORK_TRAINER.fit(TrainingData(DATASET, view(), NETWORK), TrainingRun())
    return {"rows": DATA.rows["train"], "log_loss": fitted.learning_curve["logloss_validation"][-1]}


def log() -> dict[str, object]:
    """Parameters, 300 steps of two curves, pictures, the model and its version, into a registry that has runs already."""
    registry, model, fitted = *_registry(), XGBoostTrainer(rounds=20).fit(DATA, TrainingRun())
    picture = np.random.default_rng(0).bytes(20_000)
    seconds = []
    for number in range(4):
        record = TrainingRecord(
            run_name=f"run {number}",
            model=fitted.model,
            features=DATA.feature_columns,
            example=DATA.example(),
            dataset=DatasetReference(name="rows", digest="0" * 64, source=str(DATASET), rows=DATA.rows),
            params=fitted.params,
            metrics={f"metric_{n}": float(n) for n in range(40)},
            learning_curve={f"logloss_{name}": tuple(np.linspace(1, 0, 300)) for name in ("train", "validation")},
            figures={f"figure_{n}": picture for n in range(6)},
            tags={"dataset_id": "generated"},
        )
        started = time.perf_counter()
        registry.log_training(model, record)
        seconds.append(time.perf_counter() - started)
    return {"log_seconds": seconds[1:]}


def _registry() -> tuple[ModelRegistry, Model]:
    dataset = TrainingDataset(name="rows", view=view(), split=TimeSplit(validation_days=1, test_days=1), owner="team:benchmarks")
    shutil.rmtree(WORK / "mlflow", ignore_errors=True)
    registry = ModelRegistry(f"sqlite:///{WORK / 'mlflow' / 'mlflow.db'}")
    return registry, Model(name="rows", dataset=dataset, owner="team:benchmarks", gates=())


JOBS = {
    "log": log,
    "read": read,
    "prepare": prepare,
    "plain": plain,
    "ours": ours,
    "torch_stream": torch_stream,
    "torch_epoch": torch_epoch,
}
timed(JOBS[WHAT], again=False)
