"""Backups: consistent, incremental, checked; and restored."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from fti_assets.feature_store import BackupError, DamagedFilesError, FeatureStore, back_up, restore, verify
from fti_assets.feature_store.care.backup_manifest import FILE, read_manifest
from fti_assets_tests.feature_store.examples import DAYS, HOUR, OUTCOMES, TRIPS, day, make_dataset, make_group, make_view, rows_of
from fti_assets_tests.feature_store.test_maintenance import EVERYTHING, maintain
from fti_assets_tests.feature_store.test_verify import flip

GROUP = make_group()
KEYS = ["2024-01-08", "2024-01-09", "2024-01-10"]


def publish(store, key, value, rows=50):
    start = day(key).start
    return store.publish(GROUP, rows_of(GROUP, *((f"s{n}", start + HOUR, value + n / 100) for n in range(rows))), day(key))


def content(store, as_of=None):
    with store.reading(as_of) as connection:
        return connection.execute(f"SELECT * FROM {GROUP.table.sql} ORDER BY ALL").fetchall()


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Three days of a group, and a training dataset."""
    store = FeatureStore(tmp_path_factory.mktemp("lake") / "store")
    for n, key in enumerate(KEYS):
        publish(store, key, n)
        start = day(key).start
        store.publish(TRIPS, rows_of(TRIPS, *((100 * n + m, start + 2 * HOUR, f"s{m}", "l", 1.0) for m in range(40))), day(key))
        store.publish(OUTCOMES, rows_of(OUTCOMES, *((100 * n + m, start + 5 * HOUR, m % 3 == 0) for m in range(40))), day(key))
    store.cut(make_dataset(make_view(GROUP)), day("2024-01-11").start.date(), code_version="test")
    return store


@pytest.fixture
def store(template, tmp_path):
    shutil.copytree(template.root, tmp_path / "store")
    return FeatureStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "backup"


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_lake_comes_back_as_it_was(store, folder, tmp_path):
    before = content(store)
    made = back_up(store, folder)
    snapshots = store.snapshots()
    publish(store, KEYS[0], 100)

    done = restore(folder, tmp_path / "other")

    other = FeatureStore(tmp_path / "other")
    assert content(other) == before
    assert other.snapshots() == snapshots
    assert done.verification.is_sound
    assert (done.aside, done.manifest.snapshot) == ((), made.manifest.snapshot)
    ((_, manifest),) = other.datasets("delay")
    assert other.recreate("delay", manifest.id).same
    publish(other, KEYS[1], 7)  # it is a lake to write to
    assert len(content(other)) == 150


def test_every_file_is_in_the_manifest_with_its_checksum(store, folder):
    made = back_up(store, folder)

    assert names(folder) == sorted([FILE, *made.manifest.files])
    assert made.copied == len(made.manifest.files) - 1
    assert read_manifest(folder) == made.manifest
    assert {path.split("/")[0] for path in made.manifest.files} == {"data", "training_datasets", made.manifest.catalog}


def test_only_what_is_new_is_copied_and_what_is_gone_is_removed(store, folder):
    first = back_up(store, folder)
    assert back_up(store, folder).copied == 0

    publish(store, "2024-01-12", 5)
    assert back_up(store, folder).copied == 1

    maintain(store)
    maintain(store)
    third = back_up(store, folder)
    assert names(folder) == sorted([FILE, *third.manifest.files])
    assert len(third.manifest.files) < len(first.manifest.files)


def test_a_dataset_that_was_written_anew_is_copied_again(store, folder):
    back_up(store, folder)
    ((place, _),) = store.datasets("delay")
    text = (place / "manifest.json").read_text()
    (place / "manifest.json").write_text(text.replace('"test"', '"best"'))

    assert back_up(store, folder).copied == 1
    copy = folder / "training_datasets" / "delay" / place.name / "manifest.json"
    assert copy.read_text() == (place / "manifest.json").read_text()


def test_linked_files_take_no_room(store, folder):
    made = back_up(store, folder, link=True)

    data = [path for path in made.manifest.files if path.startswith("data/")]
    assert {(folder / path).stat().st_nlink for path in data} == {2}
    assert restore(folder, folder.parent / "other").verification.is_sound
    assert {path.stat().st_nlink for path in (folder.parent / "other" / "lake" / "data").rglob("*.parquet")} == {1}


def test_a_damaged_backup_mends_itself_from_the_lake(store, folder):
    made = back_up(store, folder)
    path = next(path for path in made.manifest.files if path.startswith("data/"))
    flip(folder / path)

    assert back_up(store, folder).copied == 1
    assert restore(folder, folder.parent / "other").verification.is_sound


