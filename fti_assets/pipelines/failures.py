"""Failures of a step, told plainly: the UI shows the reason before any stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb

from fti_assets.errors import FtiError
from fti_assets.feature_store import LockedError
from fti_assets.model_registry import RegistryLockedError
from fti_assets.online_store.errors import OnlineLockedError

BUSY = (LockedError, RegistryLockedError, OnlineLockedError)
"""Errors that may be gone in a moment."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns the errors that a person can act upon into a `dg.Failure` with their sentence; only a busy store is worth a retry."""
    try:
        yield
    except FtiError as error:
        raise dg.Failure(description=str(error), allow_retries=isinstance(error, BUSY)) from error
    except duckdb.Error as error:
        raise dg.Failure(description=f"DuckDB refused a query of this step: {error}", allow_retries=False) from error
