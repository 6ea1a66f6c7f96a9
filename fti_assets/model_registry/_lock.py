"""One change of a model at a time: an inter-process lock whose error names the holder. Readers take none."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._process import Process
from fti_assets.model_registry.errors import RegistryLockedError

TIMEOUT = 30.0
"""Seconds to wait for the present holder of a file, which the system frees when the holder dies."""
STALE_AFTER = 300.0
"""Seconds after which a lock in a tracking server is taken from its holder; a change takes one or two."""
SERVER_TIMEOUT = STALE_AFTER + 30.0
"""Seconds to wait in a tracking server: long enough to take the lock of a holder that died on another machine."""
RESERVED = "fti.lock."
"""How the names of locks in a tracking server begin; no model can be named so."""
_TAKEN = ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")
"""What a server says of a name that another has, or had until it looked who."""
_QUICKER = re.compile(r"statement on table 'registered_models' expected to (update|delete) 1 row\(s\); 0 were matched")
"""What it says, under BAD_REQUEST, of a name that another has changed at the same moment."""
_PAUSE = 0.1
_log = logging.getLogger(__name__)


class RegistryLock(Protocol):
    """The right to change what the registry says of one model."""

    def hold(self, name: str, purpose: str) -> AbstractContextManager[None]:
        """Holds the lock until the block ends.

        Args:
            name: of the model.
            purpose: what is done, shown to those who wait in vain.

        Raises:
            RegistryLockedError: it was not free in time; the error names its holder.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileRegistryLock:
    """A lock on a file beside a SQLite store, for all its models; the system releases it when the holder dies."""

    file: Path
    timeout: float = TIMEOUT

    @contextmanager
    def hold(self, name: str, purpose: str) -> Iterator[None]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        lock, note = FileLock(f"{self.file}.registry.lock"), Path(f"{self.file}.registry.json")
        try:
            lock.acquire(timeout=self.timeout)
        except Timeout as error:
            raise _locked(name, self.timeout, _noted(note), "A dead holder's lock is free at once.") from error
        try:
            note.write_text(_holder(f"{purpose} of {name}", ""))
            yield
        finally:
            lock.release()


@dataclass(frozen=True, slots=True)
class ServerRegistryLock:
    """A lock kept in a tracking server: a registered model of a reserved name, which only one can create.

    Its description says who holds it. It is given up, and taken from a holder that died, by renaming it to a name that its
    token makes: of two that try, one succeeds, and a lock that was taken anew meanwhile stays as it is. A holder is taken for dead
    when its process on this machine has ended, or after `stale_after` seconds; clocks must agree within a minute.
    """

    client: Callable[[], Any]
    timeout: float = SERVER_TIMEOUT
    stale_after: float = STALE_AFTER

    @contextmanager
    def hold(self, name: str, purpose: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        token = uuid.uuid4().hex
        self._acquire(name, purpose, token)
        began = time.monotonic()
        try:
            yield
        finally:
            # Past its time somebody may be about to take it: then the new name must stay, so that they cannot take another's.
            try:
                self._give_up(name, token, forget=time.monotonic() - began < self.stale_after / 2)
            except MlflowException as error:  # what was done under it is done, or its own error is on its way
                _log.warning(
                    "The lock of model %s could not be freed; others take it %g s after it was taken: %s",
                    name,
                    self.stale_after,
                    error,
                )

    def _acquire(self, name: str, purpose: str, token: str) -> None:
        from mlflow.exceptions import MlflowException

        until, freed = time.monotonic() + self.timeout, ""
        while True:
            try:
                self.client().create_registered_model(f"{RESERVED}{name}", description=_holder(purpose, token))
            except MlflowException as error:
                if error.error_code not in _TAKEN:
                    raise
            holder = self._holder(name)  # if it is this one the lock is held, also where the server's answer was lost
            if holder.get("token") == token:
                return
            stale = self._is_stale(holder)
            if stale:
                self._give_up(name, str(holder["token"]), forget=False)
            if stale and holder["token"] != freed:
                freed = str(holder["token"])
            elif time.monotonic() > until:
                step = f"A dead holder's lock is taken over {self.stale_after:g} s after it was taken."
                raise _locked(name, self.timeout, _described(holder), step)
            else:
                time.sleep(_PAUSE)

    def _holder(self, name: str) -> dict[str, Any]:
        from mlflow.exceptions import MlflowException

        try:
            found = self.client().get_registered_model(f"{RESERVED}{name}")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}  # it was given up just now
        age = time.time() - found.creation_timestamp / 1000
        return {"token": f"unknown-{found.creation_timestamp}", **_read(found.description), "age": age}

    def _is_stale(self, holder: dict[str, Any]) -> bool:
        if not holder:
            return False
        process = Process.read(json.dumps(holder.get("process")))
        return holder["age"] > self.stale_after or (process is not None and process.is_dead)

    def _give_up(self, name: str, token: str, *, forget: bool) -> None:
        from mlflow.exceptions import MlflowException

        old = f"{RESERVED}{name}.{token}"
        try:
            self.client().rename_registered_model(f"{RESERVED}{name}", old)
            if forget:
                self.client().delete_registered_model(old)
        except MlflowException as error:
            if error.error_code not in _TAKEN and not _QUICKER.search(error.message):
                raise  # else another was quicker


def forget_marks(client: Any, *, older_than: float = 86_400.0) -> None:
    """Removes what is left in a tracking server of locks that were taken from dead holders, `older_than` seconds ago."""
    for one in every(client.search_registered_models, filter_string=f"name LIKE '{RESERVED}%'"):
        if one.name.count(".") > RESERVED.count(".") and time.time() - one.creation_timestamp / 1000 > older_than:
            client.delete_registered_model(one.name)


def _holder(purpose: str, token: str) -> str:
    said = asdict(Process.current())
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"process": said, "purpose": purpose, "since": since, "token": token})


def _read(text: str | None) -> dict[str, Any]:
    try:
        said = json.loads(text or "")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _noted(note: Path) -> str:
    try:
        return _described(_read(note.read_text()))
    except OSError:
        return _described({})


def _described(holder: dict[str, Any]) -> str:
    process = Process.read(json.dumps(holder.get("process")))
    if process is None:
        return "a process that left no note"
    return f"{process} ({holder.get('purpose')}, since {holder.get('since')})"


def _locked(name: str, timeout: float, holder: str, step: str) -> RegistryLockedError:
    return RegistryLockedError(
        f"Model '{name}' was locked in the registry for more than {timeout:g} s by {holder}.", next_step=step
    )
