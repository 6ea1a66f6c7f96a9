"""A server whose online store is in Redis: the same answers, and no other request is kept waiting when Redis is away."""

import time

import pytest

from fti_assets.online_store import OnlineStore
from fti_assets_tests.online_store.servers import redis_binary, running_redis
from fti_assets_tests.serving.examples import B6, UA, fill
from fti_assets_tests.serving.servers import serving

pytestmark = pytest.mark.redis


def test_it_answers_from_redis_and_tells_when_redis_is_away(make_house, tmp_path):
    binary = redis_binary()
    if binary is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    house = make_house()
    with running_redis(binary, tmp_path) as redis:
        address = redis.new_database()
        with OnlineStore(address) as store:
            fill(store)
        with serving(house.root, FTI_ONLINE_STORE=address) as server:
            answer = server.predict({"rows": [UA, B6]})
            assert [one["missing"] for one in answer.json["predictions"]] == [
                {},
                {"weather_v1": "expired", "carriers_v1": "missing"},
            ]
            redis.client.shutdown(nosave=True)
            answer = server.predict({"row": UA})
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert "redis://127.0.0.1" in answer.error["what"]
            assert server.get("/readyz").status == 503
            began = time.monotonic()
            assert server.get("/healthz").status == 200
            assert time.monotonic() - began < 2
