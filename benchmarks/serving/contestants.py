"""Who takes part: how each server is started, how it is asked, and what it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.serving.contracts import VIEW
from benchmarks.serving.data import Data
from benchmarks.serving.our_server import LOOKUP, OUR_READY, PREDICTION, our_command, our_environment
from benchmarks.serving.processes import Running, free_port, redis, running
from benchmarks.serving.questions import LOOKED_UP, PREDICTED, Question
from benchmarks.serving.stores import DUMPS, Stores, redis_address

Kind = Literal["ours", "rival", "floor"]
_DESCRIBED = "/openapi.json"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server.

    Attributes:
        key: by which the command line chooses it.
        command: how it is started, by port and the port of its Redis.
        ready: path that answers once it serves.
        dump: what its Redis holds; none needs no Redis.
    """

    key: str
    name: str
    kind: Kind
    question: Question
    command: Callable[[Stores, int, int], Sequence[object]]
    ready: str
    dump: str = ""
    environment: Callable[[Stores, int], Mapping[str, str]] = field(default=lambda _stores, _port: {})

    @contextmanager
    def serving(self, stores: Stores) -> Iterator[Running]:
        """The server, ready to be asked, until the block ends."""
        if self.dump:
            with redis(stores.folder, DUMPS[self.dump], log=stores.log) as port, self._started(stores, port) as server:
                yield server
        else:
            with self._started(stores, 0) as server:
                yield server

    @contextmanager
    def _started(self, stores: Stores, redis_port: int) -> Iterator[Running]:
        port = free_port()
        command, environment = self.command(stores, port, redis_port), self.environment(stores, redis_port)
        with running(command, port, ready=self.ready, environment=environment, log=stores.log) as server:
            yield server


def _uvicorn(app: str) -> Callable[[Stores, int, int], Sequence[object]]:
    """One worker, the quickest loop and parser, and no log of requests."""
    quick = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    name = f"benchmarks.serving.apps.{app}:app"
    return lambda _stores, port, _redis: (sys.executable, "-m", "uvicorn", name, "--host", "127.0.0.1", "--port", port, *quick)


def _data(stores: Stores, _redis: int) -> Mapping[str, str]:
    return {"BENCHMARK_DATA": str(stores.data.folder.resolve())}


def _ours(_stores: Stores, port: int, _redis: int) -> Sequence[object]:
    return our_command(port)


def _our_environment(stores: Stores, redis_port: int) -> Mapping[str, str]:
    online = redis_address(redis_port) if redis_port else stores.lmdb
    return our_environment(stores.data, online=online, home=stores.folder / "served")


def _feast(stores: Stores, port: int, redis_port: int) -> Sequence[object]:
    """One worker that is never started anew, and a registry that is not read again."""
    assert stores.feast is not None
    repository = stores.repository("redis", redis_port) if redis_port else stores.repository("sqlite")
    serve = ("serve", "--host", "127.0.0.1", "--port", port, "--workers", 1, "--no-access-log")
    kept = ("--max-requests", 0, "--max-requests-jitter", 0, "--registry_ttl_sec", 86400)
    return (stores.feast.with_name("feast"), "--chdir", repository, *serve, *kept)


def _feast_body(accounts: Sequence[int]) -> bytes:
    return json.dumps({"feature_service": VIEW.name, "entities": {"account_id": list(accounts)}}).encode()


def _feast_features(answer: Any) -> list[Any]:
    columns = dict(zip(answer["metadata"]["feature_names"], (one["values"] for one in answer["results"]), strict=True))
    count = len(columns.pop("account_id"))
    return [{name: values[row] for name, values in columns.items()} for row in range(count)]


def _plain_body(accounts: Sequence[int]) -> bytes:
    return json.dumps({"account_ids": list(accounts)}).encode()


def _mlflow(variant: str) -> Callable[[Stores, int, int], Sequence[object]]:
    program = Path(sys.executable).with_name("mlflow")
    serve = ("models", "serve", "--env-manager", "local", "--workers", 1, "--host", "127.0.0.1")
    return lambda stores, port, _redis: (program, *serve, "--model-uri", stores.data.folder / f"mlflow-{variant}", "--port", port)


def _quiet(_stores: Stores, _redis: int) -> Mapping[str, str]:
    """No log of requests: MLflow starts uvicorn, which reads these."""
    return {"UVICORN_ACCESS_LOG": "false", "UVICORN_LOG_LEVEL": "warning"}


def _mlflow_question(data: Data) -> Question:
    """It is sent the values that the booster reads, so that it looks nothing up and encodes nothing."""
    matrix = np.load(data.folder / "matrix.npy").astype(float)
    columns = [f"f{n}" for n in range(matrix.shape[1])]

    def body(accounts: Sequence[int]) -> bytes:
        rows = [[None if np.isnan(value) else value for value in row] for row in matrix[list(accounts)].tolist()]
        return json.dumps({"dataframe_split": {"columns": columns, "data": rows}}).encode()

    return Question("predict", "/invocations", body, lambda answer: answer["predictions"], PREDICTED)


def contestants(data: Data, *, feast: bool) -> list[Contestant]:
    """All that can take part."""
    plain = Question("predict", "/predict", _plain_body, lambda answer: answer["predictions"], PREDICTED)
    constant = Question("constant", "/constant", _plain_body, lambda answer: [answer["prediction"]], (1,))
    looked_up = Question("lookup", "/get-online-features", _feast_body, _feast_features, LOOKED_UP)
    mlflow = _mlflow_question(data)
    found = [
        Contestant("ours", "ours on LMDB", "ours", PREDICTION, _ours, OUR_READY, "", _our_environment),
        Contestant("ours_redis", "ours on Redis", "ours", PREDICTION, _ours, OUR_READY, "ours", _our_environment),
        Contestant("lookup", "ours on LMDB", "ours", LOOKUP, _uvicorn("lookup"), _DESCRIBED, "", _our_environment),
        Contestant("lookup_redis", "ours on Redis", "ours", LOOKUP, _uvicorn("lookup"), _DESCRIBED, "ours", _our_environment),
        Contestant("plain", "plain FastAPI, features in a dict", "rival", plain, _uvicorn("plain"), _DESCRIBED, "", _data),
        Contestant("mlflow", "mlflow models serve, PythonModel", "rival", mlflow, _mlflow("quick"), "/ping", "", _quiet),
        Contestant("mlflow_xgboost", "mlflow models serve, XGBoost", "rival", mlflow, _mlflow("xgboost"), "/ping", "", _quiet),
        Contestant("trivial", "trivial endpoint", "floor", constant, _uvicorn("trivial"), _DESCRIBED),
    ]
    if feast:
        found += [
            Contestant("feast", "Feast's server on SQLite", "rival", looked_up, _feast, "/health"),
            Contestant("feast_redis", "Feast's server on Redis", "rival", looked_up, _feast, "/health", "feast"),
        ]
    return found
