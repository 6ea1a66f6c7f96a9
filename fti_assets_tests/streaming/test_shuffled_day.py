"""A day of real flights through the stream, in whatever order, killed on the way: the same windows and lake as in batch."""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from urllib.request import urlopen

import pyarrow as pa
import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.windows import Windows
from fti_assets.streaming.events import as_event
from fti_assets.streaming.replay import EventSender
from fti_assets.systems.flights.contracts import FLIGHT_DELAY, FLIGHT_DEPARTURES
from fti_assets.systems.flights.staged import DAYS, ORIGINS
from fti_assets.vocabulary import WindowedSelection
from fti_assets_tests.feature_store.examples import ARROW

DAY = DAYS.window("2013-01-10")
NAME = FLIGHT_DEPARTURES.versioned_name
(SELECTION,) = (one for one in FLIGHT_DELAY.joined if isinstance(one, WindowedSelection))
KILLS = 3
QUARTERS = [DAY.start + n * timedelta(minutes=15) for n in range(97)]


@pytest.fixture(scope="module")
def departures(flights_house):
    """The rows of the day as the batch pipeline has published them."""
    with flights_house.store.connect() as connection:
        return flights_house.store.read(connection, FLIGHT_DEPARTURES.table, DAY).to_arrow_table()


def shuffled(rows, rng):
    """The events in a random order, a tenth of them twice, and some first with a value that is corrected later."""
    order = rng.sample(rows, len(rows))
    repeated = rng.sample(rows, len(rows) // 10)
    for row in repeated:
        order.insert(rng.randrange(len(order)), row)
    wrong = [row | {"departure_delay_minutes": 1234.0} for row in rng.sample(rows, 30)]
    return [*(as_event(FLIGHT_DEPARTURES, row) for row in wrong), *(as_event(FLIGHT_DEPARTURES, row) for row in order)]


class Server:
    """`fti stream flights` as a program of its own, on a folder and a port that stay the same."""

    def __init__(self, folder):
        self.folder, self.port = folder, _free_port()
        self.process = None

    def start(self):
        ours = ("DAGSTER", "FTI", "MLFLOW", "PYTEST")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        command = [sys.executable, "-m", "fti_assets.cli", "stream", "flights", "--port", str(self.port), "--land-every", "0.5"]
        with (self.folder / "stream.log").open("a") as log:
            self.process = subprocess.Popen(command, env=environment | {"FTI_DATA_DIR": str(self.folder)}, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def waiting(self):
        """Events that wait to be landed; None where the server does not answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10) as response:
                return json.load(response)["waiting"][NAME]
        except OSError:
            return None

    @contextmanager
    def running(self):
        self.start()
        try:
            yield
        finally:
            self.kill()


def _free_port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def send_with_kills(server, events, rng):
    """Sends everything, again what was not acknowledged, while the server is killed and started again. Returns the answers."""
    answers, sender = [], EventSender("127.0.0.1", server.port)
    portions = [events[n : n + 10] for n in range(0, len(events), 10)]
    kills = rng.sample(range(len(portions)), KILLS)
    for n, portion in enumerate(portions):
        killer = threading.Timer(rng.uniform(0, 0.02), lambda: (server.kill(), server.start())) if n in kills else None
        if killer:
            killer.start()
        answers.append(sender.send(NAME, portion))
        if killer:
            killer.join()
    return answers


def test_a_shuffled_day_of_flights(departures, flights_house, tmp_path):
    rng = random.Random(5)
    rows = departures.to_pylist()
    events = shuffled(rows, rng)
    server = Server(tmp_path)
    with server.running():
        answers = send_with_kills(server, events, rng)
        until = time.monotonic() + 60
        while server.waiting() != 0:
            assert time.monotonic() < until, (tmp_path / "stream.log").read_text()
            time.sleep(0.1)
    assert sum(answer["refused_count"] for answer in answers) == 0
    assert len(rows) > 800
    assert (tmp_path / "stream.log").read_text().count("Started server process") == KILLS + 1
    reference = FeatureStore(tmp_path / "reference")
    reference.publish(FLIGHT_DEPARTURES, departures, DAY)
    landed = FeatureStore(tmp_path).content_hash(FLIGHT_DEPARTURES.table)
    assert landed == reference.content_hash(FLIGHT_DEPARTURES.table)
    assert landed == flights_house.store.content_hash(FLIGHT_DEPARTURES.table, DAY)
    assert_windows_agree(tmp_path / "online", reference)


def assert_windows_agree(online, store):
    """At every quarter of an hour, at each origin."""
    spine = pa.table(
        {"origin": list(ORIGINS) * len(QUARTERS), "t": pa.array([t for t in QUARTERS for _ in ORIGINS], ARROW["timestamp"])}
    )
    offline = store.get_features([SELECTION], spine, at="t").to_arrow().select(list(SELECTION.output_names)).to_pylist()
    windows = Windows(FLIGHT_DEPARTURES, SELECTION.by, SELECTION.aggregates)
    with OnlineStore(online) as opened, opened.reading() as reader:
        found = windows.find(reader, [((row["origin"],), microseconds(row["t"])) for row in spine.to_pylist()])
    assert all(one.is_known for one in found)
    for one, expected in zip(found, offline, strict=True):
        for value, joined in zip(one.values, expected.values(), strict=True):
            assert value == (pytest.approx(joined, rel=1e-9) if isinstance(joined, float) else joined)
    assert sum(one.values[SELECTION.output_names.index("origin_departures_1h")] for one in found[::12]) > 300
