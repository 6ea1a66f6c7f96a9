"""The inference log, the check for skew and realised quality as assets."""

from dataclasses import replace
from fcntl import LOCK_EX, flock
from types import ModuleType

import dagster as dg
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.pipelines import Schedule, code_location, inference_log, online_performance_monitoring, skew_monitoring
from fti_assets.vocabulary import Contract, OnlineMonitor, SkewMonitor, expect
from fti_assets_tests.conftest import reasons
from fti_assets_tests.feature_store.examples import DAY, HOUR, OUTCOMES, PROMISE, T0, TRIPS, YEAR, rows_of
from fti_assets_tests.monitoring.logged import LOG, WEATHER, said, write_segment

LONG_AGO = T0 - 2 * DAY
log, skew = inference_log(LOG), skew_monitoring(SkewMonitor(log=LOG, contract=PROMISE))
MONITOR = OnlineMonitor(log=LOG, contract=PROMISE, lookback_days=10_000)
performance = online_performance_monitoring(MONITOR)


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as shared:
        yield shared


@pytest.fixture
def house(make_house, instance):
    """Trips, weather and how the trips ended, all published before anybody asked."""
    made = make_house(instance)
    trips = rows_of(TRIPS, *((n, T0, "a", "east", 10.0) for n in range(1, 9)))
    made.store.publish(TRIPS, trips, YEAR, published_at=LONG_AGO)
    weather = rows_of(WEATHER, ("a", T0 - HOUR, 20.5, False, 3, "west"))
    made.store.publish(WEATHER, weather, YEAR, published_at=LONG_AGO)
    outcomes = rows_of(OUTCOMES, *((n, T0 + HOUR, n % 2 == 0) for n in range(1, 7)))
    made.store.publish(OUTCOMES, outcomes, YEAR)
    return made


def segment(house, *lines, name="a-000001.ndjson", end=b""):
    return write_segment(house.root / "inference_log" / "delay", name, *lines, end=end)


def shown(result, pipeline):
    """The metadata of the asset of a pipeline, and its check."""
    assert reasons(result) == []
    (asset,) = pipeline.assets()
    (event,) = result.asset_materializations_for_node(asset.op.name)
    checks = [one for one in result.get_asset_check_evaluations() if one.asset_key == event.asset_key]
    return {name: value.value for name, value in event.metadata.items()}, checks


def test_the_log_is_landed_and_says_how_it_went(house):
    segment(house, said(1), said(2), b"nonsense\n", end=b'{"request_id": ')

    result = house.materialize(log.assets())

    metadata, (check,) = shown(result, log)
    assert {name: metadata[name] for name in ("rows", "repeated", "segments", "torn_lines", "malformed_lines")} == {
        "rows": 2,
        "repeated": 0,
        "segments": 1,
        "torn_lines": 1,
        "malformed_lines": 1,
    }
    assert metadata["lag_seconds"] + 60 == pytest.approx(metadata["oldest_seconds"], abs=1)
    assert (check.check_name, check.passed, check.severity) == ("every_line_is_one", False, dg.AssetCheckSeverity.WARN)
    assert check.description == "Malformed lines: 1. They are in the folder 'quarantine' of the log, each with its reason."
    (publication,) = house.store.publications("inference_log.delay")
    assert publication.run == result.run_id


def test_nothing_to_land(house):
    metadata, (check,) = shown(house.materialize(log.assets()), log)

    assert (metadata["rows"], "lag_seconds" in metadata, check.passed) == (0, False, True)


def test_a_log_that_somebody_else_lands_is_told_plainly(house):
    from fti_assets.monitoring.inference_log import _alone

    path = segment(house, said(1))
    with _alone(path.parent):
        (reason,) = reasons(house.materialize(log.assets()))

    assert reason.endswith("is being landed by another process. Let it finish.")


def test_what_is_served_right_passes_the_check(house):
    segment(house, said(1), said(2))
    house.materialize(log.assets())

    metadata, (check,) = shown(house.materialize(skew.assets()), skew)

    assert (metadata["rows"], metadata["differing_rows"], metadata["share_of_differing_rows"]) == (2, 0, 0)
    assert metadata["examples"] == "Nothing differs."
    assert (check.check_name, check.passed, check.blocking) == ("served_as_trained", True, False)
    with house.store.connect() as connection:
        assert house.store.read(connection, skew.monitor.table).filter("differing = 0 AND rows = 2").shape[0] == 5


def test_a_planted_skew_fails_the_check_with_both_values(house):
    wrong = said(1)["features"] | {"temp": 25.5}
    segment(house, said(1, features=wrong), said(2), said(3))
    house.materialize(log.assets())

    result = house.materialize(skew.assets())

    metadata, (check,) = shown(result, skew)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.description == "Served otherwise than training sees it: temp (1 of 3)."
    assert metadata["worst_feature"] == "temp: 33.33%"
    assert "| temp | 3 | 1 | 33.33% | 0 | 0 | 0 | 0 | 0 | 1:02:00 |" in metadata["features"]
    assert "| temp | 25.5 | 20.5 | 1:01:00 | 2024-01-10 12:01:00+00:00 | trip 1 |" in metadata["examples"]
    assert metadata["picture"].startswith("![skew](data:image/png;base64,")
    assert len(metadata["picture"]) < 20_000


