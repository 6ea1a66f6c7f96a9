"""What is kept and what may go: holds, and the plan of maintenance on literal values."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import (
    FeatureStore,
    HeldSnapshotError,
    Hold,
    RetentionPolicy,
    Snapshot,
    expire_snapshots,
    holds_of_models,
)
from fti_assets.feature_store.care.maintenance_plan import LakeState, plan, spans
from fti_assets.feature_store.lake.stored_files import ReplacedFile, StoredFile
from fti_assets_tests.feature_store.examples import (
    DAY,
    HOUR,
    MICROSECOND,
    OUTCOMES,
    T0,
    TRIPS,
    day,
    make_dataset,
    make_group,
    make_view,
    rows_of,
)

NOW = T0
POLICY = RetentionPolicy(keep_days=30, grace_hours=6, merge_from=3, small_bytes=1000, rewrite_from=0.2, flush_from=100)


def snapshots(*ages):
    """Snapshots 0, 1, 2, .. of some ages."""
    return tuple(Snapshot(number, NOW - age) for number, age in enumerate(ages))


def file(number, *, table="features.x_v1", rows=100, size=500, begin=0, end=None, deletes_from=None):
    path = f"{table.replace('.', '/')}/{number}.parquet"
    return StoredFile(id=number, table=table, path=path, rows=rows, bytes=size, begin=begin, end=end, deletes_from=deletes_from)


def planned(holds=(), policy=POLICY, **state):
    given = {"snapshots": snapshots(timedelta(0)), **state}
    return plan(LakeState(at=NOW, **given), holds, policy)


# Snapshots


@pytest.mark.parametrize(
    ("ages", "held", "expected"),
    [
        pytest.param([40, 31, 29, 0], [], (0, 1), id="older_than_the_limit"),
        pytest.param([40, 31, 29, 0], [1], (0,), id="held"),
        pytest.param([40, 31, 29, 0], [1, 0, 7], (), id="all_held"),
        pytest.param([400], [], (), id="the_newest_never"),
        pytest.param([400, 300], [], (0,), id="the_newest_never_however_old"),
        pytest.param([], [], (), id="none"),
    ],
)
def test_snapshots_that_expire(ages, held, expected):
    made = planned([Hold(number, "x") for number in held], snapshots=snapshots(*(n * DAY for n in ages)))

    assert made.expire == expected
    assert {hold.snapshot for hold in made.held} == set(held) & set(range(len(ages) - 1))


def test_the_age_limit_is_exclusive():
    exactly = planned(snapshots=snapshots(30 * DAY, timedelta(0)))
    older = planned(snapshots=snapshots(30 * DAY + MICROSECOND, timedelta(0)))

    assert (exactly.expire, older.expire) == ((), (0,))


@pytest.mark.parametrize(
    ("begin", "end", "released"),
    [
        pytest.param(0, 1, True, id="only_expired_ones_show_it"),
        pytest.param(0, 2, True, id="two_expired_ones_show_it"),
        pytest.param(0, 3, False, id="a_held_one_shows_it"),
        pytest.param(1, None, False, id="the_newest_shows_it"),
        pytest.param(3, 4, False, id="a_young_one_shows_it"),
    ],
)
def test_files_that_expiry_releases(begin, end, released):
    ages = [n * DAY for n in (50, 45, 40, 10, 0)]
    one = file(1, begin=begin, end=end)

    made = planned([Hold(2, "tag x")], snapshots=snapshots(*ages), files=(one,))

    assert made.expire == (0, 1)
    assert made.released == ((one,) if released else ())


# Files


def test_small_files_of_a_table_are_merged_when_there_are_enough():
    few = [file(n, table="features.few_v1") for n in range(2)]
    many = [file(n, table="features.many_v1") for n in range(10, 13)]
    large = [file(n, table="features.large_v1", size=1000) for n in range(20, 25)]

    assert planned(files=(*few, *many, *large)).merge == {"features.many_v1": tuple(many)}


def test_files_with_deletions_and_those_of_older_snapshots_are_not_merged():
    files = [file(n) for n in range(4)]
    punctured = [*files, file(9, rows=5, deletes_from=0)]
    replaced = [replace(files[0], end=3), replace(files[1], end=3), *files[2:]]

    assert planned(files=tuple(punctured)).merge == {"features.x_v1": tuple(files[1:])}
    assert planned(files=tuple(replaced)).merge == {}


@pytest.mark.parametrize(("deleted", "is_rewritten"), [(19, False), (20, True), (100, True)])
def test_a_file_is_rewritten_when_enough_of_its_rows_are_deleted(deleted, is_rewritten):
    one = file(1, rows=100)

    made = planned(files=(one, file(2, rows=deleted, deletes_from=1)))

    assert made.rewrite == ({"features.x_v1": (one,)} if is_rewritten else {})
    assert made.inputs == ([one] if is_rewritten else [])


def test_deletions_that_were_undone_do_not_count():
    assert planned(files=(file(1), file(2, rows=90, deletes_from=1, end=5))).rewrite == {}


def test_rows_in_the_catalogue_are_flushed_when_there_are_enough():
    assert planned(inlined={"catalog.publications": 100, "features.x_v1": 99}).flush == {"catalog.publications": 100}


def test_replaced_files_wait_for_the_time_of_grace():
    old, young = ReplacedFile("a", NOW - 6 * HOUR), ReplacedFile("b", NOW - 6 * HOUR + MICROSECOND)

    made = planned(replaced=(old, young), on_disk={"a": 7, "b": 5})

    assert (made.remove, made.wait) == ((old,), (young,))
    assert [(step.what, step.files, step.bytes) for step in made.steps()] == [("remove", 1, 7), ("keep", 1, 5)]


def test_nothing_to_do():
    made = planned([Hold(0, "tag x")], snapshots=snapshots(40 * DAY, timedelta(0)), replaced=(ReplacedFile("b", NOW),))

    assert made.is_empty
    assert [(step.what, step.of, step.why) for step in made.steps()] == [
        ("keep", "snapshot 0", "held by tag x"),
        ("keep", "replaced files", "replaced in the last 6 hours"),
    ]


def test_a_plan_in_words():
    ages = [n * DAY for n in (50, 45, 40, 35, 0)]
    files = (file(1, begin=0, end=1), *(file(n, begin=4) for n in range(2, 5)), file(5, begin=4), file(6, rows=50, deletes_from=5))

    made = planned(
        [Hold(1, f"tag {n}") for n in "abcde"], snapshots=snapshots(*ages), files=files, orphans=("o",), on_disk={"o": 3}
    )

    assert [(step.what, step.of, step.why, step.files) for step in made.steps()] == [
        ("expire", "3 snapshots: 0, 2-3", "older than 30 days", 1),
        ("keep", "snapshot 1", "held by tag a, tag b, tag c and 2 more", None),
        ("rewrite", "features.x_v1", "at least 20% of their rows are deleted", 1),
        ("merge", "features.x_v1", "3 or more small files", 3),
        ("remove", "orphans", "nothing refers to them since 24 hours or more", 1),
    ]
    assert not made.is_empty


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([3, 4, 5], "3-5"), ([5, 3, 9], "3, 5, 9"), (range(0, 40, 2), "0, 2, 4, .. 36, 38")],
)
def test_numbers_as_people_write_them(numbers, text):
    assert spans(numbers) == text


@pytest.mark.parametrize("given", [{"keep_days": -1}, {"grace_hours": float("nan")}, {"orphan_hours": float("inf")}])
def test_a_policy_that_is_none(given):
    with pytest.raises(DefinitionError, match="Give a number that is not negative"):
        RetentionPolicy(**given)


# Holds


@dataclass
class Registry:
    """What a model registry says of its versions."""

    found: dict = field(default_factory=dict)

    def models(self):
        return sorted(self.found)

    def versions(self, name):
        return self.found[name]


@dataclass
class Version:
    name: str
    tags: dict

    def __str__(self):
        return self.name


def test_models_hold_the_snapshots_that_they_were_trained_from():
    registry = Registry({"delay": [Version("delay version 2", {"snapshot": "7"}), Version("delay version 1", {"imported": "yes"})]})

    assert holds_of_models(registry) == [Hold(7, "model delay version 2")]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with a training dataset, and its manifest. Tests take nothing from it that another one needs."""
    store = FeatureStore(tmp_path_factory.mktemp("lake"))
    weather = make_group()
    view = make_view(weather)
    for n, key in enumerate(("2024-01-08", "2024-01-09", "2024-01-10")):
        start = day(key).start
        store.publish(TRIPS, rows_of(TRIPS, (n, start, "s", "l", 1.0 + n)), day(key))
        store.publish(weather, rows_of(weather, ("s", start, 20.0 + n)), day(key))
        store.publish(OUTCOMES, rows_of(OUTCOMES, (n, start + HOUR, n % 2 == 0)), day(key))
    _, manifest = store.cut(make_dataset(view), day("2024-01-11").start.date(), code_version="test")
    return store, manifest


