"""How addresses of catalogue and files are written, and what is said of those that are not."""

import subprocess
import sys

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.feature_store.errors import AddressError, MissingExtraError, UnreachableError

SECRET = "hushhush"


def catalog(address):
    return FeatureStore("nowhere", catalog=address).lake.catalog


def files(address):
    return FeatureStore("nowhere", data=address).lake.data


@pytest.mark.parametrize(
    ("address", "parameters", "schema", "password"),
    [
        pytest.param("postgres:host=db dbname=lake", {"host": "db", "dbname": "lake"}, "public", None, id="pairs"),
        pytest.param("postgres:", {}, "public", None, id="all_from_the_environment"),
        pytest.param(
            "postgres: host = db  password='a \\'b\\\\ c=d' schema=taxi ",
            {"host": "db"},
            "taxi",
            "a 'b\\ c=d",
            id="quoted_as_libpq_does",
        ),
        pytest.param(r"postgres:password=a\ b user=''", {"user": ""}, "public", "a b", id="a_blank_behind_a_backslash"),
        pytest.param(
            "postgres:postgresql://me:p%40ss@db:5433/lake?schema=taxi&sslmode=require",
            {"user": "me", "host": "db", "port": "5433", "dbname": "lake", "sslmode": "require"},
            "taxi",
            "p@ss",
            id="uri",
        ),
        pytest.param("postgres:postgres:///lake?schema=taxi", {"dbname": "lake"}, "taxi", None, id="uri_without_host"),
        pytest.param(
            "postgres:host=db connect_timeout=3", {"host": "db", "connect_timeout": "3"}, "public", None, id="own_timeout"
        ),
    ],
)
def test_addresses_of_catalogues(address, parameters, schema, password):
    found = catalog(address)
    defaults = {"connect_timeout": "10", "keepalives_idle": "30"}
    assert (found.kind, found.parameters, found.schema, found.password) == ("postgres", defaults | parameters, schema, password)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param("", "It names no kind of database", id="nothing"),
        pytest.param("mysql:host=db", "It begins with 'mysql:'", id="another_kind"),
        pytest.param(f"postgresql://me:{SECRET}@db/lake", "thus 'postgres:postgresql://...'", id="uri_without_kind"),
        pytest.param(f"postgres://me:{SECRET}@db/lake", "thus 'postgres:postgresql://...'", id="uri_without_kind_2"),
        pytest.param(f"postgres:password={SECRET} {SECRET}", "cannot be read", id="a_password_with_a_blank"),
        pytest.param(f"postgres:host=db password='{SECRET}", "cannot be read", id="an_open_quote"),
        pytest.param(f"postgres:password={SECRET} {SECRET}=x", r"has an unknown parameter\. ", id="perhaps_a_piece_of_a_password"),
        pytest.param(f"postgres:hots=db password={SECRET}", "unknown parameter: 'hots'. Did you mean 'host'?", id="misspelt"),
        pytest.param(f"postgres:postgresql://me:{SECRET}@db:port/lake?nonsense=1", "cannot be read", id="uri_libpq_refuses"),
        pytest.param("postgres:schema=A;DROP", "is not a name", id="schema"),
        pytest.param(f"postgres:password={SECRET}\0", "cannot be read", id="nul"),
        pytest.param(f"postgres:sslpassword={SECRET}", "must not hold 'sslpassword'", id="another_secret"),
    ],
)
def test_what_is_no_address_of_a_catalogue_is_refused_early_and_shows_no_password(address, says):
    with pytest.raises(AddressError, match=says) as caught:
        catalog(address)
    assert SECRET not in str(caught.value)
    assert "rite" in str(caught.value) or "Use" in str(caught.value)  # how it is written


def test_a_catalogue_shows_no_password():
    store = FeatureStore("nowhere", catalog=f"postgres:host=db user=me password={SECRET} dbname=lake schema=taxi")
    assert SECRET not in repr(store) + str(store.lake.catalog) + store.lake.catalog.address
    assert str(store.lake.catalog) == "'postgres:host=db dbname=lake user=me schema=taxi'"
    assert hash(store) == hash(store)


