"""Settings, systems and clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.online_store import OnlineStore
from fti_assets.serving import Limits, LogLimits, ServedSystem, ServingError, Settings, read_settings
from fti_assets.serving.clock import Clock
from fti_assets_tests.serving import contracts
from fti_assets_tests.serving.contracts import MODEL, NOW, VIEW
from fti_assets_tests.serving.examples import fill


def test_settings_are_read_by_name(tmp_path):
    file = tmp_path / "serving.yaml"
    file.write_text(
        "poll_seconds: 10\nchallenger_share: 0.1\nshadow: true\nclock: 2013-06-01T15:00:00Z\n"
        "limits: {rows: 50, seconds: 2}\nlog: {segment_bytes: 1000}\n"
    )
    assert read_settings(file) == Settings(
        poll_seconds=10.0,
        challenger_share=0.1,
        shadow=True,
        clock=datetime(2013, 6, 1, 15, tzinfo=UTC),
        limits=Limits(rows=50, seconds=2.0),
        log=LogLimits(segment_bytes=1000),
    )


@pytest.mark.parametrize(
    ("text", "error", "what"),
    [
        pytest.param("shadows: true", NotFoundError, "Did you mean 'shadow'", id="unknown_name"),
        pytest.param("limits: {row: 5}", NotFoundError, "Did you mean 'rows'", id="unknown_limit"),
        pytest.param("limits: 5", ServingError, "are no names and values", id="no_limits"),
        pytest.param("limits: {rows: many}", ServingError, "Give a whole number", id="no_number"),
        pytest.param("limits: {rows: -1}", ServingError, "Give a whole number from 0", id="negative"),
        pytest.param("limits: {rows: true}", ServingError, "Give a whole number", id="truth_value"),
        pytest.param("shadow: 1", ServingError, "Give true or false", id="number_for_truth_value"),
        pytest.param("challenger_share: 2", ServingError, "Give a share from 0 to 1", id="share_of_two"),
        pytest.param("poll_seconds: 0", ServingError, "Give 0.05 or more", id="no_pause"),
        pytest.param("clock: soon", ServingError, "'soon' is no time", id="no_time"),
        pytest.param("clock: 2013-06-01 15:00:00", ServingError, "has no zone", id="no_zone"),
        pytest.param("- 1", ServingError, "are no names and values", id="a_list"),
        pytest.param("{", ServingError, "cannot be read", id="no_yaml"),
    ],
)
def test_settings_that_say_nothing_are_refused(tmp_path, text, error, what):
    file = tmp_path / "serving.yaml"
    file.write_text(text)
    with pytest.raises(error, match=what):
        read_settings(file)


def test_settings_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(ServingError, match="cannot be read"):
        read_settings(tmp_path / "none.yaml")


def test_a_system_serves_what_predictions_are_promised_of_unless_it_is_told_otherwise():
    assert ServedSystem.of(contracts) == ServedSystem("serving", (MODEL,), "fti_assets_tests.serving.contracts")
    flights = "fti_assets.systems.flights.contracts"
    assert [model.name for model in ServedSystem.of(flights).models] == ["flight_delay"]
    chosen = ServedSystem.of(flights, ["flight_delay_linear", "flight_delay"])
    assert [model.name for model in chosen.models] == ["flight_delay_linear", "flight_delay"]
    with pytest.raises(NotFoundError, match="Did you mean 'flight_delay'"):
        ServedSystem.of(flights, ["flight_delays"])
    with pytest.raises(ServingError, match="hold no model"):
        ServedSystem.of("fti_assets.systems.flights.staged")


def test_a_clock_stands_at_the_newest_event_where_the_calendar_has_ended(tmp_path):
    with OnlineStore(tmp_path) as store:
        clock = Clock()
        clock.follow([VIEW], store)  # the store is empty
        assert clock.said == "real"
        fill(store)
        clock.follow([VIEW], store)
        assert clock.as_data() == {"now": NOW - timedelta(hours=1), "is": "newest event in the online store"}
        given = Clock(NOW)
        given.follow([VIEW], store)
        assert given.as_data() == {"now": NOW, "is": "given"}


def test_a_server_whose_online_store_holds_nothing_of_its_model_is_not_ready(tmp_path):
    from fti_assets.serving.running import RunningServer, Stores

    stores = Stores(OnlineStore(tmp_path / "online"), f"sqlite:///{tmp_path}/none.db", tmp_path / "copies", tmp_path / "log")
    running = RunningServer(ServedSystem.of(contracts), stores, Settings(), None)
    is_ready, said = running.readiness()
    assert not is_ready
    assert "nothing was materialised" in said["online_store"]
    fill(stores.online)
    assert running.readiness()[1]["online_store"] == "answers"
