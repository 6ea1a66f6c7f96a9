"""The writer lock of a lake whose catalogue is in PostgreSQL: an advisory lock, which the server releases when its holder dies."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fti_assets.feature_store.errors import LockedError, UnreachableError
from fti_assets.feature_store.lake.lock import StillHeld, locked

if TYPE_CHECKING:
    from psycopg import Connection

_NAME_LIMIT = 63  # bytes that PostgreSQL keeps of an application's name
_LONGEST_WAIT = 2**31 - 1  # milliseconds

_PREPARE = """
-- Who waits or holds must not be ended for being idle, and is ended soon when its machine is gone.
SELECT set_config(name, value, true) FROM pg_settings JOIN (VALUES
    ('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
    ('lock_timeout', %s::text), ('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')
) AS wanted(name, value) USING (name)
"""
_HOLDER = """
SELECT a.application_name, a.pid, to_char(a.state_change AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
    a.pid = pg_backend_pid()
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (l.classid::bigint << 32 | l.objid::bigint) = %s::bigint
"""


@dataclass(frozen=True, slots=True)
class AdvisoryWriterLock:
    """A lock in the lake's own database, among all processes that reach it; it needs no table.

    It is held by a transaction that stays open and does nothing else, so that a pooler does not give its session to others.

    Attributes:
        open_session: opens a connection under the application name that it is given.
        schema: of the catalogue; lakes in other schemas and databases have other locks.
        lake: how errors name the lake.
    """

    open_session: Callable[[str], Connection]
    schema: str
    lake: str

    @contextmanager
    def hold(self, purpose: str, *, timeout: float) -> Iterator[StillHeld]:
        import psycopg

        with closing(self.open_session(session_name(os.getpid(), socket.gethostname(), purpose))) as session:
            session.execute("BEGIN")
            self._acquire(session, timeout)
            try:
                yield lambda: self._check(session, purpose)
            finally:
                with suppress(psycopg.OperationalError):  # a session that broke off has no lock any more
                    session.execute("ROLLBACK")

    def _acquire(self, session: Connection, timeout: float) -> None:
        import psycopg

        wait = 0 if timeout < 0 else min(max(int(timeout * 1000), 1), _LONGEST_WAIT)  # 0 waits for ever
        session.execute(_PREPARE, (str(wait),))
        try:
            session.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(self.schema),))
        except psycopg.errors.LockNotAvailable as error:
            session.execute("ROLLBACK")
            raise locked(self.lake, timeout, self._holder(session)) from error
        except psycopg.OperationalError as error:
            raise UnreachableError(
                f"The server of the lake's catalogue {self.lake} ended the connection of a writer that waited for its turn: "
                f"{str(error).splitlines()[0]}.",
                next_step="Run it again; nothing was changed.",
            ) from error

    def _holder(self, session: Connection) -> str:
        row = session.execute(_HOLDER, (lock_key(self.schema),)).fetchone()
        return describe_holder(*row[:3]) if row else "a process that has just finished"

    def _check(self, session: Connection, purpose: str) -> None:
        """Without it, a writer that was cut off from the server would go on beside the next one."""
        import psycopg

        lost = "the server does not hold it for this session"
        try:
            row = session.execute(_HOLDER, (lock_key(self.schema),)).fetchone()
        except psycopg.OperationalError as error:
            row, lost = None, str(error).strip()
        if row is None or not row[3]:
            raise LockedError(
                f"The writer lock of the lake in {self.lake} was lost while {purpose}: {lost}. Nothing was changed.",
                next_step="Run it again; the server's log says why the session ended.",
            )


def lock_key(schema: str) -> int:
    """The key of a lake's lock. PostgreSQL keeps those of each database apart, however its address is written."""
    digest = hashlib.sha256(f"fti_assets writer of {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def session_name(pid: int, host: str, purpose: str) -> str:
    """Who holds the lock and why, in the 63 bytes of an application's name; a long host name is cut first, then the purpose."""
    pid_, host, purpose = str(pid), _ascii(host), _ascii(purpose)
    spare = _NAME_LIMIT - len(f"fti {pid_}@: {purpose}")
    name = f"fti {pid_}@{_cut(host, max(spare, 16))}: "
    return name + _cut(purpose, _NAME_LIMIT - len(name))


def describe_holder(application_name: str, backend: int, since: str | None) -> str:
    """The holder in words, from what the server knows of its session."""
    found = re.fullmatch(r"fti (\d+)@(\S*): (.*)", application_name)
    when = f", since {since}" if since else ""
    if not found:
        return f"session {backend} of the server ('{application_name}'{when})"
    pid, host, purpose = found.groups()
    return f"process {pid} on {host} ({purpose}{when})"


def _ascii(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 2]}.."
