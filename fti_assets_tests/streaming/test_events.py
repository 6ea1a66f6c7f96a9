"""Events as they are sent: what is taken, and what is refused with which words."""

import math
import re
from dataclasses import replace

import orjson
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.online_store.keys import days, microseconds
from fti_assets.streaming.dead_letters import DeadLetters
from fti_assets.streaming.events import LONGEST_LINE, EventReader, Refused, as_event
from fti_assets.vocabulary import Contract, Feature
from fti_assets_tests.feature_store.examples import make_group
from fti_assets_tests.streaming.examples import MINUTE, RIDES, STATIONS, T0, ride

READER = EventReader.of(RIDES, lambda: microseconds(T0))


def refusal(line, reader=READER):
    rows, refused = reader.read([line])
    assert rows == []
    return refused[0].reason


def test_an_event_is_read_in_the_types_of_its_group():
    rows, refused = READER.read([ride(), b"", b"  \r", ride(ride=7, delay=None, line=None)])
    assert refused == []
    assert rows[0] == {"station": "a", "ride": 0, "left_at": microseconds(T0), "delay": 5.0, "line": "L1"}
    assert (rows[1]["ride"], rows[1]["delay"], rows[1]["line"]) == (7, None, None)


def test_features_that_are_left_out_are_null():
    rows, _ = READER.read([b'{"station": "a", "ride": 1, "left_at": "2024-01-10T12:00:00Z"}'])
    assert rows[0]["delay"] is rows[0]["line"] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2024-01-10T12:00:00Z", T0, id="zulu"),
        pytest.param("2024-01-10T07:00:00-05:00", T0, id="another_zone"),
        pytest.param("2024-01-10 12:00:00.000001+00:00", T0.replace(microsecond=1), id="microseconds"),
        pytest.param("2024-01-10T12:00:00.123456789Z", T0.replace(microsecond=123456), id="nanoseconds_are_cut_off"),
        pytest.param("2024-01-10T12:00Z", T0, id="to_the_minute"),
    ],
)
def test_times_are_read_in_every_zone(text, expected):
    rows, _ = READER.read([ride().replace(T0.isoformat().encode(), text.encode())])
    assert rows[0]["left_at"] == microseconds(expected)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"{", "The line is no JSON: ", id="torn"),
        pytest.param(b'{"delay": NaN}', "The line is no JSON: ", id="nan_is_no_json"),
        pytest.param(b"\xff\xfe", "The line is no JSON: ", id="not_utf8"),
        pytest.param(b"[1]", "The line is [1] (a list); expected is an object with the columns of the group.", id="a_list"),
        pytest.param(b"[" * 5000, "The line is no JSON: ", id="deep"),
        pytest.param(b'"' + b"x" * LONGEST_LINE + b'"', "The line has 65,538 bytes; expected are 65,536 at most.", id="long"),
        pytest.param(ride(delai=1), "Column 'delai' is not in 'rides_v1'. Did you mean 'delay'? It has: ", id="unknown_column"),
        pytest.param(b'{"ride": 1}', "'station' is missing; an event is told by it.", id="no_key"),
        pytest.param(ride(station=None), "'station' is null; an event is told by it.", id="null_key"),
        pytest.param(ride(station=3), "'station' is 3 (a whole number); expected is a text.", id="text"),
        pytest.param(ride(ride=1.0), "'ride' is 1.0 (a number); expected is a whole number.", id="whole_number"),
        pytest.param(ride(ride=True), "'ride' is true (a truth value); expected is a whole number.", id="truth_is_no_number"),
        pytest.param(
            ride(ride=2**63), "'ride' is 9223372036854775808 (a whole number); expected is a whole number of 64 bits.", id="big"
        ),
        pytest.param(ride(delay="5"), "'delay' is \"5\" (a text); expected is a number.", id="number"),
        pytest.param(ride(delay=2**53 + 1), "expected is a number that 64 bits can hold.", id="inexact"),
        pytest.param(ride(delay=7).replace(b":7,", b":1e999,"), "", id="infinite"),
        pytest.param(ride(delay=7).replace(b":7,", b":1" + b"0" * 400 + b","), "", id="huge"),
        pytest.param(ride(T0.replace(tzinfo=None)), "(a text); expected is a time with its zone, such as", id="no_zone"),
        pytest.param(ride().replace(b"2024-01-10T12", b"2024-13-10T12"), "expected is a time with its zone", id="no_time"),
        pytest.param(ride().replace(T0.isoformat().encode(), b"0001-01-01T00:00:00+05:00"), "a time with its zone", id="year_0"),
        pytest.param(ride(T0 + 6 * MINUTE), "'left_at' lies in the future: expected is 2024-01-10T12:05:00+00:00", id="future"),
        pytest.param(
            ride(T0.replace(year=2023)), "'left_at' lies outside the calendar: expected is 2024-01-01T00:00", id="calendar"
        ),
        pytest.param(ride(delay=601), "'delay' is 601.0 (a number); expected is that delay is from -60 to 600.", id="expectation"),
        pytest.param(ride(station="x"), "'station' is \"x\" (a text); expected is that station is one of a, b, c.", id="one_of"),
        pytest.param(ride(line="1L"), "'line' is \"1L\" (a text); expected is that line matches", id="pattern"),
    ],
)
def test_an_event_that_does_not_fit_is_refused(line, reason):
    assert reason in refusal(line)


