"""What servers logged arrives in the lake, each row once, whatever dies when."""

import fcntl
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from fti_assets.feature_store import FeatureStore, LockedError, UnreachableError, carry_out, plan_maintenance
from fti_assets.feature_store.care.maintenance_plan import RetentionPolicy
from fti_assets.monitoring import LandingBusyError, land, predicted_versions
from fti_assets.monitoring import inference_log as landing
from fti_assets.monitoring.inference_log import batches
from fti_assets.vocabulary import Feature, InferenceLog
from fti_assets_tests.feature_store.examples import MINUTE, PROMISE, T0
from fti_assets_tests.monitoring.logged import LOG, VIEW, WEATHER, as_line, make_model, said, write_segment


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "inference_log" / "delay"
    made.mkdir(parents=True)
    return made


def logged(store, columns="request_id"):
    with store.connect() as connection:
        return store.read(connection, LOG.table).select(columns).order("ALL").fetchall()


def ids(store):
    return [name for (name,) in logged(store)]


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_closed_segments_land_and_go(store, folder):
    write_segment(folder, "a-000001.ndjson", said(1), said(2))
    write_segment(folder, "b-000001.ndjson", said(3, role="challenger"))

    done = land(store, LOG, folder)

    assert (done.rows, done.segments, done.torn, done.malformed, done.repeated, done.abandoned) == (3, 2, 0, 0, 0, 0)
    assert (done.first, done.last) == (T0 + MINUTE, T0 + 3 * MINUTE)
    assert logged(store, "request_id, role, temp") == [
        ("r0001", "champion", 20.5),
        ("r0002", "champion", 20.5),
        ("r0003", "challenger", 20.5),
    ]
    assert names(folder) == []
    assert store.table("inference_log", "delay").description["description"] == "What model 'delay' was asked online."


@pytest.mark.parametrize("there", [pytest.param(True, id="empty_folder"), pytest.param(False, id="no_folder")])
def test_nothing_was_logged(store, folder, there):
    if not there:
        folder.rmdir()

    assert land(store, LOG, folder) == landing.Landed()
    assert not store.lake.is_there


def test_a_segment_that_its_server_writes_to_is_left_alone(store, folder):
    path = write_segment(folder, "a-000001.ndjson.part", said(1))
    with path.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert land(store, LOG, folder) == landing.Landed()
        assert names(folder) == ["a-000001.ndjson.part"]


def test_the_last_segment_of_a_dead_server_is_closed_and_its_torn_line_counted(store, folder):
    write_segment(folder, "a-000001.ndjson.part", said(1), end=as_line(said(2))[:50])

    done = land(store, LOG, folder)

    assert (done.rows, done.torn, done.abandoned, done.segments) == (1, 1, 1, 1)
    assert ids(store) == ["r0001"]
    assert names(folder) == []


def test_a_line_that_would_be_whole_but_for_its_end_is_torn(store, folder):
    """Its server may have been killed before it had written all of it; JSON alone does not tell: 12 of 123 is a number too."""
    write_segment(folder, "a-000001.ndjson", said(1), end=as_line(said(2))[:-1])

    assert land(store, LOG, folder).torn == 1
    assert ids(store) == ["r0001"]


def test_empty_segments_and_lines_are_nothing(store, folder):
    write_segment(folder, "a-000001.ndjson")
    write_segment(folder, "a-000002.ndjson", b"\n", said(1), b"\n")

    done = land(store, LOG, folder)

    assert (done.rows, done.malformed, done.segments) == (1, 0, 2)


def test_malformed_lines_are_kept_with_their_reasons(store, folder):
    write_segment(folder, "a-000001.ndjson", said(1), b"{nonsense}\n", said(2, prediction=None), said(3))

    done = land(store, LOG, folder)

    assert (done.rows, done.malformed) == (2, 2)
    assert names(folder) == ["quarantine"]
    kept = [json.loads(line) for line in (folder / "quarantine" / "a-000001.ndjson").read_text().splitlines()]
    assert [(one["line"], one["reason"].split(":")[0]) for one in kept] == [(2, "It is no JSON"), (3, "It lacks prediction.")]
    assert (kept[0]["text"], json.loads(kept[1]["text"])["request_id"]) == ("{nonsense}", ["r0002"])


def test_a_row_comes_once(store, folder):
    write_segment(folder, "a-000001.ndjson", said(1), said(2), said(2), said(2, role="shadow"))
    land(store, LOG, folder)
    write_segment(folder, "b-000001.ndjson", said(2), said(3))

    done = land(store, LOG, folder)

    assert (done.rows, done.repeated) == (1, 1)
    assert logged(store, "request_id, role") == [
        ("r0001", "champion"),
        ("r0002", "champion"),
        ("r0002", "shadow"),
        ("r0003", "champion"),
    ]


def test_killed_between_publication_and_removal_nothing_comes_twice(store, folder, monkeypatch):
    for number in range(1, 4):
        write_segment(folder, f"a-00000{number}.ndjson", said(number), b"nonsense\n")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(landing, "_quarantine", die)
        with pytest.raises(KeyboardInterrupt):
            land(store, LOG, folder)
    assert (ids(store), len(names(folder))) == (["r0001", "r0002", "r0003"], 3)

    done = land(store, LOG, folder)

    assert (done.rows, done.repeated, done.malformed) == (0, 3, 3)
    assert ids(store) == ["r0001", "r0002", "r0003"]
    assert names(folder) == ["quarantine"]


