"""Disks fail: they are full, and files are cut off, changed, gone. Each is found, named and mended."""

from __future__ import annotations

import os
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from benchmarks.reliability.outcome import Outcome, content_hash
from benchmarks.reliability.worker import DAYS, READINGS, day_key, rows
from fti_assets.errors import FtiError
from fti_assets.feature_store import FeatureStore, back_up, drop_file, restore, verify

DAY_COUNT = 8
DISK = "3m"


def experiments(folder: Path, chosen: Namespace) -> Iterator[Outcome]:
    del chosen
    for what, damage in DAMAGES.items():
        yield _damaged(folder / damage.__name__, what, damage)
    yield _catalogue_damaged(folder / "catalogue")
    yield _disk_full(folder / "disk")


def _cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0b1000
    file.write_bytes(content)


def _deleted(file: Path) -> None:
    file.unlink()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a Parquet file is cut off": _cut_off,
    "a bit of a Parquet file is flipped": _flipped,
    "a Parquet file is deleted": _deleted,
}


def _filled(root: Path) -> FeatureStore:
    store = FeatureStore(root)
    for number in range(DAY_COUNT):
        store.publish(READINGS, rows(number, 0), DAYS.window(day_key(number)))
    assert verify(store.lake).is_sound
    return store


def _damaged(root: Path, what: str, damage: Callable[[Path], None]) -> Outcome:
    """Damages a file; `verify` names it and its day; the file is dropped and its day published again."""
    store = _filled(root)
    before = content_hash(store)
    files = sorted((root / "lake" / "data" / "features" / "readings_v1").glob("**/*.parquet"))
    damage(files[3])
    found = verify(store.lake).damages
    named = len(found) == 1 and files[3].name in found[0].file.path
    days = []
    for one in found:
        with store.connect() as connection:
            dropped = drop_file(store.lake, connection, one.file.path)
        lost = DAYS.keys(dropped.days.window) if dropped.days else []
        days = [number for number in range(DAY_COUNT) if day_key(number) in lost]
        for number in days:
            store.publish(READINGS, rows(number, 0), DAYS.window(day_key(number)))
    mended = content_hash(store) == before
    result = f"verify names {'the file' if named else 'NOT the file'}: {found[0].what if found else 'nothing'}"
    again = f"{len(days)} day published again: content {'as before' if mended else 'NOT as before'}"
    return Outcome(what, f"{result}; {again}", held=named and mended)


def _catalogue_damaged(root: Path) -> Outcome:
    """Overwrites a part of the catalogue; `verify` says so; a backup brings the lake back."""
    store = _filled(root)
    before = content_hash(store)
    back_up(store, root.parent / "backup")
    catalogue = root / "lake" / "catalog.sqlite"
    with catalogue.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(64 * 1024))
    problems = verify(store.lake).catalogue
    restore(root.parent / "backup", root, replace=True)
    again = content_hash(FeatureStore(root)) == before
    return Outcome(
        "64 kB of the catalogue are overwritten",
        f"verify: {problems[0].replace(str(root), '')[:90] if problems else 'NOTHING'}; restored from a backup:"
        f" content {'as before' if again else 'NOT as before'}",
        held=bool(problems) and again,
    )


def _disk_full(root: Path) -> Outcome:
    """Publishes until a small disk is full; what was published stays, and goes on once there is room."""
    what = f"the disk is full (a tmpfs of {DISK})"
    root.mkdir(parents=True)
    mounted = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", root], check=False)
    if not mounted or mounted.returncode:
        return Outcome(what, "not tried: a tmpfs could not be mounted", held=None)
    try:
        return _published_until_full(root, what)
    finally:
        subprocess.run(["umount", root], check=True)


def _published_until_full(root: Path, what: str) -> Outcome:
    store, days, error = FeatureStore(root), 0, None
    while error is None and days < 3_000:
        try:
            store.publish(READINGS, rows(days, 0), DAYS.window(day_key(days)))
            days += 1
        except (FtiError, duckdb.Error, OSError) as raised:
            error = raised
    subprocess.run(["mount", "-o", "remount,size=64m", root], check=True)
    with store.connect() as connection:
        held = connection.execute(
            f"SELECT count(DISTINCT date_trunc('day', \"at\")), count(*) FROM {READINGS.table.sql}"
        ).fetchone()
    whole = held == (days, days * rows(0, 0).num_rows)
    store.publish(READINGS, rows(days, 0), DAYS.window(day_key(days)))
    sound = verify(store.lake).is_sound
    return Outcome(
        what,
        f"publication {days + 1} fails ({type(error).__name__}); the {days} before are"
        f" {'whole' if whole else 'NOT whole'}; with room again it goes on, {'sound' if sound else 'NOT sound'} by verify",
        held=whole and sound and error is not None,
    )
