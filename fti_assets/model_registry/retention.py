"""What the registry need not keep: old rejected versions, and old runs that made no version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from fti_assets.model_registry._lock import forget_marks
from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._own_runs import BACKTEST, KIND, is_own, process_of
from fti_assets.model_registry._studies import NAME
from fti_assets.model_registry._unneeded import needed_runs, remove_if_unneeded
from fti_assets.model_registry.errors import NeededVersionError
from fti_assets.model_registry.model_version import ModelVersion
from fti_assets.model_registry.registry import ModelRegistry

PredictedBy = Callable[[str], Collection[int]]
"""Gives the versions of a model that predictions refer to; it raises where that cannot be found out."""
ABANDONED_AFTER_DAYS = 14.0
"""Age from which a run that nobody ended is taken for abandoned, unless its process is known to live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRetention:
    """What is kept, needed or not.

    Attributes:
        keep_days: rejected versions that are younger.
        keep_run_days: runs without a version that are younger.
    """

    keep_days: float = 90
    keep_run_days: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run that made no version.

    Attributes:
        model: whose experiment it is in.
        status: as MLflow says it: `FINISHED`, `FAILED`, `KILLED`, `RUNNING`.
        kind: `training`, `search`, `trial`, `backtest`.
        began: UTC.
        alive: whether its process is known to run; None where nothing is known of it, as in another pod.
        search: name of the search that it is, or is a trial of; empty for the others.
    """

    model: str
    run_id: str
    status: str
    kind: str
    began: datetime
    alive: bool | None = None
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One thing to be deleted.

    Attributes:
        number: of the version; None for a run.
    """

    what: Literal["version", "run"]
    model: str
    number: int | None
    run_id: str
    why: str

    def __str__(self) -> str:
        return f"{self.model} version {self.number}" if self.number is not None else f"run {self.run_id} of {self.model}"


def plan_retention(
    versions: Sequence[ModelVersion],
    runs: Sequence[StoredRun],
    predicted: Mapping[str, Collection[int]],
    policy: RegistryRetention,
    now: datetime,
) -> list[Removal]:
    """What is to be deleted: never a version that has an alias or that predictions refer to, the search that a kept version
    came of, or a backtest.

    Args:
        versions: of all models.
        runs: those of this platform without a version.
        predicted: by model the versions that predictions refer to; of a model that is not in it no version is deleted.
        policy: what is kept for its age.
        now: UTC.
    """
    going = list(_versions(versions, predicted, policy, now))
    numbers = {(one.model, one.number) for one in going}
    kept = [one for one in versions if (one.name, one.version) not in numbers]
    searches = {(one.name, one.tags["search"]) for one in kept if "search" in one.tags}
    return [*going, *_runs(runs, searches, policy, now)]


def _versions(
    versions: Sequence[ModelVersion], predicted: Mapping[str, Collection[int]], policy: RegistryRetention, now: datetime
) -> Iterator[Removal]:
    for one in versions:
        age = (now - one.created_at) / timedelta(days=1)
        needed = one.aliases or one.name not in predicted or one.version in predicted[one.name]
        if not needed and age > policy.keep_days and one.tags.get("decision") == "rejected":
            why = f"rejected, {age:.0f} days old"
            yield Removal(what="version", model=one.name, number=one.version, run_id=one.run_id, why=why)


def _runs(
    runs: Sequence[StoredRun], searches: Collection[tuple[str, str]], policy: RegistryRetention, now: datetime
) -> Iterator[Removal]:
    for run in runs:
        age = (now - run.began) / timedelta(days=1)
        needed = run.kind == BACKTEST or (run.model, run.search) in searches or _goes_on(run, age)
        if age > policy.keep_run_days and not needed:
            why = f"{run.kind} without a version, {run.status.lower()}, {age:.0f} days old"
            yield Removal(what="run", model=run.model, number=None, run_id=run.run_id, why=why)


def _goes_on(run: StoredRun, age: float) -> bool:
    if run.status not in ("RUNNING", "SCHEDULED"):
        return False
    return age <= ABANDONED_AFTER_DAYS if run.alive is None else run.alive


def unregistered_runs(registry: ModelRegistry) -> list[StoredRun]:
    """The runs of this platform that made no version; those of others in the same store are not looked at."""
    client, found = registry._client, []
    for experiment in every(client.search_experiments):
        runs = every(client.search_runs, experiment_ids=[experiment.experiment_id])
        found += [_stored(experiment.name, run) for run in runs if is_own(run)]
    needed = needed_runs(client)  # asked after the runs, as a training may register meanwhile
    return [run for run in found if run.run_id not in needed]


def plan_for(registry: ModelRegistry, predicted: PredictedBy, policy: RegistryRetention) -> list[Removal]:
    """What is to be deleted now. If `predicted` raises, there is no plan.

    Raises:
        FtiError: it cannot be found out which versions predictions refer to.
    """
    versions = [version for name in registry.models() for version in registry.versions(name)]
    used = {name: predicted(name) for name in {version.name for version in versions}}
    return plan_retention(versions, unregistered_runs(registry), used, policy, datetime.now(UTC))


def carry_out(registry: ModelRegistry, plan: Sequence[Removal], predicted: PredictedBy) -> list[Removal]:
    """Deletes what is planned, files too; what is needed by now is left. Returns what was deleted."""
    done = []
    for removal in plan:
        if removal.number is None:
            went = remove_if_unneeded(registry._client, registry.tracking_uri, removal.run_id)
        else:
            went = _delete(registry, removal.model, removal.number, predicted)
        done += [removal] if went else []
    forget_marks(registry._client)
    return done


def _delete(registry: ModelRegistry, name: str, number: int, predicted: PredictedBy) -> bool:
    if registry.get(name, number).aliases:
        return False
    try:
        registry.delete(name, number, predicted=lambda: predicted(name))
    except NeededVersionError:
        return False
    return True


def _stored(model: str, run: Any) -> StoredRun:
    process, tags = process_of(run), run.data.tags
    known = process is not None and (process.is_alive or process.is_dead)
    return StoredRun(
        model=model,
        run_id=run.info.run_id,
        status=run.info.status,
        kind=tags[KIND],
        began=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        alive=process.is_alive if process is not None and known else None,
        search=tags.get(NAME, ""),
    )
