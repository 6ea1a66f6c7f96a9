"""The online half of the flights system: online tables, the inference log, and what is measured on it."""

from __future__ import annotations

from fti_assets.pipelines import inference_log, online_performance_monitoring, online_table, skew_monitoring
from fti_assets.systems.flights import contracts
from fti_assets.vocabulary import Contract, InferenceLog, OnlineMonitor, SkewMonitor

scheduled_flights_online = online_table(contracts.SCHEDULED_FLIGHTS)
flight_departures_online = online_table(contracts.FLIGHT_DEPARTURES, views=(contracts.FLIGHT_DELAY,))
origin_delays_online = online_table(contracts.ORIGIN_DELAYS)
carrier_performance_online = online_table(contracts.CARRIER_PERFORMANCE)
route_performance_online = online_table(contracts.ROUTE_PERFORMANCE)
destination_delays_online = online_table(contracts.DESTINATION_DELAYS)
origin_weather_online = online_table(contracts.ORIGIN_WEATHER)
plane_profile_online = online_table(contracts.PLANE_PROFILE)

SCIENCE = Contract(owner=contracts.SCIENCE)
FLIGHT_DELAY_LOG = InferenceLog(
    model=contracts.FLIGHT_DELAY_MODEL,
    description="What was asked about flights online, with the features as used and the predictions.",
    contract=SCIENCE,
)
FLIGHT_DELAY_SKEW = SkewMonitor(
    log=FLIGHT_DELAY_LOG,
    description="Whether the features of flights are served online as training sees them, by check and feature.",
    contract=SCIENCE,
)
FLIGHT_DELAY_ONLINE = OnlineMonitor(
    log=FLIGHT_DELAY_LOG,
    description="How online predictions of flights turned out, by day, role and version.",
    contract=SCIENCE,
)
LOG_JOB, MONITORING_JOB = "flights_inference_log", "flights_online_monitoring"

flight_delay_log = inference_log(FLIGHT_DELAY_LOG, job=LOG_JOB)
flight_delay_skew = skew_monitoring(FLIGHT_DELAY_SKEW, job=MONITORING_JOB)
flight_delay_online = online_performance_monitoring(FLIGHT_DELAY_ONLINE, job=MONITORING_JOB)
