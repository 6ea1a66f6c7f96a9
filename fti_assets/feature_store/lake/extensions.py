"""DuckDB's extensions: loaded when a lake needs them, installed from their Python packages, never from the network."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.errors import MissingExtraError

_EXTRAS = {"postgres": "postgres", "httpfs": "s3"}


def load_extensions(connection: DuckDBPyConnection, names: Iterable[str]) -> None:
    """Loads extensions; the first time on a machine they are installed from their Python packages.

    Raises:
        MissingExtraError: an extension belongs to an extra of this package that is not installed.
    """
    connection.execute("SET autoinstall_known_extensions = false")  # else LOAD asks a server on the internet for it
    for name in names:
        try:
            connection.load_extension(name)
        except duckdb.IOException:
            _install(connection, name)
            connection.load_extension(name)


def _install(connection: DuckDBPyConnection, name: str) -> None:
    from duckdb_extensions import import_extension

    try:
        import_extension(name, con=connection)
    except ModuleNotFoundError as error:
        if name not in _EXTRAS:
            raise
        raise missing_extra(_EXTRAS[name], f"DuckDB's extension '{name}'") from error


def missing_extra(extra: str, what: str) -> MissingExtraError:
    """The error that an optional part of this package is needed and not installed."""
    return MissingExtraError(f"{what} is not installed.", next_step=f"Run: pip install fti-assets[{extra}]")
