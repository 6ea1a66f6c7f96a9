"""Champions are exchanged while requests are answered, and whatever happens to the registry, what answers goes on answering."""

import threading
import time

import pytest

from fti_assets_tests.serving.contracts import MODEL
from fti_assets_tests.serving.examples import B6, UA, make_model, make_record
from fti_assets_tests.serving.servers import Server, serving


class Load:
    """Asks without a pause in threads of its own, and keeps what was answered."""

    def __init__(self, server, threads=3):
        self.answers = []
        self._server, self._stop = server, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self):
        asking = Server(self._server.process, self._server.port, self._server.data, self._server.log)
        while not self._stop.is_set():
            answer = asking.predict({"rows": [UA, B6]})
            versions = [one["model_version"] for one in answer.json["predictions"]] if answer.status == 200 else []
            self.answers.append((answer.status, versions))
        asking.connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def house(make_house):
    return make_house()


@pytest.fixture(scope="module")
def server(house):
    with serving(house.root) as running:
        running.wait(lambda model: model["registry"] == "answers", "in touch with the registry")
        yield running


def test_a_server_starts_with_the_copy_of_what_it_served_last(server):
    assert server.model["champion"] == 2


def test_champions_are_exchanged_under_load_without_a_failed_request(server, house):
    house.keep(1)
    swaps = server.model["swaps"]
    with Load(server) as load:
        for version in (1, 2, 1, 2):
            house.registry.promote("flight_delay", version, reason="test", figures={})
            server.wait(lambda model, version=version: model["champion"] == version, f"serving version {version}")
            time.sleep(0.2)
    assert server.model["swaps"] == swaps + 4
    assert {status for status, _ in load.answers} == {200}
    assert {tuple(versions) for _, versions in load.answers} == {(1, 1), (2, 2)}


def test_a_tampered_version_is_refused_when_it_is_fetched(server, house):
    """It is fetched by a process of its own, which reads the file before anything of it is parsed."""
    version = house.registry.log_training(MODEL, make_record(make_model(3))).version
    (file,) = house.root.glob(f"mlflow/artifacts/**/{house.registry.get('flight_delay', version).tags['model_id']}/**/model.ubj")
    whole = file.read_bytes()
    house.registry.promote("flight_delay", version, reason="test", figures={})
    file.write_bytes(whole[:-1] + b"!")
    server.wait(lambda model: model["problem"], "complaining")
    assert f"The file of flight_delay version {version} is not the one registered" in server.model["problem"]
    assert server.model["champion"] == 2
    assert server.predict({"row": UA}).status == 200
    house.registry.promote("flight_delay", 2, reason="test", figures={})
    server.wait(lambda model: not model["problem"], "content")


def test_a_server_goes_on_without_its_registry_and_takes_it_up_again(server, house):
    away = house.root / "away"
    (house.root / "mlflow").rename(away)
    server.wait(lambda model: model["registry"] == "away", "missing its registry")
    assert "cannot be read" in server.model["problem"]
    assert server.get("/readyz").status == 200
    assert server.predict({"row": UA}).status == 200
    away.rename(house.root / "mlflow")
    server.wait(lambda model: model["registry"] == "answers" and not model["problem"], "in touch again")
