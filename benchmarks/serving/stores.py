"""The same features in the online store of each system, made once: ours on LMDB and Redis, Feast's on SQLite and Redis."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.measuring import ROOT
from benchmarks.serving.contracts import FEATURE_GROUPS, GROUPS
from benchmarks.serving.data import Data
from benchmarks.serving.processes import redis

_FEAST = Path(__file__).parent / "apps" / "feast_repository.py"
_YAML = """project: benchmark
provider: local
registry: {{path: registry.db, cache_ttl_seconds: 86400}}
online_store: {store}
offline_store: {{type: file}}
entity_key_serialization_version: 3
"""
DUMPS = {"ours": "ours.rdb", "feast": "feast.rdb"}


@dataclass(frozen=True, slots=True)
class Stores:
    """Where they are.

    Attributes:
        feast: interpreter of Feast's environment; None where it is not installed.
    """

    data: Data
    log: Path
    feast: Path | None

    @property
    def folder(self) -> Path:
        return self.data.folder.resolve() / "stores"

    @property
    def lmdb(self) -> Path:
        return self.folder / "lmdb"

    def repository(self, kind: str, port: int | None = None) -> Path:
        """Folder of a repository of Feast's, `sqlite` or `redis`; the latter's settings name the port."""
        folder = self.folder / f"feast-{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        store = "{type: sqlite, path: online.db}" if port is None else f'{{type: redis, connection_string: "127.0.0.1:{port}"}}'
        (folder / "feature_store.yaml").write_text(_YAML.format(store=store))
        return folder


def fill(stores: Stores, keys: Set[str], *, again: bool = False) -> dict[str, float]:
    """Fills what the contestants of these keys need and is not filled yet; the seconds that each store took when it was.

    With `again` ours are filled anew, which is needed when the layout of the online store has changed.
    """
    stores.folder.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, tuple[tuple[str, ...], Callable[[], object]]] = {
        "ours on LMDB": (("ours", "lookup"), lambda: _fill_lmdb(stores)),
        "ours on Redis": (("ours_redis", "lookup_redis"), lambda: _dump(stores, "ours", _fill_redis(stores))),
        "MLflow's models": (("mlflow", "mlflow_xgboost"), lambda: save_mlflow_models(stores.data)),
        "Feast on SQLite": (("feast",), lambda: fill_feast(stores, stores.repository("sqlite"))),
        "Feast on Redis": (
            ("feast_redis",),
            lambda: _dump(stores, "feast", lambda port: fill_feast(stores, stores.repository("redis", port))),
        ),
    }
    record = stores.folder / "filled.json"
    took: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
    for name, (needed_by, job) in jobs.items():
        if not keys.isdisjoint(needed_by) and (name not in took or (again and name.startswith("ours"))):
            print(f"  filling {name}", file=sys.stderr, flush=True)
            began = time.perf_counter()
            job()
            took[name] = time.perf_counter() - began
            record.write_text(json.dumps(took))
    return took


def redis_address(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def _fill_lmdb(stores: Stores) -> None:
    shutil.rmtree(stores.lmdb, ignore_errors=True)
    fill_ours(stores, stores.lmdb)


def _fill_redis(stores: Stores) -> Callable[[int], None]:
    (stores.folder / DUMPS["ours"]).unlink(missing_ok=True)
    return lambda port: fill_ours(stores, redis_address(port))


def fill_ours(stores: Stores, address: str | Path) -> None:
    from fti_assets.online_store import OnlineStore

    online = OnlineStore(address)
    for name, group in zip(GROUPS, FEATURE_GROUPS, strict=True):
        online.replace(group, pq.read_table(stores.data.features_file(name)))
    online.close()


def save_mlflow_models(data: Data) -> None:
    """The first version of the model in the format of MLflow's own, with a signature, in two flavours."""
    import mlflow
    import xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    booster = xgboost.Booster(model_file=data.folder / "model.ubj")
    inputs = Schema([ColSpec("double", name) for name in booster.feature_names])
    signature = ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")]))
    for variant in ("quick", "xgboost"):
        shutil.rmtree(data.folder / f"mlflow-{variant}", ignore_errors=True)
    mlflow.xgboost.save_model(booster, str(data.folder / "mlflow-xgboost"), signature=signature, model_format="ubj")
    mlflow.pyfunc.save_model(
        str(data.folder / "mlflow-quick"),
        python_model=str(Path(__file__).parent / "apps" / "mlflow_model.py"),
        artifacts={"booster": str(data.folder / "model.ubj")},
        signature=signature,
    )


def fill_feast(stores: Stores, repository: Path) -> None:
    for what in ("apply", "fill"):
        feast_job(stores, what, repository)


def feast_job(stores: Stores, what: str, repository: Path, **environment: str) -> str:
    """Runs a job of Feast's in its environment; what it printed last.

    Raises:
        RuntimeError: it failed; the error shows the end of what it said.
    """
    assert stores.feast is not None
    command = [str(stores.feast), str(_FEAST), what, str(repository), str(stores.data.folder.resolve())]
    alike = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "FEAST_USAGE": "False", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env={**os.environ, **alike, **environment}, capture_output=True, text=True, timeout=3600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Feast's {what} failed:\n{done.stderr[-2000:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def _dump(stores: Stores, whose: str, job: Callable[[int], None]) -> None:
    """Fills a Redis server and saves what it holds, for servers that are started later."""
    import redis as client

    with redis(stores.folder, f"filling-{DUMPS[whose]}", log=stores.log) as port:
        job(port)
        with client.Redis(port=port) as server:
            server.save()
    (stores.folder / f"filling-{DUMPS[whose]}").rename(stores.folder / DUMPS[whose])
