"""A server in a process of its own, on loopback, and a client that asks it."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fti_assets_tests.feature_store.servers import free_port
from fti_assets_tests.serving.contracts import NOW

ROOT = Path(__file__).parents[2]
SECONDS = 180
"""That anything may take on a machine that has much else to do."""


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


@dataclass
class Server:
    """A server that runs, or ran."""

    process: subprocess.Popen
    port: int
    data: Path
    log: Path
    connection: http.client.HTTPConnection = field(init=False)
    asked_at: float = 0.0

    def __post_init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **headers):
        if time.monotonic() - self.asked_at > 10:  # the server closes what is idle
            self.connection.close()
        self.asked_at = time.monotonic()
        try:
            self.connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        except OSError:
            self.connection.close()
            raise

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, said, **headers):
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return self.ask("POST", path, body, **{"Content_Type": "application/json", **headers})

    def predict(self, said, **headers):
        return self.post("/predict/flight_delay", said, **headers)

    @property
    def state(self):
        return self.get("/readyz").json

    @property
    def model(self):
        """How the model stands."""
        return self.state["models"]["flight_delay"]

    def wait(self, holds, what):
        """Until something holds of the model."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if holds(self.model):
                    return
            except OSError:
                self.connection.close()
            time.sleep(0.05)
        raise TimeoutError(f"Not {what}: {self.log.read_text()}")

    def logged(self):
        """The rows of the inference log, as they are on disk."""
        folder = self.data / "inference_log" / "flight_delay"
        files = sorted(folder.glob("*.ndjson*"))
        return [row for file in files for line in file.read_bytes().splitlines() for row in rows_of(json.loads(line))]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(SECONDS)


def rows_of(line):
    """The rows of a line of the log, which has them by columns."""
    rows = [{} for _ in line["request_id"]]
    for name, values in line.items():
        for n, row in enumerate(rows):
            if isinstance(values, dict):
                row[name] = {column: some[n] for column, some in values.items()}
            else:
                row[name] = values[n] if isinstance(values, list) else values
    return rows


def received(connection):
    """A whole answer, as it comes over a socket."""
    told = b""
    while b"\r\n\r\n" not in told or len(told.partition(b"\r\n\r\n")[2]) < length(told):
        part = connection.recv(65536)
        assert part, told
        told += part
    return told


def length(told):
    (line,) = [line for line in told.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(line.partition(b":")[2])


def _with_its_parent():
    """The process is killed when the one that started it ends, in whatever way."""
    parent_death = 1
    ctypes.CDLL(None).prctl(parent_death, signal.SIGKILL)


@contextmanager
def serving(data, *options, reasons=False, ready=True, settings="", **environment):
    """A server of `fti serve` on the data of a folder, from which it is gone in the end.

    Without `reasons` it does not import XGBoost, which takes seconds. `settings` are lines of YAML.
    """
    file = data / "serving.yaml"
    file.write_text(settings or ("" if reasons else "limits: {explained_rows: 0}"))
    port, log = free_port(), data / f"server-{free_port()}.log"
    command = [sys.executable, "-m", "fti_assets.cli", "serve", "fti_assets_tests.serving", "--port", str(port)]
    given = [*command, "--clock", NOW.isoformat(), "--poll", "0.2", "--settings", str(file), *options]
    known = {**os.environ, "FTI_DATA_DIR": str(data), "PYTHONWARNINGS": "ignore", **environment}
    ends = _with_its_parent if sys.platform == "linux" else None
    with (
        log.open("wb") as told,
        subprocess.Popen(given, cwd=ROOT, env=known, stdout=told, stderr=told, preexec_fn=ends) as process,
    ):
        server = Server(process, port, data, log)
        try:
            server.wait(lambda model: model["champion"] or not ready, "ready")
            yield server
        finally:
            server.connection.close()
            if process.poll() is None:
                process.kill()
