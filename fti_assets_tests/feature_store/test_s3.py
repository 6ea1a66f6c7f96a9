"""Files in an S3-compatible bucket, by moto's server: what is published there is read there, and what an error says."""

from datetime import date

import duckdb
import pytest

from fti_assets.feature_store import ConnectionPool
from fti_assets.feature_store.errors import AddressError, UnreachableError
from fti_assets_tests.feature_store.examples import (
    DAYS,
    HOUR,
    OUTCOMES,
    T0,
    TRIPS,
    YEAR,
    make_dataset,
    make_group,
    make_view,
    read_all,
    rows_of,
)
from fti_assets_tests.feature_store.servers import Backend, free_port
from fti_assets_tests.feature_store.test_lake import maintained

pytestmark = pytest.mark.s3

GROUP = make_group()
SECRET = "the/sec+ret'"


@pytest.fixture
def bucket(s3):
    return s3.new_bucket()


@pytest.fixture
def lake(bucket, tmp_path):
    return Backend(tmp_path, data=f"s3://{bucket}/a/lake")


def published(store):
    rows = rows_of(GROUP, *((f"s{n}", T0, float(n)) for n in range(1000)))
    return store.publish(GROUP, rows, YEAR)


def files(store):
    with store.connect() as connection:
        return [path for (path,) in connection.execute(f"FROM glob('{store.lake.data_path}/**')").fetchall()]


def test_rows_are_published_into_the_bucket_and_a_second_store_reads_them(lake):
    store = lake.store()
    first = published(store)
    store.publish(GROUP, rows_of(GROUP, ("z", T0, 9.0)), YEAR)
    assert any(path.startswith(f"{lake.data}/features/weather_v1/") for path in files(store))
    assert not list(lake.root.rglob("*.parquet"))
    assert [row[0] for row in read_all(lake.store(), GROUP.table)] == ["z"]
    with lake.store().reading(first.snapshot) as connection:
        assert store.read(connection, GROUP.table).shape[0] == 1000


def test_a_point_in_time_join_reads_from_the_bucket(lake):
    store = lake.store()
    store.publish(GROUP, rows_of(GROUP, ("s1", T0, 1.0), ("s1", T0 + HOUR, 2.0)), YEAR)
    store.publish(TRIPS, rows_of(TRIPS, (1, T0 + HOUR / 2, "s1", "l", 1.0), (2, T0 + HOUR, "s1", "l", 1.0)), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, (1, T0 + HOUR, True)), YEAR)
    rows = store.get_features(make_view(GROUP), between=YEAR).to_arrow().to_pylist()
    assert sorted((row["trip"], row["temp"]) for row in rows) == [(1, 1.0), (2, 2.0)]


@pytest.mark.postgres
def test_with_the_catalogue_in_postgresql_nothing_of_the_lake_is_in_its_folder(postgres, bucket, tmp_path):
    address = postgres.new_schema()
    store = Backend(tmp_path / "one", address, f"s3://{bucket}/lake").store()
    published(store)
    store.publish(GROUP, rows_of(GROUP, ("s1", DAYS.window("2024-01-12").start, 1.5)), DAYS.window("2024-01-12"))
    other = Backend(tmp_path / "two", address, f"s3://{bucket}/lake").store()
    assert len(read_all(other, GROUP.table)) == 1001
    assert [path for path in (tmp_path / "one").rglob("*") if path.is_file()] == []
    assert not other.lake.is_local
    with pytest.raises(AddressError, match=f"has its files elsewhere: .*s3://{bucket}/lake"):
        published(Backend(tmp_path / "two", address, f"s3://{bucket}/other").store())


@pytest.mark.postgres
def test_maintenance_removes_files_from_the_bucket(postgres, bucket, tmp_path):
    store = Backend(tmp_path, postgres.new_schema(), f"s3://{bucket}/lake").store()
    for window in map(DAYS.window, list(DAYS.keys(YEAR))[:4]):
        store.publish(GROUP, rows_of(GROUP, *((f"s{n}", window.start, float(n)) for n in range(50))), window)
    before, rows = files(store), read_all(store, GROUP.table)
    maintained(store)
    assert read_all(store, GROUP.table) == rows
    assert len([path for path in files(store) if "/features/" in path]) == 1
    assert len([path for path in before if "/features/" in path]) == 4