def test_nothing_was_logged_so_nothing_is_compared(house):
    metadata, (check,) = shown(house.materialize(skew.assets()), skew)

    assert (metadata["rows"], check.passed, check.description) == (0, True, "Nothing was logged.")
    assert house.store.publications("monitoring.delay_skew") == []


def test_realised_quality_of_champion_and_shadow(house):
    champion = [said(n, prediction=0.9 if n % 2 == 0 else 0.1) for n in range(1, 9)]
    shadow = [said(n, prediction=0.5, role="shadow", model_version=2) for n in range(1, 9)]
    segment(house, *champion, *shadow)
    house.materialize(log.assets())

    metadata, _ = shown(house.materialize(performance.assets()), performance)

    assert (metadata["predictions"], metadata["share_of_known_outcomes"], metadata["days"]) == (16, 0.75, 1)
    assert "| 2024-01-10 | champion | 1 | 8 | 6 | 1.0000 | 0.0100 |" in metadata["quality"]
    assert "| 2024-01-10 | shadow | 2 | 8 | 6 | 0.5000 | 0.2500 |" in metadata["quality"]
    assert metadata["dagster/row_count"] == 2
    again, _ = shown(house.materialize(performance.assets()), performance)
    assert again["dagster/row_count"] == 2


def test_realised_quality_keeps_its_promises(house):
    segment(house, *(said(n, prediction=0.9 if n % 2 else 0.1) for n in range(1, 9)))
    house.materialize(log.assets())

    promise = Contract(owner="team:test", expectations=(expect.between("auc", 0.5, 1, severity="warning"),))

    result = house.materialize(online_performance_monitoring(replace(MONITOR, contract=promise)).assets())

    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == ("auc_in_range", False, dg.AssetCheckSeverity.WARN)


def test_without_requests_there_is_no_quality(house):
    metadata, _ = shown(house.materialize(performance.assets()), performance)

    assert (metadata["predictions"], metadata["share_of_known_outcomes"]) == (0, 0.0)


# Where they are in a code location


@pytest.fixture
def location(monkeypatch):
    from sys import modules

    module = ModuleType("a_system_that_is_asked")
    module.log = inference_log(LOG, job="asked_log")
    module.skew = skew_monitoring(skew.monitor, job="asked_monitoring")
    module.performance = online_performance_monitoring(MONITOR, job="asked_monitoring")
    monkeypatch.setitem(modules, module.__name__, module)
    return lambda **options: code_location(module.__name__, name="asked", **options)


def test_jobs_of_their_own_have_schedules_of_their_own(location):
    defs = location(schedules={"asked_log": Schedule(cron="*/5 * * * *"), "asked_monitoring": Schedule(cron="20 * * * *")})

    assert {one.name: one.cron_schedule for one in defs.schedules} == {
        "asked_log_schedule": "*/5 * * * *",
        "asked_monitoring_schedule": "20 * * * *",
    }
    of_jobs = {
        job: sorted(key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys)
        for job in ("asked_log", "asked_monitoring")
    }
    assert of_jobs == {
        "asked_log": ["inference_log/delay"],
        "asked_monitoring": ["monitoring/delay_online", "monitoring/delay_skew"],
    }


def test_a_schedule_of_no_job_is_refused(location):
    with pytest.raises(NotFoundError, match=r"Job 'asked_logs' is not in what the pipelines .* Did you mean 'asked_log'\?"):
        location(schedules={"asked_logs": Schedule(cron="*/5 * * * *")})


def sensed(location, house, instance):
    defs = location()
    context = dg.build_sensor_context(
        instance=instance,
        repository_def=defs.get_repository_def(),
        resources={"inference_logs": house.resources["inference_logs"]},
    )
    return defs, defs.resolve_sensor_def("asked_log_sensor").evaluate_tick(context)


def test_the_sensor_lands_what_nobody_writes_to_one_run_at_a_time(location, house):
    with dg.DagsterInstance.ephemeral() as instance:
        _, before = sensed(location, house, instance)
        path = segment(house, said(1), name="a-000001.ndjson.part")
        with path.open("ab") as held:
            flock(held, LOCK_EX)
            _, written = sensed(location, house, instance)
        _, left = sensed(location, house, instance)
        path.rename(path.with_suffix(""))
        defs, closed = sensed(location, house, instance)
        run = instance.create_run_for_job(defs.resolve_job_def("asked_log"), status=dg.DagsterRunStatus.STARTED)
        _, running = sensed(location, house, instance)

    assert [before.skip_message, written.skip_message] == ["No segment is closed."] * 2
    assert [[request.job_name for request in one.run_requests] for one in (left, closed)] == [["asked_log"]] * 2
    assert running.skip_message == f"Run {run.run_id} of 'asked_log' is landing the log."
