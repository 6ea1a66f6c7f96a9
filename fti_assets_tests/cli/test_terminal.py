"""How values look."""

from __future__ import annotations

from datetime import datetime

import pytest

from fti_assets.cli.terminal import duration, say, show_table, shown, size


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param(True, "yes", id="truth_is_no_number"),
        pytest.param(1234567, "1,234,567", id="whole"),
        pytest.param(0.74534, "0.7453", id="fraction"),
        pytest.param(datetime(2013, 1, 2, 3, 4, 5), "2013-01-02 03:04", id="time"),  # noqa: DTZ001 - shown as it is
    ],
)
def test_values(value: object, expected: str) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (8_200_000, "8.2 MB"), (3 * 10**12, "3.0 TB")]
)
def test_sizes(count: int, expected: str) -> None:
    assert size(count) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6:00:00", "6 hours"),
        ("1 day, 6:00:00", "30 hours"),
        ("60 days, 0:00:00", "60 days"),
        ("0:15:00", "0:15:00 hours"),
        (None, None),
        ("soon", "soon"),
    ],
)
def test_durations(text: str | None, expected: str | None) -> None:
    assert duration(text) == expected


def test_markup_in_data_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say("window [2013-01-01 .. 2013-01-02) [bold]x[/bold]")
    show_table(["name"], [("[red]a[/red]",)])
    printed = capsys.readouterr().out
    assert "[2013-01-01 .. 2013-01-02) [bold]x[/bold]" in printed
    assert "[red]a[/red]" in printed


def test_identifiers_are_not_broken_over_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    show_table(["name", "id", "text"], [("flight_delay", "2013-04-20-s24-29edfd58", "many words " * 9)], whole=("id",))
    assert "2013-04-20-s24-29edfd58" in capsys.readouterr().out
