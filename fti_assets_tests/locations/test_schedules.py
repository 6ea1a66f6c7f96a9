from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from fti_assets.collection import LandingZone
from fti_assets.locations import data_collection, features, inference, online_inference, training
from fti_assets.pipelines import (
    LandingResource,
    Schedule,
    model_validation,
    range_tags,
    training_dataset,
)
from fti_assets.pipelines.location import code_location
from fti_assets.pipelines.schedules import Seen, stretches
from fti_assets.systems.flights import contracts
from fti_assets.systems.flights.staged import DAYS

NEW_YORK = ZoneInfo("America/New_York")
FIRST_TAG, LAST_TAG = range_tags("a", "b")
GROUPS = [dg.AssetKey(["features", group.versioned_name]) for group in contracts.FLIGHT_DELAY.groups[:-1]]
DAILY_GROUPS = [key for key in GROUPS if key.path[-1] != "plane_profile_v1"]
PLANE, DECISION = dg.AssetKey(["features", "plane_profile_v1"]), dg.AssetKey(["models", "flight_delay_validation"])
PREDICTIONS = dg.AssetKey(["predictions", "flight_delay"])


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def ticked(location, name, at, instance):
    """What a schedule requests at a tick, given as local time of New York."""
    schedule = location.defs.resolve_schedule_def(name)
    moment = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=moment, repository_def=location.defs.get_repository_def()
    )
    return schedule.evaluate_tick(context)


@pytest.mark.parametrize("location", [pytest.param(features, id="features"), pytest.param(inference, id="inference")])
@pytest.mark.parametrize(
    ("at", "day"),
    [
        pytest.param("2013-01-02 05:00", "2013-01-01", id="first_day"),
        pytest.param("2014-01-01 05:00", "2013-12-31", id="last_day"),
        pytest.param("2013-03-10 05:00", "2013-03-09", id="clocks_go_forward_today"),
        pytest.param("2013-03-11 05:00", "2013-03-10", id="clocks_went_forward"),
        pytest.param("2013-11-03 05:00", "2013-11-02", id="clocks_go_back_today"),
        pytest.param("2013-11-04 05:00", "2013-11-03", id="clocks_went_back"),
        pytest.param("2013-07-05 00:00", "2013-07-04", id="at_midnight"),
    ],
)
def test_a_daily_schedule_requests_the_last_complete_day(location, at, day, instance):
    name = next(iter(location.defs.schedules)).name

    (request,) = ticked(location, name, at, instance).run_requests

    assert (request.partition_key, request.run_key) == (day, day)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param("2013-01-01 05:00", id="before_the_first"),
        pytest.param("2014-01-02 05:00", id="after_the_last"),
        pytest.param("2026-11-22 05:00", id="long_after"),
    ],
)
def test_a_daily_schedule_skips_days_outside_the_calendar(at, instance):
    data = ticked(features, "flights_features_daily", at, instance)

    assert data.run_requests == []
    assert "is not in the calendar of this system (2013-01-01 to 2014-01-01, end exclusive)" in data.skip_message


def test_ticks_keep_their_hour_when_clocks_change():
    schedule = features.defs.resolve_schedule_def("flights_features_daily")
    ticks = schedule_execution_time_iterator(
        datetime(2013, 3, 9, 4, tzinfo=NEW_YORK).timestamp(), schedule.cron_schedule, schedule.execution_timezone
    )

    first, second = next(ticks), next(ticks)

    assert (first.hour, second.hour) == (5, 5)
    assert [tick.astimezone(UTC).hour for tick in (first, second)] == [10, 9]


@pytest.mark.parametrize(
    ("at", "cutoff"),
    [
        pytest.param("2013-09-02 06:00", "2013-09-02", id="within_the_calendar"),
        pytest.param("2013-11-04 06:00", "2013-11-04", id="after_the_clocks_went_back"),
        pytest.param("2014-01-06 06:00", "2014-01-01", id="clipped_to_the_end_of_the_calendar"),
    ],
)
def test_the_weekly_training_cuts_at_the_day_of_the_tick(at, cutoff, instance):
    (request,) = ticked(training, "flights_training_schedule", at, instance).run_requests

    assert request.run_config == {"ops": {"training_datasets__flight_delay": {"config": {"cutoff": cutoff}}}}
    assert request.run_key.startswith(at.replace(" ", "T"))
    job = training.defs.resolve_job_def("flights_training")
    assert dg.validate_run_config(job, request.run_config)


def test_the_lake_is_maintained_every_night_before_features_are_made(instance):
    first = ticked(training, "lake_maintenance_schedule", "2026-03-08 03:00", instance).run_requests
    again = ticked(training, "lake_maintenance_schedule", "2026-03-09 03:00", instance).run_requests

    assert [len(first), len(again)] == [1, 1]
    assert first[0].run_key != again[0].run_key
    assert first[0].run_config == {}
    job = training.defs.resolve_job_def("lake_maintenance")
    assert dg.validate_run_config(job, {})
    assert [key.to_user_string() for key in job.asset_layer.executable_asset_keys] == ["maintenance/lake"]


