"""The care of the lake as an asset."""

import shutil

import dagster as dg
import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.pipelines import LakeResource, RegistryResource, Schedule, lake_maintenance
from fti_assets_tests.feature_store.examples import HOUR, day, make_group, rows_of
from fti_assets_tests.model_registry.examples import make_contract, make_record

GROUP = make_group()
NIGHTLY = lake_maintenance(Schedule(cron="0 3 * * *", timezone="America/New_York"), owner="team:test")
KEYS = [f"2024-01-{n:02}" for n in range(1, 21)]
OP = "maintenance__lake"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Twenty days in files of their own."""
    made = FeatureStore(tmp_path_factory.mktemp("template") / "store")
    for n, key in enumerate(KEYS):
        made.publish(GROUP, rows_of(GROUP, *((f"s{m}", day(key).start + HOUR, n + m / 100) for m in range(40))), day(key))
    return made.root


@pytest.fixture
def store(template, tmp_path):
    """A copy of it, which a lake in a folder may be moved as."""
    return FeatureStore(shutil.copytree(template, tmp_path / "store"))


def materialize(root, registry="", **config):
    """What the asset says, and the run."""
    resources = {
        "lake": LakeResource(root=str(root)),
        "registry": RegistryResource(tracking_uri=registry or f"sqlite:///{root}/mlflow/mlflow.db"),
    }
    result = dg.materialize(
        NIGHTLY.assets,
        resources=resources,
        run_config={"ops": {OP: {"config": config}}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    (event,) = result.asset_materializations_for_node(OP) if result.success else [None]
    return {key: value.value for key, value in event.metadata.items()} if event else {}, result


def test_it_says_what_it_did_and_what_it_saved(store):
    said, _ = materialize(store.root, keep_days=0, grace_hours=0)

    assert said["files_before"] == 20
    assert (said["files"], said["files_to_be_removed"]) == (1, 0)
    assert said["bytes"] < said["bytes_before"]
    assert said["snapshots_expired"] > 20
    assert "| merge | features.weather_v1 | 16 or more small files | 20 |" in said["plan"]
    assert "| features.weather_v1 | 20 | 1 |" in said["space"]
    assert said["space"].splitlines()[-1].startswith("| all files | 20 | 1 |")
    assert not (store.root / "mlflow").exists()  # to ask for models makes no registry


def test_only_the_plan(store):
    before = store.snapshots()
    said, _ = materialize(store.root, only_plan=True)

    assert list(said) == ["plan"]
    assert "merge" in said["plan"]
    assert store.snapshots() == before


def test_what_a_model_was_trained_from_is_held(store, tmp_path, put_registry):
    registry = put_registry(tmp_path)
    snapshot = store.snapshots()[7].number
    registry.log_training(make_contract(), make_record(tags={"snapshot": str(snapshot)}))

    said, _ = materialize(store.root, registry.tracking_uri, keep_days=0)

    assert said["snapshots_held"] == 1
    assert f"| keep | snapshot {snapshot} | held by model flight_delay version 1 |" in said["plan"]
    assert snapshot in {one.number for one in store.snapshots()}


def test_nothing_was_ever_published(tmp_path):
    said, _ = materialize(tmp_path)

    assert "nothing was ever published" in said["plan"]
    assert not (tmp_path / "lake").exists()


def test_when_the_registry_cannot_be_asked_nothing_expires(store, tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    before = store.snapshots()

    _, result = materialize(store.root, f"sqlite:///{tmp_path}/mlflow.db", keep_days=0)

    assert not result.success
    assert store.snapshots() == before


def test_a_policy_that_is_none_is_told_plainly(store):
    _, result = materialize(store.root, keep_days=-1)

    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.user_failure_data.description.startswith("keep_days is -1.")
