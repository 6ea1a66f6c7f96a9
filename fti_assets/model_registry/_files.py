"""The files of a version: the model file, verified before anything of it is parsed, and what is kept beside it."""

from __future__ import annotations

import hashlib
from typing import Any

from fti_assets.errors import not_found
from fti_assets.model_registry._artifacts import LARGEST_MODEL, LARGEST_TEXT, read_artifact
from fti_assets.model_registry.errors import TamperedModelError
from fti_assets.model_registry.model_version import ModelVersion
from fti_assets.predictive_models import FORMATS

_RESTORE = "Restore it from a backup, or train a new version."


def read_model_file(client: Any, tracking_uri: str, version: ModelVersion) -> tuple[bytes, str]:
    """The content of the model file and where it lies.

    Raises:
        NotFoundError: it is kept in a format that is not one of ours.
        TamperedModelError: it is gone, no plain file, or not the one that was registered.
    """
    from mlflow.exceptions import MlflowException

    file = version.tags.get("model_file", "")
    if file not in FORMATS:
        raise not_found("Format", file, FORMATS, where=f"what can be loaded, but {version} is kept in it")
    folder = _model_folder(client, version)
    largest = min(int(version.tags.get("model_bytes", LARGEST_MODEL)), LARGEST_MODEL)
    source = f"{folder}/data/{file}"
    try:
        content = read_artifact(tracking_uri, folder, f"data/{file}", largest=largest)
    except (MlflowException, OSError) as error:
        raise TamperedModelError(f"The file of {version} cannot be read from {source}: {error}", next_step=_RESTORE) from error
    found = hashlib.sha256(content).hexdigest()
    recorded = version.tags.get("model_sha256", "nothing")
    if found != recorded:
        raise TamperedModelError(
            f"The file of {version} is not the one registered: {source} has SHA-256 {found[:12]}.., recorded is {recorded[:12]}..",
            next_step=_RESTORE,
        )
    return content, source


def read_beside(client: Any, tracking_uri: str, version: ModelVersion, file: str) -> bytes | None:
    """A file that was logged with the version's run; None where it is not there."""
    folder = client.get_run(version.run_id).info.artifact_uri
    try:
        return read_artifact(tracking_uri, folder, file, largest=LARGEST_TEXT)
    except FileNotFoundError:
        return None


def _model_folder(client: Any, version: ModelVersion) -> str:
    folder = str(client.get_model_version_download_uri(version.name, str(version.version)))
    if folder.startswith("models:/"):
        folder = str(client.get_logged_model(folder.removeprefix("models:/")).artifact_location)
    return folder.rstrip("/")