def test_runs_that_need_a_gpu_are_tagged_however_they_begin(monkeypatch):
    from dataclasses import replace
    from sys import modules
    from types import ModuleType

    from fti_assets.pipelines import training_pipeline
    from fti_assets.training import training_program

    module = ModuleType("a_system_with_a_gpu")
    model = replace(contracts.FLIGHT_DELAY_MODEL, needs_gpu=True)
    module.dataset = training_dataset(model.dataset)
    module.train = training_pipeline(training_program(model)(lambda data, run: data))
    module.decide = model_validation(model)
    monkeypatch.setitem(modules, module.__name__, module)

    defs = code_location(module.__name__, name="deep", schedule=Schedule(cron="0 0 * * 0"))

    assert defs.resolve_job_def("deep").run_tags["fti/gpu"] == "true"
    (train,) = [asset for asset in defs.assets if dg.AssetKey(["models", "flight_delay"]) in getattr(asset, "keys", ())]
    assert (train.op.pool, train.op.tags["fti/gpu"]) == ("gpu", "true")
    assert training.defs.resolve_job_def("flights_training").run_tags == {}


# The landing sensor


@pytest.fixture
def zone(tmp_path):
    return LandingZone(tmp_path)


def deliver(zone, *days, text="x"):
    for day in days:
        zone.deliver_day(day, {"flights": f"a\n{text}\n".encode(), "weather": b"a\n1\n"})


def deliver_reference(zone, text="x"):
    zone.deliver_reference({name: f"a\n{text}\n".encode() for name in ("planes", "airports", "airlines")})


def sensed(zone, instance, cursor=None):
    """One evaluation of the landing sensor."""
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        repository_def=data_collection.defs.get_repository_def(),
        resources={"landing": LandingResource(root=str(zone.root))},
    )
    return data_collection.defs.resolve_sensor_def("flights_collection_landing").evaluate_tick(context)


def ranges(data):
    return [(request.tags[FIRST_TAG], request.tags[LAST_TAG]) for request in data.run_requests]


def report(instance, *keys, partition=None):
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


@pytest.fixture
def reference_made(instance, zone):
    """The reference tables are delivered and made; gives the cursor after that."""
    deliver_reference(zone)
    cursor = sensed(zone, instance).cursor
    report(instance, *(dg.AssetKey(["staging", name]) for name in ("planes", "airports", "airlines")))
    report(instance, *(dg.AssetKey(["validation", "staging", name]) for name in ("planes", "airports", "airlines")))
    return cursor


def test_reference_tables_come_first_and_days_wait_for_them(zone, instance):
    deliver_reference(zone)
    deliver(zone, "2013-01-01")

    first = sensed(zone, instance)
    second = sensed(zone, instance, first.cursor)

    assert [request.job_name for request in first.run_requests] == ["flights_collection_whole"]
    assert second.run_requests == []
    assert second.skip_message.startswith("Waits for the reference tables staging/airports, ")
    assert "run 'flights_collection_whole'" in second.skip_message


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(dg.DagsterRunStatus.STARTED, "Waits for run {} of 'flights_collection_whole'", id="still_running"),
        pytest.param(dg.DagsterRunStatus.FAILURE, "run {} of 'flights_collection_whole' failed. Mend", id="failed"),
    ],
)
def test_days_wait_and_say_for_which_run(zone, instance, status, said):
    deliver_reference(zone)
    deliver(zone, "2013-01-01")
    cursor = sensed(zone, instance).cursor
    job = data_collection.defs.resolve_job_def("flights_collection_whole")
    run = instance.create_run_for_job(job, status=status)

    assert said.format(run.run_id) in sensed(zone, instance, cursor).skip_message


def test_new_days_are_one_run_for_each_stretch(zone, instance, reference_made):
    deliver(zone, "2013-03-09", "2013-03-10", "2013-03-11", "2013-03-13")

    data = sensed(zone, instance, reference_made)

    assert ranges(data) == [("2013-03-09", "2013-03-11"), ("2013-03-13", "2013-03-13")]
    assert {request.job_name for request in data.run_requests} == {"flights_collection"}
    assert sensed(zone, instance, data.cursor).skip_message == "No day was newly completed; 4 are complete."


def test_a_redelivered_day_is_requested_again_under_another_key(zone, instance, reference_made):
    deliver(zone, "2013-01-01", "2013-01-02")
    first = sensed(zone, instance, reference_made)
    keys, cursor = [first.run_requests[0].run_key], first.cursor
    for text in ("corrected", "x"):  # the second time as it once was
        deliver(zone, "2013-01-02", text=text)
        data = sensed(zone, instance, cursor)
        assert ranges(data) == [("2013-01-02", "2013-01-02")]
        keys.append(data.run_requests[0].run_key)
        cursor = data.cursor

    assert len(set(keys)) == 3


