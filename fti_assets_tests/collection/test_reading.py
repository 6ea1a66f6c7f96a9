from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pytest

from fti_assets.collection import LandingError, read_csv

HEADER = "n,x,at,name\n"
GOOD = "1,2.5,2013-01-01T10:00:00Z,a\n"
ROW = (1, 2.5, datetime(2013, 1, 1, 10, tzinfo=UTC), "a")
COLUMNS = {"n": "INTEGER", "x": "DOUBLE", "at": "TIMESTAMPTZ", "name": "VARCHAR"}


@pytest.fixture
def con():
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@pytest.fixture
def make_files(tmp_path):
    def make(*contents):
        files = []
        for number, content in enumerate(contents):
            file = tmp_path / f"it's [{number}].csv"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            files.append(file)
        return files

    return make


@pytest.fixture
def read(con, make_files):
    def read(*contents, columns=COLUMNS, **options):
        return read_csv(con, make_files(*contents), columns, **options).fetchall()

    return read


def test_files_are_read_in_order(read):
    assert read(HEADER + GOOD, HEADER + "2,3,2013-01-02,b\n" + GOOD, expected_rows=3) == [
        ROW,
        (2, 3.0, datetime(2013, 1, 2, tzinfo=UTC), "b"),
        ROW,
    ]


def test_empty_text_and_na_are_null(read):
    assert read(HEADER + ",NA,,NA\nNA,,NA,\n") == [(None,) * 4] * 2


def test_header_alone_gives_no_rows_of_the_declared_types(con, make_files):
    relation = read_csv(con, make_files(HEADER, HEADER), COLUMNS, expected_rows=0)
    assert relation.fetchall() == []
    assert [str(kind) for kind in relation.types] == ["INTEGER", "DOUBLE", "TIMESTAMP WITH TIME ZONE", "VARCHAR"]
    assert relation.columns == list(COLUMNS)


def test_relation_does_not_change_with_its_file(con, make_files):
    files = make_files(HEADER + GOOD)
    relation = read_csv(con, files, COLUMNS)
    files[0].unlink()
    assert relation.fetchall() == relation.fetchall() == [ROW]


def test_two_relations_live_side_by_side(con, make_files):
    first = read_csv(con, make_files(HEADER + GOOD), COLUMNS)
    second = read_csv(con, make_files(HEADER + GOOD + GOOD), COLUMNS)
    assert [len(first), len(second)] == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param((HEADER + GOOD).replace("\n", "\r\n"), id="crlf"),
        pytest.param(b"\xef\xbb\xbf" + (HEADER + GOOD).encode(), id="byte_order_mark"),
        pytest.param((HEADER + GOOD).rstrip("\n"), id="no_last_line_break"),
        pytest.param(HEADER + "1.0,2.5,2013-01-01 12:00:00+02:00,a\n", id="whole_number_with_point_and_offset"),
        pytest.param('"n","x","at","name"\n"1","2.5","2013-01-01T10:00:00Z","a"\n', id="quoted"),
    ],
)
def test_the_same_rows_in_other_words(read, content):
    assert read(content) == [ROW]


def test_timestamps_with_an_offset_are_converted_not_cut(read):
    content = "t,d\n2013-01-01T10:00:00+05:00,2013-01-01\n2013-01-01 10:00:00,NA\n"
    rows = read(content, columns={"t": "TIMESTAMP", "d": "DATE"})
    assert rows == [(datetime(2013, 1, 1, 5), date(2013, 1, 1)), (datetime(2013, 1, 1, 10), None)]  # noqa: DTZ001


def test_column_names_may_be_any_text(read):
    assert read('it\'s,"a ""b"""\n1,2\n', columns={"it's": "INTEGER", 'a "b"': "INTEGER"}) == [(1, 2)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param("x", "INTEGER", id="text"),
        pytest.param("2.5", "INTEGER", id="fraction_is_not_rounded"),
        pytest.param("3000000000", "INTEGER", id="too_large"),
        pytest.param("9007199254740993.5", "BIGINT", id="large_fraction"),
        pytest.param("1e3", "INTEGER", id="exponent"),
        pytest.param('"1,5"', "DOUBLE", id="quoted_comma"),
        pytest.param("2013-02-30", "TIMESTAMPTZ", id="no_such_day"),
        pytest.param("2013-02-30", "TIMESTAMP", id="no_such_day_either"),
        pytest.param("25:00", "TIMESTAMPTZ", id="no_instant"),
        pytest.param(" ", "TIMESTAMPTZ", id="blank"),
        pytest.param("2013-01-01 10:00", "DATE", id="time_of_day_is_not_dropped"),
        pytest.param("maybe", "BOOLEAN", id="truth"),
    ],
)
def test_value_of_another_type_is_named(read, value, kind):
    with pytest.raises(LandingError) as error:
        read("n,v\n1,NA\n", f"n,v\n1,\n2,{value}\n", columns={"n": "INTEGER", "v": kind})
    assert f"it's [1].csv, line 3, column v (2): {value.strip(chr(34))!r} is not of type {kind}." in str(error.value)
    assert "delivered again" in error.value.next_step


