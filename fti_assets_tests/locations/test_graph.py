from __future__ import annotations

import dagster as dg
import pytest

from fti_assets.locations import data_collection, features, inference, online_inference, training
from fti_assets.pipelines.partitions import partitions_of
from fti_assets.systems.flights.staged import DAYS

ENGINEERING, SCIENCE = "team:data-engineering", "team:data-science"
DAILY, WHOLE = partitions_of(DAYS), None
MONTHS = [*(f"2013-{month:02}-01" for month in range(6, 13)), "2014-01-01"]
CUTOFFS = dg.StaticPartitionsDefinition(MONTHS)
LOCATIONS = {
    "data_collection": data_collection,
    "features": features,
    "training": training,
    "inference": inference,
    "online_inference": online_inference,
}

# Key: group, owner, partitions.
ASSETS = {
    "data_collection": {
        "staging/airlines": ("staging", ENGINEERING, WHOLE),
        "staging/airports": ("staging", ENGINEERING, WHOLE),
        "staging/flights": ("staging", ENGINEERING, DAILY),
        "staging/planes": ("staging", ENGINEERING, WHOLE),
        "staging/weather": ("staging", ENGINEERING, DAILY),
        "validation/staging/airlines": ("validation", ENGINEERING, WHOLE),
        "validation/staging/airports": ("validation", ENGINEERING, WHOLE),
        "validation/staging/flights": ("validation", ENGINEERING, DAILY),
        "validation/staging/planes": ("validation", ENGINEERING, WHOLE),
        "validation/staging/weather": ("validation", ENGINEERING, DAILY),
    },
    "features": {
        "features/carrier_performance_v1": ("features", ENGINEERING, DAILY),
        "features/destination_delays_v1": ("features", ENGINEERING, DAILY),
        "features/flight_departures_v1": ("features", ENGINEERING, DAILY),
        "features/flight_outcomes_v1": ("features", ENGINEERING, DAILY),
        "features/origin_delays_v1": ("features", ENGINEERING, DAILY),
        "features/origin_weather_v1": ("features", ENGINEERING, DAILY),
        "features/plane_profile_v1": ("features", ENGINEERING, WHOLE),
        "features/route_performance_v1": ("features", ENGINEERING, DAILY),
        "features/scheduled_flights_v1": ("features", ENGINEERING, DAILY),
        "validation/features/carrier_performance_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/destination_delays_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/flight_departures_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/flight_outcomes_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/origin_delays_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/origin_weather_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/plane_profile_v1": ("validation", ENGINEERING, WHOLE),
        "validation/features/route_performance_v1": ("validation", ENGINEERING, DAILY),
        "validation/features/scheduled_flights_v1": ("validation", ENGINEERING, DAILY),
    },
    "training": {
        "training_datasets/flight_delay": ("training_datasets", SCIENCE, WHOLE),
        "models/flight_delay": ("models", SCIENCE, WHOLE),
        "models/flight_delay_validation": ("models", SCIENCE, WHOLE),
        "models/flight_delay_network": ("models", SCIENCE, WHOLE),
        "models/flight_delay_histogram": ("models", SCIENCE, WHOLE),
        "models/flight_delay_linear": ("models", SCIENCE, WHOLE),
        "models/flight_delay_search": ("models", SCIENCE, WHOLE),
        "models/flight_delay_backtest": ("models", SCIENCE, CUTOFFS),
        "maintenance/lake": ("maintenance", ENGINEERING, WHOLE),
        "maintenance/registry": ("maintenance", SCIENCE, WHOLE),
    },
    "inference": {
        "monitoring/flight_delay": ("monitoring", SCIENCE, DAILY),
        "predictions/flight_delay": ("predictions", SCIENCE, DAILY),
        "validation/monitoring/flight_delay": ("validation", SCIENCE, DAILY),
        "validation/predictions/flight_delay": ("validation", SCIENCE, DAILY),
    },
    "online_inference": {
        "online/carrier_performance_v1": ("online", ENGINEERING, WHOLE),
        "online/destination_delays_v1": ("online", ENGINEERING, WHOLE),
        "online/flight_departures_v1": ("online", ENGINEERING, WHOLE),
        "online/origin_delays_v1": ("online", ENGINEERING, WHOLE),
        "online/origin_weather_v1": ("online", ENGINEERING, WHOLE),
        "online/plane_profile_v1": ("online", ENGINEERING, WHOLE),
        "online/route_performance_v1": ("online", ENGINEERING, WHOLE),
        "online/scheduled_flights_v1": ("online", ENGINEERING, WHOLE),
        "inference_log/flight_delay": ("inference_log", SCIENCE, WHOLE),
        "monitoring/flight_delay_skew": ("monitoring", SCIENCE, WHOLE),
        "monitoring/flight_delay_online": ("monitoring", SCIENCE, WHOLE),
    },
}
ONLINE_TABLES = [key for key in ASSETS["online_inference"] if key.startswith("online/")]
FEATURE_GROUPS = [key for key in ASSETS["features"] if key.startswith("features/")]
EXTERNAL = {
    "data_collection": ["landing/airlines", "landing/airports", "landing/flights", "landing/planes", "landing/weather"],
    "features": ["staging/flights", "staging/planes", "staging/weather"],
    "training": FEATURE_GROUPS,
    "inference": [*FEATURE_GROUPS, "models/flight_delay_validation"],
    "online_inference": [*FEATURE_GROUPS, "models/flight_delay_validation"],
}
CHECKS = {
    "data_collection": {
        "staging/airlines": ["carrier_not_null", "carrier_unique", "name_not_null"],
        "staging/airports": ["code_not_null", "code_unique", "latitude_in_range", "longitude_in_range", "timezone_not_null"],
        "staging/flights": [
            "carrier_flight_number_origin_scheduled_departure_unique",
            "departure_delay_minutes_in_range",
            "origin_known",
            "row_count_in_range",
            "scheduled_departure_not_null",
        ],
        "staging/planes": ["manufacture_year_in_range", "seats_in_range", "tail_number_not_null", "tail_number_unique"],
        "staging/weather": [
            "observed_at_not_null",
            "origin_known",
            "origin_observed_at_unique",
            "row_count_in_range",
            "temp_f_in_range",
        ],
    },
    "features": {
        "features/carrier_performance_v1": [
            "carrier_delay_3h_in_range",
            "carrier_late_share_7d_in_range",
            "row_count_in_range",
        ],
        "features/destination_delays_v1": [
            "destination_late_share_24h_in_range",
            "destination_late_share_24h_not_null",
            "row_count_in_range",
        ],
        "features/flight_departures_v1": [
            "departure_delay_minutes_in_range",
            "departure_delay_minutes_not_null",
            "origin_known",
            "row_count_in_range",
        ],
        "features/flight_outcomes_v1": ["arrival_delay_minutes_in_range", "arrived_late_not_null", "row_count_in_range"],
        "features/origin_delays_v1": [
            "origin_delay_3h_in_range",
            "origin_departures_3h_in_range",
            "origin_known",
            "origin_overdue_in_range",
            "row_count_in_range",
        ],
        "features/origin_weather_v1": ["origin_known", "row_count_in_range", "temp_f_in_range", "visibility_miles_in_range"],
        "features/plane_profile_v1": ["manufacture_year_in_range", "seats_in_range"],
        "features/route_performance_v1": [
            "route_late_share_28d_in_range",
            "route_late_share_28d_not_null",
            "row_count_in_range",
        ],
        "features/scheduled_flights_v1": [
            "origin_known",
            "row_count_in_range",
            "scheduled_minutes_in_range",
            "tail_number_not_null",
        ],
    },
    "training": {
        "training_datasets/flight_delay": ["labels_known_at_cutoff", "no_feature_from_the_future", "rows_in_their_split"],
        "models/flight_delay_validation": ["auc_gate", "calibration_error_gate"],
    },
    "inference": {
        "monitoring/flight_delay": ["auc_in_range", "calibration_error_in_range"],
        "predictions/flight_delay": ["prediction_in_range", "prediction_not_null", "row_count_in_range"],
    },
    "online_inference": {
        **{key: ["online_equals_offline"] for key in ONLINE_TABLES},
        "inference_log/flight_delay": ["every_line_is_one"],
        "monitoring/flight_delay_skew": ["served_as_trained"],
    },
}
JOBS = {
    "data_collection": ["flights_collection", "flights_collection_whole"],
    "features": ["flights_features", "flights_features_whole"],
    "training": [
        "flights_training",
        "flights_search",
        "flights_backtest",
        "flights_candidates",
        "lake_maintenance",
        "registry_maintenance",
    ],
    "inference": ["flights_inference"],
    "online_inference": ["flights_online", "flights_inference_log", "flights_online_monitoring"],
}
SCHEDULES = {
    "data_collection": {},
    "features": {"flights_features_daily": "0 5 * * *"},
    "training": {
        "flights_training_schedule": "0 6 * * 1",
        "lake_maintenance_schedule": "0 3 * * *",
        "registry_maintenance_schedule": "30 3 * * 0",
    },
    "inference": {"flights_inference_daily": "0 7 * * *"},
    "online_inference": {
        "flights_inference_log_schedule": "*/5 * * * *",
        "flights_online_monitoring_schedule": "20 * * * *",
    },
}
SENSORS = {
    "data_collection": ["flights_collection_landing"],
    "features": ["flights_features_automation"],
    "training": [],
    "inference": ["flights_inference_automation"],
    "online_inference": ["flights_inference_log_sensor", "flights_online_automation"],
}