def test_an_evaluation_repeated_after_a_crash_requests_nothing_new(zone, instance, reference_made):
    deliver(zone, "2013-01-01")

    keys = {sensed(zone, instance, reference_made).run_requests[0].run_key for _ in range(2)}

    assert len(keys) == 1


def test_redelivered_reference_tables_are_made_again(zone, instance, reference_made):
    deliver_reference(zone, text="corrected")

    (request,) = sensed(zone, instance, reference_made).run_requests

    assert request.job_name == "flights_collection_whole"


def test_days_outside_the_calendar_are_ignored(zone, instance, reference_made):
    deliver(zone, "2012-12-31", "2014-01-01")

    assert sensed(zone, instance, reference_made).skip_message == "No day was newly completed; 0 are complete."


def test_the_cursor_reads_back():
    seen = Seen(reference="r", days={"2013-01-01": "d"}, requests=3)

    assert Seen.read(seen.text) == seen
    assert Seen.read(None) == Seen()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["2013-02-28", "2013-03-01"], [("2013-02-28", "2013-03-01")], id="over_a_month"),
        pytest.param(["2013-01-03", "2013-01-01"], [("2013-01-01", "2013-01-01"), ("2013-01-03", "2013-01-03")], id="gap"),
    ],
)
def test_stretches(days, expected):
    assert list(stretches(DAYS, days)) == expected


def test_a_request_makes_a_run_over_its_range(flights_house, make_house):
    """The tags of a request, as the daemon hands them to a run, fill each partition of the range."""
    house = make_house()
    for table in ("airports", "airlines", "planes"):
        copy_reference(flights_house, house, table)
    instance = house.instance
    sensed_once = sensed(house.zone, instance)
    report(instance, *(dg.AssetKey(["staging", name]) for name in ("planes", "airports", "airlines")))
    report(instance, *(dg.AssetKey(["validation", "staging", name]) for name in ("planes", "airports", "airlines")))
    for day in ("2013-01-01", "2013-01-02"):
        contents = {source: flights_house.zone.file(source, day).read_bytes() for source in ("flights", "weather")}
        house.zone.deliver_day(day, contents)
    (request,) = sensed(house.zone, instance, sensed_once.cursor).run_requests

    job = data_collection.defs.resolve_job_def(request.job_name)
    result = job.execute_in_process(instance=instance, tags=request.tags, resources=house.resources)

    assert result.success
    assert instance.get_materialized_partitions(dg.AssetKey(["staging", "flights"])) == {"2013-01-01", "2013-01-02"}


def copy_reference(source, target, name):
    from fti_assets.systems.flights.staged import STAGED_TABLES

    (table,) = [staged for staged in STAGED_TABLES if staged.name == name]
    with source.store.connect() as connection:
        rows: pa.Table = source.store.read(connection, table.table).to_arrow_table()
    target.store.publish(table, rows)


# Automation conditions: all locations are one graph to Dagster


@pytest.fixture(scope="module")
def workspace():
    """The assets of features, training and inference as one set of definitions, each made by its own location."""
    locations = (features, training, inference, online_inference)
    own = [a for location in locations for a in location.defs.assets if isinstance(a, dg.AssetsDefinition)]
    keys = {key for asset in own for key in asset.keys}
    stubs = {s.key: s for s in features.defs.assets if isinstance(s, dg.AssetSpec) and s.key not in keys}
    return dg.Definitions(assets=[*own, *stubs.values()], resources=features.defs.resources)


class Evening:
    """Evaluates the automation conditions one after the other, at a time at which `day` is the last day."""

    def __init__(self, workspace, instance, day):
        self.defs, self.instance, self.cursor = workspace, instance, None
        self.now = datetime.combine(DAYS.day(DAYS.shifted(day, 1)), datetime.min.time(), NEW_YORK).replace(hour=8)

    def requested(self, key=PREDICTIONS):
        result = dg.evaluate_automation_conditions(
            self.defs,
            instance=self.instance,
            cursor=self.cursor,
            evaluation_time=self.now,
            asset_selection=dg.AssetSelection.assets(key),
        )
        self.cursor = result.cursor
        return result.get_requested_partitions(key)


@pytest.fixture
def evening(workspace, instance):
    """All features of 9 and 10 July and a champion are there, but nothing has been evaluated since."""
    report(instance, PLANE, DECISION)
    for day in ("2013-07-09", "2013-07-10"):
        report(instance, *DAILY_GROUPS, partition=day)
    return Evening(workspace, instance, "2013-07-10")


