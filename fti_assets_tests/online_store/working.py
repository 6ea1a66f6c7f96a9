"""Run as a process of its own by the tests of the backends: `python -m ... put|hold|watch ADDRESS TABLE`."""

import sys
import time

from fti_assets.online_store import OnlineStore


def put(backend, table):
    """Makes a table and ends."""
    with backend.writing() as writer:
        writer.put_many(table, [(b"k", b"0")])


def hold(backend, table):
    """Stays in a transaction that has written, until the process is killed."""
    with backend.writing() as writer:
        writer.put_many(table, [(b"k", b"new")])
        writer.put_many("never", [(b"%d" % n, b"x" * 100) for n in range(5000)])
        print("written", flush=True)  # noqa: T201
        time.sleep(120)


def watch(backend, table):
    """Reads all rows again and again until there is a table `stop`; says how often, and whether they were of one state."""
    reads, is_whole = 0, True
    keys = [b"%d" % n for n in range(50)]
    print("reading", flush=True)  # noqa: T201
    while True:
        with backend.reading() as reader:
            found, (stop,) = reader.get_each([(table, keys), ("stop", [b"now"])])
        is_whole = is_whole and len(set(found)) == 1
        reads += 1
        if stop:
            break
    print(reads, "whole" if is_whole else "mixed", flush=True)  # noqa: T201


if __name__ == "__main__":
    what, address, table = sys.argv[1:]
    {"put": put, "hold": hold, "watch": watch}[what](OnlineStore(address).backend, table)
