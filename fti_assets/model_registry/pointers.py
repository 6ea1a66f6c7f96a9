"""Which versions the aliases of a model point to, read in milliseconds and without MLflow: for those who ask every few seconds."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from fti_assets.errors import FtiError
from fti_assets.model_registry._mlflow import sqlite_file

if TYPE_CHECKING:
    from fti_assets.model_registry.registry import ModelRegistry

_SECONDS = 5.0
_LARGEST = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where an alias points: a version, and the SHA-256 of its model file."""

    version: int
    sha256: str


class RegistryUnreachableError(FtiError):
    """The registry does not answer, or not as MLflow does."""


ReadPointers = Callable[[], Mapping[str, Pointer]]


def pointers_reader(tracking_uri: str, name: str) -> ReadPointers | None:
    """What reads the aliases of a model; None where the store can be asked by MLflow only.

    The reader gives the version of each alias, and nothing where there is no model of that name. It raises
    `RegistryUnreachableError` where the store is away.
    """
    file = sqlite_file(tracking_uri)
    if file is not None:
        return lambda: _of_sqlite(str(file.absolute()), name)
    if tracking_uri.startswith(("http://", "https://")):
        return lambda: _of_server(tracking_uri.rstrip("/"), name)
    return None


_POINTERS = """
-- one row per alias of a model, with the SHA-256 of the version that it points to
SELECT aliases.alias, aliases.version, coalesce(tags.value, '')
FROM registered_model_aliases AS aliases
LEFT JOIN model_version_tags AS tags
    ON tags.name = aliases.name AND tags.version = aliases.version AND tags."key" = 'model_sha256'
WHERE aliases.name = ?
"""


def _of_sqlite(file: str, name: str) -> dict[str, Pointer]:
    try:
        with closing(sqlite3.connect(f"file:{quote(file)}?mode=ro", uri=True, timeout=_SECONDS)) as connection:
            found = connection.execute(_POINTERS, [name]).fetchall()
    except sqlite3.Error as error:
        raise RegistryUnreachableError(f"The model registry {file} cannot be read: {error}.") from error
    return {alias: Pointer(int(version), sha256) for alias, version, sha256 in found}


def _of_server(address: str, name: str) -> dict[str, Pointer]:
    found = _ask(address, "registered-models/get", name=name)
    aliases = {one["alias"]: int(one["version"]) for one in found.get("registered_model", {}).get("aliases", [])}
    sha256 = {version: _sha256(address, name, version) for version in set(aliases.values())}
    return {alias: Pointer(version, sha256[version]) for alias, version in aliases.items()}


def _sha256(address: str, name: str, version: int) -> str:
    found = _ask(address, "model-versions/get", name=name, version=str(version))
    tags = {one["key"]: one["value"] for one in found.get("model_version", {}).get("tags", [])}
    return str(tags.get("model_sha256", ""))


def _ask(address: str, path: str, **parameters: str) -> Mapping[str, Any]:
    """The answer of MLflow's REST interface; empty where what is asked for does not exist."""
    request = Request(f"{address}/api/2.0/mlflow/{path}?{urlencode(parameters)}", headers=_headers())  # noqa: S310 - http only
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            found = json.loads(answer.read(_LARGEST))
    except HTTPError as error:
        with error:
            said = error.read(_LARGEST)
        if error.code == 404 and b"RESOURCE_DOES_NOT_EXIST" in said:
            return {}
        raise RegistryUnreachableError(f"The model registry at {address} answers {error.code}.") from error
    except (OSError, ValueError) as error:
        raise RegistryUnreachableError(f"The model registry at {address} does not answer: {error}.") from error
    if not isinstance(found, dict):
        raise RegistryUnreachableError(f"The model registry at {address} does not answer as MLflow does.")
    return found


def _headers() -> dict[str, str]:
    """How MLflow itself says who asks."""
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {}


def asked_pointers(registry: ModelRegistry, name: str) -> dict[str, Pointer]:
    """The same by way of MLflow, for any store.

    Raises:
        NotFoundError: there is no model of that name.
    """
    return {
        alias: Pointer(version.version, version.tags.get("model_sha256", ""))
        for version in registry.versions(name)
        for alias in version.aliases
    }
