"""Runs that make no version: searches with their trials, and backtests. Each is found by its tags and replaced by a newer one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._own_runs import BACKTEST, KIND, SEARCH, TRIAL, own_run

_PARENT = "mlflow.parentRunId"
_CUTOFF = "fti.cutoff"
NAME = "fti.name"
"""Tag of a search and of its trials: the name of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTrial:
    """One trial of a search, as it is logged.

    Attributes:
        state: `complete`, `pruned` or `failed`.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]


def log_search(client: Any, experiment_id: str, name: str, trials: Sequence[LoggedTrial]) -> str:
    """One run of the search with a nested run for each trial; the runs of an earlier call for this search are replaced.

    Returns:
        The id of the search's run.
    """
    old = _found(client, experiment_id, {KIND: SEARCH, NAME: name})
    with own_run(client, experiment_id, f"search {name}", {NAME: name}, kind=SEARCH) as parent:
        losses = [trial.metrics for trial in trials if trial.metrics]
        _log(client, parent, {"trials": len(trials), "completed": sum(trial.state == "complete" for trial in trials)}, {})
        for trial in trials:
            tags = {NAME: name, _PARENT: parent, "state": trial.state}
            with own_run(client, experiment_id, f"trial {trial.number}", tags, kind=TRIAL) as child:
                _log(client, child, trial.params, trial.metrics)
        best = {key: min(one[key] for one in losses) for key in (losses[0] if losses else {}) if key.startswith("log_loss")}
        _log(client, parent, {}, {f"best_{key}": value for key, value in best.items()})
    for run in old:
        for child in _found(client, experiment_id, {_PARENT: run.info.run_id}):
            client.delete_run(child.info.run_id)
        client.delete_run(run.info.run_id)
    return parent


def log_backtest(
    client: Any,
    experiment_id: str,
    cutoff: date,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """One run for one cut-off; the run of an earlier backtest with this cut-off is replaced. Returns its id."""
    about = {_CUTOFF: cutoff.isoformat()}
    old = _found(client, experiment_id, {KIND: BACKTEST, **about})
    with own_run(client, experiment_id, f"backtest {cutoff.isoformat()}", {**tags, **about}, kind=BACKTEST) as run:
        _log(client, run, params, metrics)
    for one in old:
        client.delete_run(one.info.run_id)
    return run


def backtests(client: Any, experiment_id: str) -> list[tuple[date, dict[str, float]]]:
    """The figures of every cut-off that was measured, the earliest first."""
    runs = [run for run in _found(client, experiment_id, {KIND: BACKTEST}) if run.info.status == "FINISHED"]
    return sorted(((date.fromisoformat(run.data.tags[_CUTOFF]), dict(run.data.metrics)) for run in runs), key=lambda pair: pair[0])


def _found(client: Any, experiment_id: str, tags: Mapping[str, str]) -> list[Any]:
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    return list(every(client.search_runs, experiment_ids=[experiment_id], filter_string=condition))


def _log(client: Any, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