KILLED = """
import os, sys
from pathlib import Path
from fti_assets.feature_store import FeatureStore
from fti_assets.monitoring import inference_log as landing
from fti_assets_tests.monitoring.logged import LOG
root, before = Path(sys.argv[1]), int(sys.argv[2])
removed = []
def unlink(path, remove=Path.unlink, **options):
    if path.suffix == ".ndjson":
        removed.append(path)
        if len(removed) > before:
            os.kill(os.getpid(), 9)
    remove(path, **options)
Path.unlink = unlink
landing.land(FeatureStore(root), LOG, root / "inference_log" / "delay", batch_rows=20)
"""


@pytest.mark.parametrize("before", [pytest.param(0, id="first_segment"), pytest.param(3, id="within_the_second_batch")])
def test_killed_by_the_system_it_goes_on(store, folder, before):
    for segment in range(5):
        write_segment(folder, f"a-00000{segment}.ndjson", *(said(10 * segment + n) for n in range(10)))

    killed = subprocess.run([sys.executable, "-c", KILLED, str(store.root), str(before)], check=False)
    assert killed.returncode == -9
    assert len(names(folder)) == 5 - before
    land(store, LOG, folder)

    assert ids(store) == [f"r{n:04}" for n in range(50)]
    assert names(folder) == []


def test_while_the_lake_is_away_segments_stay(folder, tmp_path):
    write_segment(folder, "a-000001.ndjson", said(1))
    away = FeatureStore(tmp_path, catalog="postgres:host=127.0.0.1 port=9 dbname=lake connect_timeout=1")

    with pytest.raises(UnreachableError):
        land(away, LOG, folder)

    assert names(folder) == ["a-000001.ndjson"]
    assert land(FeatureStore(tmp_path), LOG, folder).rows == 1


def test_while_another_writer_holds_the_lake_segments_stay(folder, tmp_path):
    write_segment(folder, "a-000001.ndjson", said(1))
    store = FeatureStore(tmp_path, lock_timeout=0.1)
    with store.lake.locked("a test"), pytest.raises(LockedError, match="a test"):
        land(store, LOG, folder)

    assert names(folder) == ["a-000001.ndjson"]


def test_one_landing_at_a_time(store, folder):
    write_segment(folder, "a-000001.ndjson", said(1))
    with landing._alone(folder), pytest.raises(LandingBusyError, match=r"is being landed by another process\. Let it finish\."):
        land(store, LOG, folder)
    assert names(folder) == ["a-000001.ndjson"]


def bytes_of(lines):
    """A size that so many lines have, and one less have not."""
    return lines * len(as_line(said(1))) - 100


def test_batches_are_bounded_and_a_large_segment_is_spread(folder, monkeypatch):
    monkeypatch.setattr(landing, "_CHUNK_BYTES", bytes_of(4))
    paths = [
        write_segment(folder, "a-000001.ndjson", *(said(n) for n in range(10))),
        write_segment(folder, "a-000002.ndjson", *(said(n) for n in range(10, 13)), b"nonsense\n"),
    ]

    made = list(batches(paths, LOG.table, "delay", 8))

    assert [batch.count for batch in made] == [8, 5]
    assert [[path.name for path, _ in batch.finished] for batch in made] == [[], ["a-000001.ndjson", "a-000002.ndjson"]]
    assert [malformed[0].number for _, malformed in made[1].finished if malformed] == [4]


def test_each_batch_is_one_publication(store, folder, monkeypatch):
    monkeypatch.setattr(landing, "_CHUNK_BYTES", bytes_of(5))
    for segment in range(4):
        write_segment(folder, f"a-00000{segment}.ndjson", *(said(10 * segment + n) for n in range(10)))

    done = land(store, LOG, folder, run="a_run", batch_rows=20)

    made = store.publications("inference_log.delay")
    assert [(one.kind, one.rows, one.run) for one in made] == [("append", 20, "a_run")] * 2
    assert (done.rows, done.segments) == (40, 4)


def test_a_view_that_gains_and_loses_features_keeps_its_log(store, folder):
    write_segment(folder, "a-000001.ndjson", said(1))
    land(store, LOG, folder)
    group = replace(WEATHER, features=(*WEATHER.features, Feature("snow", "float")))
    view = replace(VIEW, version=2, features=(group["temp", "snow"],))
    later = InferenceLog(model=make_model(view), contract=PROMISE)

    write_segment(folder, "a-000002.ndjson", said(2, view_version=2, features={"temp": 1.0, "snow": 2.0}), said(3))
    land(store, later, folder)

    with store.connect() as connection:
        rows = connection.execute("SELECT request_id, temp, snow, wind FROM lake.inference_log.delay ORDER BY 1").fetchall()
    assert rows == [("r0001", 20.5, None, "west"), ("r0002", 1.0, 2.0, None), ("r0003", 20.5, None, "west")]


def test_the_care_of_the_lake_merges_its_files(store, folder):
    for number in range(20):
        write_segment(folder, "a-000001.ndjson", said(number))
        land(store, LOG, folder)
    assert store.table("inference_log", "delay").files == 20

    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, [], RetentionPolicy())
        carry_out(store.lake, connection, plan, list)

    assert store.table("inference_log", "delay").files == 1
    assert len(ids(store)) == 20
    write_segment(folder, "a-000001.ndjson", said(19), said(20))
    assert (land(store, LOG, folder).rows, len(ids(store))) == (1, 21)


def test_versions_that_answered_online_are_versions_that_predictions_refer_to(store, folder):
    write_segment(folder, "a-000001.ndjson", said(1), said(2, model_version=4))
    land(store, LOG, folder)

    assert predicted_versions(store, "delay") == {1, 4}
    assert predicted_versions(store, "other") == frozenset()
