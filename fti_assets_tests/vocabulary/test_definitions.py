"""Definitions: what they say, and every contradiction that is refused, with its text."""

from datetime import timedelta

import pytest

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.vocabulary import (
    Categorical,
    Column,
    Contract,
    Costs,
    CsvSource,
    Daily,
    Entity,
    Expectation,
    Feature,
    FeatureGroup,
    FeatureView,
    Gate,
    Model,
    Monitor,
    Numeric,
    Predictions,
    Reach,
    StagedTable,
    Table,
    TimeSplit,
    TrainingDataset,
    checked_name,
    expect,
    quoted,
)

DAYS = Daily(start="2024-01-01")
PROMISE = Contract(owner="team:test")
STATION = Entity("station", ("station",))
TRIP = Entity("trip", (Column("trip", "int"),))
SPLIT = TimeSplit(validation_days=1, test_days=1)


def group(
    name="weather", *, entity=STATION, features=("temp",), event_time="known_at", cadence=DAYS, version=1, contract=PROMISE, **more
):
    made = tuple(Feature(one, "float") for one in features)
    return FeatureGroup(
        name=name, version=version, entity=entity, event_time=event_time, cadence=cadence, features=made, contract=contract, **more
    )


WEATHER = group()
PROFILE = group("profile", features=("seats",), event_time=None, cadence=None)
TRIPS = FeatureGroup(
    name="trips",
    version=1,
    entity=TRIP,
    event_time="asked_at",
    cadence=DAYS,
    features=(Feature("station", "string"), Feature("distance", "float")),
    contract=PROMISE,
)
OUTCOMES = group("outcomes", entity=TRIP, features=("late", "delay"))


def view(name="delay", version=1, spine=TRIPS, at="asked_at", features=None, label=None):
    chosen = (TRIPS["distance"], WEATHER["temp"], PROFILE["seats"]) if features is None else features
    return FeatureView(name=name, version=version, spine=spine, at=at, features=chosen, label=label or OUTCOMES["late"])


def dataset(owner="team:test", made=None):
    return TrainingDataset(name="delay", view=made or view(), split=SPLIT, owner=owner)


def model(**more):
    return Model(**{"name": "delay", "dataset": dataset(), "owner": "a@b.org", "gates": (Gate(metric="auc", minimum=0.7),)} | more)


def table(**more):
    columns = (Column("a", "string"), Column("t", "timestamp"))
    return Table(**{"schema": "features", "name": "x", "columns": columns, "key": ("a",)} | more)


def staged(**more):
    return StagedTable(
        **{"name": "flights", "columns": (Column("id", "int"), Column("t", "timestamp")), "key": ("id",), "contract": PROMISE}
        | more
    )


def test_a_feature_group_is_a_table_of_keys_time_and_features():
    assert str(WEATHER.table) == "features.weather_v1"
    assert WEATHER.table.sql == 'lake."features"."weather_v1"'
    assert WEATHER.table.asset_key == ("features", "weather_v1")
    assert [(column.name, column.type) for column in WEATHER.table.columns] == [
        ("station", "string"),
        ("known_at", "timestamp"),
        ("temp", "float"),
    ]
    assert (WEATHER.table.key, WEATHER.table.time) == (("station", "known_at"), "known_at")
    assert (PROFILE.table.key, PROFILE.table.time, PROFILE.table.cadence) == (("station",), None, None)


def test_a_window_time_decides_the_partition():
    made = group(window_time="planned_at")
    assert (made.table.time, made.table.key) == ("planned_at", ("station", "known_at"))
    assert [column.name for column in made.table.columns] == ["station", "known_at", "planned_at", "temp"]


def test_a_view_names_what_it_reads():
    made = view()
    assert made.versioned_name == "delay_v1"
    assert made.feature_names == ("distance", "temp", "seats")
    assert made.label_column == OUTCOMES.table.column("late")
    assert made.joined == (WEATHER["temp"], PROFILE["seats"])
    assert made.groups == (TRIPS, WEATHER, PROFILE, OUTCOMES)


