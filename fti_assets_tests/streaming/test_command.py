"""`fti stream` and `fti api-key`, as they are typed."""

import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from functools import partial

import pytest
from typer.testing import CliRunner

from fti_assets.api_keys import ApiKeys
from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.windows import Windows
from fti_assets.streaming.events import as_event
from fti_assets.streaming.groups import streamed_groups
from fti_assets.streaming.replay import EventSender
from fti_assets.streaming.running import Settings, Stream, prepare
from fti_assets.systems.flights.contracts import FLIGHT_DELAY, FLIGHT_DEPARTURES
from fti_assets.systems.flights.staged import DAYS
from fti_assets.vocabulary import WindowedSelection
from fti_assets_tests.feature_store.examples import rows_of
from fti_assets_tests.streaming.examples import wait_until

(SELECTION,) = (one for one in FLIGHT_DELAY.joined if isinstance(one, WindowedSelection))
WINDOWS = Windows(FLIGHT_DEPARTURES, SELECTION.by, SELECTION.aggregates)
DAY = DAYS.window("2013-01-10")
NOON = DAY.start + timedelta(hours=12)
ROWS = [("UA", n, "JFK", NOON, NOON + n * timedelta(minutes=20) - timedelta(days=n % 2), float(n)) for n in range(8)]

COLUMNS = [column.name for column in FLIGHT_DEPARTURES.table.columns]
DEPARTURE = as_event(FLIGHT_DEPARTURES, dict(zip(COLUMNS, ("UA", 99, "JFK", NOON, NOON, 5.0), strict=True)))


@pytest.fixture
def fti(tmp_path, monkeypatch):
    from fti_assets.cli.app import app

    monkeypatch.setenv("FTI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.setswitchinterval", lambda seconds: None)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def store(tmp_path):
    made = FeatureStore(tmp_path)
    made.upsert(FLIGHT_DEPARTURES, rows_of(FLIGHT_DEPARTURES, *ROWS))
    return made


def look(online, at):
    with online.reading() as reader:
        return WINDOWS.evaluate(reader, ("JFK",), microseconds(at))[1]


def test_a_replay_takes_the_windows_back_and_sends_the_day_again(fti, store, tmp_path):
    """Of the eight departures four are of the day before."""
    hashed = store.content_hash(FLIGHT_DEPARTURES.table)
    with OnlineStore(tmp_path / "online") as online:
        prepare(online, lambda: store, [FLIGHT_DELAY])
        assert look(online, NOON + timedelta(hours=2)) == 2
    found = fti("stream", "flights", "--replay", "2013-01-10", "--speed", "1000000", "--port", "0")
    assert found.exit_code == 0, found.output
    assert "Replaying 4 events of flight_departures_v1, 1,000,000 times as fast" in found.output
    assert "Sent: 4 accepted, 0 repeated, 0 refused." in found.output
    with OnlineStore(tmp_path / "online") as online:
        assert look(online, NOON + timedelta(hours=2)) == 2
        assert look(online, NOON - timedelta(hours=22)) == 1
    assert store.content_hash(FLIGHT_DEPARTURES.table) == hashed


def test_a_replay_sends_to_a_stream_that_listens(fti, store, tmp_path):
    groups = streamed_groups([FLIGHT_DEPARTURES], [FLIGHT_DELAY])
    with OnlineStore(tmp_path / "other") as online:
        other = partial(FeatureStore, tmp_path / "lake of the other")
        stream = Stream(online, other, groups, tmp_path / "refused", Settings(port=0))
        prepare(online, other, [FLIGHT_DELAY])
        with stream.running():
            found = fti("stream", "flights", "--replay", "2013-01-10", "--speed", "1000000", "--port", str(stream.port))
        assert "Sent: 4 accepted" in found.output
        assert look(online, NOON + timedelta(hours=2)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["flight"], "System 'flight' is not in .* Did you mean 'flights'", id="system"),
        pytest.param(["flights", "--replay", "2013-01-10"], "nothing was ever published", id="no_lake"),
        pytest.param(["flights", "--replay", "10.1.2013"], "'10.1.2013' is not a day", id="day"),
        pytest.param(["flights", "--host", "0.0.0.0"], "there are no API keys", id="keys"),
        pytest.param(["flights", "--source", "kafka://x"], "'kafka://x' is no source of events", id="source"),
    ],
)
def test_what_cannot_be_done_is_said(fti, arguments, message):
    found = fti("stream", *arguments)
    assert found.exit_code == 1
    assert re.search(message, found.output)


def test_a_key_is_shown_once_and_its_line_is_what_the_environment_takes(fti):
    found = fti("api-key", "sensors")
    keys = ApiKeys.from_environment({"FTI_API_KEYS": found.stdout.strip()})
    assert keys.owner(None, found.stderr.splitlines()[-1]) == "sensors"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_stream_and_the_process_that_lands_end_in_good_order(store, tmp_path, number, status):
    known = {name: value for name, value in os.environ.items() if not name.startswith("FTI")} | {"FTI_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "fti_assets.cli", "stream", "flights", "--port", "0", "--land-every", "0.1"]
    with subprocess.Popen(command, env=known, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        port = next(found[1] for line in process.stderr if (found := re.search(r"running on http://127.0.0.1:(\d+)", line)))
        EventSender("127.0.0.1", int(port)).send(FLIGHT_DEPARTURES.versioned_name, [DEPARTURE])
        wait_until(lambda: _session(process.pid) > 1)
        os.killpg(process.pid, number)  # as a terminal does
        said = process.stderr.read()
    assert (process.returncode, "Traceback" in said, _session(process.pid)) == (status, False, 0), said


def _session(leader):
    """How many processes a session has."""
    return subprocess.run(["ps", "-o", "pid=", "--sid", str(leader)], capture_output=True, text=True).stdout.count("\n")