@pytest.mark.parametrize(
    ("address", "path", "options"),
    [
        pytest.param("s3://my-bucket/a/b", "s3://my-bucket/a/b", (None, None, None), id="plain"),
        pytest.param("s3://my-bucket/a/", "s3://my-bucket/a", (None, None, None), id="slash_at_the_end"),
        pytest.param("s3://my-bucket", "s3://my-bucket", (None, None, None), id="whole_bucket"),
        pytest.param(
            "s3://b.x/a?endpoint=http://127.0.0.1:9000&region=eu-1&path_style=false",
            "s3://b.x/a",
            ("http://127.0.0.1:9000", "eu-1", False),
            id="configured",
        ),
    ],
)
def test_addresses_of_files(address, path, options):
    found = files(address)
    assert (found.kind, found.path, (found.endpoint, found.region, found.path_style)) == ("s3", path, options)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param("", "does not begin with 's3://'", id="nothing"),
        pytest.param("gs://bucket/a", "does not begin with 's3://'", id="another_service"),
        pytest.param("s3://", "names no bucket", id="no_bucket"),
        pytest.param("s3://UPPER/a", "'UPPER' is not the name of a bucket", id="capitals"),
        pytest.param(f"s3://key:{SECRET}@bucket/a", "credentials do not belong into it", id="credentials"),
        pytest.param("s3://bucket/../a", "'..' is not a folder", id="dots"),
        pytest.param("s3://bucket/a//b", "'' is not a folder", id="empty_folder"),
        pytest.param("s3://bucket/a*", r"'a\*' is not a folder", id="pattern"),
        pytest.param("s3://bucket/a'b", "\"?'a'b' is not a folder", id="quote"),
        pytest.param(f"s3://bucket/a?secret={SECRET}", "'secret' is not an option, there are endpoint", id="option"),
        pytest.param("s3://bucket/a?path_style=yes", "path_style is true or false", id="style"),
        pytest.param("s3://bucket/a?endpoint=host:9000", "The endpoint in .* is not one", id="endpoint_without_scheme"),
        pytest.param("s3://bucket/a#x", "'#' has no meaning", id="fragment"),
    ],
)
def test_what_is_no_address_of_files_is_refused_early(address, says):
    with pytest.raises(AddressError, match=says) as caught:
        files(address)
    assert SECRET not in str(caught.value)
    assert "Write" in str(caught.value)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_missing_credentials_are_named(tmp_path, monkeypatch, name):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv(name)
    store = FeatureStore(tmp_path, data="s3://bucket/a")
    said = f"'s3://bucket/a' need credentials, and {name} is not set"
    with pytest.raises(UnreachableError, match=said) as caught, store.connect():
        pass
    assert SECRET not in str(caught.value)


WITHOUT = """
import sys
for name in ("psycopg", "duckdb_extension_postgres", "duckdb_extension_httpfs"):
    sys.modules[name] = None
from contextlib import contextmanager
import duckdb
from fti_assets.feature_store import FeatureStore

@contextmanager
def bare():
    with duckdb.connect(":memory:", config={"extension_directory": sys.argv[1]}) as connection:
        yield connection

for given in ({"catalog": "postgres:host=db"}, {"data": "s3://bucket/a"}):
    try:
        with FeatureStore(sys.argv[1], bare, **given).connect():
            pass
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_a_missing_extra_is_named(tmp_path):
    run = subprocess.run([sys.executable, "-c", WITHOUT, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        f"{MissingExtraError.__name__} The driver of PostgreSQL (psycopg) is not installed. Run: pip install fti-assets[postgres]",
        f"{MissingExtraError.__name__} DuckDB's extension 'httpfs' is not installed. Run: pip install fti-assets[s3]",
    ]