def test_a_file_that_the_lake_lost_is_kept_by_the_backup_that_has_it(store, folder):
    before, made = content(store), back_up(store, folder)
    path = next(path for path in made.manifest.files if path.startswith("data/features/weather_v1"))
    (store.lake.root / path).unlink()

    assert back_up(store, folder).copied == 0
    restore(folder, folder.parent / "other")
    assert content(FeatureStore(folder.parent / "other")) == before


def test_the_earlier_backup_is_whole_until_the_new_one_is(store, folder, monkeypatch):
    before = content(store)
    back_up(store, folder)
    publish(store, KEYS[0], 100)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fti_assets.feature_store.care.backup.write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            back_up(store, folder)

    restore(folder, folder.parent / "other")
    assert content(FeatureStore(folder.parent / "other")) == before
    assert back_up(store, folder).manifest.snapshot == store.snapshots()[-1].number


@contextmanager
def publishing(root):
    """A process that publishes one day after another."""
    keys = DAYS.keys(DAYS.span())
    command = [sys.executable, "-m", "fti_assets_tests.feature_store.publishing", "days", str(root), *keys]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout.readline(), "the process ended before it began"
            yield started
        finally:
            started.kill()


def test_while_others_publish_and_maintain_each_backup_is_of_one_snapshot(store, folder):
    taken = []
    with publishing(store.root) as writer:
        for n in range(4):
            taken.append(back_up(store, folder).manifest.snapshot)
            assert restore(folder, folder.parent / f"other{n}").verification.is_sound
            maintain(store, EVERYTHING)
            time.sleep(0.2)
        assert writer.poll() is None
    assert taken == sorted(set(taken))


def test_what_is_in_the_way_is_moved_aside_when_asked_for(store, folder):
    before = content(store)
    back_up(store, folder)
    publish(store, KEYS[0], 100)
    later = content(store)

    with pytest.raises(
        BackupError, match=r"There is something already in '.+/lake' and '.+/training_datasets'; nothing was restored"
    ):
        restore(folder, store.root)
    assert content(store) == later

    done = restore(folder, store.root, replace=True)
    assert content(store) == before
    assert [path.name.split(".")[0] for path in done.aside] == ["lake", "training_datasets"]
    shutil.copytree(done.aside[0], folder.parent / "old" / "lake")
    assert content(FeatureStore(folder.parent / "old")) == later


@pytest.mark.parametrize("which", ["data/", "catalog-", "training_datasets/"])
def test_a_damaged_backup_is_not_restored(store, folder, which):
    made = back_up(store, folder)
    path = next(path for path in made.manifest.files if path.startswith(which))
    flip(folder / path)

    with pytest.raises(DamagedFilesError, match="is gone or not what was written; nothing was restored") as caught:
        restore(folder, folder.parent / "other")

    assert caught.value.paths == (str(folder / path),)
    assert not (folder.parent / "other" / "lake").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "There is no backup in", id="none"),
        pytest.param("{", "cannot be read", id="no_json"),
        pytest.param(json.dumps({"format": 2}), "is of another format", id="another_format"),
        pytest.param(json.dumps({"format": 1, "files": {}}), "cannot be read", id="incomplete"),
    ],
)
def test_what_is_no_backup(folder, text, said):
    folder.mkdir()
    if text is not None:
        (folder / FILE).write_text(text)
    with pytest.raises(BackupError, match=said):
        restore(folder, folder.parent / "other")


@pytest.mark.parametrize("place", ["store/backup", "store", "."])
def test_a_folder_in_or_above_the_store_is_refused(store, tmp_path, place):
    with pytest.raises(BackupError, match="are in each other"):
        back_up(store, tmp_path / place)


def test_a_folder_with_something_else_in_it_is_refused(store, folder):
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    with pytest.raises(BackupError, match="has something else in it"):
        back_up(store, folder)
    assert names(folder) == ["thesis.tex"]


def test_an_empty_lake_is_not_backed_up(tmp_path, folder):
    with pytest.raises(BackupError, match="There is no lake"):
        back_up(FeatureStore(tmp_path / "nothing"), folder)
    assert not folder.exists()


def test_a_broken_catalogue_is_not_backed_up_over_a_good_one(store, folder):
    made = back_up(store, folder)
    for file in store.lake.root.glob("catalog.sqlite-*"):
        file.unlink()
    os.truncate(store.lake.root / "catalog.sqlite", 5000)

    with pytest.raises(BackupError):
        back_up(store, folder)

    assert read_manifest(folder) == made.manifest
    assert restore(folder, store.root, replace=True).verification.is_sound
    assert verify(store.lake).is_sound


@pytest.mark.postgres
def test_a_lake_on_a_server_is_told_what_to_use(postgres, tmp_path, folder):
    store = FeatureStore(tmp_path, catalog=postgres.address(postgres.new_database()))
    with pytest.raises(BackupError, match=r"use pg_dump\. Copy the catalogue first"):
        back_up(store, folder)
