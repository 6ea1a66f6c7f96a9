"""Twenty days of real flights from landing files to monitoring, through Dagster. Tests run in order, on one set of stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from fti_assets.model_registry import ModelRegistry
from fti_assets.pipelines import (
    batch_inference,
    model_validation,
    performance_monitoring,
    training_dataset,
    training_pipeline,
)
from fti_assets.pipelines.running import RunFailedError
from fti_assets.systems.flights import contracts
from fti_assets.systems.flights.delivery import deliver
from fti_assets.systems.flights.online import FLIGHT_DELAY_LOG, FLIGHT_DELAY_ONLINE
from fti_assets.systems.flights.staged import DAYS, STAGED_FLIGHTS
from fti_assets.training import XGBoostTrainer, training_program
from fti_assets.vocabulary import Gate, TimeSplit
from fti_assets_tests.conftest import reasons
from fti_assets_tests.feature_store.servers import free_port

pytestmark = pytest.mark.end_to_end

FIRST, LAST = "2013-01-01", "2013-01-20"
PREDICTED = "2013-01-20"
# Of twenty days none can be left out between the splits.
DATASET = replace(contracts.FLIGHT_DELAY_DATASET, split=TimeSplit(validation_days=3, test_days=4), label_horizon=timedelta())
MODEL = replace(
    contracts.FLIGHT_DELAY_MODEL,
    dataset=DATASET,
    gates=(Gate(metric="auc", minimum=0.55, champion_margin=0.005),),
    slices=("origin",),
)
PREDICTIONS = replace(contracts.FLIGHT_DELAY_PREDICTIONS, model=MODEL)
MONITOR = replace(contracts.FLIGHT_DELAY_MONITOR, predictions=PREDICTIONS)
TRAINER = XGBoostTrainer(rounds=40, learning_rate=0.3, max_depth=5)

dataset = training_dataset(DATASET)
validation = model_validation(MODEL)
predictions = batch_inference(PREDICTIONS)
monitoring = performance_monitoring(MONITOR)


@training_program(MODEL, baseline=("carrier", "destination"))
def fit_well(data, run):
    return TRAINER.fit(data, run)


@training_program(MODEL)
def fit_badly(data, run):
    return replace(TRAINER, rounds=1, max_depth=1, colsample_bytree=0.01).fit(data, run)


good, worse = training_pipeline(fit_well), training_pipeline(fit_badly)


@pytest.fixture(scope="module")
def house(make_house):
    """Twenty days, staged and made into features; no model."""
    made = make_house()
    deliver(made.zone, first=FIRST, last=LAST)
    made.run("flights_collection_whole")
    made.run("flights_collection", FIRST, LAST)
    made.run("flights_features_whole")
    made.run("flights_features", FIRST, LAST)
    return made


@pytest.fixture(scope="module")
def registry(house):
    return ModelRegistry(f"sqlite:///{house.root}/mlflow/mlflow.db")


@pytest.fixture(scope="module")
def trained(house):
    """The dataset is cut at the end of the twenty days, a model is trained from it and promoted."""
    result = dg.materialize(
        [*dataset.assets(), *good.assets(), *validation.assets()],
        instance=house.instance,
        resources=house.resources,
        run_config={
            "ops": {"training_datasets__flight_delay": {"config": {"cutoff": "2013-01-21"}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )
    assert reasons(result) == []
    return result


@pytest.fixture(scope="module")
def predicted(house, trained):
    result = house.materialize(predictions.assets(), PREDICTED)
    assert reasons(result) == []
    return result


def rows(house, table, where="true", window=None):
    with house.store.connect() as connection:
        return house.store.read(connection, table, window).filter(where).order("ALL").to_arrow_table().to_pylist()


def test_without_a_champion_the_error_says_what_to_run(house):
    (reason,) = reasons(house.materialize(predictions.assets(), PREDICTED))

    assert "Model 'flight_delay' is not in the registry" in reason
    assert "Materialise the asset models/flight_delay" in reason
    assert rows(house, PREDICTIONS.table) == []


def test_the_dataset_is_leak_free_and_split_by_time(house, trained):
    folder, manifest = house.store.dataset("flight_delay")

    assert house.store.audit(folder, DATASET.view) == {
        "no_feature_from_the_future": 0,
        "labels_known_at_cutoff": 0,
        "rows_in_their_split": 0,
    }
    assert [end[:10] for _, end in manifest.splits.values()] == ["2013-01-14", "2013-01-17", "2013-01-21"]
    assert sum(manifest.rows.values()) > 15_000
    checks = {evaluation.check_name: evaluation.passed for evaluation in trained.get_asset_check_evaluations()}
    assert checks == {
        "no_feature_from_the_future": True,
        "labels_known_at_cutoff": True,
        "rows_in_their_split": True,
        "auc_gate": True,
    }


def test_columns_of_the_dataset_say_what_they_are_made_of(trained):
    (event,) = trained.asset_materializations_for_node("training_datasets__flight_delay")

    lineage = event.metadata["dagster/column_lineage"].value.deps_by_column
    made_of = {name: [(dep.asset_key.path[-1], dep.column_name) for dep in deps] for name, deps in lineage.items()}
    assert list(made_of) == [*DATASET.view.feature_names, "arrived_late"]
    assert made_of["wind_mph"] == [("origin_weather_v1", "wind_mph")]
    assert made_of["origin_delay_1h"] == [("flight_departures_v1", "departure_delay_minutes")]
    assert made_of["origin_departures_1h"] == [("flight_departures_v1", "known_at")]
    assert made_of["plane_age_years"] == [("plane_profile_v1", "manufacture_year"), ("scheduled_flights_v1", "prediction_time")]
    assert {column.name for column in event.metadata["dagster/column_schema"].value.columns} == set(made_of)


def test_the_model_is_registered_with_its_lineage_and_promoted(house, trained, registry):
    _, manifest = house.store.dataset("flight_delay")

    champion = registry.get("flight_delay", "champion")

    assert champion.version == 1
    assert champion.tags["dataset_id"] == manifest.id
    assert champion.tags["dataset_hash"] == manifest.content_hash
    assert champion.tags["dagster_run_id"] == trained.run_id
    assert 0.6 < champion.metrics["auc_test"] < 0.95
    assert champion.metrics["baseline_auc_test"] < champion.metrics["auc_test"]
    (event,) = trained.asset_materializations_for_node("models__flight_delay")
    assert {"roc", "calibration", "feature_importance", "learning_curve", "mlflow_run"} <= set(event.metadata)


def test_every_scheduled_flight_of_a_day_is_predicted(house, predicted):
    made = rows(house, PREDICTIONS.table)
    staged = rows(house, STAGED_FLIGHTS.table, window=DAYS.window(PREDICTED))

    keys = ("carrier", "flight_number", "origin", "scheduled_departure")
    assert [tuple(row[key] for key in keys) for row in made] == [tuple(row[key] for key in keys) for row in staged]
    assert "cancelled" in {row["status"] for row in staged}
    assert all(0 < row["prediction"] < 1 for row in made)
    assert {(row["model_version"], row["view_version"]) for row in made} == {(1, 2)}
    assert len({row["prediction"] for row in made}) > 20


def test_predicting_a_day_again_replaces_it(house, predicted):
    before = rows(house, PREDICTIONS.table)

    result = house.materialize(predictions.assets(), PREDICTED)

    assert reasons(result) == []
    after = rows(house, PREDICTIONS.table)
    assert len(after) == len(before)
    assert [row["prediction"] for row in after] == [row["prediction"] for row in before]
    assert after[0]["predicted_at"] > before[0]["predicted_at"]
    assert after[0]["snapshot"] > before[0]["snapshot"]


def test_missing_features_are_named_with_their_day(house, trained):
    (reason,) = reasons(house.materialize(predictions.assets(), "2013-01-21"))
    assert reason == (
        "'features.scheduled_flights_v1' is not published for 2013-01-21."
        " Materialise 'features/scheduled_flights_v1' for these days first."
    )

    spine = rows(house, contracts.SCHEDULED_FLIGHTS.table, window=DAYS.window(PREDICTED))
    tomorrow = [shifted(row) for row in spine]
    house.store.publish(contracts.SCHEDULED_FLIGHTS, table_of(house, tomorrow), DAYS.window("2013-01-21"))
    (reason,) = reasons(house.materialize(predictions.assets(), "2013-01-21"))

    assert reason.startswith("'features.origin_delays_v1' is not published for 2013-01-21.")
    assert rows(house, PREDICTIONS.table, window=DAYS.window("2013-01-21")) == []


def shifted(row):
    return {
        name: value + timedelta(days=1) if name in ("scheduled_departure", "prediction_time") else value
        for name, value in row.items()
    }


def table_of(house, dictionaries):
    with house.store.connect() as connection:
        schema = house.store.read(connection, contracts.SCHEDULED_FLIGHTS.table).to_arrow_table().schema
    return pa.Table.from_pylist(dictionaries, schema=schema)


def test_monitoring_equals_a_computation_by_hand(house, predicted):
    result = house.materialize(monitoring.assets(), PREDICTED)

    assert reasons(result) == []
    (row,) = rows(house, MONITOR.table)
    outcomes = {
        tuple(one[key] for key in ("carrier", "flight_number", "origin", "scheduled_departure")): one["arrived_late"]
        for one in rows(house, contracts.FLIGHT_OUTCOMES.table)
    }
    made = rows(house, PREDICTIONS.table, window=DAYS.window(PREDICTED))
    pairs = [
        (one["prediction"], outcomes[key])
        for one in made
        if (key := tuple(one[name] for name in ("carrier", "flight_number", "origin", "scheduled_departure"))) in outcomes
    ]
    score, late = np.array([p for p, _ in pairs]), np.array([late for _, late in pairs])
    above = (score[late][:, None] > score[~late]).mean() + 0.5 * (score[late][:, None] == score[~late]).mean()
    assert row["day"] == DAYS.window(PREDICTED).start
    assert (row["predictions"], row["outcomes"]) == (len(made), len(pairs))
    assert row["auc"] == pytest.approx(above)
    assert row["base_rate"] == pytest.approx(late.mean())
    assert row["mean_prediction"] == pytest.approx(score.mean())
    assert row["brier"] == pytest.approx(((score - late) ** 2).mean())
    assert row["training_auc"] == pytest.approx(
        ModelRegistry(f"sqlite:///{house.root}/mlflow/mlflow.db").get("flight_delay", 1).metrics["auc_test"]
    )


def test_monitoring_without_predictions_names_the_day(house, predicted):
    (reason,) = reasons(house.materialize(monitoring.assets(), "2013-01-05"))

    assert reason.startswith("'predictions.flight_delay' is not published for 2013-01-05.")


def test_a_worse_challenger_is_not_promoted_and_its_blocking_check_fails(house, trained, registry):
    result = house.materialize([*worse.assets(), *validation.assets()])

    assert not result.success
    (reason,) = reasons(result)
    assert reason.startswith("Not promoted: auc ")
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("auc_gate", False)
    assert registry.get("flight_delay", "champion").version == 1
    assert registry.get("flight_delay", "challenger").version == 2
    decision = result.asset_materializations_for_node("models__flight_delay_validation")[0]
    assert decision.metadata["promoted"].value is False
    assert decision.metadata["champion_before"].value == 1


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(lambda text: text.replace(",EWR,", ",EWR,x", 1), ("flights_2013-01-10.csv",), id="other_bytes"),
        pytest.param(lambda text: text[: len(text) // 2], ("flights_2013-01-10.csv", "cut off"), id="truncated"),
        pytest.param(None, ("flights_2013-01-10.csv", "is missing"), id="deleted"),
    ],
)
def test_a_spoiled_landing_file_fails_its_partition_and_leaves_what_was_published(house, spoil, named):
    file = house.zone.file("flights", "2013-01-10")
    delivered, before = file.read_bytes(), rows(house, STAGED_FLIGHTS.table)
    try:
        if spoil:
            file.write_text(spoil(delivered.decode()))
        else:
            file.unlink()
        with pytest.raises(RunFailedError) as failed:
            house.run("flights_collection", "2013-01-09", "2013-01-11")
    finally:
        file.write_bytes(delivered)

    reason = failed.value.steps["staging/flights"]
    assert all(text in reason for text in named)
    assert "delivered again" in reason
    assert rows(house, STAGED_FLIGHTS.table) == before


def test_a_malformed_delivery_is_named_with_file_line_and_column(house):
    before = rows(house, STAGED_FLIGHTS.table)
    sources = {source: house.zone.file(source, "2013-01-10").read_bytes() for source in ("flights", "weather")}
    lines = sources["flights"].decode().splitlines(keepends=True)
    values = lines[4].split(",")
    values[lines[0].strip().split(",").index("distance")] = "far"
    lines[4] = ",".join(values)
    house.zone.deliver_day("2013-01-10", {**sources, "flights": "".join(lines).encode()})

    with pytest.raises(RunFailedError) as failed:
        house.run("flights_collection", "2013-01-10")
    house.zone.deliver_day("2013-01-10", sources)

    reason = failed.value.steps["staging/flights"]
    assert "flights_2013-01-10.csv" in reason
    assert "line 5" in reason
    assert "distance" in reason
    assert "far" in reason
    assert rows(house, STAGED_FLIGHTS.table) == before


def test_one_more_day_goes_from_landing_to_prediction(house, trained):
    deliver(house.zone, first="2013-01-21", last="2013-01-21")
    house.run("flights_collection", "2013-01-21")
    house.run("flights_features", "2013-01-21")

    result = house.materialize([*predictions.assets(), *monitoring.assets()], "2013-01-21")

    assert reasons(result) == []
    assert len(rows(house, PREDICTIONS.table, window=DAYS.window("2013-01-21"))) == len(
        rows(house, STAGED_FLIGHTS.table, window=DAYS.window("2013-01-21"))
    )
    assert len(rows(house, MONITOR.table)) == 2


def test_runs_of_the_workspace_jobs_are_recorded(house):
    flights = dg.AssetKey(["staging", "flights"])

    assert house.instance.get_materialized_partitions(flights) >= set(DAYS.keys(DAYS.window(FIRST, LAST)))


# Online: tables, a server, its log, and what is measured on it


@pytest.fixture(scope="module")
def online(house, trained):
    """The online tables, and a check of each, by the job of the workspace."""
    return house.run("flights_online")


ASKED = 300


@pytest.fixture(scope="module")
def asked(house, online):
    """A server answers about flights of the last day, as of its newest event, and is stopped."""
    flights = rows(house, contracts.SCHEDULED_FLIGHTS.table, window=DAYS.window("2013-01-21"))[-ASKED:]
    keys = contracts.FLIGHT.key_names
    with serving(house.root) as server:
        answers = [
            server.predict({"row": {key: str(flight[key]) if key == keys[-1] else flight[key] for key in keys}})
            for flight in flights
        ]
    return flights, answers


@contextmanager
def serving(root):
    """`fti serve flights` on the stores of a folder; the challenger scores too."""
    port = free_port()
    command = [sys.executable, "-m", "fti_assets.cli", "serve", "flights", "--port", str(port), "--shadow", "--poll", "0.5"]
    known = {**os.environ, "FTI_DATA_DIR": str(root), "PYTHONWARNINGS": "ignore"}
    with (root / "server.log").open("wb") as told, subprocess.Popen(command, env=known, stdout=told, stderr=told) as process:
        client = Client(port)
        try:
            deadline = time.monotonic() + 120
            while not client.is_ready():
                assert process.poll() is None, (root / "server.log").read_text()
                assert time.monotonic() < deadline, (root / "server.log").read_text()
                time.sleep(0.2)
            yield client
            process.terminate()
            assert process.wait(60) == 0, (root / "server.log").read_text()
        finally:
            process.kill()


class Client:
    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def is_ready(self):
        """Whether champion and challenger are there."""
        try:
            with urlopen(f"{self.address}/readyz", timeout=5) as answer:
                model = json.load(answer)["models"]["flight_delay"]
        except (OSError, HTTPError):
            return False
        return bool(model["champion"] and model["challenger"])

    def predict(self, said):
        request = Request(f"{self.address}/predict/flight_delay", json.dumps(said).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)


def said_by(house, name):
    """What the last materialisation of an asset says."""
    event = house.instance.get_latest_materialization_event(dg.AssetKey(name.split("/")))
    return {key: value.value for key, value in event.asset_materialization.metadata.items()}


def verdict(house, name, check):
    (record,) = house.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(name.split("/")), check), limit=1
    )
    return record.event.dagster_event.asset_check_evaluation_data


def test_what_is_online_is_what_the_lake_gives(house, online):
    tables = [step.key for step in online.steps if step.key.startswith("online/") and not step.key.endswith("_offline")]

    assert len(tables) == 8
    for name in tables:
        found = verdict(house, name, "online_equals_offline")
        assert found.passed, (name, found.metadata["differences"].value)
        assert found.metadata["entities"].value > 0


def test_every_request_is_in_the_log_with_the_features_as_used(house, asked):
    flights, answers = asked
    house.run("flights_inference_log")

    logged = rows(house, FLIGHT_DELAY_LOG.table)
    champion = [row for row in logged if row["role"] == "champion"]

    assert said_by(house, "inference_log/flight_delay")["rows"] == len(logged)
    assert len(champion) == len([row for row in logged if row["role"] == "shadow"]) == len(flights)
    assert {(row["role"], row["model_version"], row["view_version"]) for row in logged} == {("champion", 1, 2), ("shadow", 2, 2)}
    assert sorted(row["prediction"] for row in champion) == sorted(one["predictions"][0]["prediction"] for one in answers)
    assert len({row["temp_f"] for row in champion} - {None}) > 1


def test_real_flights_are_served_as_training_sees_them(house, asked):
    house.run("flights_online_monitoring")

    said = said_by(house, "monitoring/flight_delay_skew")

    assert said["rows"] == len(asked[0])
    assert said["differing_rows"] == 0, said["examples"]
    assert verdict(house, "monitoring/flight_delay_skew", "served_as_trained").passed


def test_online_predictions_meet_their_outcomes_champion_beside_shadow(house, asked):
    found = {row["role"]: row for row in rows(house, FLIGHT_DELAY_ONLINE.table)}

    assert {*found} == {"champion", "shadow"}
    assert found["champion"]["predictions"] == found["shadow"]["predictions"] == len(asked[0])
    assert found["champion"]["outcomes"] > 0.8 * len(asked[0])
    assert found["champion"]["auc"] > found["shadow"]["auc"]
