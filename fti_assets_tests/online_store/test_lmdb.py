"""What only the embedded store can meet: forks, full disks, damaged files, folders that go and come back."""

import os
import shutil
import subprocess
import sys
import threading
import time
import traceback

import pytest

from fti_assets.online_store import OnlineStoreError
from fti_assets.online_store import lmdb_backend as module
from fti_assets.online_store.lmdb_backend import LmdbBackend
from fti_assets_tests.online_store.test_backends import get, put


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "online"


@pytest.fixture
def backend(folder):
    return LmdbBackend(folder)


def test_backends_of_one_folder_share_what_is_open(backend, folder, monkeypatch):
    put(backend, "t", (b"a", b"1"))
    monkeypatch.chdir(folder.parent)
    other = LmdbBackend("online")
    assert get(other, "t", b"a") == [b"1"]
    backend.close()
    assert get(other, "t", b"a") == [b"1"]
    assert get(backend, "t", b"a") == [b"1"]


def test_a_reader_that_was_kept_does_not_keep_the_file_open(backend):
    put(backend, "t", (b"a", b"1"))
    with backend.reading() as kept:
        assert kept.get_many("t", [b"a"]) == [b"1"]
    backend.close()
    assert get(backend, "t", b"a") == [b"1"]


def test_a_folder_that_is_gone_reads_as_empty_and_one_that_came_back_is_read(backend, folder):
    put(backend, "t", (b"a", b"old"))
    shutil.rmtree(folder)
    time.sleep(1.1)
    assert get(backend, "t", b"a") == [None]
    assert not folder.exists()
    put(LmdbBackend(folder), "t", (b"a", b"new"))
    assert get(backend, "t", b"a") == [b"new"]


def test_space_of_what_was_replaced_is_used_again(backend, folder):
    def replace(value):
        with backend.writing() as writer:
            writer.drop("t")
            writer.put_many("t", [(b"%06d" % n, value * 100) for n in range(5000)], ascending=True)

    replace(b"a")
    for value in (b"b", b"c"):
        replace(value)
    size = (folder / "data.mdb").stat().st_size
    for value in (b"d", b"e", b"f", b"g"):
        replace(value)
    assert (folder / "data.mdb").stat().st_size <= size * 1.1
    assert get(backend, "t", b"004999") == [b"g" * 100]


def test_a_key_that_is_too_long_is_refused(backend):
    put(backend, "t", (b"a", b"1"))
    with pytest.raises(OnlineStoreError, match="longer than 507 bytes"):
        put(backend, "t", (b"b", b"2"), (b"k" * 508, b"x"))
    assert get(backend, "t", b"a", b"b") == [b"1", None]


def test_keys_that_are_said_to_be_in_order_and_are_not(backend):
    with pytest.raises(OnlineStoreError, match="Keys of 't' were said to be in order"):
        put(backend, "t", (b"b", b"1"), (b"a", b"1"), ascending=True)
    assert backend.tables() == []


def test_ascending_keys_behind_a_table_that_is_not_the_last(backend):
    put(backend, "t", (b"a", b"1"), ascending=True)
    put(backend, "u", (b"a", b"1"), ascending=True)
    put(backend, "t", (b"b", b"2"), ascending=True)
    assert get(backend, "t", b"a", b"b") == [b"1", b"2"]


FILL = """
import resource, sys
from fti_assets.online_store import OnlineStoreError
from fti_assets.online_store.lmdb_backend import LmdbBackend
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
backend = LmdbBackend(sys.argv[1])
try:
    with backend.writing() as writer:
        writer.put_many("t", ((b"%06d" % n, b"new" * 300) for n in range(20_000)))
except OnlineStoreError as error:
    print(error)
with backend.writing() as writer:
    writer.put_many("t", [(b"after", b"1")])
"""


def test_a_full_disk_undoes_what_was_begun_and_says_so(backend, folder):
    put(backend, "t", (b"000000", b"old"))
    found = subprocess.run([sys.executable, "-c", FILL, folder], capture_output=True, text=True, check=True)
    assert f"The disk of the online store '{folder}' is full, or fails; what was begun was undone. Make room" in found.stdout
    assert get(backend, "t", b"000000", b"000001", b"after") == [b"old", None, b"1"]


def test_a_file_that_has_grown_into_all_its_room(folder):
    backend = LmdbBackend(folder, room=1 << 20)
    put(backend, "t", (b"a", b"old"))
    with pytest.raises(OnlineStoreError, match="has grown into all the room that it has"):
        put(backend, "t", *((b"%d" % n, b"x" * 1000) for n in range(5000)))
    assert get(backend, "t", b"a", b"1") == [b"old", None]


def test_room_is_asked_for_as_far_as_there_is_some():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30));"
        "from fti_assets.online_store.lmdb_backend import LmdbBackend; import sys; b = LmdbBackend(sys.argv[1])\n"
        "with b.writing() as w: w.put_many('t', [(b'a', b'1')])\n"
        "with b.reading() as r: print(r.get_many('t', [b'a']))"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert found.stdout == "[b'1']\n"


def test_a_file_that_is_none_of_ours(backend, folder):
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"something else" * 1000)
    for use in (lambda: get(backend, "t", b"a"), lambda: put(backend, "t", (b"a", b"1"))):
        with pytest.raises(OnlineStoreError, match=r"damaged, or no store: .* Remove the folder and load it again from the lake"):
            use()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OnlineStoreError, match="cannot be made: Not a directory"):
        put(LmdbBackend(tmp_path / "file" / "online"), "t", (b"a", b"1"))


def in_child(work):
    """Runs work in a forked process; gives what it returned or what it raised, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(work())
        except OnlineStoreError as error:
            said = str(error)
        except BaseException:  # noqa: BLE001 - a child must not go on into the tests of its parent
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
class TestForks:
    def test_parent_and_child_read_and_write_on(self, backend):
        put(backend, "t", (b"a", b"1"))
        get(backend, "t", b"a")
        assert in_child(lambda: [get(backend, "t", b"a"), put(backend, "t", (b"b", b"of the child"))]) == "[[b'1'], None]"
        assert get(backend, "t", b"a", b"b") == [b"1", b"of the child"]
        assert in_child(lambda: get(LmdbBackend(backend.folder), "t", b"b")) == "[b'of the child']"
        put(backend, "t", (b"a", b"2"))
        assert get(backend, "t", b"a") == [b"2"]

    def test_a_child_forked_in_the_middle_of_reading_says_that_it_cannot_read(self, backend):
        put(backend, "t", (b"a", b"1"))
        with backend.reading() as reader:
            assert "was forked while it was reading the online store" in in_child(lambda: get(backend, "t", b"a"))
            put(backend, "t", (b"a", b"2"))
            assert reader.get_many("t", [b"a"]) == [b"1"]
        assert get(backend, "t", b"a") == [b"2"]

    def test_threads_read_on_while_the_process_forks(self, backend):
        put(backend, "t", (b"a", b"1"))
        stop, found = threading.Event(), []

        def read():
            while not stop.is_set():
                found.append(get(backend, "t", b"a"))

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = [in_child(lambda: get(backend, "t", b"a")) for _ in range(5)]
        stop.set()
        for thread in threads:
            thread.join()
        assert children == ["[b'1']"] * 5
        assert found
        assert all(one == [b"1"] for one in found)


def test_the_time_for_which_a_file_is_taken_to_be_there_is_short():
    assert module._SEEN_FOR <= 1
