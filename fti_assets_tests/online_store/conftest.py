import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore

_BACKENDS = ("lmdb", pytest.param("redis", marks=pytest.mark.redis))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis server of the tests' own."""
    from fti_assets_tests.online_store.servers import redis_binary, running_redis

    binary = redis_binary()
    if binary is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    with running_redis(binary, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=_BACKENDS)
def address(request, tmp_path):
    """Where an empty online store of each kind is."""
    if request.param == "lmdb":
        return str(tmp_path / "online")
    return request.getfixturevalue("redis_server").new_database()


@pytest.fixture
def online(address):
    with OnlineStore(address) as store:
        yield store


@pytest.fixture
def embedded(tmp_path):
    """An embedded one, for what has nothing to do with where the rows are."""
    with OnlineStore(tmp_path / "online") as store:
        yield store


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)