def test_predictions_and_monitor_are_tables_of_the_spine_by_day():
    predictions = Predictions(name="delay", model=model(), contract=PROMISE)
    names = ["trip", "asked_at", "prediction", "model_version", "view_version", "snapshot", "predicted_at"]
    assert [column.name for column in predictions.table.columns] == names
    assert (str(predictions.table), predictions.table.time, predictions.table.key) == ("predictions.delay", "asked_at", ("trip",))
    monitor = Monitor(name="delay", predictions=predictions, contract=PROMISE)
    assert (str(monitor.table), monitor.table.key, monitor.table.cadence) == ("monitoring.delay", ("day",), DAYS)


def test_asset_keys():
    made = model()
    assert (made.asset_key, made.validation_key) == (("models", "delay"), ("models", "delay_validation"))
    assert dataset().asset_key == ("training_datasets", "delay")
    assert CsvSource(name="flights", columns={"a": "VARCHAR"}).asset_key == ("landing", "flights")
    assert dataset().calendar == DAYS


def test_reaching_back():
    reach = WEATHER.reaching_back(days=28, ahead=1)
    assert (reach.source, reach.days, reach.ahead) == (WEATHER, 28, 1)
    assert PROFILE.reaching_back() == Reach(PROFILE)


@pytest.mark.parametrize(
    ("made", "name", "kind", "columns", "arguments", "sentence"),
    [
        pytest.param(
            expect.between("temp", -60, 130),
            "temp_in_range",
            "expect_column_values_to_be_between",
            ("temp",),
            (("min_value", -60), ("max_value", 130)),
            "temp is from -60 to 130",
            id="between",
        ),
        pytest.param(
            expect.not_null("temp", mostly=0.95, severity="warning"),
            "temp_not_null",
            "expect_column_values_to_not_be_null",
            ("temp",),
            (),
            "temp is not null, in at least 95.0% of the rows",
            id="not_null",
        ),
        pytest.param(
            expect.unique("a", name="one_row_each"),
            "one_row_each",
            "expect_column_values_to_be_unique",
            ("a",),
            (),
            "a is unique",
            id="unique",
        ),
        pytest.param(
            expect.unique("a", "b"),
            "a_b_unique",
            "expect_compound_columns_to_be_unique",
            ("a", "b"),
            (),
            "a, b are unique together",
            id="unique_together",
        ),
        pytest.param(
            expect.one_of("a", ["x", "y"]),
            "a_known",
            "expect_column_values_to_be_in_set",
            ("a",),
            (("value_set", ("x", "y")),),
            "a is one of x, y",
            id="one_of",
        ),
        pytest.param(
            expect.matches("a", "^N"),
            "a_format",
            "expect_column_values_to_match_regex",
            ("a",),
            (("regex", "^N"),),
            "a matches ^N",
            id="matches",
        ),
        pytest.param(
            expect.row_count(low=1),
            "row_count_in_range",
            "expect_table_row_count_to_be_between",
            (),
            (("min_value", 1),),
            "each window has at least 1 rows",
            id="row_count",
        ),
    ],
)
def test_expectations_are_data(made, name, kind, columns, arguments, sentence):
    assert (made.name, made.kind, made.columns, made.arguments, made.sentence) == (name, kind, columns, arguments, sentence)
    assert hash(made) == hash(made)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # names
        pytest.param(lambda: checked_name("Temp", "A column"), "A column cannot be named 'Temp'. Use lower-case", id="upper_case"),
        pytest.param(lambda: quoted('a"b'), "An identifier cannot be named", id="quote"),
        pytest.param(lambda: checked_name("a" * 64, "A table"), "at most 63 characters", id="long_name"),
        pytest.param(lambda: Column("1st", "int"), "A column cannot be named '1st'", id="digit_first"),
        pytest.param(lambda: CsvSource(name="x y", columns={}), "A source cannot be named 'x y'", id="source_name"),
        # contracts
        pytest.param(lambda: Contract(owner="bob"), "Owner 'bob' is neither 'team:NAME' nor an e-mail address", id="owner"),
        pytest.param(
            lambda: Contract(owner="a@b.org", expectations=(expect.not_null("a"), expect.not_null("a", mostly=0.5))),
            "These expectations are stated twice: a_not_null. Give one of them another name=",
            id="expectation_twice",
        ),
        pytest.param(lambda: expect.not_null("a", mostly=0), r"holds for a share of 0; it must be in \(0, 1\]", id="mostly_zero"),
        pytest.param(lambda: expect.not_null("a", mostly=1.1), "holds for a share of 1.1", id="mostly_above_one"),
        pytest.param(
            lambda: expect.not_null("a", severity="bad"), "has severity 'bad'; use 'critical' or 'warning'", id="severity"
        ),
        pytest.param(lambda: Expectation(name="Is it?", kind="k"), "An expectation cannot be named 'Is it", id="expectation_name"),
        pytest.param(lambda: expect.between("a"), "The expectation on 'a' has no bounds. Give low=", id="no_bounds"),
        pytest.param(lambda: expect.row_count(), "The expectation on the row count has no bounds", id="no_row_count"),
        pytest.param(lambda: expect.between("a", 2, 1), "holds for nothing: low=2 is above high=1", id="bounds_swapped"),
        pytest.param(lambda: expect.unique(), "An expectation of uniqueness names no column", id="unique_of_nothing"),
        # tables
        pytest.param(lambda: Column("a", "text"), "Column 'a' has the type 'text'. Use one of: float, int, bool", id="type"),
        pytest.param(
            lambda: table(columns=(Column("a", "int"),) * 2), "'features.x' has these columns twice: a", id="column_twice"
        ),
        pytest.param(lambda: table(time="t"), "needs both a time column and a cadence, or neither", id="time_without_cadence"),
        pytest.param(lambda: table(cadence=DAYS), "needs both a time column and a cadence", id="cadence_without_time"),
        pytest.param(
            lambda: table(time="a", cadence=DAYS), "cut into windows by 'a', a string; it must be a timestamp", id="time_type"
        ),
        # entities and groups
        pytest.param(lambda: Entity("e", ()), "Entity 'e' has no key. Name at least one", id="no_key"),
        pytest.param(
            lambda: Entity("e", "key"), r"keys of entity 'e' are one text. Write a tuple: keys=\('key',\)", id="key_is_text"
        ),
        pytest.param(lambda: Entity("E", ("k",)), "An entity cannot be named 'E'", id="entity_name"),
        pytest.param(lambda: group(version=0), "Feature group 'weather' has version 0; the first is 1", id="group_version"),
        pytest.param(lambda: group(ttl=timedelta()), "has a ttl, so it needs an event time and a ttl above zero", id="ttl_zero"),
        pytest.param(
            lambda: group(event_time=None, cadence=None, ttl=timedelta(1)),
            "has a ttl, so it needs an event time",
            id="static_with_ttl",
        ),
        pytest.param(
            lambda: group(event_time=None, cadence=None, window_time="t"),
            "has a window time but no event time",
            id="static_with_window",
        ),
        pytest.param(lambda: group(cadence=None), "'features.weather_v1' needs both a time column and a cadence", id="no_cadence"),
        pytest.param(lambda: group(features=("station",)), "has these columns twice: station", id="feature_is_key"),
        pytest.param(
            lambda: WEATHER["temp", "temp"], "Features of 'weather_v1' are asked for twice: temp, temp", id="selected_twice"
        ),
        pytest.param(lambda: WEATHER[()], "No feature of 'weather_v1' is asked for", id="nothing_selected"),
        pytest.param(
            lambda: WEATHER.reaching_back(days=-1), "is read -1 days back and 0 ahead; neither can be negative", id="reach"
        ),
        pytest.param(lambda: PROFILE.reaching_back(days=1), "has no time, so there is nothing to reach back to", id="reach_static"),
        # views
        pytest.param(lambda: view(name="Delay"), "A feature view cannot be named 'Delay'", id="view_name"),
        pytest.param(lambda: view(version=0), "Feature view 'delay' has version 0; the first is 1", id="view_version"),
        pytest.param(lambda: view(at="distance"), "joins at 'distance', a float; it must be a timestamp", id="view_at"),
        pytest.param(
            lambda: view(features=(WEATHER["temp"], group("other")["temp"])),
            "has these features twice: temp",
            id="feature_in_two_groups",
        ),
        pytest.param(
            lambda: view(features=(WEATHER["temp"], WEATHER["known_at"])),
            "names a group twice: weather_v1",
            id="group_in_view_twice",
        ),
        pytest.param(
            lambda: view(label=OUTCOMES["late", "delay"]), "needs one label, which is not a feature: late, delay", id="labels"
        ),
        pytest.param(
            lambda: view(features=(OUTCOMES["late"],)), "needs one label, which is not a feature: late", id="label_is_feature"
        ),
        pytest.param(
            lambda: view(features=(WEATHER["temp"],), label=TRIPS["distance"]),
            "takes its label 'distance' from its spine 'trips_v1', whose rows are there before the outcome is known. Put the label",
            id="label_of_spine",
        ),
        pytest.param(
            lambda: view(features=(group("far", features=("distance",))["distance"],)),
            "joins distance of 'far_v1', but its spine 'trips_v1' has a column of that name",
            id="feature_hidden_by_spine",
        ),
        pytest.param(
            lambda: view(features=(group("lines", entity=Entity("line", ("line",)))["temp"],)),
            r"joins 'lines_v1' by 'line' \(string\), which its spine 'trips_v1' lacks. It has: trip \(int\), asked_at",
            id="missing_key",
        ),
        pytest.param(
            lambda: view(features=(group("x", entity=Entity("x", (Column("station", "int"),)))["temp"],)),
            r"joins 'x_v1' by 'station' \(int\), which its spine 'trips_v1' lacks",
            id="key_of_another_type",
        ),
        # datasets and models
        pytest.param(lambda: dataset(owner="me"), "Owner 'me' is neither", id="dataset_owner"),
        pytest.param(lambda: model(owner="me"), "Owner 'me' is neither", id="model_owner"),
        pytest.param(lambda: model(slices=("origin",)), "sliced by origin, which its view 'delay' lacks", id="slice"),
        pytest.param(
            lambda: model(gates=(Gate(metric="auc", minimum=0.7), Gate(metric="auc", minimum=0.8))),
            "has two gates on one metric: auc_gate, auc_gate",
            id="gate_twice",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


def test_a_dataset_needs_a_spine_with_a_calendar():
    spine = FeatureGroup(
        name="static", version=1, entity=TRIP, features=(Feature("t", "timestamp"), Feature("station", "string")), contract=PROMISE
    )
    made = view(spine=spine, at="t", features=(PROFILE["seats"],))
    with pytest.raises(DefinitionError, match="is cut by days, but the spine of its view has no cadence"):
        dataset(made=made)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(
            lambda: WEATHER["tmp"], r"Column 'tmp' is not in table 'features.weather_v1'. Did you mean 'temp'\?", id="feature"
        ),
        pytest.param(lambda: table(key=("b",)), "Column 'b' is not in table 'features.x'. It has: a, t", id="key"),
        pytest.param(lambda: view(at="when"), "Column 'when' is not in table 'features.trips_v1'", id="view_time"),
        pytest.param(
            lambda: group(contract=Contract(owner="a@b.org", expectations=(expect.not_null("wind"),))),
            "Column 'wind' is not in table 'features.weather_v1'",
            id="expectation_of_a_group",
        ),
        pytest.param(
            lambda: staged(contract=Contract(owner="a@b.org", expectations=(expect.not_null("wind"),))),
            "Column 'wind' is not in table 'staging.flights'",
            id="expectation_of_a_staged_table",
        ),
    ],
)
def test_unknown_columns_name_those_that_exist(make, message):
    with pytest.raises(NotFoundError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Gate(metric="auc", confidence=95), "confidence of 95; .*Write 0.95 for 95%", id="percent"),
        pytest.param(lambda: Gate(metric="auc", confidence=1.0), "from 0.5 to below 1", id="certainty"),
        pytest.param(lambda: Gate(metric="auc", slice_rows=0), "a slice has at least 1", id="empty_slices"),
        pytest.param(lambda: Gate(metric="auc", champion_margin=float("nan")), "champion_margin nan", id="margin_is_no_number"),
        pytest.param(lambda: Costs(false_positive=-1, false_negative=1, unit="EUR"), "cost of a false positive is -1", id="gain"),
        pytest.param(
            lambda: Costs(false_positive=1, false_negative=float("inf"), unit="EUR"), "false negative is inf", id="infinite_cost"
        ),
        pytest.param(lambda: Costs(false_positive=0, false_negative=0, unit="EUR"), "no threshold is best", id="free"),
        pytest.param(lambda: Costs(false_positive=1, false_negative=1, unit=" "), "no unit", id="no_unit"),
        pytest.param(lambda: model(sensitive=("distance",)), "'distance', a float, .*Derive groups", id="sensitive_number"),
        pytest.param(
            lambda: Gate(metric="log_loss", slice_minimum=0.3), "lower is better. Give a slice_maximum", id="slices_too_good"
        ),
        pytest.param(lambda: Gate(metric="auc", slice_maximum=0.9), "higher is better. Give a slice_minimum", id="auc_too_high"),
        pytest.param(lambda: Gate(metric="brier", slice_maximum=float("inf")), "slice_maximum inf", id="infinite_slice_maximum"),
        pytest.param(lambda: model(sensitive=("trip",)), "'trip', a key, of which each value would be a group", id="sensitive_key"),
        pytest.param(lambda: model(sensitive=("asked_at",)), "'asked_at', a timestamp", id="sensitive_time"),
        pytest.param(lambda: model(sensitive=("station", "station")), "a sensitive column twice", id="sensitive_twice"),
    ],
)
def test_gates_costs_and_sensitive_columns_that_make_no_sense_are_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