def test_clocks_may_differ_a_little():
    assert READER.read([ride(T0 + 5 * MINUTE)])[1] == []


def test_only_what_each_row_must_satisfy_is_asked_of_an_event():
    """Warnings, shares of rows and counts of rows are not."""
    assert READER.read([ride(delay=50.0, line=None)])[1] == []


def test_refusals_say_in_which_line():
    _, refused = READER.read([ride(), b"x", b"", ride(), b"y"])
    assert [(one.line, one.data) for one in refused] == [(2, b"x"), (5, b"y")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"open": True, "since": "2024-02-29"}, None),
        ({"open": 1}, "'open' is 1 (a whole number); expected is true or false."),
        ({"since": "2023-02-29"}, "expected is a day of the calendar"),
        ({"since": "20240229"}, "expected is a day, such as 2013-01-31"),
    ],
    ids=["as_promised", "truth", "no_day", "written_otherwise"],
)
def test_truths_and_days(said, expected):
    reader = EventReader.of(STATIONS, lambda: microseconds(T0))
    line = orjson.dumps({"station": "a", "known_at": T0.isoformat(), **said})
    if expected is not None:
        assert expected in refusal(line, reader)
        return
    rows, _ = reader.read([line])
    assert (rows[0]["open"], rows[0]["since"]) == (True, days(T0.date().replace(month=2, day=29)))


def test_the_time_of_the_partition_is_needed_too():
    group = make_group("flights", features=(Feature("planned", "timestamp"),))
    group = replace(group, window_time="planned")
    reader = EventReader.of(group, lambda: microseconds(T0))
    assert refusal(orjson.dumps({"station": "a", "at": T0.isoformat()}), reader) == "'planned' is missing; an event is told by it."


def test_static_groups_have_no_events():
    with pytest.raises(DefinitionError, match="'plain_v1' is static"):
        EventReader.of(make_group("plain", static=True), lambda: 0)


def test_a_row_of_the_lake_is_sent_as_it_is_read():
    row = {"station": "ä", "ride": 3, "left_at": T0.replace(microsecond=7), "delay": -0.1, "line": None}
    reader = EventReader.of(replace(RIDES, contract=Contract(owner="team:test")), lambda: microseconds(T0 + MINUTE))
    (read,), refused = reader.read([as_event(RIDES, row)])
    assert (read | {"left_at": T0.replace(microsecond=7)}, refused) == (row, [])


def test_refused_events_are_kept_with_the_reason(tmp_path):
    letters = DeadLetters(tmp_path / "refused")
    letters.write("rides_v1", [Refused(2, "too late", b'{"a": 1}'), Refused(3, "no text", b"\xff")])
    letters.write("rides_v1", [])
    lines = [orjson.loads(line) for line in (tmp_path / "refused" / "rides_v1.ndjson").read_bytes().splitlines()]
    assert [(line["reason"], line["event"]) for line in lines] == [("too late", '{"a": 1}'), ("no text", "�")]
    assert re.fullmatch(r"\d{4}-.*\+00:00", lines[0]["refused_at"])


def test_only_so_many_refused_events_are_kept(tmp_path):
    letters = DeadLetters(tmp_path, largest=1000)
    for n in range(40):
        letters.write("rides_v1", [Refused(1, str(n), b"x" * 200)])
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["rides_v1.1.ndjson", "rides_v1.2.ndjson", "rides_v1.3.ndjson", "rides_v1.ndjson"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert orjson.loads((tmp_path / "rides_v1.ndjson").read_bytes().splitlines()[-1])["reason"] == "39"


def test_a_disk_that_takes_none_stops_nothing(tmp_path):
    (tmp_path / "refused").write_text("a file in the place of the folder")
    letters = DeadLetters(tmp_path / "refused")
    letters.write("rides_v1", [Refused(1, "why", b"x")])
    assert letters.lost == 1


def test_numbers_keep_their_sign():
    rows, _ = READER.read([ride(delay=-0.0)])
    assert math.copysign(1, rows[0]["delay"]) == -1
