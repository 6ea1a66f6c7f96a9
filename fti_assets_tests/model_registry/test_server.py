"""The registry in a tracking server, as many machines share it: by HTTP, with the files behind the server."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fti_assets.model_registry import (
    ChampionChangedError,
    ModelRegistry,
    NeededVersionError,
    RegistryLockedError,
    TamperedModelError,
)
from fti_assets.model_registry._lock import RESERVED, ServerRegistryLock, forget_marks
from fti_assets.model_registry.export import export
from fti_assets_tests.feature_store.servers import postgres_binaries, running_postgres

from .examples import make_contract, make_model, make_record, make_rows
from .servers import running_mlflow

MODEL = make_model()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def served(request, tmp_path_factory):
    """A registry in a server, and the folder with its files."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("no_proxy", "127.0.0.1")
        if request.param == "sqlite":
            with running_mlflow(folder, f"sqlite:///{folder}/mlflow.db") as address:
                yield ModelRegistry(address), folder
            return
        binaries = postgres_binaries()
        if binaries is None:
            pytest.skip("PostgreSQL is not installed")
        with running_postgres(binaries) as postgres:
            from urllib.parse import quote

            from fti_assets_tests.feature_store.servers import PASSWORD

            name = postgres.new_database()
            backend = f"postgresql+psycopg://owner:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres.port}/{name}"
            with running_mlflow(folder, backend) as address:
                yield ModelRegistry(address), folder


def locks(registry):
    return [one.name for one in registry._client.search_registered_models() if one.name.startswith(RESERVED)]


def test_the_life_of_a_model(served, tmp_path):
    registry, folder = served
    card = "# Delays\n" + "x" * 6000
    for seed in range(3):
        made = make_record(MODEL, card=card, metrics={"auc_test": 0.7 + seed / 100}, tags={"program": "a:b", "snapshot": "1"})
        registry.log_training(make_contract("served"), made)
    newest = registry.get("served", "challenger")
    assert (newest.version, newest.metrics) == (3, {"auc_test": 0.72})
    assert registry.models() == ["served"]
    np.testing.assert_allclose(registry.load("served", 3).predict(make_rows()), MODEL.predict(make_rows()), atol=1e-7)
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
    path = next(folder.rglob(f"{newest.tags['model_id']}/**/model.ubj"))
    registry.delete("served", 3, predicted=())
    assert not path.exists()
    assert registry.get("served", "challenger").version == 2
    assert locks(registry) == []


def test_a_file_that_was_exchanged_behind_the_server_is_refused(served):
    registry, folder = served
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
    for _ in range(3):
        registry.log_training(make_contract("served_at_once"), make_record(MODEL))
    registry.promote("served_at_once", 1, reason="first", figures={})

    def promote(version):
        try:
            return ModelRegistry(registry.tracking_uri).promote(
                "served_at_once", version, reason="better", figures={}, expected_champion=1
            )
        except ChampionChangedError:
            return None

    with ThreadPoolExecutor(2) as threads:
        won = [version for version in threads.map(promote, (2, 3)) if version]
    assert len(won) == 1
    assert registry.get("served_at_once", "champion") == won[0]
    assert [one.version for one in registry.history("served_at_once")] == [won[0].version, 1]


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


def test_who_waits_in_vain_is_told_for_whom(served):
    registry, _ = served
    lock = ServerRegistryLock(lambda: registry._client, timeout=0.1)
    with (
        lock.hold("held", "promoting version 3"),
        pytest.raises(RegistryLockedError, match=r"'held' was locked .* by process \d+ on .* \(promoting version 3, since"),
        lock.hold("held", "rolling back"),
    ):
        pass


def leave_lock(registry, name):
    """A lock whose holder was killed."""
    code = f"""
import os
from fti_assets.model_registry import ModelRegistry
registry = ModelRegistry({registry.tracking_uri!r})
with registry._lock.hold({name!r}, "promoting"):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9


def test_the_lock_of_a_killed_process_is_taken_over_by_one(served):
    registry, _ = served
    leave_lock(registry, "killed")
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


def test_a_lock_from_another_machine_is_taken_over_when_it_is_old(served):
    registry, _ = served
    elsewhere = {"process": {"host": "another", "pid": 1, "started": ""}, "purpose": "promoting", "since": "now", "token": "t1"}
    registry._client.create_registered_model(f"{RESERVED}old", description=json.dumps(elsewhere))
    young = ServerRegistryLock(lambda: registry._client, timeout=0.1)
    with pytest.raises(RegistryLockedError, match="by process 1 on another"), young.hold("old", "next"):
        pass
    time.sleep(0.3)
    with ServerRegistryLock(lambda: registry._client, timeout=0.1, stale_after=0.2).hold("old", "next"):
        pass
    forget_marks(registry._client, older_than=-1)


def test_a_holder_that_was_taken_for_dead_does_not_free_the_lock_of_the_next(served):
    registry, _ = served
    slow = ServerRegistryLock(lambda: registry._client, stale_after=0.2)
    with slow.hold("overtaken", "slow"):
        time.sleep(0.3)
        second = slow.hold("overtaken", "quick")
        second.__enter__()
    assert f"{RESERVED}overtaken" in locks(registry)
    second.__exit__(None, None, None)
    assert f"{RESERVED}overtaken" not in locks(registry)
    forget_marks(registry._client, older_than=-1)
