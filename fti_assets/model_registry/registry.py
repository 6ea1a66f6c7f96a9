"""The model registry: which versions there are, which one is in production, and where each came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fti_assets.errors import FtiError, NotFoundError, not_found
from fti_assets.model_registry._mlflow import connect, quiet, sqlite_file
from fti_assets.model_registry._run import CURVE, LoggedFiles, log_run
from fti_assets.model_registry.model_version import CHALLENGER, CHAMPION, PREVIOUS, LoadedModel, ModelVersion
from fti_assets.model_registry.training_record import PredictiveModel, TrainingRecord
from fti_assets.model_registry.xgboost_model import XGBoostModel
from fti_assets.vocabulary import Model, checked_name

FORMATS: Mapping[str, Callable[..., PredictiveModel]] = {XGBoostModel.FILE: XGBoostModel.from_bytes}
"""What reads each kind of model file from its bytes."""

_NEXT = {
    CHAMPION: "Materialize the asset models/{name}_validation: it promotes the challenger if its gates pass.",
    CHALLENGER: "Materialize the asset models/{name}: it trains one.",
    PREVIOUS: "There is one after the second promotion.",
}


class TamperedModelError(FtiError):
    """A model file is not the one that was registered."""


class ModelRegistry:
    """Versions of models on MLflow. The experiment of a model has its name; every training becomes one run and one version.

    Aliases: `challenger` is the version trained last, `champion` the one in production, `previous` the champion before it.

    Args:
        tracking_uri: `sqlite:///PATH`, or the address of an MLflow server.
        artifact_root: folder or URI for model files and figures; beside a SQLite file unless given, else the server decides.
    """

    def __init__(self, tracking_uri: str, artifact_root: str | None = None) -> None:
        file = sqlite_file(tracking_uri)
        self.tracking_uri = f"sqlite:///{file.absolute()}" if file else tracking_uri
        beside = (file.absolute().parent / "artifacts").as_uri() if file else None
        self.artifact_root = artifact_root or beside

    @cached_property
    def _client(self) -> Any:
        return connect(self.tracking_uri)

    def log_training(self, model: Model, record: TrainingRecord) -> ModelVersion:
        """Logs a training as an MLflow run and registers its model as a new version with the alias `challenger`.

        If anything fails, the run is marked as failed and no version exists.
        """
        experiment_id = self._experiment_id(model.name)
        with self._run(experiment_id, record) as run_id:
            files = log_run(self._client, run_id, experiment_id, model.name, record)
            number = self._register(model, run_id, files, record)
        return self.get(model.name, number)

    def models(self) -> list[str]:
        """The names of the models that have a version."""
        return sorted(model.name for model in _every(self._client.search_registered_models) if self._numbers(model.name))

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version, the newest first.

        Raises:
            NotFoundError: there is no model of that name.
        """
        aliases = self._aliases(name)
        found = _every(self._client.search_model_versions, filter_string=f"name='{name}'")
        metrics = self._metrics(name)
        versions = [_version(one, aliases, *metrics.get(one.run_id, ("", {}))) for one in found]
        return sorted(versions, key=lambda version: version.version, reverse=True)

    def get(self, name: str, alias_or_version: str | int) -> ModelVersion:
        """One version, by number or by alias.

        Raises:
            NotFoundError: there is no such model, alias or version; the error names those that exist.
        """
        aliases = self._aliases(name)
        number = self._number(name, alias_or_version, aliases)
        found = self._client.get_model_version(name, str(number))
        run = self._client.get_run(found.run_id)
        return _version(found, aliases, run.info.experiment_id, run.data.metrics)

    def load(self, name: str, alias_or_version: str | int) -> LoadedModel:
        """The model itself; its file is compared with the SHA-256 recorded at registration before it is parsed.

        Raises:
            NotFoundError: there is no such model, alias or version.
            TamperedModelError: the file is gone, or not the one that was registered.
        """
        version = self.get(name, alias_or_version)
        file = version.tags.get("model_file", "")
        if file not in FORMATS:
            raise not_found("Format", file, FORMATS, where=f"what can be loaded, but {version} is kept in it")
        content, source = self._content(version, file)
        found = hashlib.sha256(content).hexdigest()
        if found != version.tags.get("model_sha256"):
            raise TamperedModelError(
                f"The file of {version} is not the one registered: {source} has SHA-256 {found[:12]}..,"
                f" recorded is {version.tags.get('model_sha256', 'nothing')[:12]}..",
                next_step="Restore it from a backup, or train a new version.",
            )
        return LoadedModel(version, FORMATS[file](content, source=source))

    def promote(self, name: str, version: int, *, reason: str, figures: Mapping[str, float]) -> ModelVersion:
        """Makes a version the champion; the champion until now becomes `previous`. Repeating it changes nothing but the tags."""
        champion = self._aliases(name).get(CHAMPION)
        self.get(name, version)
        self._decide(name, version, "promoted", reason, figures)
        if champion not in (None, version):
            self._client.set_registered_model_alias(name, PREVIOUS, str(champion))
        self._client.set_registered_model_alias(name, CHAMPION, str(version))
        return self.get(name, version)

    def reject(self, name: str, version: int, reason: str, figures: Mapping[str, float] | None = None) -> ModelVersion:
        """Records why a version was not promoted; aliases stay as they are."""
        self.get(name, version)
        self._decide(name, version, "rejected", reason, figures or {})
        return self.get(name, version)

    @staticmethod
    def run_url(version: ModelVersion) -> str:
        """The page of the version's run, relative to the address of the MLflow UI."""
        return f"#/experiments/{version.experiment_id}/runs/{version.run_id}"

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(checked_name(name, "A model"))
        if found is not None:
            return str(found.experiment_id)
        location = f"{self.artifact_root.rstrip('/')}/{name}" if self.artifact_root else None
        return str(self._client.create_experiment(name, artifact_location=location))

    @contextmanager
    def _run(self, experiment_id: str, record: TrainingRecord) -> Iterator[str]:
        with quiet():
            run = self._client.create_run(experiment_id, run_name=record.run_name, tags=dict(record.tags))
        try:
            yield run.info.run_id
        except BaseException:
            self._client.set_terminated(run.info.run_id, "FAILED")
            raise
        self._client.set_terminated(run.info.run_id, "FINISHED")

    def _register(self, model: Model, run_id: str, files: LoggedFiles, record: TrainingRecord) -> int:
        client = self._client
        if model.name not in self._registered():
            client.create_registered_model(model.name, tags={"owner": model.owner}, description=model.description)
        # An embedded store looks `models:/ID` up at the process-wide tracking address; a server looks it up in itself.
        source = f"models:/{files.model_id}" if self.tracking_uri.startswith("http") else files.location
        tags = {**record.tags, "model_id": files.model_id, "model_file": files.file, "model_sha256": files.sha256}
        created = client.create_model_version(model.name, source, run_id, tags=tags, await_creation_for=0, model_id=files.model_id)
        link = json.dumps([{"name": model.name, "version": int(created.version)}])
        try:
            client.set_logged_model_tags(files.model_id, {"mlflow.modelVersions": link})  # the UI shows it as registered
            client.set_registered_model_alias(model.name, CHALLENGER, str(created.version))
        except BaseException:
            client.delete_model_version(model.name, str(created.version))
            raise
        return int(created.version)

    def _registered(self) -> dict[str, Any]:
        return {model.name: model for model in _every(self._client.search_registered_models)}

    def _aliases(self, name: str) -> dict[str, int]:
        registered = self._registered()
        if name not in registered:
            step = f"Materialise the asset models/{name}: it trains a first version."
            raise not_found("Model", name, registered, where="the registry", next_step=step)
        return {alias: int(version) for alias, version in registered[name].aliases.items()}

    def _numbers(self, name: str) -> list[int]:
        return sorted(int(one.version) for one in _every(self._client.search_model_versions, filter_string=f"name='{name}'"))

    def _number(self, name: str, wanted: str | int, aliases: Mapping[str, int]) -> int:
        if not isinstance(wanted, int) and not wanted.isdecimal():
            if wanted in aliases:
                return aliases[wanted]
            step = _NEXT[wanted].format(name=name) if wanted in _NEXT else None
            raise not_found("Alias", wanted, aliases, where=f"model '{name}'", next_step=step)
        number, existing = int(wanted), self._numbers(name)
        if number not in existing:
            raise NotFoundError(f"Model '{name}' has no version {number}. It has: {', '.join(map(str, existing)) or 'none'}.")
        return number

    def _metrics(self, name: str) -> dict[str, tuple[str, dict[str, float]]]:
        experiment = self._client.get_experiment_by_name(name)
        runs = _every(self._client.search_runs, experiment_ids=[experiment.experiment_id]) if experiment else ()
        return {run.info.run_id: (run.info.experiment_id, run.data.metrics) for run in runs}

    def _content(self, version: ModelVersion, file: str) -> tuple[bytes, str]:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        folder = self._client.get_model_version_download_uri(version.name, str(version.version))
        source = f"{folder}/data/{file}"
        with TemporaryDirectory() as copy:
            try:
                path = download_artifacts(artifact_uri=source, dst_path=copy, tracking_uri=self.tracking_uri)
            except (MlflowException, OSError) as error:
                step = "Restore it from a backup, or train a new version."
                raise TamperedModelError(f"The file of {version} cannot be read from {source}: {error}", next_step=step) from error
            return Path(path).read_bytes(), source

    def _decide(self, name: str, version: int, decision: str, reason: str, figures: Mapping[str, float]) -> None:
        said = {
            "decision": decision,
            "decision_reason": reason,
            "decision_figures": json.dumps({key: float(value) for key, value in figures.items()}, sort_keys=True),
            "decided_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        for key, value in said.items():
            self._client.set_model_version_tag(name, str(version), key, value)


def _version(found: Any, aliases: Mapping[str, int], experiment_id: str, metrics: Mapping[str, float]) -> ModelVersion:
    number = int(found.version)
    return ModelVersion(
        name=found.name,
        version=number,
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        run_id=found.run_id,
        experiment_id=experiment_id,
        metrics={key: value for key, value in metrics.items() if not key.startswith(CURVE)},
        tags=dict(found.tags),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )


def _every(search: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(**arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
