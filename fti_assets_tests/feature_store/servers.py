"""Private servers for the tests of the lake's back-ends: PostgreSQL from Debian's packages, and S3 by moto. All on loopback."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

from fti_assets.feature_store import FeatureStore

PASSWORD = "s'ecret \\ pw"
"""Has what must be escaped in SQL and in connection strings."""

_numbers = count()


@dataclass(frozen=True)
class Postgres:
    """A running server, whose superuser is `owner`."""

    port: int

    @contextmanager
    def session(self, dbname="postgres"):
        given = {"host": "127.0.0.1", "port": self.port, "user": "owner", "password": PASSWORD, "dbname": dbname}
        with psycopg.connect(**given, autocommit=True) as session:
            yield session

    def new_schema(self) -> str:
        """The address of an empty lake; quicker to have than a database."""
        return self.address("postgres", f"schema=lake{next(_numbers)}")

    def new_database(self) -> str:
        name = f"lake{next(_numbers)}"
        with self.session() as session:
            session.execute(f"CREATE DATABASE {name}")
        return name

    def address(self, dbname, *more, user="owner", password=PASSWORD) -> str:
        quoted = password.replace("\\", "\\\\").replace("'", "\\'")
        given = [f"host=127.0.0.1 port={self.port} dbname={dbname} user={user} password='{quoted}'", *more]
        return f"postgres:{' '.join(given)}"

    def clients(self, dbname) -> list[tuple]:
        """The sessions in a database, by name."""
        with self.session() as session:
            query = "SELECT application_name, query FROM pg_stat_activity WHERE datname = %s ORDER BY 1"
            return session.execute(query, (dbname,)).fetchall()


@dataclass(frozen=True)
class S3:
    """A running server of S3's protocol."""

    endpoint: str

    def new_bucket(self) -> str:
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        self.request("PUT", f"/{name}")
        return name

    def remove(self, path) -> None:
        """Removes the object `s3://bucket/...`."""
        import boto3

        bucket, _, key = path.removeprefix("s3://").partition("/")
        boto3.client("s3", endpoint_url=self.endpoint).delete_object(Bucket=bucket, Key=key)

    def request(self, method, path, data=None) -> bytes:
        plain = {"Content-Type": "text/plain"}  # else moto reads the body as a form
        request = urllib.request.Request(f"{self.endpoint}{path}", method=method, data=data, headers=plain)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.read()


@dataclass(frozen=True)
class Backend:
    """Where a lake of a test is; stores of it are opened here and in other processes."""

    root: Path
    catalog: str | None = None
    data: str | None = None

    def store(self, **options) -> FeatureStore:
        return FeatureStore(self.root, catalog=self.catalog, data=self.data, **options)

    @property
    def environment(self) -> dict[str, str]:
        """By which `fti_assets.stores` finds the lake."""
        given = {"FTI_DATA_DIR": str(self.root), "FTI_LAKE_CATALOG": self.catalog, "FTI_LAKE_DATA": self.data}
        return {**os.environ, **{name: value or "" for name, value in given.items()}}


def postgres_binaries() -> Path | None:
    """The folder of `initdb` and `postgres` of the newest version that is there."""
    named = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if named and (Path(named).parent / "postgres").exists():
        return Path(named).parent
    return found[-1].parent if found else None


@contextmanager
def running_postgres(binaries: Path) -> Iterator[Postgres]:
    """A server with a cluster of its own in a temporary folder. It refuses to be root's, so as root it is made another user's."""
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        password = Path(folder) / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        given = ["-U", "owner", "--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [binaries / "initdb", "-D", f"{folder}/cluster", *given], check=True, capture_output=True, cwd=folder, **user
        )
        port = free_port()
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [binaries / "postgres", "-D", f"{folder}/cluster", *options]
        begin = _ended_with_the_tests(signal.SIGQUIT)
        with (
            (Path(folder) / "log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, preexec_fn=begin, **user) as process,
        ):
            try:
                yield _answering(process, Postgres(port), Path(folder) / "log")
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: the cluster is not needed again
                process.wait(30)


def _answering(process, server, log):
    for _ in range(600):
        try:
            with server.session():
                return server
        except psycopg.OperationalError:
            assert process.poll() is None, f"PostgreSQL has ended: {log.read_text()}"
            time.sleep(0.05)
    raise TimeoutError("PostgreSQL does not answer.")


@contextmanager
def running_s3() -> Iterator[S3]:
    port = free_port()
    server = S3(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, preexec_fn=_ended_with_the_tests(signal.SIGTERM), **quiet) as process:
        try:
            for _ in range(600):
                try:
                    server.request("GET", "/moto-api/")
                    break
                except OSError:
                    assert process.poll() is None, "moto has ended"
                    time.sleep(0.05)
            yield server
        finally:
            process.terminate()


def _ended_with_the_tests(by: signal.Signals) -> Callable[[], None]:
    """What a server does as it starts: it asks for a signal when the tests are killed, so that it is not left behind."""

    def ask():
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, by)  # PR_SET_PDEATHSIG

    return ask


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
