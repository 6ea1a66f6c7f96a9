"""A catalogue in PostgreSQL: who may reach it, what stays behind, and what an error says."""

import time

import pytest

from fti_assets.feature_store.errors import AddressError, UnreachableError
from fti_assets_tests.feature_store.examples import T0, YEAR, make_group, read_all, rows_of
from fti_assets_tests.feature_store.servers import PASSWORD, Backend, free_port

pytestmark = pytest.mark.postgres

GROUP = make_group()
ROWS = rows_of(GROUP, ("a", T0, 1.0))


@pytest.fixture
def database(postgres):
    return postgres.new_database()


def shown(error):
    """All that a log would show of an error and of what it comes from."""
    texts = []
    while error is not None:
        texts.append(f"{error!r} {error}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts)


def refusal(address, tmp_path):
    """What a connection to the address is told; no secret is in it, nor in what it comes from."""
    with pytest.raises(UnreachableError) as caught, Backend(tmp_path, address).store().connect():
        pass
    assert PASSWORD not in shown(caught.value)
    assert "wrong-one" not in shown(caught.value)
    return str(caught.value)


def test_a_server_that_does_not_answer(postgres, tmp_path):
    port = free_port()
    said = refusal(f"postgres:host=127.0.0.1 port={port} dbname=x user=me password=wrong-one", tmp_path)
    assert said.startswith(f"The lake's catalogue 'postgres:host=127.0.0.1 port={port} dbname=x user=me schema=public' cannot be")
    assert "Connection refused" in said
    assert said.endswith("Check host and port in the address, and that the server is running and lets this machine in.")


def test_a_wrong_password(postgres, database, tmp_path):
    said = refusal(postgres.address(database, password="wrong-one"), tmp_path)
    assert 'password authentication failed for user "owner". Give the right one: PGPASSWORD, ~/.pgpass' in said


def test_a_database_that_is_not_there(postgres, tmp_path):
    said = refusal(postgres.address("nowhere"), tmp_path)
    assert 'database "nowhere" does not exist. Create it (createdb)' in said


def test_looking_and_locking_say_the_same(postgres, tmp_path):
    lake = Backend(tmp_path, postgres.address("nowhere")).store().lake
    with pytest.raises(UnreachableError, match="does not exist"):
        _ = lake.is_there
    with pytest.raises(UnreachableError, match="does not exist"), lake.locked("testing"):
        pass


@pytest.fixture
def reader(postgres, database):
    """A role that owns nothing, and how it is removed again."""
    name = f"reader_{database}"
    with postgres.session(database) as session:
        session.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'only-reads'")
        yield name
        session.execute(f"DROP OWNED BY {name}")
        session.execute(f"DROP ROLE {name}")


def test_a_role_that_may_not_create_the_lake(postgres, database, reader, tmp_path):
    said = refusal(postgres.address(database, user=reader, password="only-reads"), tmp_path)
    assert "refuses it: permission denied for schema public" in said
    assert "GRANT the user the rights" in said


def test_a_role_that_may_only_read_reads_and_publishes_nothing(postgres, database, reader, tmp_path):
    owner = Backend(tmp_path, postgres.address(database)).store()
    owner.publish(GROUP, ROWS, YEAR)
    with postgres.session(database) as session:
        session.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    store = Backend(tmp_path, postgres.address(database, user=reader, password="only-reads")).store()
    assert read_all(store, GROUP.table) == read_all(owner, GROUP.table)
    with pytest.raises(UnreachableError, match="refuses it: permission denied for table"):
        store.publish(GROUP, rows_of(GROUP, ("a", T0, 2.0)), YEAR)
    assert read_all(store, GROUP.table) == read_all(owner, GROUP.table)


def test_the_password_may_be_left_to_the_environment(postgres, database, tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(postgres.port))
    store = Backend(tmp_path, f"postgres:dbname={database} user=owner").store()
    store.publish(GROUP, ROWS, YEAR)
    assert store.lake.is_there
    assert len(read_all(store, GROUP.table)) == 1


def test_a_uri_reaches_the_same_lake(postgres, database, tmp_path):
    Backend(tmp_path, postgres.address(database, "schema=taxi")).store().publish(GROUP, ROWS, YEAR)
    uri = f"postgres:postgresql://owner:s%27ecret%20%5C%20pw@localhost:{postgres.port}/{database}?schema=taxi"
    assert len(read_all(Backend(tmp_path, uri).store(), GROUP.table)) == 1


def test_two_lakes_in_one_database(postgres, database, tmp_path):
    first = Backend(tmp_path / "first", postgres.address(database, "schema=first")).store()
    second = Backend(tmp_path / "second", postgres.address(database, "schema=second")).store()
    first.publish(GROUP, ROWS, YEAR)
    assert not second.lake.is_there
    second.publish(GROUP, rows_of(GROUP, ("b", T0, 2.0), ("c", T0, 3.0)), YEAR)
    assert [len(read_all(store, GROUP.table)) for store in (first, second)] == [1, 2]
    assert [info.rows for info in second.tables("features")] == [2]


def test_a_lake_whose_files_are_elsewhere_is_refused(postgres, database, tmp_path):
    Backend(tmp_path / "here", postgres.address(database)).store().publish(GROUP, ROWS, YEAR)
    other = Backend(tmp_path / "there", postgres.address(database)).store()
    with pytest.raises(AddressError, match=f"has its files elsewhere: .*there/lake/data.*{tmp_path}/here/lake/data.*as it was"):
        other.publish(GROUP, ROWS, YEAR)


def test_no_session_is_left_behind(postgres, database, tmp_path):
    store = Backend(tmp_path, postgres.address(database)).store()
    store.publish(GROUP, ROWS, YEAR)
    read_all(store, GROUP.table)
    assert store.lake.is_there
    with store.connect():
        assert [name[:4] for name, _ in postgres.clients(database)] == ["fti "]
    time.sleep(0.3)  # the server notices a moment later
    assert postgres.clients(database) == []


def test_the_server_is_told_no_password(postgres, database, tmp_path):
    store = Backend(tmp_path, postgres.address(database)).store()
    with store.connect() as connection:
        seen = connection.execute("SELECT path, options FROM duckdb_databases() WHERE database_name LIKE '%lake%'").fetchall()
        seen += connection.execute("SELECT name, secret_string FROM duckdb_secrets()").fetchall()
        assert len(seen) == 2
        assert "s'ecret" not in str(seen).replace("\\", "")


def test_a_connection_that_the_server_ends_says_so(postgres, database, tmp_path):
    store = Backend(tmp_path, postgres.address(database)).store()
    store.publish(GROUP, ROWS, YEAR)
    said = r"ended the connection in the middle of the work\. Run it again"
    with postgres.session() as session, pytest.raises(UnreachableError, match=said), store.connect() as connection:  # noqa: PT012
        connection.begin()
        connection.execute(f"INSERT INTO {GROUP.table.sql} SELECT * FROM {GROUP.table.sql}")
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
        connection.commit()
    assert len(read_all(store, GROUP.table)) == 1
