"""Changes of the champion: logged, one at a time, whole or not at all."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.model_registry import ChampionChangedError, ModelRegistry, RegistryLockedError, TamperedModelError
from fti_assets.model_registry._lock import FileRegistryLock
from fti_assets.model_registry.promotion import Promotion, Settlement, counted, read_log, settlement, standing

from .examples import make_contract, make_model, make_record
from .killed import killed_in, promote

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODEL = make_model()


@pytest.fixture
def make_versions(registry):
    def make(name, count):
        for _ in range(count):
            registry.log_training(make_contract(name), make_record(MODEL))
        return name

    return make


def entry(number, version, previous, *, done=True, kind="promotion"):
    said = {"who": "ann", "at": NOON, "reason": "better"}
    return Promotion(number=number, kind=kind, version=version, previous=previous, done=done, **said)


def aliases(registry, name):
    found = registry._client.get_registered_model(name).aliases
    return {alias: int(version) for alias, version in found.items()}


def set_champion(registry, name, version):
    """As somebody does it in MLflow's own UI."""
    registry._client.set_registered_model_alias(name, "champion", str(version))


def test_every_promotion_is_logged(registry, make_versions, monkeypatch):
    name = make_versions("logged_promotions", 2)
    registry.promote(name, 1, reason="first", figures={"auc": 0.74})
    monkeypatch.setenv("FTI_USER", "ann")
    registry.promote(name, 2, reason="better", figures={"auc": 0.75}, run="dagster-1")
    second, first = registry.history(name)
    assert (second.number, second.kind, second.version, second.previous) == (2, "promotion", 2, 1)
    assert (second.who, second.reason, second.figures, second.run) == ("ann", "better", {"auc": 0.75}, "dagster-1")
    assert (first.number, first.version, first.previous, first.run) == (1, 1, None, None)
    assert "@" in first.who
    assert abs((datetime.now(UTC) - second.at).total_seconds()) < 60


def test_a_rollback_restores_the_champion_before_and_a_second_one_undoes_it(registry, make_versions):
    name = make_versions("rolled_back", 2)
    registry.promote(name, 1, reason="first", figures={})
    registry.promote(name, 2, reason="second", figures={})
    assert registry.rollback(name, reason="all predictions are 0").version == 1
    assert aliases(registry, name) == {"champion": 1, "previous": 2, "challenger": 2}
    assert registry.get(name, 2).tags["decision"] == "rolled back"
    assert registry.get(name, 2).tags["decision_reason"] == "all predictions are 0"
    assert registry.get(name, 1).tags["decision"] == "promoted"
    assert registry.rollback(name, reason="it was the input").version == 2
    assert aliases(registry, name) == {"champion": 2, "previous": 1, "challenger": 2}
    assert [(one.kind, one.version, one.previous) for one in registry.history(name)] == [
        ("rollback", 2, 1),
        ("rollback", 1, 2),
        ("promotion", 2, 1),
        ("promotion", 1, None),
    ]


def test_without_a_champion_before_there_is_nothing_to_roll_back_to(registry, make_versions):
    name = make_versions("first_champion", 1)
    registry.promote(name, 1, reason="first", figures={})
    with pytest.raises(NotFoundError, match=r"It has: challenger, champion\. There is one after the second promotion"):
        registry.rollback(name, reason="test")
    assert len(registry.history(name)) == 1


def test_a_judgement_against_another_champion_does_not_count(registry, make_versions):
    name = make_versions("changed", 3)
    registry.promote(name, 1, reason="first", figures={}, expected_champion=None)
    registry.promote(name, 2, reason="second", figures={}, expected_champion=1)
    with pytest.raises(ChampionChangedError, match=r"Version 3 .* against version 1, but now there is version 2, promotion 2 by"):
        registry.promote(name, 3, reason="third", figures={}, expected_champion=1)
    with pytest.raises(ChampionChangedError, match="against no champion"):
        registry.promote(name, 3, reason="third", figures={}, expected_champion=None)
    assert registry.get(name, "champion").version == 2
    assert "decision" not in registry.get(name, 3).tags


def test_of_two_judgements_at_once_one_wins(registry, make_versions):
    name = make_versions("at_once", 3)
    registry.promote(name, 1, reason="first", figures={})

    def promote(version):
        other = ModelRegistry(registry.tracking_uri)
        try:
            return other.promote(name, version, reason="better", figures={}, expected_champion=1).version
        except ChampionChangedError:
            return None

    with ThreadPoolExecutor(2) as threads:
        won = [version for version in threads.map(promote, (2, 3)) if version]
    assert len(won) == 1
    assert aliases(registry, name) == {"champion": won[0], "previous": 1, "challenger": 3}
    assert [one.version for one in registry.history(name)] == [won[0], 1]


KILLED_AFTER = {
    "entry": ("set_registered_model_tag", "promotion."),
    "champion": ("set_registered_model_alias", "champion"),
    "previous": ("set_registered_model_alias", "previous"),
    "decision": ("set_model_version_tag", "decision"),
}


