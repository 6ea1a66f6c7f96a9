"""What the registry holds: versions, the models themselves, and what is kept beside them. Nothing here changes anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from fti_assets.errors import DefinitionError, NotFoundError, not_found
from fti_assets.model_registry._files import read_beside, read_model_file
from fti_assets.model_registry._mlflow import connect, every
from fti_assets.model_registry._registration import every_version, is_half_registered, is_ours
from fti_assets.model_registry._run import CARD, CURVE, ENVIRONMENT, EXAMPLE, SLICES
from fti_assets.model_registry.environment import packages
from fti_assets.model_registry.model_version import CHALLENGER, CHAMPION, PREVIOUS, LoadedModel, ModelVersion
from fti_assets.model_registry.promotion import Promotion, counted, read_log, standing
from fti_assets.predictive_models import read_model
from fti_assets.vocabulary import checked_name

_NEXT = {
    CHAMPION: "Materialize the asset models/{name}_validation: it promotes the challenger if its gates pass.",
    CHALLENGER: "Materialize the asset models/{name}: it trains one.",
    PREVIOUS: "There is one after the second promotion.",
}


class RegisteredModels:
    """The versions of models in one MLflow store, to be read."""

    tracking_uri: str

    @cached_property
    def _client(self) -> Any:
        return connect(self.tracking_uri)

    def models(self) -> list[str]:
        """The names of the models that have a version; those that others registered in the same store are not among them."""
        challengers = {one.name: one.aliases.get(CHALLENGER) for one in every(self._client.search_registered_models)}
        found = (one for one in every(self._client.search_model_versions) if one.name in challengers and is_ours(one))
        return sorted({one.name for one in found if _is_name(one.name) and not is_half_registered(one, challengers[one.name])})

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version, the newest first.

        Raises:
            NotFoundError: there is no model of that name.
        """
        aliases = self._aliases(name)
        found = self._visible(name, aliases)
        runs = self._runs(name, [one.run_id for one in found])
        versions = [_version(one, aliases, *runs.get(one.run_id, ("", {}))) for one in found]
        return sorted(versions, key=lambda version: version.version, reverse=True)

    def get(self, name: str, alias_or_version: str | int) -> ModelVersion:
        """One version, by number or by alias.

        Raises:
            NotFoundError: there is no such model, alias or version; the error names those that exist.
        """
        aliases = self._aliases(name)
        number = self._number(name, alias_or_version, aliases)
        found = self._client.get_model_version(name, str(number))
        if not is_ours(found):
            step = f"Let '{alias_or_version}' point to one of: {', '.join(map(str, self._numbers(name, aliases))) or 'none'}."
            raise NotFoundError(f"{name} version {number} was registered by other means than this registry.", next_step=step)
        run = self._client.get_run(found.run_id)
        return _version(found, aliases, run.info.experiment_id, run.data.metrics)

    def load(self, name: str, alias_or_version: str | int) -> LoadedModel:
        """The model itself; its file is compared with the SHA-256 recorded at registration before it is parsed.

        Raises:
            NotFoundError: there is no such model, alias or version.
            TamperedModelError: the file is gone, or not the one that was registered, or no plain file.
            ModelFileError: what was registered cannot be read, or holds what is not allowed; nothing of it was executed.
        """
        version = self.get(name, alias_or_version)
        content, source = self._verified(version)
        return LoadedModel(version, read_model(version.tags["model_file"], content, source=source))

    def model_file(self, version: ModelVersion) -> bytes:
        """The content of the model file, verified as by `load`, but not parsed."""
        return self._verified(version)[0]

    def history(self, name: str) -> list[Promotion]:
        """Every change of the champion, the newest first."""
        aliases = self._aliases(name)
        return counted(read_log(self._client.get_registered_model(name).tags), aliases.get(CHAMPION))

    def card(self, version: ModelVersion) -> str:
        """The model card, Markdown; empty where the training gave none."""
        return (self.beside(version, CARD) or b"").decode()

    def environment(self, version: ModelVersion) -> dict[str, str]:
        """The packages that were installed where it was trained, by name; empty where they were not recorded."""
        return packages((self.beside(version, ENVIRONMENT) or b"").decode())

    def slices(self, version: ModelVersion) -> list[dict[str, Any]]:
        """Its figures on slices of the test split: column, value, rows, and figures by name."""
        return list(json.loads(self.beside(version, SLICES) or b"[]"))

    def example(self, version: ModelVersion) -> bytes | None:
        """A few raw rows of its features, as a Parquet file; None where its training logged none."""
        return self.beside(version, EXAMPLE)

    def pictures(self, version: ModelVersion) -> dict[str, bytes]:
        """The figures that its training logged: PNG by name."""
        paths = [PurePosixPath(one.path) for one in self._client.list_artifacts(version.run_id, "figures")]
        found = {path.stem: self.beside(version, str(path)) for path in paths if path.suffix == ".png"}
        return {name: content for name, content in found.items() if content is not None}

    def beside(self, version: ModelVersion, file: str) -> bytes | None:
        """A file that is kept with the version's run, such as `card.md`; None where it is not there."""
        return read_beside(self._client, self.tracking_uri, version, file)

    @staticmethod
    def run_url(version: ModelVersion) -> str:
        """The page of the version's run, relative to the address of the MLflow UI."""
        return f"#/experiments/{version.experiment_id}/runs/{version.run_id}"

    def _verified(self, version: ModelVersion) -> tuple[bytes, str]:
        return read_model_file(self._client, self.tracking_uri, version)

    def _aliases(self, name: str) -> dict[str, int]:
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_registered_model(checked_name(name, "A model"))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            step = f"Materialise the asset models/{name}: it trains a first version."
            raise not_found("Model", name, self.models(), where="the registry", next_step=step) from error
        return standing(read_log(found.tags), {alias: int(version) for alias, version in found.aliases.items()})

    def _visible(self, name: str, aliases: Mapping[str, int] | None = None) -> list[Any]:
        """The versions that are registered wholly, by this registry."""
        challenger = (self._aliases(name) if aliases is None else aliases).get(CHALLENGER)
        return [one for one in every_version(self._client, name) if is_ours(one) and not is_half_registered(one, challenger)]

    def _numbers(self, name: str, aliases: Mapping[str, int] | None = None) -> list[int]:
        return sorted(int(one.version) for one in self._visible(name, aliases))

    def _number(self, name: str, wanted: str | int, aliases: Mapping[str, int]) -> int:
        if not isinstance(wanted, int) and not wanted.isdecimal():
            if wanted in aliases:
                return aliases[wanted]
            step = _NEXT[wanted].format(name=name) if wanted in _NEXT else None
            raise not_found("Alias", wanted, aliases, where=f"model '{name}'", next_step=step)
        number, existing = int(wanted), self._numbers(name, aliases)
        if number not in existing:
            raise NotFoundError(f"Model '{name}' has no version {number}. It has: {', '.join(map(str, existing)) or 'none'}.")
        return number

    def _runs(self, name: str, wanted: Sequence[str]) -> dict[str, tuple[str, dict[str, float]]]:
        """The experiment and the metrics of runs, by their ids."""
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None or not wanted:
            return {}
        condition = f"attributes.run_id IN ({', '.join(map(repr, wanted))})"
        runs = every(self._client.search_runs, experiment_ids=[experiment.experiment_id], filter_string=condition)
        return {run.info.run_id: (run.info.experiment_id, run.data.metrics) for run in runs}


def _is_name(name: str) -> bool:
    try:
        checked_name(name, "A model")
    except DefinitionError:
        return False
    return True


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
