"""Many rows are looked at by whole columns first; what they become, and what is refused, is the same as row by row."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fti_assets.serving.column_checks import LARGEST_FLOAT, LARGEST_INT, LONGEST_TEXT
from fti_assets.serving.errors import RequestError
from fti_assets.serving.request_reading import RequestReader, RowReader
from fti_assets.vocabulary import Column

COLUMNS = [Column(kind, kind) for kind in ("int", "float", "bool", "string", "timestamp", "date")]
READER = RequestReader(RowReader(COLUMNS, ["int"]), most_rows=1_000, most_explained=0)
TYPED = {"int": 7, "float": 0.5, "bool": True, "string": "a"}
ODD = [
    *(None, 0, 1.0, 1.5, True, "", "a", "2013-06-01", "2013-06-01T15:00:00Z", [], {}),
    *(LARGEST_INT, -LARGEST_INT - 1, LARGEST_INT + 1, -LARGEST_INT - 2, LARGEST_FLOAT, -LARGEST_FLOAT, 3.5e38, -3.5e38),
    *(float("nan"), float("inf"), 1.7e308, "x" * LONGEST_TEXT, "x" * (LONGEST_TEXT + 1)),
]


def outcome(read):
    try:
        return repr(read())
    except RequestError as error:
        return str(error)


def one_by_one(rows):
    return [READER.row_reader.read(row, f"rows[{number}]".format) for number, row in enumerate(rows)]


@st.composite
def bodies(draw):
    """Rows that are all typed, but for a few values or names."""
    names = draw(st.lists(st.sampled_from(list(TYPED)), unique=True, min_size=1))
    rows = [{name: TYPED[name] for name in names} for _ in range(draw(st.integers(1, 12)))]
    for _ in range(draw(st.integers(0, 2))):
        row, name = draw(st.sampled_from(rows)), draw(st.sampled_from([*(column.name for column in COLUMNS), "unknown"]))
        row[name] = draw(st.sampled_from(ODD))
    if draw(st.booleans()):
        rows[-1].pop("int", None)
    return rows


@given(bodies())
@example([TYPED] * 9)
@example([{"int": value} for value in range(9)])
@example([{**TYPED, "float": value} for value in (1.0, float("nan"), *[2.0] * 8)])
@example([{"int": None}] * 9)
@example([{"float": 1.0}] * 9)
def test_columns_are_read_as_rows_are(rows):
    assert outcome(lambda: READER.read_rows(rows, None, lambda: 5).rows) == outcome(lambda: one_by_one(rows))


@pytest.mark.parametrize("name", TYPED)
def test_columns_that_need_no_change_are_not_read_row_by_row(name, monkeypatch):
    def refuse(*_):
        raise AssertionError("it was read row by row")

    monkeypatch.setattr(RowReader, "read", refuse)
    rows = [{"int": number, name: TYPED[name]} for number in range(8)]
    asked = READER.read_rows(rows, "2013-06-01T15:00:00Z", lambda: 0)
    assert asked.rows == rows
    assert asked.at == [1_370_098_800_000_000] * 8


def test_what_is_converted_is_read_row_by_row():
    rows = [{"int": 1, "float": 2, "timestamp": "2013-06-01T15:00:00Z", "date": "2013-06-01"}] * 9
    found = READER.read_rows(rows, None, lambda: 0).rows[8]
    assert found == {"int": 1, "float": 2.0, "timestamp": datetime(2013, 6, 1, 15, tzinfo=UTC), "date": date(2013, 6, 1)}
    assert type(found["float"]) is float


def test_rows_may_have_times_of_their_own():
    rows = [{"int": 1, "request_time": "1970-01-01T00:00:01Z"}, *[{"int": 1}] * 9]
    assert READER.read_rows(rows, None, lambda: 5).at == [1_000_000, *[5] * 9]
