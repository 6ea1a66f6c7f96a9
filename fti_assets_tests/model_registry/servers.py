"""A private MLflow server for tests, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from fti_assets_tests.feature_store.servers import free_port


@contextmanager
def running_mlflow(folder, backend) -> Iterator[str]:
    """The address of a server that keeps runs in the database `backend` and files in `folder`."""
    port = free_port()
    where = ["--backend-store-uri", backend, "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"]
    listens = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}
    log = folder / "server.log"
    with (
        log.open("wb") as told,
        subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *where, *listens],
            stdout=told,
            stderr=told,
            env=environment,
            cwd=folder,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)  # its workers too: the group is this server's own
            process.wait(30)


def _wait(process, address, log):
    for _ in range(600):
        if _answers(address):
            return
        assert process.poll() is None, f"MLflow has ended: {log.read_text()}"
        time.sleep(0.1)
    raise TimeoutError(f"MLflow does not answer: {log.read_text()}")


def _answers(address):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