@pytest.mark.postgres
def test_a_training_dataset_is_the_same_wherever_the_lake_is(postgres, bucket, tmp_path):
    hashes = set()
    for backend in (Backend(tmp_path / "here"), Backend(tmp_path / "there", postgres.new_schema(), f"s3://{bucket}/lake")):
        store, times = backend.store(), [window.start for window in map(DAYS.window, list(DAYS.keys(YEAR))[:6])]
        store.publish(GROUP, rows_of(GROUP, *(("s1", at, float(n)) for n, at in enumerate(times))), YEAR)
        store.publish(TRIPS, rows_of(TRIPS, *((n, at + HOUR, "s1", "l", 1.0) for n, at in enumerate(times))), YEAR)
        store.publish(OUTCOMES, rows_of(OUTCOMES, *((n, at + 2 * HOUR, n % 2 == 0) for n, at in enumerate(times))), YEAR)
        _, manifest = store.cut(make_dataset(make_view(GROUP)), date(2024, 1, 7), code_version="1.0")
        assert manifest.rows == {"train": 4, "validation": 1, "test": 1}
        hashes.add(manifest.content_hash)
    assert len(hashes) == 1


def test_the_address_may_name_the_service_itself(s3, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    store = Backend(tmp_path, data=f"s3://{bucket}/lake?endpoint={s3.endpoint}&region=eu-west-3&path_style=true").store()
    published(store)
    assert len(files(store)) == 1


def test_a_pooled_connection_cannot_read_the_bucket_of_the_lake_before(lake):
    pool = ConnectionPool(lambda: duckdb.connect(":memory:"))
    store = lake.store(connector=pool.connection)
    published(store)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_secrets()").fetchone() == (0,)


def refusal(store):
    """What a first publication is told; the secret key is not in it, nor in what it comes from."""
    with pytest.raises(UnreachableError) as caught:
        published(store)
    assert SECRET not in f"{caught.value} {caught.value.__cause__}"
    return str(caught.value)


def test_a_bucket_that_is_not_there(s3, tmp_path):
    store = Backend(tmp_path, data="s3://no-such-bucket/lake").store()
    said = refusal(store)
    assert said.startswith("The lake's files in 's3://no-such-bucket/lake' cannot be reached: the bucket is not there. HTTP Error")
    assert said.endswith("Create the bucket, or mend its name in data='s3://...'.")
    assert not store.lake.is_there


def test_a_bucket_that_went_away(s3, bucket, tmp_path):
    store = Backend(tmp_path, data=f"s3://{bucket}/lake").store()
    with store.connect():
        pass  # makes the lake
    s3.request("DELETE", f"/{bucket}")
    assert "the bucket is not there" in refusal(store)


def test_a_service_that_does_not_answer(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    said = refusal(Backend(tmp_path, data=f"s3://{bucket}/lake").store())
    assert "cannot be reached. IO Error: Could not connect to server" in said
    assert said.endswith("Check AWS_ENDPOINT_URL_S3 or ?endpoint=... in data='s3://...', and that the service is running.")


@pytest.fixture
def with_rights(s3):
    """From now on the server checks keys, and knows none."""
    s3.request("POST", "/moto-api/reset-auth", b"0")
    yield
    s3.request("POST", "/moto-api/reset-auth", b"inf")


def test_a_key_that_is_not_known(bucket, with_rights, tmp_path):
    said = refusal(Backend(tmp_path, data=f"s3://{bucket}/lake").store())
    assert "refuse access" in said
    assert "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete there." in said


def test_a_file_that_is_gone_is_not_called_a_missing_bucket(s3, lake, bucket):
    store = lake.store()
    published(store)
    (path,) = files(store)
    s3.remove(path)
    with pytest.raises(duckdb.HTTPException, match="404"):
        read_all(store, GROUP.table)
