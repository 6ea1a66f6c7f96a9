"""`fti features` on a small store: what is listed, found, shown, described and compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fti_assets.cli.features.groups import age, days
from fti_assets.cli.features.statistics import blocks
from fti_assets.feature_store import FeatureStore
from fti_assets.vocabulary import Contract, Deprecation, Feature, Window, expect
from fti_assets_tests.feature_store.examples import DAYS, HOUR, OUTCOMES, TRIPS, YEAR, make_dataset, make_group, make_view, rows_of

Fti = Callable[..., Result]

WEATHER = replace(
    make_group(
        features=(Feature("temp_f", "float", "Air temperature.", unit="°F"), Feature("sky", "string", "What it looks like.")),
        contract=Contract(owner="team:sky", fresh_within=30 * HOUR, expectations=(expect.between("temp_f", -60, 130),)),
        ttl=6 * HOUR,
    ),
    description="Weather at a station.",
)
RETIRED = replace(WEATHER, tags=("air",), deprecated=Deprecation("The sensor moved.", "weather_v2"))
CELSIUS = replace(
    WEATHER,
    version=2,
    ttl=12 * HOUR,
    features=(Feature("temp_c", "float", "Air temperature.", unit="°C"), WEATHER.features[1]),
    contract=replace(WEATHER.contract, expectations=()),
)
PROFILE = make_group("profile", ("height",), static=True)
VIEW = make_view(WEATHER, own=("distance",))


def noon(day: int):
    return DAYS.midnight(date(2024, 1, day)) + 12 * HOUR


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = FeatureStore(tmp_path_factory.mktemp("data"))
    weather = [("a", noon(n) - HOUR, None if n == 2 else 32.0 + n, "clear" if n % 3 else "dark") for n in range(1, 11)]
    store.publish(WEATHER, rows_of(WEATHER, *weather[:5]), DAYS.window("2024-01-01", "2024-01-05"), run="0123456789")
    store.publish(TRIPS, rows_of(TRIPS, *((n, noon(n), "a", "x", 1.0) for n in range(1, 6))), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, *((n, noon(n) + HOUR, True) for n in range(1, 6))), YEAR)
    store.cut(make_dataset(VIEW), date(2024, 1, 6), code_version="1")
    store.register_reader("predictions", "delay", VIEW)
    store.publish(RETIRED, rows_of(WEATHER, *weather[5:]), DAYS.window("2024-01-06", "2024-01-10"))
    store.upsert(RETIRED, rows_of(WEATHER, ("a", noon(10) - HOUR, 99.0, "dark")))
    store.publish(CELSIUS, rows_of(CELSIUS, *(("a", at, 1.0, sky) for _, at, _, sky in weather)), YEAR)
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0)))
    return store.root


@pytest.fixture
def shown(fti: Fti, empty: Path, data: Path) -> Callable[..., list[str]]:
    """The lines that a command prints, with single spaces."""

    def call(*arguments: str) -> list[str]:
        result = fti(empty, "features", *arguments, data=data)
        assert result.exit_code == 0, result.output
        return [" ".join(line.split()) for line in result.stdout.splitlines()]

    return call


@pytest.fixture
def told(fti: Fti, empty: Path, data: Path) -> Callable[..., object]:
    """What a command tells other programs."""
    return lambda *arguments: json.loads(fti(empty, "features", *arguments, "--json", data=data).stdout)


@pytest.fixture
def refused(fti: Fti, empty: Path, data: Path) -> Callable[..., str]:
    """The error of a command that ends in one."""

    def call(*arguments: str) -> str:
        result = fti(empty, "features", *arguments, data=data)
        assert (result.exit_code, result.stdout) == (1, "")
        return result.stderr

    return call


def test_list_tells_freshness_and_deprecation(shown, told):
    lines = shown("list")
    assert any(line.startswith("weather_v1 station 2 10 ") and " 2024-01-10 LATE sky" in line for line in lines)
    assert "weather_v1 is deprecated: read weather_v2 instead." in lines
    groups = {group["table"]: group for group in told("list")}
    assert [groups[name]["freshness"]["verdict"] for name in ("weather_v1", "weather_v2", "profile_v1")] == [
        "late",
        "complete",
        "not promised",
    ]
    assert groups["weather_v1"]["deprecated"] == {"reason": "The sensor moved.", "successor": "weather_v2"}
    assert (groups["weather_v1"]["tags"], groups["weather_v2"]["tags"]) == (["air"], [])


def test_search_says_where_it_was_found(shown, told):
    lines = shown("search", "air", "temperature")
    assert "weather_v1 (deprecated) its tag air" in lines
    assert "temp_f Air temperature. [°F]" in lines
    assert "weather_v2 temp_c Air temperature. [°C]" in lines
    assert "2 groups of 5, the best first. All of one: fti features show NAME" in lines
    first, second = told("search", "air", "temperature")
    assert (first["table"], second["table"]) == ("weather_v1", "weather_v2")
    assert {"field": "tag", "name": "weather_v1", "text": "air"} in first["hits"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["temprature"], "Nothing matches 'temprature' in 5 feature groups. Did you mean 'temperature'?"),
        (["qqq"], "Nothing matches 'qqq' in 5 feature groups. `fti features list` shows what there is."),
    ],
)
def test_a_search_that_finds_nothing(shown, told, words, said):
    assert shown("search", *words) == [said]
    assert told("search", *words) == []


def test_show_tells_who_reads_it_and_whether_it_is_fresh(shown):
    lines = shown("show", "weather_v1")
    assert "Deprecated: The sensor moved. Read weather_v2 instead." in lines
    assert any(line.startswith("fresh now NO, it is late: published until 2024-01-11 00:00 UTC, ") for line in lines)
    assert "tags air" in lines
    assert "contract revision 2" in lines
    assert any(line.startswith("delay training dataset delay_v1 temp_f, sky 2") for line in lines)
    assert "delay predictions delay_v1 temp_f, sky" in lines  # none was published yet
    assert any("upsert by key 1 1 1" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weather", "fresh now complete: its calendar ended with 2024-03-01, and all of it is published"),
        ("profile", "Nobody yet: no training dataset and no predictions read it through this store."),
        ("profile", "None."),
    ],
)
def test_show_of_other_groups(shown, name, said):
    assert said in shown("show", name)


def test_show_for_programs(told):
    found = told("show", "weather_v1")
    assert (found["features"], found["event_time"], found["ttl"]) == (["temp_f", "sky"], "at", "6:00:00")
    assert [(one["kind"], one["view"], one["features"]) for one in found["readers"]] == [
        ("training dataset", "delay_v1", ["temp_f", "sky"]),
        ("predictions", "delay_v1", ["temp_f", "sky"]),
    ]
    assert [one["kind"] for one in found["publications"]] == ["upsert", "publish", "publish"]


def test_history_tells_publications_and_contracts(shown, told):
    lines = shown("history", "weather_v1")
    assert any(" publish 2024-01-01 to 2024-01-05 5 0 5 " in line and line.endswith(" 01234567") for line in lines)
    assert any(line.startswith("2 2") and line.endswith("tags: added: air") for line in lines)
    assert "deprecated: added: The sensor moved. Read weather_v2 instead." in lines
    assert any(line.startswith("1 2") and line.endswith("first publication") for line in lines)
    found = told("history", "weather_v1")
    assert [one["rows"] for one in found["publications"]] == [1, 5, 5]
    assert [one["revision"] for one in found["contracts"]] == [2, 1]


def test_history_is_cut_where_asked(shown, told):
    assert "Only the last 1: give --limit for more." in shown("history", "weather_v1", "--limit", "1")
    assert len(told("history", "weather_v1", "--limit", "2")["publications"]) == 2


def test_diff_of_two_versions_tells_what_readers_cannot_go_on_with(shown, told):
    lines = shown("diff", "weather_v1", "weather_v2")
    assert lines[0] == "weather_v1 -> weather_v2"
    breaking = lines[lines.index("Those who read it cannot go on with") : lines.index("They can go on with")]
    assert "ttl 6 hours -> 12 hours" in breaking
    assert "column 'temp_f' removed: float, °F" in breaking
    assert not any("temp_c" in line for line in breaking)
    assert "column 'temp_c' added: float, °C" in lines[lines.index("They can go on with") :]
    changes = {change["what"]: change["compatible"] for change in told("diff", "weather_v1", "weather_v2")["changes"]}
    assert (changes["ttl"], changes["column 'temp_c'"]) == (False, True)


@pytest.mark.parametrize("arguments", [["weather_v1"], ["weather_v1", "--revision", "1", "2"]])
def test_diff_of_two_revisions(shown, arguments):
    lines = shown("diff", *arguments)
    assert lines[0] == "weather_v1 revision 1 -> weather_v1 revision 2"
    assert "tags added: air" in lines


def test_diff_of_the_same(shown):
    assert "They promise the same." in shown("diff", "weather_v1", "weather_v1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["diff", "weather_v2"], "Compare two versions: fti features diff weather_v1 weather_v2", id="one_revision"),
        pytest.param(["diff", "profile_v1"], "so there is nothing to compare it with.", id="nothing_to_compare"),
        pytest.param(["diff", "weather_v1", "--revision", "1", "7"], "has no revision 7. It has: 1, 2.", id="unknown_revision"),
        pytest.param(["diff", "weather_v1", "weather_v2", "--revision", "1", "2"], "cannot be compared at once", id="both"),
        pytest.param(["diff", "weather_v1", "wether_v2"], "Did you mean 'weather_v2'?", id="unknown_group"),
        pytest.param(["history", "wether"], "Did you mean 'weather'?", id="history"),
        pytest.param(["stats", "weather_v3"], "Did you mean 'weather_v2'?", id="unknown_version"),
        pytest.param(["stats", 'x" --'], "cannot be named", id="no_name"),
        pytest.param(["stats", "profile", "--first", "2024-01-01"], "is static, so it has no days", id="no_days"),
        pytest.param(["stats", "weather", "--first", "soon"], "'soon' is not a day. Write it as YYYY-MM-DD.", id="no_day"),
        pytest.param(["stats", "weather", "--first", "2024-01-09", "--last", "2024-01-02"], "must end after it starts", id="order"),
    ],
)
def test_what_is_asked_wrongly(refused, arguments, said):
    assert said in refused(*arguments)


def test_stats_of_all_rows(shown, told):
    lines = shown("stats", "weather_v1")
    assert any(line.startswith("10 rows, snapshot ") for line in lines)
    assert any(line.startswith("temp_f °F 10.0% 9 44.22 20.69 33 33.8 36 38 40 75.8 99 ") and "█" in line for line in lines)
    assert any(line.startswith("sky 2") and line.endswith("clear 60%, dark 40%") for line in lines)
    found = told("stats", "weather_v1")
    assert (found["rows"], found["window"], found["days"]) == (10, None, {})
    assert [(one["name"], one["nulls"], one["maximum"]) for one in found["features"]] == [("temp_f", 1, 99.0), ("sky", 0, None)]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--first", "2024-01-03"], 8),
        (["--last", "2024-01-03"], 3),
        (["--first", "2024-01-03", "--last", "2024-01-03"], 1),
        (["--first", "2024-02-03"], 0),
    ],
)
def test_stats_of_some_days(told, options, rows):
    assert told("stats", "weather_v1", *options)["rows"] == rows


def test_stats_by_day(shown, told):
    lines = shown("stats", "weather_v1", "--by-day")
    assert "By day, 2024-01-01 to 2024-01-10" in lines
    assert any(line.startswith("temp_f ▁ ▂▂▂▂▂▂▂█ 33 99 100.0%") for line in lines)
    days = told("stats", "weather_v1", "--by-day")["days"]["temp_f"]
    assert [(day["day"], day["rows"], day["nulls"], day["mean"]) for day in days[:2]] == [
        ("2024-01-01", 1, 0, 33.0),
        ("2024-01-02", 1, 1, None),
    ]


def test_stats_as_a_picture(fti, empty, data):
    result = fti(empty, "features", "stats", "weather_v1", "--plot", "weather.png", data=data)
    assert result.stdout.endswith("Picture: weather.png\n")
    assert (empty / "weather.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", ["list", "search air", "show weather_v1", "history weather_v1", "stats weather_v1 --by-day"])
def test_a_narrow_terminal_gets_what_fits(fti, empty, data, command, monkeypatch):
    from fti_assets.cli.app import app

    fti(empty, "features", "list", data=data)  # which sets the folder and the environment
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, ["features", *command.split()]).stdout.splitlines()
    tables = [line for line in lines if "  " in line or "──" in line]
    assert max(map(len, tables)) <= 80
    assert not any(part.startswith("─") and len(part) < 3 for line in lines for part in line.split())  # no column of nothing


@pytest.mark.parametrize("command", ["search", "stats", "history", "diff"])
def test_help_teaches_by_examples(fti, empty, command):
    result = fti(empty, "features", command, "--help")
    assert "Example" in result.stdout
    assert f"fti features {command} " in result.stdout


@pytest.mark.parametrize("command", [["search", "x"], ["show", "x"], ["stats", "x"], ["history", "x"], ["diff", "x"]])
def test_looking_into_an_empty_store_creates_nothing(fti, empty, command):
    result = fti(empty, "features", *command)
    assert "`fti run SYSTEM --only features` publishes" in result.stdout + result.stderr
    assert not (empty / "data").exists()


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=5), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (timedelta(days=2000), "2,000 days"),
    ],
)
def test_ages(span, said):
    assert age(span) == said


@pytest.mark.parametrize(
    ("window", "timezone", "said"),
    [
        (DAYS.window("2024-01-05"), "UTC", "2024-01-05"),
        (DAYS.window("2024-01-05", "2024-01-07"), "UTC", "2024-01-05 to 2024-01-07"),
        (DAYS.window("2024-01-05"), "Asia/Tokyo", "2024-01-05 00:00 to 2024-01-06 00:00 UTC"),
        (Window(noon(1), noon(2)), None, "2024-01-01 12:00 to 2024-01-02 12:00 UTC"),
        (None, None, "all"),
    ],
)
def test_windows_are_told_in_days(window, timezone, said):
    assert days(window, timezone) == said


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 1, 4, 8], " ▂▅█"), ([None, 3], " █"), ([0, 0], "▁▁"), ([], "")],
)
def test_blocks(values, drawn):
    assert blocks(values) == drawn
