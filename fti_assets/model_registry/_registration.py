"""How a version comes to be, whole or not at all."""

from __future__ import annotations

import json
import logging
from typing import Any

from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._run import LoggedFiles
from fti_assets.model_registry.model_version import CHALLENGER
from fti_assets.model_registry.training_record import TrainingRecord
from fti_assets.vocabulary import Model

BEGUN = "registration"
"""Tag of a version until the alias `challenger` points to it."""
_LONGEST_DESCRIPTION = 5000
"""Characters that a description may have in every database."""
_log = logging.getLogger(__name__)


def is_half_registered(version: Any, challenger: int | None) -> bool:
    """Whether its registration was broken off, or is going on. The alias is what counts."""
    return BEGUN in version.tags and int(version.version) != challenger


def is_ours(version: Any) -> bool:
    """Whether this registry made it; anybody may register something in a shared server."""
    return bool(version.run_id) and "model_sha256" in version.tags


def every_version(client: Any, name: str) -> list[Any]:
    """The versions of a model as MLflow has them, with those that are registered by half."""
    return list(every(client.search_model_versions, filter_string=f"name='{name}'"))


def register(client: Any, source: str, model: Model, run_id: str, files: LoggedFiles, record: TrainingRecord) -> int:
    """Makes a version with all its tags, and lets `challenger` point to it; if that fails there is none. Under the lock.

    The alias is what counts: whatever fails after it is set is logged, and left to the next change of the model.
    """
    from mlflow.exceptions import MlflowException

    before = _challenger(client, model.name)
    created = client.create_model_version(
        model.name,
        source,
        run_id,
        tags={**record.tags, **files.tags, BEGUN: "begun"},
        description=_cut(record.card) or None,
        await_creation_for=0,
        model_id=files.model_id,
    )
    number = str(created.version)
    try:
        link = json.dumps([{"name": model.name, "version": int(number)}])
        client.set_logged_model_tags(files.model_id, {"mlflow.modelVersions": link})  # the UI shows it as registered
        client.set_registered_model_alias(model.name, CHALLENGER, number)
        client.delete_model_version_tag(model.name, number, BEGUN)
    except BaseException as error:
        counts = _counts(client, model.name, number, before)
        if not counts or not isinstance(error, MlflowException | OSError):  # who is told to stop does stop
            raise
        _log.warning("%s version %s is registered, but not all was written: %s", model.name, number, error)
    return int(number)


def _counts(client: Any, name: str, number: str, before: str | None) -> bool:
    """Whether a registration that was broken off counts; if not, it is taken back. Without an answer the next change settles it."""
    from mlflow.exceptions import MlflowException

    try:
        if _challenger(client, name) == number:
            return True
        client.delete_model_version(name, number)
        if before is not None and _challenger(client, name) is None:  # the alias was set in between, and went with the version
            client.set_registered_model_alias(name, CHALLENGER, before)
    except (MlflowException, OSError) as error:
        _log.warning("Whether %s version %s was registered is not known: %s", name, number, error)
    return False


def _challenger(client: Any, name: str) -> str | None:
    found = client.get_registered_model(name).aliases.get(CHALLENGER)
    return None if found is None else str(found)


def settle_versions(client: Any, name: str, challenger: int | None) -> None:
    """Finishes or removes what registrations that were broken off have left. Under the lock."""
    for version in every_version(client, name):
        if is_half_registered(version, challenger):
            client.delete_model_version(name, str(version.version))
        elif BEGUN in version.tags:
            client.delete_model_version_tag(name, str(version.version), BEGUN)


def ensure_model(client: Any, model: Model) -> None:
    """Makes the registered model where there is none yet."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(model.name, tags={"owner": model.owner}, description=_cut(model.description))


def _cut(text: str) -> str:
    note = "\n\n[The whole card is card.md among the files of the run.]"
    return text if len(text) <= _LONGEST_DESCRIPTION else text[: _LONGEST_DESCRIPTION - len(note)] + note
