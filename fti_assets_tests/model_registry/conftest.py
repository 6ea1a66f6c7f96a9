import shutil

import pytest

from fti_assets.model_registry import ModelRegistry


@pytest.fixture(scope="session")
def registry(tmp_path_factory, empty_registry):
    """One store for the session; each test uses a model name of its own."""
    return ModelRegistry(f"sqlite:///{shutil.copy(empty_registry, tmp_path_factory.mktemp('registry'))}")
