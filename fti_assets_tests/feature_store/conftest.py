from types import MethodType

import duckdb
import pytest

from fti_assets.feature_store import FeatureStore, in_memory_connection

JOIN = (
    "test_latest_match.py",
    "test_odd_inputs_of_the_join.py",
    "test_on_demand.py",
    "test_point_in_time.py",
    "test_window_sums.py",
)
"""Tests of the point-in-time join, which must not depend on the order in which threads find rows."""


@pytest.fixture(scope="module", autouse=True)
def every_thread_in_the_join(request, one_thread_of_duckdb):
    """All threads of DuckDB for the tests of the join, in instances of their own."""
    if request.path.name not in JOIN:
        yield
        return
    assert isinstance(in_memory_connection, MethodType)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(duckdb, "connect", one_thread_of_duckdb)
        patched.setattr(in_memory_connection.__self__, "_idle", [])
        yield


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of the tests' own."""
    from fti_assets_tests.feature_store.servers import postgres_binaries, running_postgres

    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with running_postgres(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server():
    from fti_assets_tests.feature_store.servers import running_s3

    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with running_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch):
    """An S3 server of the tests' own, which the environment names as it does for AWS's tools."""
    given = {
        "AWS_ACCESS_KEY_ID": "the-key",
        "AWS_SECRET_ACCESS_KEY": "the/sec+ret'",
        "AWS_ENDPOINT_URL_S3": s3_server.endpoint,
        "AWS_REGION": "eu-west-1",
    }
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return s3_server


_BACKENDS = (
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
)


@pytest.fixture(params=_BACKENDS)
def backend(request, tmp_path):
    """An empty lake with files in a folder, its catalogue in each kind of database."""
    from fti_assets_tests.feature_store.servers import Backend

    if request.param == "sqlite":
        return Backend(tmp_path)
    return Backend(tmp_path, catalog=request.getfixturevalue("postgres").new_schema())
