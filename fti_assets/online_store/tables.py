"""What online tables there are: for each version of a feature group what it holds, how its rows are laid out, how fresh it is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fti_assets.errors import NotFoundError, not_found
from fti_assets.online_store.backend import Reader, Writer
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.rows import Layout
from fti_assets.vocabulary import Column, FeatureGroup

TABLES = "tables"
"""Table of what there is: by the name of the group, and under VERSION a number that is another one whenever layouts change."""
VERSION = b"/version"
_NAMES = (b"0", b"\x7f")
"""Between these are the names of groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineTable:
    """The newest row of each entity of a feature group, as it is kept online.

    Attributes:
        name: of the group, with its version: `origin_weather_v1`.
        keys: of the entity.
        event_time: column of the event time; None of a static group.
        ttl: how long a row may be used, as the group was defined when it was last written; views go by their own definition.
        layouts: how its rows are laid out; one more after each column that the group was given, until it is loaded in full.
        generation: how often it was loaded in full.
        entities: rows that it has.
        size: of keys and rows, in bytes.
        newest_event: the latest event time that was written since it was loaded in full.
        snapshot: of the lake, as of which it was last brought up to date.
        published_until: publication time in the lake up to which that was.
        until: latest event time that was taken from the lake; None for all.
        loaded_at: when it was last loaded in full.
        updated_at: when a row was last written.
    """

    name: str
    keys: tuple[Column, ...]
    event_time: str | None
    layouts: tuple[Layout, ...]
    ttl: timedelta | None = None
    generation: int = 0
    entities: int = 0
    size: int = 0
    newest_event: datetime | None = None
    snapshot: int | None = None
    published_until: datetime | None = None
    until: datetime | None = None
    loaded_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def rows(self) -> str:
        """The backend's table of its rows."""
        return f"rows:{self.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is kept of a row beside its key and its event time, as it was last defined."""
        return self.layouts[-1].columns

    def written(self) -> bytes:
        said = {name: _plain(getattr(self, name)) for name in self.__slots__}
        return json.dumps(said).encode()

    @staticmethod
    def read(data: bytes) -> OnlineTable:
        said: dict[str, Any] = json.loads(data)
        for name in ("newest_event", "published_until", "until", "loaded_at", "updated_at"):
            said[name] = datetime.fromisoformat(said[name]) if said[name] else None
        said["ttl"] = None if said["ttl"] is None else timedelta(microseconds=said["ttl"])
        layouts = tuple(Layout(one["version"], _columns(one["columns"])) for one in said.pop("layouts"))
        return OnlineTable(layouts=layouts, keys=_columns(said.pop("keys")), **said)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, Layout):
        return {"version": value.version, "columns": _plain(value.columns)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return [value.name, value.type] if isinstance(value, Column) else value


def _columns(said: list[list[Any]]) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in said)


def kept_columns(group: FeatureGroup) -> tuple[Column, ...]:
    """What is kept of a row of a group beside its key and its event time."""
    own = {*group.entity.key_names, group.event_time}
    return tuple(Column(column.name, column.type) for column in group.table.columns if column.name not in own)


def rows_of(group: FeatureGroup) -> str:
    """The backend's table of the rows of a group."""
    return f"rows:{group.versioned_name}"


def find(reader: Reader, name: str) -> OnlineTable | None:
    """The table of a group by its versioned name; None where there is none."""
    (found,) = reader.get_many(TABLES, (name.encode(),))
    return None if found is None else OnlineTable.read(found)


def existing(reader: Reader, name: str, where: str) -> OnlineTable:
    """The table of a group by its versioned name.

    Raises:
        NotFoundError: there is none; the error names those that exist.
    """
    found = find(reader, name)
    if found is None:
        raise no_table(name, every(reader), where)
    return found


def no_table(name: str, tables: list[OnlineTable], where: str) -> NotFoundError:
    return not_found(
        "Online table", name, [one.name for one in tables], where=where, next_step=f"Load it from the lake: fti online load {name}."
    )


def every(reader: Reader) -> list[OnlineTable]:
    """The tables that there are, by name."""
    return [OnlineTable.read(value) for _, value in reader.scan(TABLES, *_NAMES)]


def save(writer: Writer, table: OnlineTable, before: OnlineTable | None) -> None:
    """Writes down what a table is; readers look at its layouts anew where these or its generation changed."""
    writer.put_many(TABLES, [(table.name.encode(), table.written())], ordered=True)
    if before is None or (before.layouts, before.generation) != (table.layouts, table.generation):
        renew_version(writer)


def remove(writer: Writer, table: OnlineTable) -> None:
    """Removes a table and its rows."""
    writer.drop(table.rows)
    writer.delete_many(TABLES, [table.name.encode()])
    renew_version(writer)


def renew_version(writer: Writer) -> None:
    """Has readers look at the layouts anew. The number is none that was there before, in another store at the same place either."""
    writer.put_many(TABLES, [(VERSION, secrets.token_bytes(8))], ordered=True)


def laid_out(group: FeatureGroup, table: OnlineTable | None) -> tuple[OnlineTable, Layout]:
    """The table with the layout of the group as it is defined here, and that layout.

    A layout that is there is used again, so that a writer whose definition is older goes on writing what it knows.

    Raises:
        OnlineStoreError: the table holds columns that the group has with another type, or under another key.
    """
    if table is None:
        return renewed(group, None)
    _refuse_others(group, table)
    known = _layout(group, table)
    layouts = table.layouts if known in table.layouts else (*table.layouts, known)
    return replace(table, layouts=layouts, ttl=group.ttl), known


def renewed(group: FeatureGroup, table: OnlineTable | None) -> tuple[OnlineTable, Layout]:
    """An empty table of the group as it is defined here, in place of the one that is there, and the layout of its rows."""
    layout = _layout(group, table)
    made = OnlineTable(
        name=group.versioned_name,
        keys=tuple(Column(key.name, key.type) for key in group.entity.keys),
        event_time=group.event_time,
        layouts=(layout,),
        ttl=group.ttl,
        generation=table.generation + 1 if table else 1,
    )
    return made, layout


def _layout(group: FeatureGroup, table: OnlineTable | None) -> Layout:
    columns, known = kept_columns(group), table.layouts if table else ()
    newest = max((layout.version for layout in known), default=0)
    return next((layout for layout in known if layout.columns == columns), Layout(newest + 1, columns))


def _refuse_others(group: FeatureGroup, table: OnlineTable) -> None:
    keys = tuple((key.name, key.type) for key in group.entity.keys)
    types: Mapping[str, str] = {column.name: column.type for layout in table.layouts for column in layout.columns}
    differing = [column.name for column in kept_columns(group) if types.get(column.name, column.type) != column.type]
    if keys != tuple((key.name, key.type) for key in table.keys) or group.event_time != table.event_time or differing:
        what = f"the type of {', '.join(differing)}" if differing else "its keys or its event time"
        raise OnlineStoreError(
            f"The online table '{table.name}' was loaded by another definition of the group: {what} differed.",
            next_step=f"Give the changed group a new version, or load it anew: fti online load {table.name} --full.",
        )
