"""Tags: names of snapshots. A snapshot that has a name does not expire."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from fti_assets.errors import not_found
from fti_assets.feature_store.errors import TagExistsError
from fti_assets.feature_store.history.snapshots import check_exists
from fti_assets.feature_store.lake.lake import Lake, current_snapshot
from fti_assets.feature_store.publishing.publish import prepare
from fti_assets.feature_store.publishing.schema import ensure_table, stored_columns
from fti_assets.vocabulary import Column, Table, checked_name

TAGS = Table(
    schema="catalog",
    name="tags",
    columns=(
        Column("name", "string"),
        Column("snapshot", "int"),
        Column("created_at", "timestamp"),
        Column("reason", "string", "Why it was named, in somebody's words."),
    ),
    key=("name",),
)
_COLUMNS = ", ".join(f'"{column.name}"' for column in TAGS.columns)


@dataclass(frozen=True, slots=True)
class Tag:
    """A name of a snapshot."""

    name: str
    snapshot: int
    created_at: datetime
    reason: str


def tags(connection: DuckDBPyConnection) -> list[Tag]:
    """The tags of the lake, by name."""
    if not stored_columns(connection, TAGS):
        return []
    return [Tag(*row) for row in connection.execute(f"SELECT {_COLUMNS} FROM {TAGS.sql} ORDER BY name").fetchall()]


def tagged(connection: DuckDBPyConnection, name: str) -> Tag:
    """The tag of that name.

    Raises:
        NotFoundError: there is none; the error names those that exist.
    """
    existing = {tag.name: tag for tag in tags(connection)}
    if name not in existing:
        step = None if existing else "`fti lake tag NAME` names the state that the lake has now."
        raise not_found("Tag", name, existing, where="the lake", next_step=step)
    return existing[name]


def tag(lake: Lake, connection: DuckDBPyConnection, name: str, snapshot: int | None = None, *, reason: str = "") -> Tag:
    """Names a snapshot, the newest unless one is given. To give it a name that it has already changes nothing.

    Raises:
        DefinitionError: the name cannot be one.
        NotFoundError: there is no such snapshot.
        TagExistsError: the name is that of another snapshot.
        LockedError: another writer did not finish in time.
    """
    checked_name(name, "A tag")
    prepare(lake, connection)
    with lake.writing(connection, purpose=f"tagging {name}"):
        wanted = current_snapshot(connection) if snapshot is None else snapshot
        check_exists(connection, wanted)
        ensure_table(connection, TAGS)
        existing = {tag.name: tag for tag in tags(connection)}
        if name in existing:
            return _unchanged(existing[name], snapshot)
        made = Tag(name, wanted, datetime.now(UTC), reason)
        connection.execute(f"INSERT INTO {TAGS.sql} ({_COLUMNS}) VALUES (?, ?, ?, ?)", list(astuple(made)))
        connection.execute("CALL lake.set_commit_message('fti_assets', $message)", {"message": f"tag {name}"})
    return made


def _unchanged(existing: Tag, wanted: int | None) -> Tag:
    if existing.snapshot != wanted:
        raise TagExistsError(
            f"'{existing.name}' is the tag of snapshot {existing.snapshot}, since {existing.created_at:%Y-%m-%d %H:%M} UTC.",
            next_step=f"Take another name, or free this one: fti lake untag {existing.name}.",
        )
    return existing


def untag(lake: Lake, connection: DuckDBPyConnection, name: str) -> Tag:
    """Takes a name away from its snapshot, which may expire then. Returns what the tag was.

    Raises:
        NotFoundError: there is no such tag; the error names those that exist.
        LockedError: another writer did not finish in time.
    """
    with lake.writing(connection, purpose=f"removing the tag {name}"):
        found = tagged(connection, name)
        connection.execute(f"DELETE FROM {TAGS.sql} WHERE name = $name", {"name": name})
        connection.execute("CALL lake.set_commit_message('fti_assets', $message)", {"message": f"untag {name}"})
    return found
