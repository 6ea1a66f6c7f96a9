"""A training dataset of any size, as the feature store writes one: 30 features, one of four of which has missing values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fti_assets.file_hash import sha256_of
from fti_assets.vocabulary import SPLITS, Categorical, Contract, Daily, Entity, Feature, FeatureGroup, FeatureView, Numeric

NUMBERS = tuple(f"n{n}" for n in range(26))
COUNTS = ("c0", "c1")
NAMES = {"s0": 50, "s1": 400}
PIECE = 500_000
SIZES = {"small": 270_000, "large": 10_000_000}
NETWORK = (Numeric(impute="median", scale="standard"), Categorical())
"""What a network needs; trees take numbers as they are."""


def view() -> FeatureView:
    promise, row = Contract(owner="team:benchmarks"), Entity("row", keys=("id",))
    features = [
        *(Feature(name, "float") for name in NUMBERS),
        *(Feature(name, "int") for name in COUNTS),
        *(Feature(name, "string") for name in NAMES),
    ]
    spine = FeatureGroup(
        name="rows",
        version=1,
        entity=row,
        event_time="at",
        cadence=Daily(start="2024-01-01"),
        contract=promise,
        features=tuple(features),
    )
    outcomes = FeatureGroup(name="outcomes", version=1, entity=row, features=(Feature("label", "bool"),), contract=promise)
    return FeatureView(name="rows", version=1, spine=spine, at="at", features=(spine.all_features,), label=outcomes["label"])


def generate(folder: Path, rows: int) -> Path:
    """The dataset of that many training rows, and a tenth of them in each other split; made once."""
    made = folder / f"dataset-{rows}"
    if (made / "manifest.json").exists():
        return made
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for seed, (name, count) in enumerate({"train": rows, "validation": rows // 10, "test": rows // 10}.items()):
        with pq.ParquetWriter(made / f"{name}.parquet", next(_pieces(1, seed)).schema, compression="zstd") as file:
            for piece in _pieces(count, seed):
                file.write_table(piece)
    _write_manifest(made, rows)
    return made


def _write_manifest(made: Path, rows: int) -> None:
    """With the hashes of the files, which are compared before each training."""
    hashes = {name: sha256_of(made / f"{name}.parquet") for name in SPLITS}
    said = {"dataset": "rows", "id": made.name, "content_hash": f"{rows:064x}", "sha256": hashes}
    (made / "manifest.json").write_text(json.dumps(said))


def _pieces(rows: int, seed: int) -> Iterator[pa.Table]:
    rng = np.random.default_rng(seed)
    for start in range(0, rows, PIECE):
        count = min(PIECE, rows - start)
        numbers = {name: rng.standard_normal(count).astype(np.float32).astype(np.float64) for name in NUMBERS}
        counts = {name: rng.integers(0, 100, count) for name in COUNTS}
        codes = {name: rng.integers(0, size, count) for name, size in NAMES.items()}
        logit = numbers["n0"] + numbers["n1"] * numbers["n2"] + (codes["s0"] % 5 - 2) * 0.3 + counts["c0"] / 50 - 2.5
        label = rng.random(count) < 1 / (1 + np.exp(-logit))
        missing = {name: rng.random(count) < 0.1 for name in NUMBERS[::4]}
        yield pa.table(
            {
                **{name: pa.array(values, mask=missing.get(name)) for name, values in numbers.items()},
                **counts,
                **{name: pa.DictionaryArray.from_arrays(codes[name], _names(name)).cast(pa.string()) for name in NAMES},
                "label": label,
            }
        )


def _names(name: str) -> pa.Array:
    return pa.array([f"{name}-{n:03d}" for n in range(NAMES[name])])
