import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets_tests.feature_store.examples import pooled_connection


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path, pooled_connection)
