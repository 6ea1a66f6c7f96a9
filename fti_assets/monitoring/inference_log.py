"""The landing of an inference log: what servers wrote into segments becomes rows of the lake, each once, whatever is killed when.

A server appends lines to a segment `SERVER-000007.ndjson.part` that it holds locked, and closes it by taking `.part` from its
name. A segment that is still open while nobody holds it is one whose server has died; it is closed here. Segments are removed
when their rows are in the lake, and rows that are there already are passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from duckdb import DuckDBPyConnection
from filelock import FileLock, Timeout

from fti_assets.errors import FtiError
from fti_assets.feature_store import FeatureStore, instant_literal
from fti_assets.monitoring.log_lines import Malformed, parse, schema
from fti_assets.vocabulary import Column, ColumnType, InferenceLog, Table

CLOSED, OPEN = ".ndjson", ".ndjson.part"
QUARANTINE = "quarantine"
BATCH_ROWS = 100_000
_CHUNK_BYTES = 4 << 20
"""Of lines that are held as Python objects at once, about."""
_KINDS: dict[str, ColumnType] = {
    "DOUBLE": "float",
    "BIGINT": "int",
    "BOOLEAN": "bool",
    "VARCHAR": "string",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "DATE": "date",
}


class LandingBusyError(FtiError):
    """The log is being landed by another process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What one landing did.

    Attributes:
        rows: that are in the lake since.
        repeated: rows that were there already, left by a landing that was killed.
        malformed: lines that were put into quarantine.
        torn: lines without an end, left by servers that were killed.
        segments: that were removed.
        abandoned: segments of dead servers among them.
        first: when the first of the rows was logged.
        last: when the last of them was.
    """

    rows: int = 0
    repeated: int = 0
    malformed: int = 0
    torn: int = 0
    segments: int = 0
    abandoned: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(slots=True)
class Batch:
    """Rows for one transaction, and what is done with once they are in the lake.

    Attributes:
        finished: segments of which no row is left, each with its malformed lines.
        torn: lines without an end.
    """

    rows: list[pa.Table] = field(default_factory=list)
    finished: list[tuple[Path, list[Malformed]]] = field(default_factory=list)
    torn: int = 0

    @property
    def count(self) -> int:
        return sum(rows.num_rows for rows in self.rows)


def segments(folder: Path) -> list[Path]:
    """The closed segments of a log, those of each server in the order in which it wrote them."""
    return _named(folder, CLOSED)


def _named(folder: Path, ending: str) -> list[Path]:
    """Files of that ending; one whose name begins with a dot is not there yet."""
    return sorted(path for path in folder.glob(f"*{ending}") if not path.name.startswith("."))


def land(store: FeatureStore, log: InferenceLog, folder: Path, *, run: str = "", batch_rows: int = BATCH_ROWS) -> Landed:
    """Moves the rows of all closed segments, and of those of dead servers, into the lake.

    Each batch is one transaction, after which its segments are removed. Killed at any point, the next landing goes on: nothing is
    lost and nothing comes twice. When the lake cannot be reached, the segments stay.

    Args:
        store: with the lake.
        log: whose rows they are.
        folder: of the segments.
        run: kept with each publication.
        batch_rows: rows of one transaction, about.

    Raises:
        LandingBusyError: another process lands this log.
        LockedError: another writer of the lake did not finish in time.
    """
    if not folder.is_dir():
        return Landed()
    with _alone(folder):
        done = Landed(abandoned=close_abandoned(folder))
        if segments(folder):
            with store.connect() as connection:
                table = _widened(connection, store, log)
                for batch in batches(segments(folder), table, log.name, batch_rows):
                    done = _land(store, connection, log, table, batch, done, run)
        return done


def abandoned(folder: Path) -> list[Path]:
    """The open segments that no living server holds."""
    found = []
    for path in _named(folder, OPEN):
        with suppress(FileNotFoundError):  # closed by its server just now
            if not _is_held(path):
                found.append(path)
    return found


def close_abandoned(folder: Path) -> int:
    """Closes the open segments of dead servers, and returns how many there were."""
    closed = 0
    for path in abandoned(folder):
        with suppress(FileNotFoundError):
            path.rename(path.with_name(path.name.removesuffix(OPEN) + CLOSED))
            closed += 1
    return closed


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def batches(paths: Sequence[Path], table: Table, model: str, batch_rows: int) -> Iterator[Batch]:
    """The lines of segments in batches of about `batch_rows` rows; a segment may be spread over several."""
    batch = Batch()
    for path in paths:
        malformed: list[Malformed] = []
        with path.open("rb") as file:
            for chunk in _chunks(file):
                whole = [(number, line[:-1]) for number, line in chunk if line.endswith(b"\n")]
                batch.torn += len(chunk) - len(whole)
                rows, bad = parse([(number, line) for number, line in whole if line.strip()], table, model)
                malformed += bad
                batch.rows.append(rows)
                if batch.count >= batch_rows:
                    yield batch
                    batch = Batch()
        batch.finished.append((path, malformed))
    yield batch


def _chunks(file: BinaryIO) -> Iterator[list[tuple[int, bytes]]]:
    chunk: list[tuple[int, bytes]] = []
    size = 0
    for number, line in enumerate(file, 1):
        chunk.append((number, line))
        size += len(line)
        if size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _land(
    store: FeatureStore, connection: DuckDBPyConnection, log: InferenceLog, table: Table, batch: Batch, done: Landed, run: str
) -> Landed:
    rows = pa.concat_tables([*batch.rows, schema(table).empty_table()])
    new = _unknown(store, connection, table, rows)
    if new.num_rows:
        store.append(connection, table, new, description=log.description or f"What model '{log.name}' was asked online.", run=run)
    for path, malformed in batch.finished:
        _quarantine(path, malformed)
        path.unlink()
    times = [time for time in (*new["logged_at"].to_pylist(), done.first, done.last) if time is not None]
    return replace(
        done,
        rows=done.rows + new.num_rows,
        repeated=done.repeated + rows.num_rows - new.num_rows,
        malformed=done.malformed + sum(len(malformed) for _, malformed in batch.finished),
        torn=done.torn + batch.torn,
        segments=done.segments + len(batch.finished),
        first=min(times, default=None),
        last=max(times, default=None),
    )


def _unknown(store: FeatureStore, connection: DuckDBPyConnection, table: Table, rows: pa.Table) -> pa.Table:
    """The rows that the lake does not have yet, each once."""
    if not rows.num_rows:
        return rows
    key = ", ".join(f'"{name}"' for name in table.key)
    connection.register("landed_rows", rows)
    known = "SELECT NULL::VARCHAR AS request_id, NULL::VARCHAR AS role WHERE false"
    if store.exists(connection, table):
        logged = rows["logged_at"].to_pylist()
        span = f"logged_at BETWEEN {instant_literal(min(logged))} AND {instant_literal(max(logged))}"
        known = f"SELECT {key} FROM {table.sql} WHERE {span}"
    found = connection.execute(
        f"""-- one row for each request and role
        FROM landed_rows ANTI JOIN ({known}) USING ({key})
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY logged_at) = 1 ORDER BY logged_at, {key}"""
    ).to_arrow_table()
    connection.unregister("landed_rows")
    return found


def _quarantine(path: Path, malformed: Sequence[Malformed]) -> None:
    """Keeps malformed lines with their reasons, durably, before their segment goes; again, when that was killed."""
    if not malformed:
        return
    target = path.parent / QUARANTINE / path.name
    target.parent.mkdir(exist_ok=True)
    work = target.with_suffix(".work")
    with work.open("w", encoding="utf-8") as file:
        for one in malformed:
            file.write(json.dumps({"line": one.number, "reason": one.reason, "text": one.text}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    work.replace(target)


def _widened(connection: DuckDBPyConnection, store: FeatureStore, log: InferenceLog) -> Table:
    """The table of a log, with the columns that earlier versions of the view gave it: they are kept, and null from now on."""
    if not store.exists(connection, log.table):
        return log.table
    stored = connection.execute(f"DESCRIBE {log.table.sql}").fetchall()
    own = {column.name for column in log.table.columns}
    earlier = tuple(Column(name, _KINDS[kind]) for name, kind, *_ in stored if name not in own)
    return Table(schema=log.table.schema, name=log.table.name, columns=(*log.table.columns, *earlier), key=log.table.key)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one process land a log at a time: what is in the lake is looked up before it is added to."""
    lock = FileLock(folder / ".landing.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LandingBusyError(f"The log in '{folder}' is being landed by another process.", next_step="Let it finish.") from error
    try:
        yield
    finally:
        lock.release()
