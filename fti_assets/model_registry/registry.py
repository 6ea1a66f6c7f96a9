"""The model registry: which versions there are, which one is in production, and where each came from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Literal

from fti_assets.errors import FtiError
from fti_assets.model_registry._lock import FileRegistryLock, RegistryLock, ServerRegistryLock
from fti_assets.model_registry._mlflow import every, sqlite_file
from fti_assets.model_registry._own_runs import TRAINING, own_run
from fti_assets.model_registry._promotions import PromotionLog, decide
from fti_assets.model_registry._reading import RegisteredModels
from fti_assets.model_registry._registration import ensure_model, register
from fti_assets.model_registry._run import log_run
from fti_assets.model_registry._studies import LoggedTrial, backtests, log_backtest, log_search
from fti_assets.model_registry._unfinished import settle_runs
from fti_assets.model_registry._unneeded import remove_if_unneeded
from fti_assets.model_registry.errors import ChampionChangedError, NeededVersionError
from fti_assets.model_registry.model_version import CHALLENGER, CHAMPION, PREVIOUS, ModelVersion
from fti_assets.model_registry.training_record import TrainingRecord
from fti_assets.vocabulary import Model, checked_name

Predicted = Collection[int] | Callable[[], Collection[int]]
"""The versions of a model that predictions refer to, or what finds them out when it is needed."""


class ModelRegistry(RegisteredModels):
    """Versions of models on MLflow. The experiment of a model has its name; every training becomes one run and one version.

    Aliases: `challenger` is the version trained last, `champion` the one in production, `previous` the champion before it.
    Changes of one model happen one after the other, in whatever processes; each is whole or did not happen, a kill included.

    Args:
        tracking_uri: `sqlite:///PATH`, or the address of an MLflow server.
        artifact_root: folder or URI for model files and figures; beside a SQLite file unless given, else the server decides.
        lock: among those who change models; a file beside a SQLite store, or a mark in the server, unless given.
    """

    def __init__(self, tracking_uri: str, artifact_root: str | None = None, *, lock: RegistryLock | None = None) -> None:
        file = sqlite_file(tracking_uri)
        self.tracking_uri = f"sqlite:///{file.absolute()}" if file else tracking_uri
        beside = (file.absolute().parent / "artifacts").as_uri() if file else None
        self.artifact_root = artifact_root or beside
        self._lock = lock or (FileRegistryLock(file.absolute()) if file else ServerRegistryLock(lambda: self._client))

    def log_training(self, model: Model, record: TrainingRecord) -> ModelVersion:
        """Logs a training as an MLflow run and registers its model as a new version with the alias `challenger`.

        If anything fails, the run is marked as failed and no version exists. What trainings of killed processes left is cleared
        up before, and so is the unfinished run of the same Dagster run (or of the one that it repeats), asset and partition.
        """
        experiment_id = self._experiment_id(model.name)
        tags = {"asset": "/".join(model.asset_key), **record.tags}
        settle_runs(self._client, self.tracking_uri, experiment_id, tags, lambda: self._registered_runs(model.name))
        with own_run(self._client, experiment_id, record.run_name, tags, kind=TRAINING) as run_id:
            files = log_run(self._client, run_id, experiment_id, model.name, record)
            # An embedded store looks `models:/ID` up at the process-wide tracking address; a server looks it up in itself.
            source = f"models:/{files.model_id}" if self.tracking_uri.startswith("http") else files.location
            with self._lock.hold(model.name, "registering a version"):
                ensure_model(self._client, model)
                PromotionLog(self._client, model.name)  # settles what was broken off before
                number = register(self._client, source, model, run_id, files, record)
        return self.get(model.name, number)

    def promote(
        self,
        name: str,
        version: int,
        *,
        reason: str,
        figures: Mapping[str, float],
        expected_champion: int | Literal["any"] | None = "any",
        run: str | None = None,
    ) -> ModelVersion:
        """Makes a version the champion; the champion until now becomes `previous`. It is whole or did not happen, and is logged.

        Promoting the champion changes nothing but what is said of the decision.

        Args:
            name: of the model.
            version: whose file is verified before.
            reason: why.
            figures: that speak for it.
            expected_champion: that it was judged against, None where there was none; `any` does not ask.
            run: the Dagster run that promotes, if one does.

        Raises:
            NotFoundError: there is no such model or version.
            ChampionChangedError: the champion is not the expected one; nothing was changed.
            RegistryLockedError: another process changes the model and does not finish.
            TamperedModelError: its file is not the one that was registered.
        """
        verified = self._verify(self.get(name, version))
        with self._lock.hold(name, f"promoting version {version}"):
            log = self._log(name)
            self._verify(self.get(name, version), verified)  # it may have been deleted meanwhile
            if expected_champion not in ("any", log.champion):
                raise _champion_changed(name, version, expected_champion, log)
            if log.champion == version:
                decide(self._client, name, version, "promoted", reason, figures)
            else:
                log.change("promotion", version, reason=reason, figures=figures, run=run)
        return self.get(name, version)

    def rollback(self, name: str, *, reason: str, run: str | None = None) -> ModelVersion:
        """Makes `previous` the champion again, and the champion until now `previous`; it is logged like a promotion.

        So a second rollback undoes the first one. To go further back, promote the version that is wanted.

        Raises:
            NotFoundError: there is no previous champion.
        """
        verified = self._verify(self.get(name, PREVIOUS))
        with self._lock.hold(name, "rolling back"):
            log = self._log(name)
            version = self._verify(self.get(name, PREVIOUS), verified).version
            log.change("rollback", version, reason=reason, figures={}, run=run)
        return self.get(name, version)

    def reject(self, name: str, version: int, reason: str, figures: Mapping[str, float] | None = None) -> ModelVersion:
        """Records why a version was not promoted; aliases stay as they are."""
        self.get(name, version)
        with self._lock.hold(name, f"rejecting version {version}"):
            self._log(name)
            decide(self._client, name, self.get(name, version).version, "rejected", reason, figures or {})
        return self.get(name, version)

    def delete(self, name: str, version: int, *, predicted: Predicted) -> ModelVersion:
        """Deletes a version with its run and files. If it is the challenger, the newest version that is left becomes it.

        Args:
            name: of the model.
            version: number.
            predicted: versions that predictions refer to. If it raises, nothing is deleted.

        Raises:
            NeededVersionError: it is the champion or `previous`, or predictions refer to it.
        """
        _refuse_needed(self.get(name, version))
        _refuse_predicted(name, version, predicted)  # may take long, so without the lock
        with self._lock.hold(name, f"deleting version {version}"):
            log = self._log(name)
            rest = [number for number in self._numbers(name) if number != version]
            if log.aliases.get(CHALLENGER) == version and rest:
                self._client.set_registered_model_alias(name, CHALLENGER, str(max(rest)))
            gone = self.get(name, version)
            _refuse_needed(gone)  # MLflow's own UI takes no lock, so it is asked last
            self._client.delete_model_version(name, str(version))
        remove_if_unneeded(self._client, self.tracking_uri, gone.run_id)
        return gone

    def log_search(self, model: Model, *, name: str, trials: Sequence[LoggedTrial]) -> str:
        """Logs a search for hyperparameters with its trials; an earlier log of it is replaced. Returns its run's id."""
        return log_search(self._client, self._experiment_id(model.name), name, trials)

    def log_backtest(
        self,
        model: Model,
        *,
        cutoff: date,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        """Logs a backtest with one cut-off; an earlier one with that cut-off is replaced. Returns its run's id."""
        return log_backtest(self._client, self._experiment_id(model.name), cutoff, params, metrics, tags)

    def backtests(self, name: str) -> list[tuple[date, dict[str, float]]]:
        """The figures of every cut-off that was measured, the earliest first."""
        experiment = self._client.get_experiment_by_name(name)
        return backtests(self._client, experiment.experiment_id) if experiment else []

    def _experiment_id(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(checked_name(name, "A model"))
        if found is not None:
            return str(found.experiment_id)
        location = f"{self.artifact_root.rstrip('/')}/{name}" if self.artifact_root else None
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id)  # another training was quicker

    def _registered_runs(self, name: str) -> set[str]:
        """The runs that have a version, if there is a model of that name."""
        found = [one for one in every(self._client.search_registered_models) if one.name == name]
        return {version.run_id for version in self._visible(name)} if found else set()

    def _verify(self, version: ModelVersion, verified: ModelVersion | None = None) -> ModelVersion:
        """The version, its file compared with its SHA-256, unless it is the one that was verified already."""
        if verified is None or (version.version, version.tags["model_sha256"]) != (verified.version, verified.tags["model_sha256"]):
            self._verified(version)
        return version

    def _log(self, name: str) -> PromotionLog:
        self._aliases(name)
        return PromotionLog(self._client, name)


def _refuse_needed(version: ModelVersion) -> None:
    needed = [alias for alias in (CHAMPION, PREVIOUS) if alias in version.aliases]
    if needed:
        step = "Promote another version first." if CHAMPION in needed else "It is what a rollback goes back to."
        raise NeededVersionError(f"{version} is the {needed[0]}{' champion' * (needed[0] == PREVIOUS)}.", next_step=step)


def _refuse_predicted(name: str, version: int, predicted: Predicted) -> None:
    if version in set(predicted() if callable(predicted) else predicted):
        raise NeededVersionError(
            f"Predictions refer to {name} version {version}.",
            next_step="Keep it as long as they are kept, so that they can be explained.",
        )


def _champion_changed(name: str, version: int, expected: int | str | None, log: PromotionLog) -> FtiError:
    last = log.entries[-1] if log.entries else None
    by = f", {last.kind} {last.number} by {last.who} at {last.at:%Y-%m-%d %H:%M:%S} UTC" if last else ""
    now = f"version {log.champion}{by}" if log.champion else "no champion"
    then = f"version {expected}" if expected is not None else "no champion"
    return ChampionChangedError(
        f"Version {version} of model '{name}' was judged against {then}, but now there is {now}.",
        next_step="Judge it again. Nothing was changed.",
    )
