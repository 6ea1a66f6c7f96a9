"""On-demand transformations: what they say, what views refuse, and that one row gives what it gives among others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.systems.flights import on_demand as of_flights
from fti_assets.vocabulary import (
    REQUEST_TIME,
    Column,
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    OnDemand,
    OnDemandError,
    aggregate,
    as_array,
    as_values,
    column_sources,
    on_demand,
)

DAYS = Daily(start="2024-01-01")
PROMISE = Contract(owner="team:test")
STATION = Entity("station", ("station",))
TRIP = Entity("trip", (Column("trip", "int"),))
TRIPS = FeatureGroup(
    name="trips",
    version=1,
    entity=TRIP,
    event_time="asked_at",
    cadence=DAYS,
    features=(Feature("station", "string"), Feature("distance", "float"), Feature("booked_at", "timestamp")),
    contract=PROMISE,
)
WEATHER = FeatureGroup(
    name="weather", version=1, entity=STATION, event_time="at", cadence=DAYS, features=(Feature("temp", "float"),), contract=PROMISE
)
OUTCOMES = FeatureGroup(
    name="outcomes", version=1, entity=TRIP, event_time="at", cadence=DAYS, features=(Feature("late", "bool"),), contract=PROMISE
)
HOUR = np.timedelta64(1, "h")
NAIVE, BEFORE, LONG_AGO, FAR_AHEAD = (
    datetime.fromisoformat(f"{day}T10:00") for day in ("2024-07-01", "1960-01-01", "1900-01-01", "2200-01-01")
)


@on_demand(Feature("hours_ahead", "float", "From booking to trip.", unit="hours"), reads=("booked_at", REQUEST_TIME))
def hours_ahead(booked_at, request_time):
    return (request_time - booked_at) / HOUR


@on_demand(Feature("far", "bool"), reads=("distance",))
def far(distance):
    return np.where(np.isnan(distance), np.nan, distance > 100)


@on_demand(Feature("kind", "string"), reads=("station", "far", "temp"))
def kind(station, far, temp):
    words = np.where(far == 1, "far", np.where(far == 0, "near", "?"))
    return np.array(
        [f"{s.upper()}:{w}" if s is not None and t > 0 else None for s, w, t in zip(station, words, temp, strict=True)], object
    )


@on_demand(Feature("steps", "int"), reads=("distance",))
def steps(distance):
    return np.clip(np.round(distance), -1e9, 1e9)


@on_demand(Feature("inverse", "float"), reads=("distance",))
def inverse(distance):
    return 1 / distance


@on_demand(Feature("days_since", "int"), reads=(REQUEST_TIME,))
def days_since(request_time):
    days = request_time.astype("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.float64))


@on_demand(Feature("letters", "int"), reads=("station",))
def letters(station):
    return np.array([np.nan if one is None else len(one) for one in station])


STEPS = (hours_ahead, far, kind, steps, inverse, days_since, letters)


def view(*steps, spine=TRIPS, **more):
    given = {"features": (TRIPS["distance"], WEATHER["temp"]), "label": OUTCOMES["late"], "at": "asked_at"} | more
    return FeatureView(name="delay", version=1, spine=spine, on_demand=steps, **given)


def at(hour):
    return datetime(2024, 1, 10, hour, tzinfo=UTC)


ROWS = {
    "station": as_array(["a", None, "Öster"], "string"),
    "distance": as_array([150.0, None, -3.4], "float"),
    "booked_at": as_array([at(9), at(9), None], "timestamp"),
    "temp": as_array([1.5, 1.5, 2.0], "float"),
    REQUEST_TIME: as_array([at(12), at(12), at(12)], "timestamp"),
}


# Arrays


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        pytest.param([1.5, None], "float", id="float"),
        pytest.param([3, None, -(2**52)], "int", id="int"),
        pytest.param([True, None, False], "bool", id="bool"),
        pytest.param(["a", None, "", "Ωß\N{SNOWMAN}", "nan"], "string", id="string"),
        pytest.param([], "string", id="no_rows"),
    ],
)
def test_plain_values_come_back(values, kind):
    back = as_values(as_array(values, kind), kind)

    assert back == values
    assert [type(one) for one in back] == [type(one) for one in values]


def test_times_as_arrays():
    summer = datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    times = as_array([summer, NAIVE, 1_719_828_000_000_000, None, BEFORE], "timestamp")

    assert times.dtype == "datetime64[us]"
    assert [str(one)[:16] for one in times] == ["2024-07-01T10:00"] * 3 + ["NaT", "1960-01-01T10:00"]
    assert not times.flags.writeable


# What a transformation says and gives


def test_what_is_stored_of_it():
    assert (hours_ahead.name, hours_ahead.reads) == ("hours_ahead", ("booked_at", REQUEST_TIME))
    assert hours_ahead.reference == "fti_assets_tests.vocabulary.test_on_demand:hours_ahead"
    assert len(hours_ahead.sha256) == 64
    assert hours_ahead == OnDemand(hours_ahead.result, hours_ahead.reads, hours_ahead.reference, hours_ahead.sha256)


def test_it_is_its_function():
    assert inverse(np.array([4.0])).tolist() == [0.25]


def test_one_after_the_other():
    columns = dict(ROWS)
    for one in STEPS:
        columns[one.name] = one.compute(columns)
    found = {one.name: as_values(columns[one.name], one.result.type) for one in STEPS}

    assert found == {
        "hours_ahead": [3.0, 3.0, None],
        "far": [True, None, False],
        "kind": ["A:far", None, "ÖSTER:near"],
        "steps": [150, None, -3],
        "inverse": [1 / 150, None, 1 / -3.4],
        "days_since": [19732, 19732, 19732],
        "letters": [1, None, 5],
    }


def test_what_is_not_finite_is_null_and_nobody_is_warned():
    assert as_values(inverse.compute({"distance": np.array([0.0, -0.0, np.inf, np.nan, 2.0])}), "float") == [
        None,
        None,
        0.0,
        None,
        0.5,
    ]


def test_no_rows_give_none():
    assert inverse.compute({"distance": as_array([], "float")}).shape == (0,)
    assert kind.compute({name: as_array([], "string") for name in kind.reads}).dtype == object


def one(result="float", reads=("distance",)):
    return on_demand(Feature("x", result), reads=reads)


@one("float")
def scalar(distance):
    return 1.0


@one("float")
def total(distance):
    return distance.sum()


@one("float")
def shorter(distance):
    return distance[1:]


@one("float")
def square(distance):
    return np.zeros((len(distance), 1))


@one("float")
def list_of_numbers(distance):
    return distance.tolist()


@one("float")
def span(distance):
    return np.zeros(len(distance), "m8[s]")


@one("float")
def words_for_numbers(distance):
    return np.array(["1"] * len(distance))


@one("float")
def none_for_numbers(distance):
    return np.array([None] * len(distance), object)


@one("float")
def complex_number(distance):
    return distance * 1j


@one("int")
def half(distance):
    return np.full(len(distance), 0.5)


@one("int")
def huge(distance):
    return np.full(len(distance), 2.0**60)


@one("bool")
def two(distance):
    return np.full(len(distance), 2)


@one("string")
def numbers_for_words(distance):
    return distance


@one("string")
def a_number_among_words(distance):
    return np.array([1.5] * len(distance), object)


@one("string")
def nan_among_words(distance):
    return np.array([np.nan] * len(distance), object)


@one("float")
def failing(distance):
    return distance + "a"


@one("float")
def writing(distance):
    distance[:] = 0
    return distance


@one("float")
def adding(distance):
    distance += 1
    return distance


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        pytest.param(scalar, "it gives a value of type float for 3 rows. Return an array of shape", id="scalar"),
        pytest.param(total, "it gives a value of type float64 for 3 rows", id="reduced"),
        pytest.param(shorter, "it gives an array of shape (2,) for 3 rows", id="shorter"),
        pytest.param(square, "it gives an array of shape (3, 1) for 3 rows", id="two_dimensions"),
        pytest.param(list_of_numbers, "it gives a value of type list for 3 rows", id="list"),
        pytest.param(span, "it gives an array of timedelta64[s], not of float. Return an array of numbers", id="span_of_time"),
        pytest.param(words_for_numbers, "it gives an array of <U1, not of float", id="words_for_numbers"),
        pytest.param(
            none_for_numbers, "it gives an array of object, not of float. Return an array of numbers, with NaN", id="none"
        ),
        pytest.param(complex_number, "it gives an array of complex128, not of float", id="complex"),
        pytest.param(half, "it gives 0.5, which is no int. Round it.", id="fraction"),
        pytest.param(huge, "it gives 1.152921504606847e+18, which is no int", id="beyond_2_to_the_53"),
        pytest.param(two, "it gives 2.0, which is no bool", id="two_for_a_bool"),
        pytest.param(numbers_for_words, "it gives an array of float64, not of text", id="numbers_for_words"),
        pytest.param(a_number_among_words, "it gives 1.5 of type float", id="a_number_among_words"),
        pytest.param(nan_among_words, "it gives nan of type float", id="nan_among_words"),
        pytest.param(failing, "UFuncTypeError", id="failing"),
        pytest.param(writing, "ValueError: assignment destination is read-only", id="writing_to_its_input"),
        pytest.param(adding, "ValueError: output array is read-only", id="adding_to_its_input"),
    ],
)
def test_what_it_may_not_give(wrong, what):
    with pytest.raises(OnDemandError) as refused:
        wrong.compute({"distance": np.array([1.0, 2.0, 3.0])})

    assert str(refused.value).startswith(f"On-demand feature 'x ({wrong.reference})' cannot be computed: ")
    assert what in str(refused.value)


def test_inputs_stay_as_they_are():
    given = np.array([1.0])
    inverse.compute({"distance": given})

    assert given.flags.writeable
    assert given.tolist() == [1.0]


@pytest.mark.parametrize(
    ("result", "reads", "what"),
    [
        pytest.param("timestamp", ("distance",), "is to be a timestamp. Give one of: float, int, bool, string.", id="timestamp"),
        pytest.param("date", ("distance",), "is to be a date", id="date"),
        pytest.param("float", (), r"reads \(\); it needs inputs", id="no_inputs"),
        pytest.param("float", ("a", "a"), r"reads \(a, a\); it needs inputs, each named once", id="twice"),
        pytest.param("float", ("a", "b"), r"reads 2 columns \(a, b\), but its function takes \(distance\)", id="arguments"),
    ],
)
def test_contradictions(result, reads, what):
    def function(distance):
        return distance

    with pytest.raises(DefinitionError, match=what):
        one(result, reads)(function)


def test_arguments_have_no_defaults_and_are_counted():
    def with_default(distance=1.0):
        return distance

    def with_more(*distances):
        return distances[0]

    def by_name(*, distance):
        return distance

    for function in (with_default, with_more, by_name):
        with pytest.raises(DefinitionError, match="Give it one argument for each input, in that order, without defaults"):
            one()(function)


def test_an_impure_function_is_named():
    def impure(distance):
        return distance + float(input())

    with pytest.raises(DefinitionError, match="On-demand feature 'x' uses 'input'"):
        one()(impure)


# Found by its reference


def test_the_function_is_found_when_it_is_needed():
    stored = replace(hours_ahead)

    assert stored.function is hours_ahead.function
    assert stored == hours_ahead


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        pytest.param(
            {"sha256": "0" * 64},
            "was defined by another function than the one that is there now: its SHA-256 is not 000000000000",
            id="changed",
        ),
        pytest.param(
            {"reference": "fti_assets_tests.vocabulary.test_on_demand:gone"},
            "there is none: module .* has no attribute 'gone'",
            id="gone",
        ),
        pytest.param(
            {"reference": "fti_assets_tests.nowhere:f"}, "there is none: No module named 'fti_assets_tests.nowhere'", id="no_module"
        ),
        pytest.param(
            {"reference": "fti_assets_tests.vocabulary.test_on_demand:one"}, "another function .* but unknown", id="not_one"
        ),
    ],
)
def test_one_that_is_gone_or_another_is_refused(changed, what):
    stored = replace(hours_ahead, **changed)

    with pytest.raises(OnDemandError, match=what) as refused:
        stored.compute(ROWS)
    assert "Use the code with which it was defined" in str(refused.value)


# Views


def test_features_of_a_view():
    made = view(hours_ahead, far, kind)

    assert [column.name for column in made.stored_columns] == ["distance", "temp"]
    assert made.feature_names == ("distance", "temp", "hours_ahead", "far", "kind")
    assert [column.type for column in made.feature_columns] == ["float", "float", "float", "bool", "string"]
    assert made.feature_columns[2] is hours_ahead.result
    assert made.readable[REQUEST_TIME].name == "asked_at"
    assert {"trip", "station", "temp", "far"} <= set(made.readable)


def test_columns_that_features_are_made_of():
    made = view(
        hours_ahead,
        far,
        kind,
        features=(
            WEATHER["temp"],
            WEATHER.windowed(aggregate.count(last=timedelta(days=1)), aggregate.mean("temp", last=timedelta(days=1))),
        ),
    )

    assert {name: [(group.name, column) for group, column in sources] for name, sources in column_sources(made).items()} == {
        "temp": [("weather", "temp")],
        "count_1d": [("weather", "at")],
        "temp_mean_1d": [("weather", "temp")],
        "hours_ahead": [("trips", "booked_at"), ("trips", "asked_at")],
        "far": [("trips", "distance")],
        "kind": [("trips", "station"), ("trips", "distance"), ("weather", "temp")],
        "late": [("outcomes", "late")],
    }


@one("float", reads=("late",))
def of_the_label(late):
    return late


@on_demand(Feature("temp", "float"), reads=("distance",))
def named_as_a_feature(distance):
    return distance


@on_demand(Feature("booked_at", "float"), reads=("distance",))
def named_as_a_column(distance):
    return distance


@on_demand(Feature("late", "float"), reads=("distance",))
def named_as_the_label(distance):
    return distance


@on_demand(Feature("request_time", "float"), reads=("distance",))
def named_as_the_time(distance):
    return distance


@one("float", reads=("x",))
def of_itself(x):
    return x


@one("float", reads=("station", REQUEST_TIME))
def time_of_text(station, request_time):
    return (np.array(station, dtype="datetime64[us]") - request_time) / HOUR


@one("float", reads=("station", REQUEST_TIME))
def time_of_text_by_the_type_of_another(station, request_time):
    return (np.array(station, dtype=request_time.dtype) - request_time) / HOUR


@pytest.mark.parametrize(
    ("steps", "error", "what"),
    [
        pytest.param(
            (kind, far),
            NotFoundError,
            "Input 'far' is not in what on-demand feature 'kind .* of view 'delay' can read",
            id="later_result",
        ),
        pytest.param((of_itself,), NotFoundError, "Input 'x' is not in what", id="its_own_result"),
        pytest.param((of_the_label,), NotFoundError, "Input 'late' is not in what", id="label"),
        pytest.param((far, far), DefinitionError, "has these features twice: far", id="twice"),
        pytest.param((named_as_a_feature,), DefinitionError, "has these features twice: temp", id="named_as_a_feature"),
        pytest.param(
            (named_as_a_column,),
            DefinitionError,
            "computes 'booked_at .*, but there is a column of that name",
            id="named_as_a_column",
        ),
        pytest.param((named_as_the_label,), DefinitionError, "needs one label, which is not a feature", id="named_as_the_label"),
        pytest.param(
            (named_as_the_time,), DefinitionError, "computes 'request_time .*, but there is a column", id="named_as_the_time"
        ),
        pytest.param((time_of_text,), DefinitionError, "makes times .datetime64. and reads the text 'station'", id="time_of_text"),
        pytest.param(
            (time_of_text_by_the_type_of_another,),
            DefinitionError,
            "makes times .datetime64. and reads the text",
            id="by_the_type_of_another",
        ),
    ],
)
def test_what_a_view_refuses(steps, error, what):
    with pytest.raises(error, match=what):
        view(*steps)


def test_a_column_that_would_be_taken_for_the_time_of_the_row():
    spine = replace(TRIPS, features=(*TRIPS.features, Feature(REQUEST_TIME, "timestamp")))

    with pytest.raises(DefinitionError, match="and its spine a column 'request_time' that is not its time 'asked_at'"):
        view(far, spine=spine, features=(WEATHER["temp"],))
    assert view(spine=spine, features=(WEATHER["temp"],)).feature_names == ("temp",)


# One row by itself, and among others

TEXTS = st.none() | st.text(max_size=8)
NUMBERS = st.none() | st.floats(allow_nan=False, width=64)
TIMES = st.none() | st.datetimes(LONG_AGO, FAR_AHEAD)
WHOLE = st.none() | st.integers(-(2**40), 2**40)


def computed(steps, columns):
    columns = dict(columns)
    for step in steps:
        columns[step.name] = step.compute(columns)
    return [as_values(columns[step.name], step.result.type) for step in steps]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXTS, NUMBERS, TIMES, NUMBERS, TIMES), min_size=1, max_size=12))
def test_a_row_by_itself_gives_what_it_gives_among_others(rows):
    kinds = {"station": "string", "distance": "float", "booked_at": "timestamp", "temp": "float", REQUEST_TIME: "timestamp"}
    columns = {name: as_array([row[n] for row in rows], kind) for n, (name, kind) in enumerate(kinds.items())}

    together = computed(STEPS, columns)

    for n, row in enumerate(rows):
        alone = {name: as_array([value], kind) for (name, kind), value in zip(kinds.items(), row, strict=True)}
        assert computed(STEPS, alone) == [[values[n]] for values in together]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(WHOLE, NUMBERS, NUMBERS, TIMES), min_size=1, max_size=12))
def test_those_of_flights_as_well(rows):
    kinds = {"manufacture_year": "int", "distance_miles": "float", "scheduled_minutes": "float", REQUEST_TIME: "timestamp"}
    steps = (of_flights.plane_age_years, of_flights.scheduled_speed_mph)
    columns = {name: as_array([row[n] for row in rows], kind) for n, (name, kind) in enumerate(kinds.items())}

    together = computed(steps, columns)

    for n, row in enumerate(rows):
        alone = {name: as_array([value], kind) for (name, kind), value in zip(kinds.items(), row, strict=True)}
        assert computed(steps, alone) == [[values[n]] for values in together]