every_location = pytest.mark.parametrize("location", list(LOCATIONS))


def made_by(location):
    """The specs of the assets that a location makes, by key."""
    assets = (asset for asset in LOCATIONS[location].defs.assets if isinstance(asset, dg.AssetsDefinition))
    return {spec.key.to_user_string(): spec for asset in assets for spec in asset.specs}


def read_by(location):
    """The specs of the assets of others that a location shows."""
    return {spec.key.to_user_string(): spec for spec in LOCATIONS[location].defs.assets if isinstance(spec, dg.AssetSpec)}


@every_location
def test_assets(location):
    seen = {key: (spec.group_name, *spec.owners, spec.partitions_def) for key, spec in made_by(location).items()}

    assert seen == ASSETS[location]


@every_location
def test_external_assets(location):
    assert sorted(read_by(location)) == sorted(EXTERNAL[location])


@every_location
def test_checks(location):
    seen = {}
    for key in LOCATIONS[location].defs.resolve_asset_graph().asset_check_keys:
        seen.setdefault(key.asset_key.to_user_string(), []).append(key.name)

    assert {key: sorted(names) for key, names in seen.items()} == CHECKS[location]


@every_location
def test_jobs_schedules_and_sensors(location):
    defs = LOCATIONS[location].defs

    assert [job.name for job in defs.jobs] == JOBS[location]
    assert {schedule.name: schedule.cron_schedule for schedule in defs.schedules} == SCHEDULES[location]
    assert {schedule.execution_timezone for schedule in defs.schedules} <= {"America/New_York"}
    assert [sensor.name for sensor in defs.sensors] == SENSORS[location]


