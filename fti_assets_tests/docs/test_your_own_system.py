"""Follows docs/your-own-system.md to the letter: its files, its commands, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from fti_assets import FeatureStore

GUIDE = (Path(__file__).parents[2] / "docs" / "your-own-system.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^\*\*`([^`\n]+)`\*\*\n\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
EXPORTS = [line for command in COMMANDS for line in command.splitlines() if line.startswith("export ")]
UI = "dg dev -w workspace.yaml"
ASSETS = {
    "files/orders",
    "files/returns",
    "staging/orders",
    "staging/returns",
    "features/orders_v1",
    "features/order_outcomes_v1",
    "features/customer_history_v1",
    "training_datasets/order_return",
    "models/order_return",
    "models/order_return_validation",
    "predictions/order_return",
}
STATE = """{
  workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { ... on PythonError { message } ... on RepositoryLocation { name } }
  } } }
  assetNodes { assetKey { path } partitionStats { numMaterialized } assetMaterializations(limit: 1) { runId } }
}"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folder once every command but the last has been run."""
    folder = tmp_path_factory.mktemp("guide") / "my-shop"
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    script = "\n".join(["set -e", *(command for command in COMMANDS if command.strip() != UI)])
    finished = subprocess.run(["bash", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, timeout=240)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (folder / "output.txt").write_text(finished.stdout, encoding="utf-8")
    return folder


def test_the_guide_has_the_files_and_commands_that_it_speaks_of() -> None:
    modules = [f"shop/{name}.py" for name in ("contracts", "collection", "features", "models", "training", "inference")]
    assert list(FILES) == ["make_data.py", *modules, "workspace.yaml", "dagster_home/dagster.yaml", "look.py"]
    assert COMMANDS[-1].strip() == UI
    ours = [line for text in FILES.values() for line in text.splitlines() if re.match(r"\s*(from|import) fti_assets", line)]
    assert all(line.startswith("from fti_assets import") for line in ours)


def test_predictions_are_published(shop: Path) -> None:
    with FeatureStore(shop / "data").connect() as lake:
        rows, known, low, high = lake.execute(
            """SELECT count(*), count(returned), min(prediction), max(prediction)
            FROM lake.predictions.order_return LEFT JOIN lake.features.order_outcomes_v1 USING (order_id)"""
        ).fetchone()
    assert rows > 1_500
    assert 0 < known < rows  # outcomes of the last week are not known yet
    assert 0 <= low < high <= 1


def test_orders_that_came_back_were_given_a_higher_probability(shop: Path) -> None:
    with FeatureStore(shop / "data").connect() as lake:
        (auc,) = lake.execute(
            """WITH scored AS (
                SELECT prediction, returned FROM lake.predictions.order_return JOIN lake.features.order_outcomes_v1 USING (order_id)
            )
            SELECT avg((a.prediction > b.prediction)::INT + (a.prediction = b.prediction)::INT / 2)
            FROM scored AS a JOIN scored AS b ON a.returned AND NOT b.returned"""
        ).fetchone()
    assert 0.65 < auc < 0.85


def test_the_ui_shows_four_programs_as_one_graph(shop: Path) -> None:
    with user_interface(shop) as port:
        state = asked(port)
    entries = state["workspaceOrError"]["locationEntries"]
    assert {entry["name"]: entry["locationOrLoadError"] for entry in entries} == {
        name: {"name": name} for name in ("collection", "features", "training", "inference")
    }
    nodes = {"/".join(node["assetKey"]["path"]): node for node in state["assetNodes"]}
    assert nodes.keys() >= ASSETS
    for name in ASSETS - {"files/orders", "files/returns"}:
        assert nodes[name]["assetMaterializations"], f"{name} was not materialised"
    assert nodes["features/customer_history_v1"]["partitionStats"]["numMaterialized"] == 120
    assert nodes["predictions/order_return"]["partitionStats"]["numMaterialized"] == 28


def environment() -> dict[str, str]:
    """That of a reader who has activated the virtual environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "FTI", "MLFLOW", "PYTEST"))}
    return {**inherited, "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited["PATH"]]), "COLUMNS": "120"}


@contextmanager
def user_interface(folder: Path) -> Iterator[int]:
    """The UI on a free port, started as the guide does it and ended with all its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = "\n".join([*EXPORTS, f"exec {UI} --port {port}"])
    with (folder / "ui.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environment(), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # asked politely, it takes longer than the test
            process.wait()


def asked(port: int, *, patience: float = 120) -> dict:
    """What the UI's server says of the workspace, once it answers and no location is loading."""
    request = Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": STATE}).encode(), {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + patience
    while True:
        try:
            with urlopen(request, timeout=30) as response:
                answer = json.load(response)["data"]
            if all(entry["loadStatus"] == "LOADED" for entry in answer["workspaceOrError"]["locationEntries"]):
                return answer
        except (URLError, ConnectionError):
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"The UI did not answer within {patience:g} s.")
        time.sleep(0.5)