@pytest.mark.parametrize("moment", KILLED_AFTER)
def test_a_promotion_that_is_killed_happened_or_did_not(registry, make_versions, moment):
    name = make_versions(f"killed_at_{moment}", 3)
    registry.promote(name, 1, reason="first", figures={})
    killed_in(promote, registry, name, 2, after=KILLED_AFTER[moment])
    happened = moment != "entry"
    seen = {alias for alias in ("champion", "previous") if alias in registry.get(name, 2 if happened else 1).aliases}
    assert seen == {"champion"}  # readers are right before anything is settled
    assert ("previous" in registry.get(name, 1).aliases) == happened
    assert [one.version for one in registry.history(name)] == ([2, 1] if happened else [1])
    registry.reject(name, 3, "the next operation settles it")
    log = read_log(registry._client.get_registered_model(name).tags)
    assert [(one.number, one.version, one.done) for one in log] == ([(1, 1, True), (2, 2, True)] if happened else [(1, 1, True)])
    assert aliases(registry, name).get("previous") == (1 if happened else None)
    assert registry.get(name, 2).tags.get("decision") == ("promoted" if happened else None)
    registry.promote(name, 3, reason="on it goes", figures={}, expected_champion=2 if happened else 1)
    assert registry.history(name)[0].number == (3 if happened else 2)


def test_an_alias_that_was_set_by_other_means_is_written_into_the_log(registry, make_versions):
    name = make_versions("set_outside", 3)
    registry.promote(name, 1, reason="first", figures={})
    set_champion(registry, name, 2)
    assert registry.get(name, "champion").version == 2
    registry.promote(name, 3, reason="third", figures={}, expected_champion=2)
    assert [(one.kind, one.version, one.previous) for one in registry.history(name)] == [
        ("promotion", 3, 2),
        ("outside", 2, 1),
        ("promotion", 1, None),
    ]


def test_a_damaged_version_is_not_promoted(registry, make_versions):
    from .test_registry import model_file

    name = make_versions("damaged", 1)
    model_file(registry, registry.get(name, 1)).write_bytes(b"x")
    with pytest.raises(TamperedModelError):
        registry.promote(name, 1, reason="test", figures={})
    assert aliases(registry, name) == {"challenger": 1}
    assert registry.history(name) == []


def test_a_champion_before_that_was_exchanged_meanwhile_is_verified_too(registry, make_versions, monkeypatch):
    from .test_registry import model_file

    name = make_versions("exchanged", 3)
    for version in (1, 2):
        registry.promote(name, version, reason="test", figures={})
    model_file(registry, registry.get(name, 3)).write_bytes(b"x")
    hold = registry._lock.hold

    def hold_later(*given):
        registry._client.set_registered_model_alias(name, "previous", "3")
        return hold(*given)

    monkeypatch.setattr(registry, "_lock", SimpleNamespace(hold=hold_later))
    with pytest.raises(TamperedModelError):
        registry.rollback(name, reason="test")
    assert aliases(registry, name)["champion"] == 2


def test_who_waits_in_vain_is_told_for_whom(tmp_path):
    file = tmp_path / "mlflow.db"
    with (
        FileRegistryLock(file).hold("flight_delay", "promoting version 3"),
        pytest.raises(RegistryLockedError, match=r"'flight_delay' was locked .* 0.1 s by process .* \(promoting version 3 of"),
        FileRegistryLock(file, timeout=0.1).hold("flight_delay", "rolling back"),
    ):
        pass
    with FileRegistryLock(file, timeout=0.1).hold("flight_delay", "rolling back"):
        pass


def test_a_lock_is_free_when_its_holder_is_killed(tmp_path):
    code = f"""
import os
from pathlib import Path
from fti_assets.model_registry._lock import FileRegistryLock
with FileRegistryLock(Path({str(tmp_path / "mlflow.db")!r})).hold("flight_delay", "promoting"):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with FileRegistryLock(tmp_path / "mlflow.db", timeout=0.1).hold("flight_delay", "rolling back"):
        pass


@pytest.mark.parametrize(
    ("log", "champion", "expected"),
    [
        pytest.param([], None, Settlement(), id="nothing_yet"),
        pytest.param([], 3, Settlement(), id="promoted_before_there_was_a_log"),
        pytest.param([entry(1, 1, None)], 1, Settlement(), id="agreed"),
        pytest.param([entry(1, 1, None, done=False)], 1, Settlement(finish=entry(1, 1, None, done=False)), id="counts"),
        pytest.param([entry(1, 1, None, done=False)], None, Settlement(drop=entry(1, 1, None, done=False)), id="never_set"),
        pytest.param([entry(1, 1, None)], 2, Settlement(outside=(1, 2)), id="outside"),
        pytest.param([entry(1, 1, None)], None, Settlement(outside=(1, None)), id="taken_away"),
        pytest.param(
            [entry(1, 1, None), entry(2, 2, 1, done=False)],
            3,
            Settlement(drop=entry(2, 2, 1, done=False), outside=(1, 3)),
            id="never_set_and_outside",
        ),
    ],
)
def test_what_is_left_to_be_done(log, champion, expected):
    assert settlement(log, champion) == expected


def test_what_readers_see_of_a_change_that_is_being_finished():
    log = [entry(1, 1, None), entry(2, 2, 1, done=False)]
    assert standing(log, {"champion": 2, "challenger": 2}) == {"champion": 2, "challenger": 2, "previous": 1}
    assert standing(log, {"champion": 1, "challenger": 2}) == {"champion": 1, "challenger": 2}
    assert [one.number for one in counted(log, 2)] == [2, 1]
    assert [one.number for one in counted(log, 1)] == [1]


def test_an_entry_survives_its_tag_however_long_the_reason():
    short, long = entry(7, 2, 1), Promotion(**{**entry_fields(), "reason": "because " * 2000})
    assert Promotion.read(short.text) == short
    assert short.key == "promotion.0007"
    assert len(long.text) <= 5000
    assert Promotion.read(long.text).reason.endswith("[...]")


def entry_fields():
    one = entry(7, 2, 1)
    return {name: getattr(one, name) for name in one.__slots__}
