"""Odd names and values: refused by the definitions, or stored and read back exactly; no SQL of theirs reaches the engine."""

import math
import struct
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, StagedTable, Table, quoted
from fti_assets_tests.feature_store.examples import ARROW, DAYS, HOUR, PROMISE, T0, YEAR, make_group, rows_of

ODD_TEXTS = [
    "'; DROP TABLE lake.main.marker; --",
    '"; DROP TABLE lake.main.marker; --',
    "x'); DELETE FROM lake.main.marker; SELECT ('",
    "../../../etc/passwd",
    "a/b\\c",
    "a\0b",
    "\0",
    "",
    " ",
    "\n",
    "$table",
    "?",
    "%s{0}",
    "NULL",
    "weather\u202ethgir",
    "é",
    "e\u0301",
    "🎉",
    "ｗｅａｔｈｅｒ",
    "Weather",
    "1weather",
    "_published_at",
    "__ducklake",
    "select ",
    "a" * 64,
    "a" * 10_000,
    "'" * 10_000,
]
NAMES = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=80)).filter(lambda text: not is_plain(text))


def is_plain(text):
    """Whether a text is a name that definitions accept: written down a second time, so that a slip in one shows."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return 0 < len(text) < 64 and text[0] in letters and all(c in letters + "0123456789_" for c in text)


FEATURE = Feature("temp", "float")
MAKERS = {
    "feature": lambda name: Feature(name, "float"),
    "key": lambda name: Entity("station", (name,)),
    "entity": lambda name: Entity(name, ("station",)),
    "group": lambda name: make_group(name),
    "staged": lambda name: StagedTable(name=name, columns=(FEATURE,), key=(), contract=PROMISE),
    "schema": lambda name: Table(schema=name, name="weather", columns=(FEATURE,), key=()),
    "event_time": lambda name: (
        FeatureGroup(
            name="w", version=1, entity=Entity("s", ("s",)), event_time=name, cadence=DAYS, features=(FEATURE,), contract=PROMISE
        )
        if name
        else quoted(name)
    ),
    "identifier": quoted,
    "partition_key": DAYS.window,
    "calendar_start": lambda name: Daily(start=name),
    "timezone": lambda name: Daily(start="2024-01-01", timezone=name),
    "owner": lambda name: Contract(owner=name),
}


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@pytest.mark.parametrize("maker", [pytest.param(maker, id=name) for name, maker in MAKERS.items()])
@given(name=NAMES)
def test_odd_names_are_refused_by_the_definitions(maker, name):
    with pytest.raises(DefinitionError):
        maker(name)


@pytest.mark.parametrize("name", [pytest.param(text, id=repr(text[:20])) for text in ODD_TEXTS])
def test_an_odd_name_is_named_in_short(name):
    with pytest.raises(DefinitionError) as caught:
        quoted(name)
    assert len(str(caught.value)) < 300


# values

WORDS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=60))
TEXTS = st.one_of(st.none(), WORDS)
FLOATS = st.one_of(
    st.none(),
    st.floats(),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, -1.7976931348623157e308, 0.1, 2.0**53 + 2]),
)
INTEGERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1, 0]))
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001
INSTANTS = st.one_of(st.none(), st.datetimes(FIRST, LAST), st.sampled_from([FIRST, LAST]))
VALUES = st.tuples(TEXTS, FLOATS, INTEGERS, st.one_of(st.none(), st.booleans()), INSTANTS, st.one_of(st.none(), st.dates()))
ODD = FeatureGroup(
    name="odd",
    version=1,
    entity=Entity("thing", (Column("thing", "string"), Column("part", "int"))),
    event_time="known_at",
    cadence=DAYS,
    features=(
        Feature("s", "string"),
        Feature("f", "float"),
        Feature("i", "int"),
        Feature("b", "bool"),
        Feature("t", "timestamp"),
        Feature("d", "date"),
    ),
    contract=PROMISE,
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """One lake for all examples, with a table that any statement among the values would take away."""
    store = FeatureStore(tmp_path_factory.mktemp("odd"))
    with store.connect() as connection:
        connection.execute("CREATE TABLE lake.main.marker AS SELECT 1 AS untouched")
    yield store
    with store.connect() as connection:
        assert connection.execute("FROM lake.main.marker").fetchall() == [(1,)]
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall()
    own = {("catalog", "contracts"), ("catalog", "publications"), ("superseded", "odd_v1"), ("superseded", "texts_v1")}
    assert set(tables) <= own | {("main", "marker"), ("features", "odd_v1"), ("features", "texts_v1")}


def exact(row):
    """A row as it compares: floats by their bits, NaNs as one, instants in UTC."""
    return tuple(exact_value(value) for value in row)


def exact_value(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def rows_read(store, group):
    with store.connect() as connection:
        table = store.read(connection, group.table).to_arrow_table()
    return {exact(row.values()) for row in table.to_pylist()}


@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@pytest.mark.parametrize("filler", [pytest.param(0, id="few_rows"), pytest.param(50, id="rows_in_a_file")])
@given(values=st.lists(VALUES, min_size=1, max_size=8), keys=st.lists(WORDS, min_size=8, max_size=8, unique=True))
def test_odd_values_are_stored_exactly(lake, filler, values, keys):
    rows = [(keys[n], n, T0 + n * HOUR, *value) for n, value in enumerate(values)]
    rows += [(f"filler {n}", 1000 + n, T0, "x", 1.0, 1, True, FIRST, date(1, 1, 1)) for n in range(filler)]
    lake.publish(ODD, table_of(rows), YEAR)
    assert rows_read(lake, ODD) == {exact(row) for row in rows}
    assert lake.publish(ODD, table_of(rows), YEAR).changed == 0
    lake.upsert(ODD, table_of(rows[:1]))
    lake.retract(ODD, table_of(rows[:1]).select(["thing", "part", "known_at"]))
    assert rows_read(lake, ODD) == {exact(row) for row in rows[1:]}


def table_of(rows):
    kinds = {**ARROW, "timestamp": pa.timestamp("us", tz="UTC")}
    columns = zip(*rows, strict=True)
    return pa.table(
        {
            column.name: pa.array([v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for v in values], kinds[column.type])
            for column, values in zip(ODD.table.columns, columns, strict=True)
        }
    )


@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(text=WORDS)
def test_texts_about_a_table_are_stored_exactly(lake, text):
    """Descriptions, units, names of runs: what is said about a table, and who published it."""
    group = FeatureGroup(
        name="texts",
        version=1,
        description=text,
        entity=Entity("station", ("station",)),
        features=(Feature("temp", "float", text),),
        contract=PROMISE,
    )
    published = lake.publish(group, rows_of(group, ("a", 1.0)), run=text, code_version=text)
    assert lake.contract("features", "texts_v1")["description"] == text
    told = lake.table("features", "texts_v1").description
    assert (told["description"], told["columns"][1]["description"]) == (text, text)
    assert lake.publications("features.texts_v1", limit=1) == [published]
    assert (published.run, published.code_version) == (text, text)


@pytest.mark.parametrize("text", [pytest.param(text, id=repr(text[:20])) for text in ODD_TEXTS[:8]])
def test_odd_names_of_tables_find_nothing(lake, text):
    assert lake.publications(text) == lake.contracts("features", text) == lake.contracts(text, "x") == []
    assert lake.tables(text) == [] or is_plain(text)
    with pytest.raises(FtiError):
        lake.table("features", text)
    with pytest.raises(FtiError):
        lake.contract(text, text)
