"""What only a store in Redis can meet: passwords, servers that are away or full, locks that are lost."""

import sys
import time
from urllib.parse import urlsplit

import pytest

from fti_assets.online_store import OnlineLockedError, OnlineStore, OnlineStoreError
from fti_assets.online_store.redis_backend import RedisBackend
from fti_assets.online_store.redis_client import PASSWORD as VARIABLE
from fti_assets.online_store.redis_client import place
from fti_assets_tests.online_store.servers import PASSWORD, redis_binary, running_redis
from fti_assets_tests.online_store.test_backends import get, put, run

pytestmark = pytest.mark.redis


@pytest.fixture
def address(redis_server):
    return redis_server.new_database()


@pytest.fixture
def backend(address):
    backend = RedisBackend(address)
    yield backend
    backend.close()


def keys_of(backend):
    return sorted(key.decode() for key in backend._client.keys("*"))


def test_a_password_is_taken_from_the_environment(address, monkeypatch):
    bare = address.replace(f":{PASSWORD}@", "")
    monkeypatch.setenv(VARIABLE, PASSWORD)
    put(RedisBackend(bare), "t", (b"a", b"1"))
    assert get(RedisBackend(bare), "t", b"a") == [b"1"]


@pytest.mark.parametrize("password", ["", ":wrong-password@"])
def test_a_wrong_password_is_said_and_not_shown(address, password):
    backend = RedisBackend(address.replace(f":{PASSWORD}@", password))
    for use in (lambda: get(backend, "t", b"a"), lambda: put(backend, "t", (b"a", b"1")), backend.tables):
        with pytest.raises(OnlineStoreError, match=r"refuses the password, or wants one\. Set FTI_ONLINE_STORE_PASSWORD") as caught:
            use()
        assert "wrong-password" not in str(caught.value)


def test_nothing_shows_a_password(address):
    store = OnlineStore(address)
    assert str(store) == f"the online store redis://127.0.0.1:{urlsplit(address).port}{urlsplit(address).path}"
    assert place("rediss://user:pass@host:1/2?password=secret") == "rediss://host:1/2"
    with pytest.raises(OnlineStoreError, match=r"The address of the online store, redis://host:port/0, is not written") as caught:
        OnlineStore("redis://:secret@host:port/0")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_said_quickly():
    started = time.monotonic()
    with pytest.raises(OnlineStoreError, match=r"redis://127.0.0.1:1/0 cannot be reached. See whether the server is up"):
        get(RedisBackend("redis://:secret@127.0.0.1:1/0"), "t", b"a")
    assert time.monotonic() - started < 5


def test_a_client_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(OnlineStoreError, match="pip install 'fti-assets\\[redis\\]'"):
        RedisBackend("redis://127.0.0.1/0")


def test_a_writer_that_lost_its_lock_changes_nothing(backend):
    put(backend, "t", (b"a", b"1"))

    def lose(by):
        with backend.writing() as writer:
            writer.put_many("t", [(b"a", b"2")])
            writer.put_many("new", [(b"a", b"2")])
            by()

    for by in (
        lambda: backend._client.delete("fti:online:lock"),
        lambda: backend._client.set("fti:online:lock", b"process 1 on elsewhere 00"),
    ):
        with pytest.raises(OnlineLockedError, match="was lost while it was being written; nothing was changed"):
            lose(by)
        assert get(backend, "t", b"a") == [b"1"]
        assert backend.tables() == ["t"]
        assert not any(key.startswith("fti:online:aside") for key in keys_of(backend))
        backend._client.delete("fti:online:lock")


def test_a_lock_is_kept_as_long_as_its_holder_works(address):
    slow, other = RedisBackend(address, lock_lasts=0.4), RedisBackend(address, wait=0.1)
    with slow.writing() as writer:
        time.sleep(1.5)
        with pytest.raises(OnlineLockedError), other.writing():
            pass
        writer.put_many("t", [(b"a", b"1")])
    assert get(slow, "t", b"a") == [b"1"]


def test_what_a_dead_writer_laid_aside_is_not_there_for_ever(backend, address):
    code = (
        "import os, sys; from fti_assets.online_store.redis_backend import RedisBackend\n"
        "with RedisBackend(sys.argv[1]).writing() as w: w.put_many('t', [(b'a', b'1')], ordered=True); os._exit(0)"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", code, address], check=True)
    aside = [key for key in keys_of(backend) if key.startswith("fti:online:aside")]
    assert len(aside) == 2
    assert all(0 < backend._client.ttl(key) <= 3600 for key in aside)
    assert backend.tables() == []
    assert 0 < backend._client.pttl("fti:online:lock") <= 5000


def test_what_is_visible_does_not_expire(backend):
    put(backend, "t", (b"a", b"1"), ordered=True)
    assert [backend._client.ttl(key) for key in ("fti:online:values:t", "fti:online:keys:t")] == [-1, -1]


def test_another_process_writes_into_the_same_tables(backend, address):
    put(backend, "t", (b"a", b"1"))
    run("put", address, "t")
    assert get(backend, "t", b"a", b"k") == [b"1", b"0"]


def test_a_full_server_refuses_and_keeps_what_it_has(tmp_path):
    binary = redis_binary()
    if binary is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    with running_redis(binary, tmp_path, "--maxmemory", "8mb") as server:
        backend = RedisBackend(server.new_database())
        put(backend, "t", (b"a", b"old"))
        with pytest.raises(OnlineStoreError, match="is full; nothing was changed"):
            put(backend, "t", (b"a", b"new"), *((b"%d" % n, b"x" * 2000) for n in range(10_000)))
        with pytest.raises(OnlineStoreError, match="is full; nothing was changed"):
            put(backend, "u", *((b"%d" % n, b"x" * 2000) for n in range(10_000)))
        assert get(backend, "t", b"a", b"1") == [b"old", None]
        assert backend.tables() == ["t"]
        backend.close()


def test_a_server_that_was_restarted_is_found_again(tmp_path):
    binary = redis_binary()
    if binary is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with running_redis(binary, tmp_path, *options) as server:
        backend, port = RedisBackend(server.new_database()), server.port
        put(backend, "t", (b"a", b"1"))
    with pytest.raises(OnlineStoreError, match="cannot be reached"):
        get(backend, "t", b"a")
    with running_redis(binary, tmp_path, *options, port=port):
        assert get(backend, "t", b"a") == [b"1"]
        put(backend, "t", (b"a", b"2"))
        assert get(backend, "t", b"a") == [b"2"]
    backend.close()
