"""Files of the registry, read with care: no link is followed, and nothing is read that is larger than it may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from fti_assets.model_registry.errors import TamperedModelError

LARGEST_MODEL = 2 * 2**30
"""Bytes that a model file may have."""
LARGEST_TEXT = 64 * 2**20
"""Bytes that a file beside a model may have."""


def read_artifact(tracking_uri: str, folder: str, path: str, *, largest: int) -> bytes:
    """The content of one file.

    Args:
        tracking_uri: of the store; artifact folders of a tracking server are looked up there.
        folder: its artifact folder, as a URI or a path.
        path: inside the folder, as `data/model.ubj`.
        largest: bytes that it may have.

    Raises:
        FileNotFoundError: it is not there.
        TamperedModelError: it is no plain file, reached by a link, or larger; it was not read.
        OSError, MlflowException: the store cannot be read.
    """
    from mlflow.utils.uri import is_local_uri

    if is_local_uri(folder):
        return _read_local(local_path(folder), path, largest)
    return _read_remote(tracking_uri, folder, path, largest)


def delete_artifacts(tracking_uri: str, folder: str) -> None:
    """Removes a folder of artifacts with all that is in it; one that is gone already is no error."""
    from mlflow.exceptions import MlflowException

    try:
        _repository(tracking_uri, folder).delete_artifacts()
    except FileNotFoundError:
        return
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def local_path(folder: str) -> Path:
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(folder))


def read_plain_file(path: Path, *, largest: int) -> bytes:
    """The content of a plain file; the file itself may not be a link.

    Raises:
        FileNotFoundError: it is not there.
        TamperedModelError: it is no plain file, or larger than `largest` bytes; it was not read.
    """
    return _read_local(path.parent, path.name, largest)


def _repository(tracking_uri: str, folder: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(folder, tracking_uri=tracking_uri, registry_uri=tracking_uri)


def _read_local(folder: Path, path: str, largest: int) -> bytes:
    """Goes down from `folder` by open folders, so that nothing on the way can be exchanged for a link meanwhile."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        *folders, name = PurePosixPath(path).parts
        for one in folders:
            below = _open(one, os.O_DIRECTORY, at, folder / path)
            os.close(at)
            at = below
        file = _open(name, os.O_NONBLOCK, at, folder / path)  # a named pipe would keep waiting
    finally:
        os.close(at)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise TamperedModelError(f"{folder / path} is no plain file. It was not read.")
        _check_size(str(folder / path), found.st_size, largest)
        with os.fdopen(file, "rb", closefd=False) as opened:
            return opened.read(largest)
    finally:
        os.close(file)


def _open(name: str, how: int, at: int, shown: Path) -> int:
    if stat.S_ISLNK(os.lstat(name, dir_fd=at).st_mode):
        raise TamperedModelError(f"'{name}' of {shown} is a link. It was not followed.")
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | how, dir_fd=at)


def _read_remote(tracking_uri: str, folder: str, path: str, largest: int) -> bytes:
    repository = _repository(tracking_uri, folder)
    inside = str(PurePosixPath(path).parent)
    found = next((one for one in repository.list_artifacts(None if inside == "." else inside) if one.path == path), None)
    if found is None:
        raise FileNotFoundError(f"{folder}/{path} is not there.")
    if found.is_dir:
        raise TamperedModelError(f"{folder}/{path} is no plain file. It was not read.")
    _check_size(f"{folder}/{path}", int(found.file_size or 0), largest)
    with TemporaryDirectory() as copy:
        return read_plain_file(Path(repository.download_artifacts(path, dst_path=copy)), largest=largest)


def _check_size(what: str, size: int, largest: int) -> None:
    if size > largest:
        raise TamperedModelError(f"{what} has {size:,} bytes; {largest:,} are allowed. It was not read.")
