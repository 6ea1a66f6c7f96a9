"""What several packages of tests share: Dagster instances, and a house with five weeks of real flights in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest

from fti_assets.collection import LandingZone
from fti_assets.feature_store import FeatureStore
from fti_assets.pipelines import (
    ComputeResource,
    InferenceLogResource,
    LakeResource,
    LandingResource,
    OnlineResource,
    RegistryResource,
    range_tags,
)
from fti_assets.pipelines.running import FinishedRun, WorkspaceJob, job_of, workspace_jobs
from fti_assets_tests.one_thread import with_one_thread

if TYPE_CHECKING:
    from fti_assets.model_registry import ModelRegistry

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
FIRST, LAST = "2013-01-01", "2013-02-04"
"""The five weeks that the house holds."""


THIRD_PARTY_WARNINGS = (
    # Used on purpose; test_tables and test_event_log hold what they do.
    "ignore:Specifying a partitions_def on an AssetCheckSpec is currently in preview:Warning",
    "ignore:Series.values returning an ndarray that drops timezone information:Warning",  # pyarrow, of pandas 3.1
    "ignore:module .sre_(constants|parse|compile). is deprecated:DeprecationWarning",
    "ignore:Parameter `allow_nonexistent_upstream_partitions` of initializer `TimeWindowPartitionMapping:Warning",
    "ignore:Parameter `partitions_def` of.* AssetCheckSpec.* is currently in (beta|preview):Warning",
    "ignore:Function `PipesMessageReader.expected_writer_count` is currently in preview:Warning",  # Dagster asks itself
)


def pytest_configure(config: pytest.Config) -> None:
    for line in THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


LOOK_AT_A_SYSTEM = (
    "cli/test_lake.py",
    "cli/test_run.py",
    "cli/test_shown.py",
    "locations/test_schedules.py",
    "streaming/test_shuffled_day.py",
    "systems/flights/test_features.py",
)
"""Files of tests that use `workplace` or `flights_house`: a system is run for them, which takes longer than most files do."""
SYSTEM = "a system that has run"
LONG = (
    SYSTEM,
    "systems/flights/test_end_to_end.py",
    "pipelines/test_compute.py",
    "docs/test_your_own_system.py",
    "model_registry/test_server.py",
    "pipelines/test_tables.py",
    "feature_store/test_maintenance.py",
    "cli/test_models.py",
)
"""What begins first, since it takes long with few tests: begun last, it would leave the other processes without work."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file run in one process, and so do those of all files that look at a system that has run."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return SYSTEM if file.endswith(LOOK_AT_A_SYSTEM) else file

        def _assign_work_unit(self, node: Any) -> None:
            first = next((scope for one in LONG for scope in self.workqueue if scope.endswith(one)), None)
            if first is not None:
                self.workqueue.move_to_end(first, last=False)
            super()._assign_work_unit(node)

    return Scheduling(config, log)


@dataclass(frozen=True)
class House:
    """All stores of a system in one folder, with a Dagster instance."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def store(self) -> FeatureStore:
        return FeatureStore(self.root)

    @property
    def zone(self) -> LandingZone:
        return LandingZone(self.root / "landing")

    @cached_property
    def resources(self) -> dict[str, object]:
        return {
            "lake": LakeResource(root=str(self.root)),
            "landing": LandingResource(root=str(self.root / "landing")),
            "registry": RegistryResource(tracking_uri=f"sqlite:///{self.root}/mlflow/mlflow.db"),
            "compute": ComputeResource(),
            "online": OnlineResource(address=str(self.root / "online")),
            "inference_logs": InferenceLogResource(root=str(self.root / "inference_log")),
        }

    @cached_property
    def jobs(self) -> dict[str, WorkspaceJob]:
        return workspace_jobs(WORKSPACE)

    def run(self, job: str, first: str | None = None, last: str | None = None) -> FinishedRun:
        """Runs a job of the workspace; its resources find this house by the environment."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("FTI_DATA_DIR", str(self.root))
            return job_of(self.jobs, job).run(self.instance, first=first, last=last)

    def materialize(
        self,
        assets: Sequence[dg.AssetsDefinition],
        first: str | None = None,
        last: str | None = None,
        selection: dg.AssetSelection | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialises assets, over a range when `last` is given; a failure is in the result."""
        return dg.materialize(
            assets,
            instance=self.instance,
            resources=self.resources,
            partition_key=None if last else first,
            tags=range_tags(first, last) if first and last else None,
            selection=selection,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def reasons(result: dg.ExecuteInProcessResult) -> list[str]:
    """What the failed steps of a run say, as a person reads it first."""
    failed = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    return [
        data.user_failure_data.description if data.user_failure_data else str(data.error.cause or data.error) for data in failed
    ]


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_duckdb() -> Iterator[Callable[..., duckdb.DuckDBPyConnection]]:
    """DuckDB with one thread in this process. Yields what connects with all threads, for the tests of the point-in-time join."""
    connect = duckdb.connect
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(duckdb, "connect", with_one_thread(connect))
        yield connect


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw no pictures, which takes most of the time of a tiny one. Where pictures matter they are drawn."""
    monkeypatch.setattr("fti_assets.training.training.pictures", lambda *given: {"roc": b"\x89PNG"})


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a model registry that holds nothing, to be copied, since making its tables takes seconds."""
    from fti_assets.model_registry._mlflow import connect

    file: Path = tmp_path_factory.mktemp("empty_registry") / "mlflow.db"
    connect(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def put_registry(empty_registry: Path) -> Callable[[Path], ModelRegistry]:
    """Puts an empty registry where the stores in a folder have theirs."""
    from fti_assets.model_registry import ModelRegistry

    def put(root: Path) -> ModelRegistry:
        file = root / "mlflow" / "mlflow.db"
        file.parent.mkdir(parents=True)
        shutil.copy(empty_registry, file)
        return ModelRegistry(f"sqlite:///{file}")

    return put


@pytest.fixture(scope="session")
def make_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], dg.DagsterInstance]]:
    """Makes Dagster instances as dagster.yaml describes them: SQLite, our event log."""
    with ExitStack() as stack:

        def make() -> dg.DagsterInstance:
            root = tmp_path_factory.mktemp("dagster")
            storage = {
                "module": "fti_assets.pipelines.event_log",
                "class": "BatchingSqliteEventLogStorage",
                "config": {"base_dir": str(root / "events")},
            }
            overrides = {"event_log_storage": storage, "telemetry": {"enabled": False}}
            return stack.enter_context(dg.DagsterInstance.local_temp(str(root), overrides=overrides))

        yield make


@pytest.fixture(scope="session")
def make_house(tmp_path_factory: pytest.TempPathFactory, make_instance: Callable[[], dg.DagsterInstance]) -> Callable[..., House]:
    """Makes empty houses, with an instance of their own unless one is given."""
    return lambda instance=None: House(tmp_path_factory.mktemp("house"), instance or make_instance())


@pytest.fixture(scope="session")
def flights_house(make_house: Callable[..., House]) -> House:
    """A house with five weeks of real flights, staged and made into features by the jobs of the workspace."""
    from fti_assets.systems.flights.delivery import deliver

    house = make_house()
    deliver(house.zone, first=FIRST, last=LAST)
    house.run("flights_collection_whole")
    house.run("flights_collection", FIRST, LAST)
    house.run("flights_features_whole")
    house.run("flights_features", FIRST, LAST)
    return house
