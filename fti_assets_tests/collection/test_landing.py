from __future__ import annotations

import json

import pyarrow as pa
import pytest

from fti_assets.collection import LandingError, LandingZone
from fti_assets.errors import DefinitionError

WEATHER = b"origin,temp\nJFK,39.0\nEWR,NA\n"
FLIGHTS = b"carrier,flight\nUA,1\n"


@pytest.fixture
def zone(tmp_path):
    return LandingZone(tmp_path / "landing")


@pytest.fixture
def landed(zone):
    for day in ("2013-01-02", "2013-01-01"):
        zone.deliver_day(day, {"weather": WEATHER, "flights": FLIGHTS})
    zone.deliver_reference({"airlines": b"carrier,name\n9E,Endeavor\n"})
    return zone


def everything(zone):
    return {path.relative_to(zone.root): path.read_bytes() for path in zone.root.rglob("*") if path.is_file()}


def test_layout_is_one_file_for_each_day_and_source_and_a_note(landed):
    assert {str(path) for path in everything(landed)} == {
        "days/2013-01-01.json",
        "days/2013-01-02.json",
        "flights/flights_2013-01-01.csv",
        "flights/flights_2013-01-02.csv",
        "weather/weather_2013-01-01.csv",
        "weather/weather_2013-01-02.csv",
        "reference/airlines.csv",
        "reference/delivery.json",
    }


def test_note_states_name_rows_bytes_and_digest(landed):
    note = json.loads((landed.root / "days" / "2013-01-01.json").read_text())
    assert note["files"]["weather"] == {
        "file": "weather_2013-01-01.csv",
        "rows": 2,
        "bytes": len(WEATHER),
        "sha256": "4eaba13222e10406b4c19f2d8dfb3f527611a7f6d467bc8c752a7e929cae86c2",
    }


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        pytest.param(b"a\n", 0, id="header_only"),
        pytest.param(b"", 0, id="empty"),
        pytest.param(b"a\n1\n2", 2, id="no_last_line_break"),
        pytest.param(b"a\r\n1\r\n2\r\n", 2, id="crlf"),
        pytest.param(b"a,b\n1,2\n\n3,4\n", 2, id="blank_line"),
        pytest.param(b'a,b\n1,"x\ny"\n2,"say ""hi""\n"\n', 2, id="line_break_in_quotes"),
        pytest.param(pa.table({"a": [1, 2], "b": ["x\ny", None]}), 2, id="arrow"),
    ],
)
def test_rows_are_counted_without_the_header(zone, content, rows):
    assert zone.deliver_day("2013-01-01", {"x": content}).files["x"].rows == rows
    assert zone.check("x", ["2013-01-01"]) == rows


def test_delivering_again_changes_nothing(landed):
    before, days = everything(landed), landed.days()
    landed.deliver_day("2013-01-01", {"flights": FLIGHTS, "weather": WEATHER})
    assert everything(landed) == before
    assert landed.days() == days


def test_correction_changes_the_digest_of_its_day_only(landed):
    before = landed.days()
    landed.deliver_day("2013-01-01", {"weather": WEATHER, "flights": FLIGHTS + b"AA,2\n"})
    after = landed.days()
    assert before["2013-01-01"] != after["2013-01-01"]
    assert before["2013-01-02"] == after["2013-01-02"]
    assert landed.check("flights", ["2013-01-01"]) == 2


def test_days_are_sorted_and_need_a_note(landed):
    (landed.root / "flights" / "flights_2013-01-03.csv").write_bytes(FLIGHTS)
    (landed.root / "days" / ".2013-01-03.json.7.part").write_bytes(b"{")
    assert list(landed.days()) == ["2013-01-01", "2013-01-02"]
    assert LandingZone(landed.root / "elsewhere").days() == {}


def test_delivery_that_breaks_off_leaves_no_complete_day(landed):
    # A folder in the place of the file is what stops the delivery after its first file.
    blocked = landed.file("weather", "2013-01-01")
    blocked.unlink()
    (blocked / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="weather"):
        landed.deliver_day("2013-01-01", {"flights": b"carrier,flight\nUA,2\n", "weather": WEATHER})
    assert list(landed.days()) == ["2013-01-02"]


def test_check_counts_the_rows_of_all_days(landed):
    assert landed.check("weather", ["2013-01-01", "2013-01-02"]) == 4
    assert landed.check_reference("airlines") == 1


def test_check_names_a_day_without_note(landed):
    with pytest.raises(
        LandingError, match=r"2013-01-03\.json is missing\. Complete days: 2, from 2013-01-01 to 2013-01-02"
    ) as error:
        landed.check("weather", ["2013-01-01", "2013-01-03"])
    assert "note last" in str(error.value.next_step)


def test_check_names_a_source_that_was_not_delivered(landed):
    with pytest.raises(LandingError, match=r"does not list source 'delays'.*It lists: flights, weather"):
        landed.check("delays", ["2013-01-01"])


def test_check_names_a_missing_file(landed):
    landed.file("weather", "2013-01-02").unlink()
    with pytest.raises(LandingError, match=r"weather_2013-01-02\.csv is missing, though its delivery note lists it"):
        landed.check("weather", ["2013-01-01", "2013-01-02"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(WEATHER[:20], r"has 20 bytes, but 28 were delivered: it is cut off", id="truncated"),
        pytest.param(WEATHER + b"!", r"has 29 bytes, but 28 were delivered: it is too long", id="longer"),
        pytest.param(WEATHER.replace(b"39", b"93"), r"not the same ones", id="same_size"),
    ],
)
def test_check_names_a_damaged_file(landed, content, says):
    landed.file("weather", "2013-01-02").write_bytes(content)
    with pytest.raises(LandingError, match=rf"weather_2013-01-02\.csv .*{says}"):
        landed.check("weather", ["2013-01-01", "2013-01-02"])


def test_check_lists_five_problems_and_counts_all(zone):
    days = [f"2013-01-{day:02d}" for day in range(1, 9)]
    with pytest.raises(LandingError, match="No day is complete") as error:
        zone.check("weather", days)
    assert len(error.value.problems) == 8
    assert "8 problems" in str(error.value)
    assert "and 3 more, 8 in all" in str(error.value)
    assert "2013-01-05" in str(error.value)
    assert "2013-01-06" not in str(error.value)


@pytest.mark.parametrize("note", [b"{", b"[]", b'{"files": {"weather": {"rows": 1}}}'])
def test_unreadable_note_is_named(landed, note):
    (landed.root / "days" / "2013-01-01.json").write_bytes(note)
    with pytest.raises(LandingError, match=r"2013-01-01\.json is not a delivery note"):
        landed.check("weather", ["2013-01-01"])


def test_reference_tables_have_a_note_of_their_own(landed, tmp_path):
    assert landed.reference_digest() is not None
    landed.reference_file("airlines").write_bytes(b"")
    with pytest.raises(LandingError, match=r"airlines\.csv has 0 bytes"):
        landed.check_reference("airlines")
    nothing = LandingZone(tmp_path / "nothing")
    assert nothing.reference_digest() is None
    with pytest.raises(LandingError, match=r"delivery note .*delivery\.json is missing"):
        nothing.check_reference("airlines")


@pytest.mark.parametrize(("source", "day"), [("../x", "2013-01-01"), ("weather", "../2013"), ("weather", "2013-02-30")])
def test_names_that_lead_elsewhere_are_refused(zone, source, day):
    with pytest.raises(DefinitionError):
        zone.file(source, day)
