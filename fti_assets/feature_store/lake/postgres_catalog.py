"""A lake's catalogue in a schema of a PostgreSQL database."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.errors import FtiError
from fti_assets.feature_store.errors import AddressError, UnreachableError
from fti_assets.feature_store.lake.advisory_lock import AdvisoryWriterLock, session_name
from fti_assets.feature_store.lake.extensions import missing_extra
from fti_assets.feature_store.lake.lock import WriterLock

if TYPE_CHECKING:
    from psycopg import Connection

    from fti_assets.feature_store.lake.catalog_database import CatalogKind

SECRET = "lake_catalog"  # noqa: S105  the name of one
_SHOWN = ("host", "hostaddr", "port", "dbname", "user", "service")
_DEFAULTS = {"connect_timeout": "10", "keepalives_idle": "30"}
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?:\s+|$)", re.DOTALL)
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_WRITTEN = (
    "Write 'postgres:host=... port=5432 dbname=... user=... schema=...' (a value with blanks in single quotes) or"
    " 'postgres:postgresql://user@host:5432/dbname?schema=...'; the password is best left to PGPASSWORD or ~/.pgpass."
)


@dataclass(frozen=True, slots=True)
class PostgresCatalog:
    """A catalogue in PostgreSQL. What the address leaves out is taken from libpq's variables (`PGHOST`, `PGPASSWORD` and so on).

    Attributes:
        parameters: those of the connection, without the password.
        schema: of the catalogue's tables; several lakes may share one database.
    """

    kind: ClassVar[CatalogKind] = "postgres"
    extensions: ClassVar[tuple[str, ...]] = ("postgres",)

    parameters: Mapping[str, str] = field(hash=False)
    schema: str = "public"
    password: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, address: str) -> PostgresCatalog:
        """The catalogue at what stands after `postgres:`; see `fti_assets.feature_store.lake.catalog_database.catalog_at`."""
        given = _of_uri(address) if re.match(r"postgres(ql)?://", address) else _of_pairs(address)
        schema = given.pop("schema", "public")
        if not _SCHEMA.fullmatch(schema):
            raise AddressError(
                "The schema in the address of the lake's catalogue is not a name.",
                next_step="Use small letters, digits and underscores, at most 63.",
            )
        _check_parameters(given)
        password = given.pop("password", None)
        return cls({**_DEFAULTS, **given}, schema, password)

    def __str__(self) -> str:
        shown = [f"{name}={self.parameters[name]}" for name in _SHOWN if name in self.parameters]
        return f"'postgres:{' '.join([*shown, f'schema={self.schema}'])}'"

    @property
    def is_there(self) -> bool:
        with self.session(_own_name("looking")) as session:
            found = session.execute("SELECT to_regclass(%s)", (f"{self.schema}.ducklake_metadata",)).fetchone()
        return found is not None and found[0] is not None

    @property
    def lock(self) -> WriterLock:
        return AdvisoryWriterLock(self.session, self.schema, str(self))

    @property
    def address(self) -> str:
        from psycopg.conninfo import make_conninfo

        return f"postgres:{make_conninfo('', **{'application_name': _own_name('lake'), **self.parameters})}"

    def prepare(self, connection: DuckDBPyConnection) -> None:
        if self.password is not None:
            create = f"CREATE OR REPLACE TEMPORARY SECRET {SECRET} (TYPE postgres, PASSWORD $password)"
            connection.execute(create, {"password": self.password})

    def options(self, *, read_only: bool) -> Mapping[str, str | int]:  # noqa: ARG002  the same for both
        secret = {"META_SECRET": SECRET} if self.password is not None else {}
        return {"METADATA_SCHEMA": self.schema, "META_SCHEMA": self.schema, **secret}

    def session(self, application_name: str) -> Connection:
        """A session of the server, for one's own statements. Close it.

        Raises:
            UnreachableError: the server does not answer, or refuses.
        """
        import psycopg

        given = {**self.parameters, "application_name": application_name}
        secret = {} if self.password is None else {"password": self.password}
        try:
            return psycopg.connect("", autocommit=True, prepare_threshold=None, **given, **secret)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise self._unreachable(str(error)) from None  # its frames hold the password

    def explain(self, error: duckdb.Error) -> FtiError | None:
        text = str(error)
        if not re.search("postgres|libpq|server|permission denied|failed to execute query", text, re.IGNORECASE):
            return None
        try:
            self.session(_own_name("looking")).close()
        except UnreachableError as reason:
            return reason
        if "permission denied" in text:
            return UnreachableError(
                f"The lake's catalogue {self} refuses it: {_refusal(text)}.",
                next_step=f"GRANT the user the rights on the database and on the schema {self.schema}, or make it their owner.",
            )
        if re.search('closed the connection|terminating connection|no connection to the server|query "ROLLBACK"', text):
            return UnreachableError(
                f"The server of the lake's catalogue {self} ended the connection in the middle of the work.",
                next_step="Run it again, since publishing twice changes nothing; the server's log says why.",
            )
        return None

    def _unreachable(self, reason: str) -> UnreachableError:
        said = " ".join(reason.split())
        steps = (
            ("password", "Give the right one: PGPASSWORD, ~/.pgpass, or password=... in the address."),
            ("database .* does not exist", "Create it (createdb), or mend dbname=... in the address."),
            ("role .* does not exist", "Create it (createuser), or mend user=... in the address."),
        )
        step = next((step for pattern, step in steps if re.search(pattern, said)), None)
        return UnreachableError(
            f"The lake's catalogue {self} cannot be reached: {said.removesuffix('.')}.",
            next_step=step or "Check host and port in the address, and that the server is running and lets this machine in.",
        )


def _own_name(purpose: str) -> str:
    return session_name(os.getpid(), socket.gethostname(), purpose)


def _refusal(text: str) -> str:
    found = re.search(r"permission denied[^\n]*", text)
    return found[0].strip() if found else "permission denied"


def _not_an_address() -> AddressError:
    """It does not repeat what was given, since a password may be in it."""
    return AddressError("The address of the lake's catalogue in PostgreSQL cannot be read.", next_step=_WRITTEN)


def _of_pairs(address: str) -> dict[str, str]:
    """The parameters of `KEY=VALUE ...`, written as libpq wants them."""
    given: dict[str, str] = {}
    place = 0
    while address[place:].strip():
        found = _PAIR.match(address, place)
        if not found:
            raise _not_an_address()
        name, value = found.groups()
        given[name] = re.sub(r"\\(.)", r"\1", value[1:-1] if value.startswith("'") else value, flags=re.DOTALL)
        place = found.end()
    return given


def _of_uri(address: str) -> dict[str, str]:
    """The parameters of `postgresql://...`; `schema` is ours, the others are libpq's."""
    psycopg = _driver()
    uri, _, query = address.partition("?")
    parts = [part for part in query.split("&") if part]
    others = [part for part in parts if not part.startswith("schema=")]
    try:
        given = psycopg.conninfo.conninfo_to_dict(f"{uri}?{'&'.join(others)}" if others else uri)
    except psycopg.ProgrammingError:
        raise _not_an_address() from None
    schemas = [("schema", unquote(part.removeprefix("schema="))) for part in parts if part not in others]
    return {**{name: str(value) for name, value in given.items()}, **dict(schemas)}


def _check_parameters(given: Mapping[str, str]) -> None:
    known = {option.keyword.decode(): option.dispchar == b"*" for option in _driver().pq.Conninfo.get_defaults()}
    unknown = [name for name in given if name not in known]
    if unknown:
        # It is named only if it was probably meant as one: it may be a piece of an unquoted password.
        close = [(name, found[0]) for name in unknown if (found := get_close_matches(name, known, n=1))]
        hint = f": '{close[0][0]}'. Did you mean '{close[0][1]}'?" if close else "."
        raise AddressError(f"The address of the lake's catalogue has an unknown parameter{hint}", next_step=_WRITTEN)
    if any("\0" in value for value in given.values()):
        raise _not_an_address()
    hidden = [name for name in given if known[name] and name != "password"]
    if hidden:
        raise AddressError(
            f"The address of the lake's catalogue must not hold '{hidden[0]}'.", next_step="Use a key that needs none."
        )


def _driver() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ModuleNotFoundError as error:
        raise missing_extra("postgres", "The driver of PostgreSQL (psycopg)") from error
    return psycopg
