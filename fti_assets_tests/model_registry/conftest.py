import pytest

from fti_assets.model_registry import ModelRegistry


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """One store for the session, since creating its tables takes two seconds; each test uses a model name of its own."""
    return ModelRegistry(f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db")