@every_location
def test_pools(location):
    assets = [asset for asset in LOCATIONS[location].defs.assets if isinstance(asset, dg.AssetsDefinition)]
    pools = {asset.op.name: asset.op.pool for asset in assets}

    if location == "training":
        assert {name for name, pool in pools.items() if pool} == {"maintenance__lake"}
    assert set(pools.values()) <= {"lake_writer", "online_writer", None}
    for name, pool in pools.items():
        if location != "training":
            assert pool == ("online_writer" if name.startswith("online__") else "lake_writer"), name


@every_location
def test_jobs_cover_every_asset(location):
    defs = LOCATIONS[location].defs
    covered = [key for job in JOBS[location] for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys]

    assert sorted(key.to_user_string() for key in covered) == sorted(ASSETS[location])


@every_location
def test_every_asset_is_described(location):
    for key, spec in made_by(location).items():
        assert spec.description, key
        assert spec.owners, key
        assert spec.kinds, key


@pytest.mark.parametrize("location", ["data_collection", "features", "inference", "online_inference"])
def test_tables_show_their_columns_with_units(location):
    tables = {key: spec for key, spec in made_by(location).items() if spec.group_name != "validation"}
    schemas = {key: spec.metadata["dagster/column_schema"] for key, spec in tables.items()}

    assert all(schema.columns for schema in schemas.values())
    units = {
        key: [column.name for column in schema.columns if "[" in (column.description or "")] for key, schema in schemas.items()
    }
    expected = {
        "staging/weather": "temp_f",
        "staging/flights": "departure_delay_minutes",
        "features/origin_weather_v1": "temp_f",
        "features/origin_delays_v1": "origin_delay_1h",
        "features/scheduled_flights_v1": "distance_miles",
        "online/origin_weather_v1": "temp_f",
        "inference_log/flight_delay": "latency_us",
    }
    for key, column in expected.items():
        if key in units:
            assert column in units[key]


def test_promises_of_freshness_are_policies_in_the_ui():
    fresh = {key for location in LOCATIONS for key, spec in made_by(location).items() if spec.freshness_policy}

    daily_groups = {key for key in FEATURE_GROUPS if key != "features/plane_profile_v1"}
    daily_tables = {key for key in ONLINE_TABLES if key != "online/plane_profile_v1"}
    assert fresh == {*daily_groups, *daily_tables, "predictions/flight_delay"}


@every_location
def test_what_a_location_reads_another_one_makes_with_the_same_partitions(location):
    makers = {key: spec for other in LOCATIONS if other != location for key, spec in made_by(other).items()}
    for key, spec in read_by(location).items():
        if key.startswith("landing/"):
            continue
        assert key in makers, f"nobody makes {key}"
        assert spec.partitions_def == makers[key].partitions_def, key
        assert spec.group_name == makers[key].group_name, key


def test_no_asset_is_made_by_two_locations():
    keys = [key for location in LOCATIONS for key in made_by(location)]

    assert len(keys) == len(set(keys))
