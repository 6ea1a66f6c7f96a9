"""Where the stores are, by the environment: the same for commands and pipelines."""

from pathlib import Path

import pytest

from fti_assets import stores
from fti_assets.feature_store.errors import AddressError
from fti_assets.pipelines import LakeResource, LandingResource, RegistryResource

NAMES = ("FTI_DATA_DIR", "FTI_LAKE_CATALOG", "FTI_LAKE_DATA", "MLFLOW_TRACKING_URI")


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables of the stores; those that are not named are unset."""

    def set_all(**given):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)

    return set_all


@pytest.mark.parametrize("empty", [pytest.param({}, id="unset"), pytest.param(dict.fromkeys(NAMES, ""), id="empty")])
def test_by_default_all_is_in_the_folder_data(environment, monkeypatch, tmp_path, empty):
    monkeypatch.chdir(tmp_path)
    environment(**empty)
    assert stores.data_root() == Path("data")
    assert stores.landing_zone().root == Path("data/landing")
    assert stores.tracking_uri() == f"sqlite:///{tmp_path}/data/mlflow/mlflow.db"
    assert stores.feature_store().lake.is_local
    assert stores.lake_place() == "data/lake"
    assert list(tmp_path.iterdir()) == []  # nothing is created by looking


def test_the_environment_says_where_they_are(environment, tmp_path):
    environment(
        FTI_DATA_DIR=str(tmp_path),
        FTI_LAKE_CATALOG="postgres:host=db dbname=lake password=hushhush",
        FTI_LAKE_DATA="s3://bucket/lake",
        MLFLOW_TRACKING_URI="http://127.0.0.1:5000",
    )
    lake = stores.feature_store().lake
    assert (lake.root, lake.catalog.kind, lake.data_path) == (tmp_path / "lake", "postgres", "s3://bucket/lake")
    assert stores.lake_place() == "'postgres:host=db dbname=lake schema=public'"
    assert stores.tracking_uri() == "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="embedded"),
        pytest.param({"FTI_LAKE_CATALOG": "postgres:host=db", "FTI_LAKE_DATA": "s3://bucket/lake"}, id="servers"),
    ],
)
def test_pipelines_find_the_same_stores(environment, tmp_path, given):
    environment(FTI_DATA_DIR=str(tmp_path), MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db", **given)
    ours, theirs = stores.feature_store().lake, LakeResource().store.lake
    assert (ours.root, ours.catalog, ours.data) == (theirs.root, theirs.catalog, theirs.data)
    assert stores.landing_zone().root == LandingResource().zone.root
    assert stores.tracking_uri() == RegistryResource().registry.tracking_uri


def test_what_a_resource_is_given_comes_before_the_environment(environment, tmp_path):
    environment(FTI_DATA_DIR="elsewhere", FTI_LAKE_CATALOG="postgres:host=other", FTI_LAKE_DATA="s3://other/lake")
    resource = LakeResource(root=str(tmp_path), catalog="postgres:host=db schema=taxi", data="s3://bucket/lake")
    lake = resource.store.lake
    assert (lake.root, str(lake.catalog), lake.data_path) == (
        tmp_path / "lake",
        "'postgres:host=db schema=taxi'",
        "s3://bucket/lake",
    )


def test_an_address_that_is_none_is_refused_when_the_store_is_opened(environment):
    environment(FTI_LAKE_CATALOG="mysql:host=db")
    with pytest.raises(AddressError, match="'mysql:'"):
        stores.feature_store()