def test_large_whole_numbers_are_exact(read):
    assert read("v\n9007199254740993\n-9223372036854775808\n", columns={"v": "BIGINT"}) == [(9007199254740993,), (-(2**63),)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("1,2", ": 2 fields, but 4 are expected: '1,2'", id="too_few"),
        pytest.param("1,2,2013-01-01,a,b", ": 5 fields, but 4 are expected: '1,2,2013-01-01,a,b'", id="too_many"),
        pytest.param('1,2,2013-01-01,"a', ", column name (4): a quotation mark is not closed", id="open_quote"),
        pytest.param(
            '1,2,2013-01-01,"a"b', ", column name (4): a quotation mark is not closed, or text follows it", id="after_quote"
        ),
        pytest.param(b"1,2,2013-01-01,\xff\xfe", ", column name (4): the text is not UTF-8", id="not_utf8"),
        pytest.param(b"1,2,2013-01-01,a\0b", ": it holds a NUL byte", id="nul"),
        pytest.param("1,2,2013-01-01," + "a" * 2_100_000, ": Maximum line size", id="endless_line"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_that_is_no_row_is_named(read, line, says, newline):
    bad = (HEADER + GOOD).encode() + (line if isinstance(line, bytes) else line.encode()) + b"\n" + GOOD.encode()
    with pytest.raises(LandingError) as error:
        read(HEADER + GOOD, bad.replace(b"\n", newline.encode()))
    assert f"it's [1].csv, line 3{says}" in str(error.value)
    assert len(str(error.value)) < 600


def test_line_breaks_in_quotes_count_as_lines(read):
    with pytest.raises(LandingError) as error:
        read(HEADER + '1,2,,"a\nb\nc"\nx,1,,\n1,2\n')
    assert [problem.split(".csv, ")[1][:7] for problem in error.value.problems] == ["line 5,", "line 6:"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_blank_lines_count_as_lines_and_not_as_rows(read, newline):
    assert read(HEADER + "\n\n" + GOOD + "\n", expected_rows=1) == [ROW]
    content = HEADER + "\n\n1,2\n\nx,1,,\n"
    with pytest.raises(LandingError) as error:
        read(content.replace("\n", newline))
    assert [problem.split(".csv, ")[1][:7] for problem in error.value.problems] == ["line 4:", "line 6,"]


def test_five_problems_are_listed_in_order_and_all_counted(read):
    bad = "x,y,2013-01-01,a\n"
    with pytest.raises(LandingError) as error:
        read(HEADER + GOOD * 3000 + bad + "1\n" + GOOD * 3000 + bad, HEADER + bad)
    assert len(error.value.problems) == 7
    assert [problem.split(".csv, ")[1].split(":")[0] for problem in error.value.problems] == [
        "line 3002, column n (1)",
        "line 3002, column x (2)",
        "line 3003",
        "line 6004, column n (1)",
        "line 6004, column x (2)",
        "line 2, column n (1)",
        "line 2, column x (2)",
    ]
    assert "and 2 more, 7 in all" in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "line 1: the file is empty, not even the header is there. Expected columns: n, x, at, name.", id="empty"),
        pytest.param("n,x,name\n", "line 1: the header has missing columns at. It has: n, x, name.", id="missing"),
        pytest.param("n,x,at,name,y\n", "line 1: the header has unexpected columns y. It has: n, x, at, name, y.", id="more"),
        pytest.param("n,x,At,name\n", "missing columns at and unexpected columns At", id="renamed"),
        pytest.param("x,n,at,name\n", "the columns are in another order", id="swapped"),
        pytest.param("n,x,at,name,name\n", "one is there twice", id="twice"),
        pytest.param(GOOD, "line 1: the header has missing columns", id="no_header"),
    ],
)
def test_header_that_is_not_as_declared_is_named(read, content, says):
    with pytest.raises(LandingError) as error:
        read(HEADER + GOOD, content)
    assert "it's [1].csv" in str(error.value)
    assert says in str(error.value)


def test_missing_file_is_named(con, make_files, tmp_path):
    with pytest.raises(LandingError, match=r"nowhere\.csv is missing"):
        read_csv(con, [*make_files(HEADER), tmp_path / "nowhere.csv"], COLUMNS)


def test_no_file_is_an_error(con):
    with pytest.raises(LandingError, match="no file"):
        read_csv(con, [], COLUMNS)


def test_rows_that_are_not_there_are_noticed(read):
    with pytest.raises(LandingError, match=r"2 rows were read from .*\[0\]\.csv, but the delivery notes promise 3"):
        read(HEADER + GOOD * 2, expected_rows=3)
    with pytest.raises(LandingError, match=r"2 rows were read from the 2 files .*\[0\]\.csv \.\. .*\[1\]\.csv"):
        read(HEADER + GOOD, HEADER + GOOD, expected_rows=3)


def test_mixed_line_ends_are_refused_with_the_name_of_the_file(read):
    with pytest.raises(LandingError, match=r"it's \[0\]\.csv cannot be read as CSV"):
        read(HEADER + GOOD.replace("\n", "\r\n") + GOOD)


def test_field_too_long_for_python_leaves_no_traceback(read):
    with pytest.raises(LandingError, match=r"values in .* are amiss"):
        read(HEADER + f"1,2,,{'a' * 200_000}\nx,1,,\n")


def test_refusal_leaves_no_reject_tables(con, make_files):
    with pytest.raises(LandingError):
        read_csv(con, make_files(HEADER + "x\n"), COLUMNS)
    names = [name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()]
    assert not [name for name in names if "rejects" in name or "scan" in name]
