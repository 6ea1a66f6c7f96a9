"""What every backend promises: tables of bytes, transactions, readers that see whole states."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fti_assets.online_store import OnlineLockedError, OnlineStore, OnlineStoreError
from fti_assets.online_store.lmdb_backend import LmdbBackend


@pytest.fixture
def backend(online):
    return online.backend


def other(address, **options):
    """Another backend of the same store, as another process would have it."""
    if str(address).startswith("redis"):
        from fti_assets.online_store.redis_backend import RedisBackend

        return RedisBackend(address, **options)
    return LmdbBackend(address, **options)


def put(backend, table, *items, **options):
    with backend.writing() as writer:
        writer.put_many(table, items, **options)


def get(backend, table, *keys):
    with backend.reading() as reader:
        return reader.get_many(table, keys)


def scanned(backend, table, start=b"\x00", end=b"\xff"):
    with backend.reading() as reader:
        return list(reader.scan(table, start, end))


def test_what_was_never_written_reads_as_empty(backend):
    assert get(backend, "t", b"a", b"b") == [None, None]
    assert scanned(backend, "t") == []
    assert backend.tables() == []


def test_values_come_back_under_their_keys(backend):
    put(backend, "t", (b"a", b"1"), (b"\x00\xff", b""), (b"b" * 400, b"x" * 100_000))
    assert get(backend, "t", b"\x00\xff", b"missing", b"a", b"b" * 400) == [b"", None, b"1", b"x" * 100_000]
    assert backend.tables() == ["t"]


def test_a_key_longer_than_any_is_not_there(backend):
    put(backend, "t", (b"a", b"1"))
    assert get(backend, "t", b"k" * 5000, b"a") == [None, b"1"]
    with backend.reading() as reader:
        assert reader.get_each([("t", [b"k" * 5000, b"a"])]) == [[None, b"1"]]


def test_tables_are_apart(backend):
    put(backend, "a", (b"k", b"of a"))
    put(backend, "ab", (b"k", b"of ab"))
    with backend.reading() as reader:
        wanted = [("ab", [b"k"]), ("a", [b"k", b"x"]), ("b", [b"k"]), ("ab", []), ("a", [b"k"])]
        assert reader.get_each(wanted) == [[b"of ab"], [b"of a", None], [None], [], [b"of a"]]
        assert reader.get_each([("a", []), ("b", [])]) == [[], []]
    assert backend.tables() == ["a", "ab"]


def test_a_scan_is_in_order_and_half_open(backend):
    put(backend, "t", (b"c", b"3"), (b"a", b"1"), (b"\xfe", b"4"), (b"b", b"2"), (b"b\x00", b"2b"), ordered=True)
    put(backend, "u", (b"b", b"other"), ordered=True)
    assert scanned(backend, "t") == [(b"a", b"1"), (b"b", b"2"), (b"b\x00", b"2b"), (b"c", b"3"), (b"\xfe", b"4")]
    assert scanned(backend, "t", b"b", b"c") == [(b"b", b"2"), (b"b\x00", b"2b")]
    assert scanned(backend, "t", b"d", b"e") == []


def test_a_scan_of_many_rows_is_whole(backend):
    rows = [(b"%06d" % n, b"%d" % n) for n in range(9001)]
    put(backend, "t", *rows, ordered=True, ascending=True)
    assert scanned(backend, "t") == rows
    assert scanned(backend, "t", b"000100", b"008500") == rows[100:8500]


def test_a_writer_sees_what_it_wrote_and_others_do_not(backend):
    put(backend, "t", (b"a", b"1"), (b"b", b"2"), ordered=True)
    with backend.writing() as writer:
        writer.put_many("t", [(b"a", b"new"), (b"c", b"3")], ordered=True)
        writer.delete_many("t", [b"b", b"never there"])
        writer.put_many("new", [(b"a", b"n")], ordered=True)
        assert writer.get_many("t", [b"a", b"b", b"c", b"d"]) == [b"new", None, b"3", None]
        assert writer.get_each([("new", [b"a"]), ("t", [b"c", b"b"])]) == [[b"n"], [b"3", None]]
        assert list(writer.scan("t", b"a", b"z")) == [(b"a", b"new"), (b"c", b"3")]
        assert list(writer.scan("new", b"a", b"z")) == [(b"a", b"n")]
        assert get(backend, "t", b"a", b"b", b"c") == [b"1", b"2", None]
        assert get(backend, "new", b"a") == [None]
    assert get(backend, "t", b"a", b"b", b"c") == [b"new", None, b"3"]
    assert get(backend, "new", b"a") == [b"n"]


def test_what_raises_changes_nothing(backend):
    put(backend, "t", (b"a", b"1"))

    def write_and_raise():
        with backend.writing() as writer:
            writer.put_many("t", [(b"a", b"2")])
            writer.put_many("u", [(b"a", b"2")])
            writer.drop("t")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_raise()
    assert get(backend, "t", b"a") == [b"1"]
    assert backend.tables() == ["t"]
    put(backend, "t", (b"a", b"3"))  # the next writer is not kept waiting


def test_a_table_that_is_dropped_is_gone_and_can_be_made_again(backend):
    put(backend, "t", (b"a", b"1"), (b"b", b"2"), ordered=True)
    with backend.writing() as writer:
        writer.drop("t")
        writer.drop("never there")
        assert writer.get_many("t", [b"a"]) == [None]
        assert list(writer.scan("t", b"\x00", b"\xff")) == []
    assert get(backend, "t", b"a", b"b") == [None, None]
    assert backend.tables() == []
    put(backend, "t", (b"b", b"again"), ordered=True)
    assert scanned(backend, "t") == [(b"b", b"again")]


def test_a_table_is_replaced_in_one_transaction(backend):
    put(backend, "t", (b"a", b"old"), (b"b", b"old"), ordered=True)
    with backend.writing() as writer:
        writer.drop("t")
        writer.put_many("t", [(b"b", b"new"), (b"c", b"new")], ordered=True, ascending=True)
        writer.delete_many("t", [b"c"])
        assert writer.get_many("t", [b"a", b"b", b"c"]) == [None, b"new", None]
        assert get(backend, "t", b"a", b"b") == [b"old", b"old"]
    assert scanned(backend, "t") == [(b"b", b"new")]


def test_a_table_without_rows_is_a_table(backend):
    put(backend, "t")
    assert backend.tables() == ["t"]
    assert get(backend, "t", b"a") == [None]


def test_a_closed_store_opens_again(backend):
    put(backend, "t", (b"a", b"1"))
    backend.close()
    assert get(backend, "t", b"a") == [b"1"]
    backend.close()
    backend.close()
    put(backend, "t", (b"a", b"2"))
    assert get(backend, "t", b"a") == [b"2"]


def test_a_reader_sees_tables_that_another_process_made_after_it_opened(backend, address):
    put(backend, "t", (b"a", b"1"))
    assert get(backend, "u", b"a") == [None]
    run("put", address, "u")
    assert get(backend, "u", b"k") == [b"0"]
    assert backend.tables() == ["t", "u"]


def test_readers_do_not_wait_for_a_writer(backend):
    put(backend, "t", (b"a", b"1"))
    with backend.writing() as writer:
        writer.put_many("t", [(b"a", b"2")])
        started = time.monotonic()
        thread = threading.Thread(target=lambda: seen.append(get(backend, "t", b"a")))
        seen: list[object] = []
        thread.start()
        thread.join(timeout=10)
        assert seen == [[b"1"]]
        assert time.monotonic() - started < 5


def test_a_second_writer_waits_no_longer_than_it_says(backend, address):
    with (
        backend.writing(),
        pytest.raises(OnlineLockedError, match=f"0.2 s by process {os.getpid()}"),
        other(address, wait=0.2).writing(),
    ):
        pass


def test_writers_of_several_threads_lose_nothing(backend):
    def count(name):
        for _ in range(20):
            with backend.writing() as writer:
                (found,) = writer.get_many("t", [b"n"])
                writer.put_many("t", [(b"n", b"%d" % (int(found or b"0") + 1))])

    threads = [threading.Thread(target=count, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(backend, "t", b"n") == [b"80"]


def test_a_writer_killed_in_its_transaction_leaves_the_old_state_and_no_lock(backend, address):
    put(backend, "t", (b"k", b"old"))
    process = start("hold", address, "t")
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    put(backend, "u", (b"a", b"1"))  # Redis' lock expires within 5 s
    assert get(backend, "t", b"k") == [b"old"]
    assert get(backend, "u", b"a") == [b"1"]


def test_a_reader_of_another_process_sees_whole_states_only(backend, address):
    put(backend, "t", *((b"%d" % n, b"0") for n in range(50)))
    process = start("watch", address, "t")
    assert process.stdout.readline() == "reading\n"
    for value in range(1, 30):
        with backend.writing() as writer:
            if value % 2:
                writer.drop("t")
            writer.put_many("t", [(b"%d" % n, b"%d" % value) for n in range(50)])
    put(backend, "stop", (b"now", b"1"))
    said, _ = process.communicate(timeout=60)
    reads, states = said.split()
    assert int(reads) > 0
    assert states == "whole"


def start(*arguments):
    command = [sys.executable, "-m", "fti_assets_tests.online_store.working", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run(*arguments):
    process = start(*arguments)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("address", ["postgres://host/db", "http://host"])
def test_other_addresses_are_refused(address):
    with pytest.raises(OnlineStoreError, match="is no address of an online store"):
        OnlineStore(address)
