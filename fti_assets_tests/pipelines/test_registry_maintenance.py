"""The care of the model registry as an asset."""

import dagster as dg
import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.pipelines import LakeResource, RegistryResource, Schedule
from fti_assets.pipelines.registry_maintenance import registry_maintenance
from fti_assets_tests.conftest import reasons
from fti_assets_tests.feature_store.examples import HOUR, day, make_group, rows_of
from fti_assets_tests.model_registry.examples import make_contract, make_model, make_record

WEEKLY = registry_maintenance(Schedule(cron="30 3 * * 0", timezone="America/New_York"), owner="team:test")
OP = "maintenance__registry"


@pytest.fixture
def registry(tmp_path, put_registry):
    """Of three versions the first is the champion, and the second is rejected."""
    made, model = put_registry(tmp_path), make_model()
    for _ in range(3):
        made.log_training(make_contract("delay"), make_record(model))
    made.promote("delay", 1, reason="first", figures={})
    made.reject("delay", 2, "worse")
    return made


@pytest.fixture
def lake(tmp_path):
    group, window = make_group(), day("2024-01-01")
    FeatureStore(tmp_path).publish(group, rows_of(group, ("s", window.start + HOUR, 1.0)), window)


def materialize(root, **config):
    resources = {
        "lake": LakeResource(root=str(root)),
        "registry": RegistryResource(tracking_uri=f"sqlite:///{root}/mlflow/mlflow.db"),
    }
    result = dg.materialize(
        WEEKLY.assets,
        resources=resources,
        run_config={"ops": {OP: {"config": config}}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    (event,) = result.asset_materializations_for_node(OP) if result.success else [None]
    return {key: value.value for key, value in event.metadata.items()} if event else {}, result


@pytest.mark.usefixtures("lake")
def test_an_old_rejected_version_is_deleted_once_it_is_not_only_planned(registry, tmp_path):
    planned, _ = materialize(tmp_path, keep_days=-1, only_plan=True)
    assert planned == {"plan": "| what | why |\n| --- | --- |\n| delay version 2 | rejected, 0 days old |"}
    assert len(registry.versions("delay")) == 3
    said, _ = materialize(tmp_path, keep_days=-1)
    assert (said["versions_deleted"], said["runs_deleted"]) == (1, 0)
    assert [version.version for version in registry.versions("delay")] == [3, 1]
    assert materialize(tmp_path, keep_days=-1)[0]["plan"] == "Nothing has to be done."


def test_without_a_lake_nothing_is_deleted(registry, tmp_path):
    _, result = materialize(tmp_path, keep_days=-1)
    assert "so it is not known which versions of model 'delay' predictions refer to" in reasons(result)[0]
    assert len(registry.versions("delay")) == 3


def test_where_nothing_was_trained_no_registry_is_made(tmp_path):
    said, _ = materialize(tmp_path)
    assert said == {"plan": "There is no registry yet: no model was ever trained."}
    assert not (tmp_path / "mlflow").exists()
