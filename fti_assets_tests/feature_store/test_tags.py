"""Which state of the lake is read: by number, by tag, by time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fti_assets.errors import DefinitionError, FtiError, NotFoundError
from fti_assets.feature_store import FeatureStore, TagExistsError
from fti_assets.feature_store.care.maintenance import expire_snapshots
from fti_assets.feature_store.history.snapshots import Snapshot, snapshot_at
from fti_assets_tests.feature_store.examples import HOUR, MICROSECOND, T0, day, make_group, rows_of

GROUP = make_group()
DAY = day("2024-01-10")


def publish(store, value):
    """One row that tells which publication it is of. Returns the snapshot that first shows it."""
    return store.publish(GROUP, rows_of(GROUP, ("s", T0, float(value))), DAY).snapshot


def seen(store, as_of=None):
    with store.reading(as_of) as connection:
        return connection.execute(f"SELECT temp FROM {GROUP.table.sql}").fetchall()[0][0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A store with three publications, and their snapshots. Tests add tags and publications to it, and take nothing away."""
    store = FeatureStore(tmp_path_factory.mktemp("lake"))
    return store, [publish(store, value) for value in (1, 2, 3)]


@pytest.fixture
def store(shared):
    return shared[0]


@pytest.fixture
def published(shared):
    return shared[1]


def test_a_number_reads_that_snapshot(store, published):
    assert [seen(store, number) for number in published] == [1, 2, 3]
    assert seen(store) == 3


def test_a_tag_reads_its_snapshot_whatever_is_published_later(tmp_path):
    store = FeatureStore(tmp_path)
    first = publish(store, 1)
    second = publish(store, 2)
    store.tag("first", first, "before the correction")
    now = store.tag("now")
    publish(store, 3)

    assert [seen(store, name) for name in ("first", "now", None)] == [1, 2, 3]
    assert now.snapshot >= second
    assert [(tag.name, tag.snapshot, tag.reason) for tag in store.tags()] == [
        ("first", first, "before the correction"),
        ("now", now.snapshot, ""),
    ]


def test_an_instant_reads_what_the_lake_was_then(store, published):
    at = {snapshot.number: snapshot.at for snapshot in store.snapshots()}
    second = at[published[1]]

    assert seen(store, second) == 2
    assert seen(store, second - MICROSECOND) == 1
    assert seen(store, at[published[2]] + HOUR) == 3
    assert seen(store, second.replace(tzinfo=None)) == 2
    assert seen(store, second.astimezone(timezone(timedelta(hours=5, minutes=30)))) == 2


def test_texts_that_a_person_writes(store, published):
    at = {snapshot.number: snapshot.at for snapshot in store.snapshots()}

    assert seen(store, str(published[0])) == 1
    assert seen(store, at[published[1]].isoformat()) == 2
    assert seen(store, (T0.replace(year=3000)).date().isoformat()) == 3


def test_a_tag_that_is_not_there_names_those_that_are(store, published):
    store.tag("before_move")
    with (
        pytest.raises(NotFoundError, match=r"Tag 'before_mov' is not in the lake. Did you mean 'before_move'\?"),
        store.reading("before_mov"),
    ):
        pass
    with pytest.raises(NotFoundError, match=r"It has: .*before_move"):
        store.untag("x")


def test_a_snapshot_that_is_not_there_is_not_tagged(store, published):
    newest = store.snapshots()[-1].number
    with pytest.raises(
        NotFoundError, match=rf"There is no snapshot {newest + 5}\. There are {newest + 1}, from 0 \(.+\) to {newest} \("
    ):
        store.tag("later", newest + 5)
    assert "later" not in {tag.name for tag in store.tags()}


def test_a_tag_is_of_one_snapshot(store, published):
    made = store.tag("release", published[0], "first")

    assert store.tag("release", published[0], "again") == made
    with pytest.raises(TagExistsError, match=rf"'release' is the tag of snapshot {published[0]}, since .*fti lake untag release"):
        store.tag("release", published[1])
    with pytest.raises(TagExistsError):
        store.tag("release")

    assert store.untag("release") == made
    assert store.tag("release", published[1]).snapshot == published[1]


@pytest.mark.parametrize("name", ["", "2024", "Release", "a-b", "x' OR 1", "a" * 64, "é", None])
def test_names_that_are_none(store, published, name):
    with pytest.raises(DefinitionError, match="A tag cannot be named"):
        store.tag(name)


@pytest.mark.parametrize("as_of", [1.5, True, object()])
def test_what_is_no_state_of_a_lake(store, published, as_of):
    with pytest.raises((DefinitionError, NotFoundError)), store.reading(as_of):
        pass


@pytest.mark.parametrize("read", [lambda s: s.tag("x"), lambda s: s.untag("x"), lambda s: s.reading("x").__enter__()])
def test_looking_at_an_empty_lake_makes_none(tmp_path, read):
    store = FeatureStore(tmp_path)
    with pytest.raises(FtiError, match="nothing was ever published"):
        read(store)
    assert (store.tags(), store.snapshots(), store.holds()) == ([], [], [])
    assert not (tmp_path / "lake").exists()


AT = [T0 + n * HOUR for n in range(6)]


@pytest.mark.parametrize(
    ("kept", "instant", "number"),
    [
        pytest.param([0, 1, 2], AT[1], 1, id="equal_time_is_included"),
        pytest.param([0, 1, 2], AT[1] - MICROSECOND, 0, id="just_before"),
        pytest.param([0, 1, 2], AT[5], 2, id="after_the_newest"),
        pytest.param([0, 1, 4], AT[5], 4, id="gap_before_the_newest"),
        pytest.param([0, 1, 4], AT[0], 0, id="gap_later"),
        pytest.param([3, 4], AT[3], 3, id="older_ones_expired"),
    ],
)
def test_the_snapshot_at_an_instant(kept, instant, number):
    assert snapshot_at([Snapshot(n, AT[n]) for n in kept], instant) == number


@pytest.mark.parametrize(
    ("kept", "instant", "said"),
    [
        pytest.param([1, 2], AT[0], "The oldest that is kept is 1 ", id="before_the_lake"),
        pytest.param([0, 1, 4], AT[1], "snapshots 2 to 3 have expired. The nearest that are kept are 1 .* and 4 ", id="in_a_gap"),
        pytest.param([0, 2], AT[1], "snapshots 1 to 1 have expired", id="the_one_itself_expired"),
    ],
)
def test_an_instant_whose_state_is_gone_is_refused_instead_of_answered_by_an_older_one(kept, instant, said):
    with pytest.raises(NotFoundError, match=said):
        snapshot_at([Snapshot(n, AT[n]) for n in kept], instant)


def test_an_instant_after_expiry_is_refused(tmp_path):
    store = FeatureStore(tmp_path)
    published = [publish(store, value) for value in (1, 2, 3)]
    at = {snapshot.number: snapshot.at for snapshot in store.snapshots()}
    with store.connect() as connection:
        expire_snapshots(store.lake, connection, [published[1]], list)

    with (
        pytest.raises(NotFoundError, match=f"snapshots {published[1]} to {published[1]} have expired"),
        store.reading(at[published[1]]),
    ):
        pass
    assert seen(store, published[0]) == 1
    assert seen(store, datetime.now(UTC)) == 3
