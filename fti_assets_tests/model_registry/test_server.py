"""The registry in a tracking server, as many machines share it: by HTTP, with the files behind the server."""

import json
import logging
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from fti_assets.model_registry import (
    ChampionChangedError,
    ModelRegistry,
    NeededVersionError,
    RegistryLockedError,
    TamperedModelError,
)
from fti_assets.model_registry._lock import RESERVED, ServerRegistryLock, forget_marks
from fti_assets.model_registry.export import export
from fti_assets.model_registry.pointers import asked_pointers, pointers_reader
from fti_assets_tests.feature_store.servers import PASSWORD, postgres_binaries, running_postgres

from .examples import make_contract, make_model, make_record, make_rows
from .killed import hold_lock, killed_in
from .servers import running_mlflow

MODEL = make_model()


@pytest.fixture(scope="module", autouse=True)
def _no_proxy():
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory, empty_registry):
    """A registry in a server on SQLite, and the folder with its files."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_registry, folder)
    with running_mlflow(folder, f"sqlite:///{folder}/mlflow.db") as address:
        yield ModelRegistry(address), folder


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory):
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    folder = tmp_path_factory.mktemp("server")
    with running_postgres(binaries) as postgres:
        backend = f"postgresql+psycopg://owner:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres.port}/{postgres.new_database()}"
        with running_mlflow(folder, backend) as address:
            yield ModelRegistry(address), folder


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def served(request):
    """Both, where it matters how the database behind the server takes what happens at once."""
    return request.getfixturevalue(f"on_{request.param}")


def locks(registry):
    return [one.name for one in registry._client.search_registered_models() if one.name.startswith(RESERVED)]


def test_aliases_are_read_without_mlflow(on_sqlite):
    registry, _ = on_sqlite
    registry.log_training(make_contract("pointed"), make_record(MODEL))
    registry.promote("pointed", 1, reason="test", figures={})
    read = pointers_reader(registry.tracking_uri, "pointed")
    assert read() == asked_pointers(registry, "pointed")
    assert read()["champion"].version == 1
    assert pointers_reader(registry.tracking_uri, "nobody")() == {}


def test_the_life_of_a_model(on_sqlite, tmp_path):
    registry, folder = on_sqlite
    card = "# Delays\n" + "x" * 6000
    for seed in range(2):
        made = make_record(MODEL, card=card, metrics={"auc_test": 0.7 + seed / 100}, tags={"program": "a:b", "snapshot": "1"})
        registry.log_training(make_contract("served"), made)
    newest = registry.get("served", "challenger")
    assert (newest.version, newest.metrics) == (2, {"auc_test": 0.71})
    assert "served" in registry.models()
    np.testing.assert_allclose(registry.load("served", 2).predict(make_rows()), MODEL.predict(make_rows()), atol=1e-7)
    assert (registry.card(newest), registry.pictures(newest)) == (card, {"roc": b"\x89PNG"})
    assert len(export(registry, newest, tmp_path / "made")) == 7
    registry.promote("served", 1, reason="first", figures={"auc": 0.7}, expected_champion=None)
    registry.promote("served", 2, reason="x" * 6000, figures={"auc": 0.71}, expected_champion=1)
    registry.rollback("served", reason="test")
    assert [(one.kind, one.version, one.previous) for one in registry.history("served")] == [
        ("rollback", 1, 2),
        ("promotion", 2, 1),
        ("promotion", 1, None),
    ]
    with pytest.raises(NeededVersionError):
        registry.delete("served", 2, predicted=())
    registry.promote("served", 1, reason="again", figures={})
    registry._client.delete_registered_model_alias("served", "previous")
    path = next(folder.rglob(f"{newest.tags['model_id']}/**/model.ubj"))
    registry.delete("served", 2, predicted=())
    assert not path.exists()
    assert registry.get("served", "challenger").version == 1
    assert locks(registry) == []


def test_a_file_that_was_exchanged_behind_the_server_is_refused(on_sqlite):
    registry, folder = on_sqlite
    version = registry.log_training(make_contract("served_tampered"), make_record(MODEL))
    path = next(folder.rglob(f"{version.tags['model_id']}/**/model.ubj"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(TamperedModelError, match="is not the one registered"):
        registry.load("served_tampered", 1)
    path.write_bytes(content + b"x")
    with pytest.raises(TamperedModelError, match=r"bytes; .* are allowed\. It was not read"):
        registry.load("served_tampered", 1)
    path.unlink()
    with pytest.raises(TamperedModelError, match="cannot be read"):
        registry.load("served_tampered", 1)


def test_of_two_judgements_at_once_one_wins(served):
    registry, _ = served
    for _ in range(2):
        registry.log_training(make_contract("served_at_once"), make_record(MODEL, card="x" * 6000))  # too long for a column

    def promote(version):
        try:
            return ModelRegistry(registry.tracking_uri).promote(
                "served_at_once", version, reason="x" * 6000, figures={}, expected_champion=None
            )
        except ChampionChangedError:
            return None

    with ThreadPoolExecutor(2) as threads:
        won = [version for version in threads.map(promote, (1, 2)) if version]
    assert len(won) == 1
    assert registry.get("served_at_once", "champion") == won[0]
    assert [one.version for one in registry.history("served_at_once")] == [won[0].version]


def test_one_holds_the_lock_at_a_time(served):
    registry, _ = served
    inside, most = [], []

    def hold(number):
        with ServerRegistryLock(lambda: registry._client).hold("contended", f"test {number}"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(hold, range(12)))
    assert most == [1] * 12
    assert locks(registry) == []


def test_who_waits_in_vain_is_told_for_whom(on_sqlite):
    registry, _ = on_sqlite
    lock = ServerRegistryLock(lambda: registry._client, timeout=0.1)
    with (
        lock.hold("held", "promoting version 3"),
        pytest.raises(RegistryLockedError, match=r"'held' was locked .* by process \d+ on .* \(promoting version 3, since"),
        lock.hold("held", "rolling back"),
    ):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_by_one(served):
    registry, _ = served
    killed_in(hold_lock, registry, "killed")
    order = []

    def hold(number):
        with ServerRegistryLock(lambda: registry._client, timeout=20).hold("killed", "next"):
            order.append(("in", number))
            time.sleep(0.05)
            order.append(("out", number))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(hold, range(4)))
    assert [what for what, _ in order] == ["in", "out"] * 4
    assert len(locks(registry)) == 1  # the mark of the dead one, so that nobody takes a lock for it again
    forget_marks(registry._client, older_than=3600)
    assert len(locks(registry)) == 1
    forget_marks(registry._client, older_than=-1)
    assert locks(registry) == []


def test_a_lock_from_another_machine_is_taken_over_when_it_is_old(on_sqlite):
    registry, _ = on_sqlite
    elsewhere = {"process": {"host": "another", "pid": 1, "started": ""}, "purpose": "promoting", "since": "now", "token": "t1"}
    registry._client.create_registered_model(f"{RESERVED}old", description=json.dumps(elsewhere))
    young = ServerRegistryLock(lambda: registry._client, timeout=0.1)
    with pytest.raises(RegistryLockedError, match="by process 1 on another"), young.hold("old", "next"):
        pass
    time.sleep(0.3)
    with ServerRegistryLock(lambda: registry._client, timeout=0.1, stale_after=0.2).hold("old", "next"):
        pass
    forget_marks(registry._client, older_than=-1)


def test_a_holder_that_was_taken_for_dead_does_not_free_the_lock_of_the_next(on_sqlite):
    registry, _ = on_sqlite
    slow = ServerRegistryLock(lambda: registry._client, stale_after=0.2)
    with slow.hold("overtaken", "slow"):
        time.sleep(0.3)
        second = slow.hold("overtaken", "quick")
        second.__enter__()
    assert f"{RESERVED}overtaken" in locks(registry)
    second.__exit__(None, None, None)
    assert f"{RESERVED}overtaken" not in locks(registry)
    forget_marks(registry._client, older_than=-1)


def test_a_lock_that_says_nothing_of_its_holder_is_taken_over_again_and_again(on_sqlite):
    registry, _ = on_sqlite
    lock = ServerRegistryLock(lambda: registry._client, timeout=5, stale_after=0.01)
    for _ in range(2):
        registry._client.create_registered_model(f"{RESERVED}nameless")
        time.sleep(0.05)
        with lock.hold("nameless", "next"):
            pass
    forget_marks(registry._client, older_than=-1)


def test_a_stale_lock_that_cannot_be_taken_is_waited_for_in_vain_too(on_sqlite):
    registry, _ = on_sqlite
    elsewhere = {"process": {"host": "another", "pid": 1, "started": ""}, "purpose": "promoting", "since": "now", "token": "same"}
    for name in ("stuck", "stuck.same"):
        registry._client.create_registered_model(f"{RESERVED}{name}", description=json.dumps(elsewhere))
    time.sleep(0.05)
    lock = ServerRegistryLock(lambda: registry._client, timeout=0.3, stale_after=0.01)
    with pytest.raises(RegistryLockedError, match="by process 1 on another"), lock.hold("stuck", "next"):
        pass
    registry._client.delete_registered_model(f"{RESERVED}stuck")
    forget_marks(registry._client, older_than=-1)


class Unwilling:
    """A client that cannot rename."""

    def __init__(self, client, message):
        self._client, self._message = client, message

    def __getattr__(self, name):
        return getattr(self._client, name)

    def rename_registered_model(self, *_):
        raise MlflowException(self._message, error_code=BAD_REQUEST)


def test_a_lock_that_cannot_be_freed_does_not_fail_what_was_done(on_sqlite, caplog):
    registry, _ = on_sqlite
    client = Unwilling(registry._client, "the server is gone")
    with caplog.at_level(logging.WARNING):
        with ServerRegistryLock(lambda: client).hold("not_freed", "promoting"):
            pass
        with (
            pytest.raises(ValueError, match="the true error"),
            ServerRegistryLock(lambda: client).hold("not_freed_either", "promoting"),
        ):
            raise ValueError("the true error")
    assert caplog.text.count("could not be freed; others take it 300 s after it was taken") == 2
    for name in ("not_freed", "not_freed_either"):
        registry._client.delete_registered_model(f"{RESERVED}{name}")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        pytest.param(
            "(raised as a result of Query-invoked autoflush) UPDATE statement on table 'registered_models' expected to update"
            " 1 row(s); 0 were matched.",
            RegistryLockedError,
            id="another_was_first",
        ),
        pytest.param("the name is too long", MlflowException, id="anything_else"),
    ],
)
def test_who_comes_second_to_a_dead_holders_lock_waits_on(on_sqlite, message, error):
    registry, _ = on_sqlite
    registry._client.create_registered_model(f"{RESERVED}second")
    time.sleep(0.05)
    client = Unwilling(registry._client, message)
    with pytest.raises(error), ServerRegistryLock(lambda: client, timeout=0.2, stale_after=0.01).hold("second", "next"):
        pass
    registry._client.delete_registered_model(f"{RESERVED}second")


def test_who_waits_outlives_the_lock_of_a_dead_holder_on_another_machine():
    lock = ServerRegistryLock(lambda: None)
    assert lock.timeout >= lock.stale_after + 30
