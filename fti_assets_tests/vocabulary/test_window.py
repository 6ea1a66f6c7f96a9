"""Windows and daily partitions, over the days on which clocks change."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary import Daily, TimeSplit, Window

NEW_YORK = Daily(start="2013-01-01", end="2014-01-01", timezone="America/New_York")
OPEN = Daily(start="2013-01-01")


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "start", "hours"),
    [
        pytest.param("2013-01-15", utc(2013, 1, 15, 5), 24, id="winter"),
        pytest.param("2013-03-10", utc(2013, 3, 10, 5), 23, id="clocks_go_forward"),
        pytest.param("2013-07-04", utc(2013, 7, 4, 4), 24, id="summer"),
        pytest.param("2013-11-03", utc(2013, 11, 3, 4), 25, id="clocks_go_back"),
    ],
)
def test_the_window_of_a_day(key, start, hours):
    window = NEW_YORK.window(key)
    assert window.start == start
    assert window.end - window.start == timedelta(hours=hours)
    assert NEW_YORK.keys(window) == [key]
    assert NEW_YORK.key(window.start) == key
    assert NEW_YORK.key(window.end - timedelta(microseconds=1)) == key
    assert NEW_YORK.key(window.end) == NEW_YORK.shifted(key, 1)


def test_the_windows_of_a_year_touch_and_fill_it():
    windows = [NEW_YORK.window(key) for key in NEW_YORK.keys(NEW_YORK.span())]
    assert len(windows) == 365
    assert all(one.end == following.start for one, following in pairwise(windows))
    assert Window(windows[0].start, windows[-1].end) == NEW_YORK.span() == NEW_YORK.window("2013-01-01", "2013-12-31")


def test_keys_of_a_window_are_those_of_the_days_it_overlaps():
    window = Window(utc(2013, 3, 10, 4, 59), utc(2013, 3, 11, 4, 1))
    assert NEW_YORK.keys(window) == ["2013-03-09", "2013-03-10", "2013-03-11"]


def test_a_calendar_holds_its_days():
    assert [NEW_YORK.holds(key) for key in ("2012-12-31", "2013-01-01", "2013-12-31", "2014-01-01")] == [False, True, True, False]
    assert OPEN.holds("2999-01-01")
    assert NEW_YORK.shifted("2013-01-01", -3) == "2012-12-29"


def test_an_open_calendar_ends_when_asked_or_at_the_last_midnight():
    assert OPEN.span(until=utc(2013, 2, 1)).end == utc(2013, 2, 1)
    end = OPEN.span().end
    assert (end.hour, end.minute) == (0, 0)
    assert timedelta() <= datetime.now(UTC) - end < timedelta(days=1, minutes=1)


def test_a_window_is_half_open_and_in_utc():
    plus_two = timezone(timedelta(hours=2))
    window = Window(datetime(2024, 1, 1, 2, tzinfo=plus_two), utc(2024, 1, 2))
    assert window.start.tzinfo is UTC
    assert str(window) == "[2024-01-01 00:00 .. 2024-01-02 00:00) UTC"
    assert [window.holds(at) for at in (utc(2023, 12, 31, 23), utc(2024, 1, 1), utc(2024, 1, 2))] == [False, True, False]
    wider = window.reaching_back(timedelta(days=1), timedelta(hours=1))
    assert (wider.start, wider.end) == (utc(2023, 12, 31), utc(2024, 1, 2, 1))


def test_splits_count_days_back_from_the_cutoff_in_local_time():
    windows = TimeSplit(validation_days=31, test_days=61).windows(NEW_YORK, date(2014, 1, 1))
    assert list(windows) == ["train", "validation", "test"]
    assert windows["train"] == NEW_YORK.window("2013-01-01", "2013-09-30")
    assert windows["validation"] == NEW_YORK.window("2013-10-01", "2013-10-31")
    assert windows["test"] == NEW_YORK.window("2013-11-01", "2013-12-31")


def test_one_day_is_enough_to_train_on():
    windows = TimeSplit(validation_days=1, test_days=1).windows(NEW_YORK, date(2013, 1, 4))
    assert windows["train"] == NEW_YORK.window("2013-01-01")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Window(datetime(2024, 1, 1), utc(2024, 1, 2)), "start of a window must carry a time zone", id="naive"),  # noqa: DTZ001
        pytest.param(lambda: Window(utc(2024, 1, 1), utc(2024, 1, 1)), "A window must end after it starts", id="empty_window"),
        pytest.param(
            lambda: Daily(start="2024-01-02", end="2024-01-02"), "A calendar must end after it starts", id="empty_calendar"
        ),
        pytest.param(lambda: Daily(start="soon"), "'soon' is not a day. Write it as YYYY-MM-DD", id="start"),
        pytest.param(lambda: Daily(start="2024-01-01", timezone="Mars/Olympus"), "'Mars/Olympus' is not a time zone", id="zone"),
        pytest.param(lambda: Daily(start="2024-01-01", timezone="../etc"), "'../etc' is not a time zone", id="zone_as_path"),
        pytest.param(lambda: OPEN.window("20240101"), "'20240101' is not a day", id="another_notation"),
        pytest.param(lambda: OPEN.window("2024-W01-1"), "'2024-W01-1' is not a day", id="week"),
        pytest.param(lambda: OPEN.window("2024-02-30"), "'2024-02-30' is not a day of the calendar", id="no_such_day"),
        pytest.param(lambda: OPEN.window("2024-01-02", "2024-01-01"), "A window must end after it starts", id="backwards"),
        pytest.param(
            lambda: TimeSplit(validation_days=0, test_days=1), "at least one day of validation and one of test", id="split"
        ),
        pytest.param(
            lambda: TimeSplit(validation_days=1, test_days=1).windows(NEW_YORK, date(2013, 1, 3)),
            "With 1 days of test and 1 of validation before 2013-01-03, none is left to train on: the data begins on 2013-01-01",
            id="nothing_to_train_on",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()