def test_predictions_follow_the_features_of_the_last_day(evening, instance):
    evening.requested()
    assert evening.requested() == set()

    report(instance, *DAILY_GROUPS, partition="2013-07-10")

    assert evening.requested() == {"2013-07-10"}
    assert evening.requested() == set()


def test_predictions_do_not_follow_a_new_champion(evening, instance):
    evening.requested()

    report(instance, DECISION)

    assert evening.requested() == set()


def test_predictions_wait_for_every_feature_group_of_the_day(workspace, instance):
    report(instance, PLANE, DECISION)
    report(instance, *DAILY_GROUPS, partition="2013-07-09")
    evening = Evening(workspace, instance, "2013-07-10")
    evening.requested()

    report(instance, *DAILY_GROUPS[:-1], partition="2013-07-10")
    assert evening.requested() == set()
    report(instance, DAILY_GROUPS[-1], partition="2013-07-10")

    assert evening.requested() == {"2013-07-10"}


def test_predictions_do_not_wait_for_the_weekly_model(evening, instance):
    """The champion is of last week; features of another day are enough."""
    evening.requested()
    report(instance, *DAILY_GROUPS, partition="2013-07-11")
    evening.now = evening.now.replace(day=12)

    assert evening.requested() == {"2013-07-11"}


def test_predictions_wait_for_a_first_champion(workspace, instance):
    report(instance, PLANE)
    for day in ("2013-07-09", "2013-07-10"):
        report(instance, *DAILY_GROUPS, partition=day)

    assert Evening(workspace, instance, "2013-07-10").requested() == set()


def test_a_group_without_days_follows_its_source(workspace, instance):
    evening = Evening(workspace, instance, "2013-07-10")
    evening.requested(PLANE)

    report(instance, dg.AssetKey(["staging", "planes"]))

    assert evening.requested(PLANE) == {None}


WEATHER, ONLINE_WEATHER = dg.AssetKey(["features", "origin_weather_v1"]), dg.AssetKey(["online", "origin_weather_v1"])
ONLINE_PLANE = dg.AssetKey(["online", "plane_profile_v1"])


def test_an_online_table_follows_its_group_though_most_days_of_the_calendar_are_missing(workspace, instance):
    evening = Evening(workspace, instance, "2013-07-10")
    assert evening.requested(ONLINE_WEATHER) == set()

    report(instance, WEATHER, partition="2013-07-10")

    assert evening.requested(ONLINE_WEATHER) == {None}
    assert evening.requested(ONLINE_WEATHER) == set()


def test_an_online_table_follows_corrections_of_long_ago_and_ranges_once(workspace, instance):
    evening = Evening(workspace, instance, "2013-07-10")
    evening.requested(ONLINE_WEATHER)

    for day in ("2013-02-01", "2013-02-02", "2013-02-03"):
        report(instance, WEATHER, partition=day)

    assert evening.requested(ONLINE_WEATHER) == {None}
    assert evening.requested(ONLINE_WEATHER) == set()


def test_an_online_table_does_not_follow_other_groups(workspace, instance):
    evening = Evening(workspace, instance, "2013-07-10")
    evening.requested(ONLINE_WEATHER)

    report(instance, *(key for key in DAILY_GROUPS if key != WEATHER), partition="2013-07-10")
    report(instance, PLANE)

    assert evening.requested(ONLINE_WEATHER) == set()


def test_an_online_table_without_days_follows_its_group(workspace, instance):
    evening = Evening(workspace, instance, "2013-07-10")
    evening.requested(ONLINE_PLANE)

    report(instance, PLANE)

    assert evening.requested(ONLINE_PLANE) == {None}


def test_the_check_of_an_online_table_is_requested_with_it_and_after_a_person_made_it(instance):
    check = dg.AssetCheckKey(ONLINE_WEATHER, "online_equals_offline")
    cursor = None

    def requested():
        nonlocal cursor
        result = dg.evaluate_automation_conditions(
            online_inference.defs,
            instance=instance,
            cursor=cursor,
            asset_selection=dg.AssetSelection.assets(ONLINE_WEATHER) | dg.AssetSelection.checks(check),
        )
        cursor = result.cursor
        return {one.key for one in result.results if not one.true_subset.is_empty}

    assert requested() == set()
    report(instance, WEATHER, partition="2013-07-10")
    assert requested() == {ONLINE_WEATHER, check}
    assert requested() == set()
    report(instance, ONLINE_WEATHER)
    assert requested() == {check}


def test_the_log_is_landed_every_five_minutes(instance):
    ticks = ("2026-03-08 03:00", "2026-03-08 03:05")
    requests = [ticked(online_inference, "flights_inference_log_schedule", at, instance).run_requests for at in ticks]

    assert [len(one) for one in requests] == [1, 1]
    assert requests[0][0].run_key != requests[1][0].run_key