@pytest.mark.parametrize("given", ["AUC", "aucc"])
def test_a_gate_asks_for_a_metric_that_is_known(given):
    with pytest.raises(NotFoundError, match=rf"Metric '{given}' is not in what a gate may ask for. Did you mean 'auc'\?"):
        Gate(metric=given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Numeric(scale="minmax"), "scale is 'minmax'. Give 'standard', 'robust', 'min_max'", id="scale"),
        pytest.param(lambda: Numeric(impute="mode"), "impute is 'mode'. Give 'mean', 'median', a finite number", id="impute"),
        pytest.param(lambda: Numeric(impute=float("nan")), "impute is nan", id="impute_nan"),
        pytest.param(lambda: Numeric(impute=float("inf")), "impute is inf", id="impute_infinite"),
        pytest.param(lambda: Categorical(encode="onehot"), "encode is 'onehot'. Give 'codes' or 'one_hot'", id="encode"),
        pytest.param(lambda: Categorical(minimum_rows=0), "minimum_rows is 0", id="minimum_rows"),
    ],
)
def test_transformations_that_say_nothing_are_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(Numeric(features=("temp",), indicator=True), id="named"),
        pytest.param(Numeric(indicator=True), id="all"),
    ],
)
def test_an_indicator_has_a_name_of_its_own(declared):
    weather = group(features=("temp", "temp_missing"))
    made = dataset(made=view(features=(weather.all_features,)))
    with pytest.raises(DefinitionError, match="adds an indicator 'temp_missing' for 'temp', but its view has a feature of that"):
        model(dataset=made, transformations=(declared,))
    assert model(dataset=made, transformations=(Numeric(features=("temp_missing",), indicator=True),)).dataset is made


def test_a_sensitive_column_must_be_in_the_view_or_its_spine():
    assert model(sensitive=("station",)).sensitive == ("station",)  # of the spine, and no feature
    with pytest.raises(NotFoundError, match="Sensitive column 'sex' is not in view 'delay' and its spine"):
        model(sensitive=("sex",))


def test_slices_need_as_many_rows_as_the_gate_on_the_auc_says():
    assert model(gates=(Gate(metric="brier", slice_rows=9), Gate(metric="auc", slice_rows=80))).slice_rows == 80
    assert model(gates=()).slice_rows == 500


def test_slices_are_measured_where_a_gate_judges_them():
    assert model(gates=(Gate(metric="brier", slice_rows=30), Gate(metric="auc"))).smallest_slice == 30
    assert model(gates=(Gate(metric="auc"),)).smallest_slice == model(gates=()).smallest_slice == 100
