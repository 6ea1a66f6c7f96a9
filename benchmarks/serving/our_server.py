"""Our server: how it is started and asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving.contracts import MODEL
from benchmarks.serving.data import Data
from benchmarks.serving.processes import Running, start
from benchmarks.serving.questions import LOOKED_UP, PREDICTED, Question
from benchmarks.serving.stores import Stores

OUR_READY = "/readyz"


def our_command(port: int) -> Sequence[object]:
    return (Path(sys.executable).with_name("fti"), "serve", "benchmarks.serving", "--port", port)


def our_environment(data: Data, *, online: str | Path, home: Path, registry: str = "") -> Mapping[str, str]:
    """Where its stores are.

    Args:
        online: address of the online store.
        home: folder for what it writes.
        registry: address of the model registry; the one of the data unless given.
    """
    return {"FTI_ONLINE_STORE": str(online), "FTI_DATA_DIR": str(home), "MLFLOW_TRACKING_URI": registry or data.registry_uri}


def start_ours(stores: Stores, port: int, *, online: str | Path, home: Path, registry: str = "") -> Running:
    """Starts it; the caller must `end` it."""
    environment = our_environment(stores.data, online=online, home=home, registry=registry)
    return start(our_command(port), port, ready=OUR_READY, environment=environment, log=stores.log)


def _rows(accounts: Sequence[int]) -> bytes:
    return json.dumps({"rows": [{"account_id": account} for account in accounts]}).encode()


def _predictions(answer: Any) -> list[Any]:
    return [one["prediction"] for one in answer["predictions"]]


def _features(answer: Any) -> list[Any]:
    """The features of each row, of an answer that has them by columns."""
    names, columns = answer["features"].keys(), answer["features"].values()
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


PREDICTION = Question("predict", f"/predict/{MODEL.name}", _rows, _predictions, PREDICTED)
LOOKUP = Question("lookup", "/features", _rows, _features, LOOKED_UP)
"""Of `apps/lookup.py`; the server itself looks up in order to predict."""
