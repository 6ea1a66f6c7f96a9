"""`fti lake`: what a person sees who cares for the lake."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fti_assets.feature_store import FeatureStore
from fti_assets_tests.feature_store.examples import HOUR, day, make_group, rows_of

Fti = Callable[..., Result]
GROUP = make_group()
KEYS = [f"2024-01-{n:02}" for n in range(1, 21)]
COMMANDS = (
    "snapshots", "tags", "tag", "untag", "maintain", "expire", "verify", "repair", "drop-file", "backup", "restore",
)  # fmt: skip


def publish(store: FeatureStore, key: str, value: float) -> None:
    start = day(key).start + HOUR
    store.publish(GROUP, rows_of(GROUP, *((f"s{n}", start, value + n / 100) for n in range(40))), day(key), run="0" * 8 + "-run")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    store = FeatureStore(folder)
    for n, key in enumerate(KEYS):
        publish(store, key, n)
    store.tag("fifth", 5, "for the auditors")
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def lake(fti: Fti, empty: Path, data: Path) -> Callable[..., Result]:
    """Runs `fti lake` on twenty days in files of their own."""
    return lambda *arguments: fti(empty, "lake", *arguments, data=data)


def spaced(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def line(result: Result, start: str) -> str:
    (found,) = [text for text in spaced(result) if text.startswith(start)]
    return found


def first_file(data: Path) -> Path:
    return sorted((data / "lake" / "data" / "features").rglob("*.parquet"))[0]


# Names


def test_snapshots_with_what_made_and_what_holds_them(lake: Fti) -> None:
    result = lake("snapshots", "--limit", "30")

    assert re.fullmatch(r"5 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d publish features\.weather_v1 tag fifth", line(result, "5 "))
    assert "23 of 23 snapshots" in result.stdout
    assert "3 of 23 snapshots. More: --limit N" in lake("snapshots", "-n", "3").stdout


def test_only_held_snapshots(lake: Fti) -> None:
    (one,) = json.loads(lake("snapshots", "--held", "--json").stdout)
    assert (one["number"], one["held_by"]) == (5, ["tag fifth"])


def test_models_and_datasets_hold_snapshots(fti: Fti, workplace: Path) -> None:
    store = FeatureStore(workplace / "data")
    _, manifest = store.dataset("purchase")
    found = json.loads(fti(workplace, "lake", "snapshots", "--held", "--json").stdout)
    assert {one["number"]: one["held_by"] for one in found} == {
        manifest.snapshot: [f"training dataset purchase/{manifest.id}", "model purchase version 1"]
    }


def test_names_are_given_and_taken_away(lake: Fti) -> None:
    assert line(lake("tag", "now", "--reason", "why not"), "Snapshot 22 is 'now' now.")
    tags = {one["name"]: one["snapshot"] for one in json.loads(lake("tags", "--json").stdout)}
    assert tags == {"fifth": 5, "now": 22}
    assert re.fullmatch(r"fifth 5 .{16} for the auditors", line(lake("tags"), "fifth"))
    assert "Give it back: fti lake tag fifth --snapshot 5" in lake("untag", "fifth").stdout
    assert [one["name"] for one in json.loads(lake("tags", "--json").stdout)] == ["now"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["tag", "Now"], "A tag cannot be named 'Now'. Use lower-case letters"),
        (["tag", "fifth"], "'fifth' is the tag of snapshot 5, since"),
        (["tag", "x", "--snapshot", "99"], "There is no snapshot 99. There are 23, from 0 ("),
        (["untag", "fith"], "Tag 'fith' is not in the lake. Did you mean 'fifth'? It has: fifth."),
        (["expire", "5"], "What something refers to cannot expire: snapshot 5 (tag fifth). Nothing was changed."),
        (["expire", "3", "99"], "There is no snapshot 99."),
        (["drop-file", "features/x.parquet"], "File 'features/x.parquet' is not in what the newest snapshot reads."),
        (["restore", "nowhere"], "There is no backup in 'nowhere': it has no manifest.json."),
        (["repair", "--from", "nowhere"], None),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_errors_say_what_exists_and_what_to_do(lake: Fti, command: list[str], said: str | None) -> None:
    result = lake(*command)
    if said is None:  # nothing is damaged, so that no backup is needed
        assert result.exit_code == 0
        return
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
    assert result.stdout == ""


# Maintenance


def test_the_plan_is_shown_and_nothing_is_done(lake: Fti, data: Path) -> None:
    before = FeatureStore(data).snapshots()
    result = lake("maintain", "--plan", "--keep-days", "0")

    assert line(result, "expire") == "expire 21 snapshots: 0-4, 6-21 older than 0 days 0 0 B"
    assert line(result, "keep") == "keep snapshot 5 held by tag fifth"
    assert line(result, "merge").startswith("merge features.weather_v1 16 or more small files 20 ")
    assert "Nothing was changed. Do it: fti lake maintain" in result.stdout
    assert FeatureStore(data).snapshots() == before


def test_it_is_done_with_the_space_before_and_after(lake: Fti, data: Path) -> None:
    result = lake("maintain", "--keep-days", "0", "--grace-hours", "0")

    assert re.fullmatch(r"features\.weather_v1 20 1 [\d.]+ kB [\d.]+ kB", line(result, "features.weather_v1"))
    assert re.fullmatch(r"all files on disk 20 1 [\d.]+ kB [\d.]+ kB", line(result, "all files on disk"))
    assert len(list((data / "lake" / "data").rglob("*.parquet"))) == 1
    assert "Nothing has to be done." in lake("maintain").stdout
    assert 5 in {snapshot.number for snapshot in FeatureStore(data).snapshots()}


def test_replaced_files_are_left_to_those_who_still_read_them(lake: Fti) -> None:
    result = lake("maintain")
    assert "Replaced files are left for 6 hours to those who may still read them: 20 now." in result.stdout


def test_the_plan_and_its_result_for_programs(lake: Fti) -> None:
    plan = json.loads(lake("maintain", "--plan", "--json").stdout)
    assert [(step["what"], step["of"], step["files"]) for step in plan] == [("merge", "features.weather_v1", 20)]
    done = json.loads(lake("maintain", "--json").stdout)
    assert (done["before"]["files"], done["after"]["files"]) == (20, 21)


def test_snapshots_expire_by_number(lake: Fti, data: Path) -> None:
    assert "2 snapshots given up." in lake("expire", "3", "4").stdout
    assert {3, 4}.isdisjoint(snapshot.number for snapshot in FeatureStore(data).snapshots())


# Damage


def test_a_sound_lake_is_called_so(lake: Fti) -> None:
    result = lake("verify")
    assert line(result, "The lake is what was written: 20 files of 23 snapshots")
    assert "20 files had no checksum yet; what was found is recorded now." in result.stdout
    assert json.loads(lake("verify", "--json").stdout)["sound"] is True


def test_damage_is_named_with_its_days_and_what_can_be_done(lake: Fti, data: Path) -> None:
    file = first_file(data)
    file.unlink()
    result = lake("verify")

    assert result.exit_code == 1
    assert "1 of 20 files is damaged:" in result.stdout
    text = " ".join(result.stdout.split())
    assert "features.weather_v1 2024-01-01 the newest and snapshots 2-22 the file is gone" in text
    path = file.relative_to(data / "lake" / "data").as_posix()
    assert f"fti lake drop-file {path} # then publish features.weather_v1, 2024-01-01" in text
    (damage,) = json.loads(lake("verify", "--json").stdout)["damages"]
    assert damage["file"]["path"] == path


def test_without_a_backup_the_days_are_published_again(lake: Fti, data: Path) -> None:
    file = first_file(data)
    file.write_bytes(file.read_bytes()[:100])
    result = lake("drop-file", file.relative_to(data / "lake" / "data").as_posix())

    assert result.stdout == "features.weather_v1: 40 rows were taken out. Publish again: 2024-01-01.\n"
    publish(FeatureStore(data), "2024-01-01", 9)
    text = " ".join(lake("verify").stdout.split())
    assert "Only older snapshots and corrections read them" in text
    assert "drop-file" not in text


def test_with_a_backup_the_files_are_put_back(lake: Fti, data: Path, tmp_path: Path) -> None:
    assert "copied 20 files" in " ".join(lake("backup", str(tmp_path / "backup")).stdout.split())
    first_file(data).unlink()
    result = lake("repair", "--from", str(tmp_path / "backup"))

    assert line(result, "features.weather_v1 2024-01-01").endswith("put back")
    assert line(lake("verify"), "The lake is what was written: 20 files")


def test_what_a_backup_does_not_have_stays_damaged(lake: Fti, data: Path, tmp_path: Path) -> None:
    lake("backup", str(tmp_path / "backup"))
    publish(FeatureStore(data), "2024-01-25", 1)
    newest = max((data / "lake" / "data" / "features").rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    result = lake("repair", "--from", str(tmp_path / "backup"))

    assert result.exit_code == 1
    assert "not in the backup" in result.stdout
    assert "Still damaged: 1 of 1 file. What else can be done: fti lake verify" in result.stdout


def test_a_broken_catalogue_is_restored(lake: Fti, data: Path, tmp_path: Path) -> None:
    lake("backup", str(tmp_path / "backup"))
    for file in (data / "lake").glob("catalog.sqlite*"):
        file.write_bytes(b"x" * 5000)
    result = lake("verify")
    assert result.exit_code == 1
    assert "The catalogue is damaged." in result.stdout
    assert "fti lake restore DIR --replace" in result.stdout

    restored = lake("restore", str(tmp_path / "backup"), "--replace")
    assert restored.exit_code == 0, restored.output
    assert "What was there is in" in restored.stdout
    assert line(lake("verify"), "The lake is what was written: 20 files")


# Backups


def test_a_backup_again_copies_what_is_new(lake: Fti, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    lake("backup", str(folder))
    publish(FeatureStore(data), "2024-01-25", 1)
    facts = " ".join(lake("backup", str(folder)).stdout.split())
    assert "every file was read there and is what was written" in facts
    assert "copied 1 file," in facts
    assert "there already 20 files" in facts


def test_a_backup_is_restored_beside(lake: Fti, data: Path, tmp_path: Path) -> None:
    lake("backup", str(tmp_path / "backup"))
    result = lake("restore", str(tmp_path / "backup"), "--into", str(tmp_path / "other"))
    assert result.exit_code == 0, result.output
    assert FeatureStore(tmp_path / "other").snapshots() == FeatureStore(data).snapshots()

    again = lake("restore", str(tmp_path / "backup"))
    assert again.exit_code == 1
    assert again.stderr.startswith("There is something already in")
    assert "--replace" in again.stderr


# Nothing there


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["snapshots"], "There is no snapshot in data/lake. `fti run SYSTEM` publishes"),
        (["tags"], "No snapshot has a name. `fti lake tag NAME` names"),
    ],
)
def test_a_list_of_nothing_says_what_makes_something(fti: Fti, empty: Path, command: list[str], said: str) -> None:
    result = fti(empty, "lake", *command)
    assert result.exit_code == 0
    assert result.stdout.startswith(said)
    assert fti(empty, "lake", *command, "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    "command", [["tag", "x"], ["untag", "x"], ["maintain"], ["expire", "1"], ["verify"], ["backup", "b"]], ids=" ".join
)
def test_where_nothing_was_published_nothing_is_made(fti: Fti, empty: Path, command: list[str]) -> None:
    result = fti(empty, "lake", *command)
    assert result.exit_code == 1
    assert "nothing was ever published" in result.stderr
    assert not (empty / "data").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_examples(fti: Fti, empty: Path, command: str) -> None:
    result = fti(empty, "lake", command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"fti lake {command}" in result.stdout


def test_the_overview_names_every_command(fti: Fti, empty: Path) -> None:
    text = fti(empty, "lake").output
    assert all(f" {command} " in text for command in COMMANDS)