def test_datasets_and_tags_hold_their_snapshots(stored):
    store, manifest = stored
    store.tag("first", 3)

    assert set(store.holds()) == {
        Hold(manifest.snapshot, f"training dataset delay/{manifest.id}"),
        Hold(3, "tag first"),
    }
    store.untag("first")


def test_a_held_snapshot_is_refused_with_who_holds_it_and_nothing_expires(stored):
    store, manifest = stored
    before = store.snapshots()

    with store.connect() as connection, pytest.raises(HeldSnapshotError) as caught:
        expire_snapshots(store.lake, connection, [2, manifest.snapshot], store.holds)

    assert caught.value.holds == (Hold(manifest.snapshot, f"training dataset delay/{manifest.id}"),)
    assert f"snapshot {manifest.snapshot} (training dataset delay/{manifest.id}). Nothing was changed." in str(caught.value)
    assert store.snapshots() == before


def test_the_newest_snapshot_is_refused(stored):
    store, _ = stored
    newest = store.snapshots()[-1].number
    with store.connect() as connection, pytest.raises(HeldSnapshotError, match=rf"{newest} \(being the newest"):
        expire_snapshots(store.lake, connection, [newest], list)


def test_an_unknown_snapshot_is_refused(stored):
    store, _ = stored
    with store.connect() as connection, pytest.raises(NotFoundError, match="There is no snapshot 99"):
        expire_snapshots(store.lake, connection, [2, 99], list)
    assert 2 in {snapshot.number for snapshot in store.snapshots()}
