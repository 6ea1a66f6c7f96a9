from __future__ import annotations

import csv

import pytest

from fti_assets.collection import LandingZone
from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.systems.flights.delivery import deliver, source_folder


@pytest.fixture(scope="module")
def days_around_new_year(tmp_path_factory):
    """The first two days of 2013 and, in the same zone, its last two."""
    zone = LandingZone(tmp_path_factory.mktemp("landing"))
    delivered = deliver(zone, first="2013-01-01", last="2013-01-02"), deliver(zone, first="2013-12-30")
    return zone, delivered


def rows_of(zone, source, day):
    with zone.file(source, day).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_rows_are_those_of_the_package(days_around_new_year):
    zone, (first, last) = days_around_new_year
    assert first.days == ("2013-01-01", "2013-01-02")
    assert first.rows == {"planes": 3322, "airports": 1458, "airlines": 16, "flights": 842 + 943, "weather": 67 + 72}
    assert last.days == ("2013-12-30", "2013-12-31")
    assert zone.check("flights", first.days) == first.rows["flights"]
    assert zone.check_reference("planes") == 3322


def test_days_are_new_yorks(days_around_new_year):
    zone, _ = days_around_new_year
    rows = rows_of(zone, "flights", "2013-01-01")
    assert {(row["year"], row["month"], row["day"]) for row in rows} == {("2013", "1", "1")}
    assert max(row["time_hour"] for row in rows) == "2013-01-02T04:00:00Z"


def test_values_are_the_sources_own_text(days_around_new_year):
    zone, _ = days_around_new_year
    lines = zone.file("flights", "2013-01-01").read_text().splitlines()
    assert lines[1] == "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
    assert "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z" in lines
    assert zone.reference_file("airlines").read_bytes() == (source_folder() / "airlines.csv").read_bytes()


def test_day_without_weather_is_a_header(days_around_new_year):
    zone, _ = days_around_new_year
    assert zone.file("weather", "2013-12-31").read_bytes().splitlines() == [
        b"origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour"
    ]
    assert zone.check("weather", ["2013-12-31"]) == 0


def test_delivering_again_leaves_the_same_bytes(days_around_new_year, tmp_path):
    zone, _ = days_around_new_year
    before, digests = {path: path.read_bytes() for path in zone.root.rglob("*.*")}, zone.days()
    deliver(zone, first="2013-01-02", last="2013-01-02")
    assert {path: path.read_bytes() for path in zone.root.rglob("*.*")} == before
    assert zone.days() == digests
    other = LandingZone(tmp_path / "other")
    deliver(other, first="2013-01-02", last="2013-01-02")
    assert other.days() == {"2013-01-02": digests["2013-01-02"]}


def test_progress_is_told_after_each_day(tmp_path):
    told = []
    deliver(LandingZone(tmp_path), first="2013-03-09", last="2013-03-11", progress=lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param("2012-12-31", None, id="before"),
        pytest.param(None, "2014-01-01", id="after"),
        pytest.param("2013-02-02", "2013-02-01", id="backwards"),
    ],
)
def test_other_days_cannot_be_delivered(tmp_path, first, last):
    with pytest.raises(DefinitionError, match="there are 2013-01-01 to 2013-12-31"):
        deliver(LandingZone(tmp_path), first=first, last=last)


def test_missing_package_says_what_to_install():
    with pytest.raises(NotFoundError, match=r'nycflights2013.* pip install "fti-assets\[features\]"'):
        source_folder("nycflights2013")
