import shutil

import pytest

from fti_assets.model_registry import ModelRegistry
from fti_assets.online_store import OnlineStore
from fti_assets.serving.fetching import fetch
from fti_assets.serving.version_files import VersionFolder
from fti_assets_tests.serving.examples import fill, make_model, promote
from fti_assets_tests.serving.servers import serving


class House:
    """The stores of the small system in one folder: online tables, and a registry with a champion."""

    def __init__(self, root):
        self.root = root

    @property
    def registry(self):
        return ModelRegistry(f"sqlite:///{self.root}/mlflow/mlflow.db")

    @property
    def store(self):
        return OnlineStore(self.root / "online")

    @property
    def kept(self):
        return VersionFolder(self.root / "serving", "flight_delay")

    def keep(self, version):
        """Fetches a version as a server does, but in this process, where MLflow is imported already."""
        registry = self.registry
        return fetch(registry, registry.get("flight_delay", version), self.kept)


@pytest.fixture(scope="session")
def make_house(tmp_path_factory, empty_registry):
    """Makes houses with two versions, of which the first is the champion."""
    first = House(tmp_path_factory.mktemp("house"))
    (first.root / "mlflow").mkdir()
    shutil.copy(empty_registry, first.root / "mlflow" / "mlflow.db")
    with first.store as store:
        fill(store)
    for seed in (1, 0):
        promote(first.registry, make_model(seed))

    def make(*, keep=True):
        house = House(tmp_path_factory.mktemp("house"))
        shutil.copytree(first.root, house.root, dirs_exist_ok=True)
        _move(house.root / "mlflow" / "mlflow.db", first.root, house.root)
        if keep:
            house.kept.remember(house.keep("champion"))
        return house

    return make


def _move(database, before, after):
    """The files of a copied registry are where the copy is."""
    import sqlite3
    from contextlib import closing

    places = [("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location")]
    places += [("model_versions", "source"), ("model_versions", "storage_location")]
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in places:
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", [str(before), str(after)])


@pytest.fixture(scope="session")
def house(make_house):
    return make_house(keep=False)


@pytest.fixture(scope="session")
def server(house):
    """A server that has fetched the champion from the registry. Tests leave it as it is."""
    with serving(house.root, reasons=True) as running:
        yield running
