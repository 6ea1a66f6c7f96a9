import pytest

from fti_assets.feature_store import FeatureStore


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)
