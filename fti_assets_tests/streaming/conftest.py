import pytest

from fti_assets.online_store import OnlineStore


@pytest.fixture
def online(tmp_path):
    with OnlineStore(tmp_path / "online") as store:
        yield store


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis server of the tests' own."""
    from fti_assets_tests.online_store.servers import redis_binary, running_redis

    binary = redis_binary()
    if binary is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    with running_redis(binary, tmp_path_factory.mktemp("redis")) as server:
        yield server
