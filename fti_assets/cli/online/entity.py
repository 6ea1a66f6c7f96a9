"""`fti online get`: what is kept of one entity, how old it is, and whether it counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.features.groups import age
from fti_assets.cli.online.named import moment
from fti_assets.cli.options import AsJson
from fti_assets.cli.terminal import say, show_facts, show_json, show_table
from fti_assets.errors import DefinitionError, not_found
from fti_assets.stores import online_store
from fti_assets.vocabulary import Column

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore, OnlineTable
    from fti_assets.online_store.stored_rows import StoredRow

EXAMPLES = """
[bold]Examples:[/bold]

fti online get origin_weather origin=JFK

fti online get carrier_performance carrier=UA origin=EWR --at 2013-06-01T15:00

[dim]Times are in UTC. A value counts if it became known by then and is not older than the ttl of its group.[/dim]
"""
_WORDS = {
    "found": "counts",
    "expired": "expired: older than its ttl, so a prediction gets null",
    "future": "not known yet at that time, so a prediction gets null",
}


def get(
    group: Annotated[str, typer.Argument(help="Feature group; its newest version unless one is given.", metavar="GROUP")],
    keys: Annotated[list[str], typer.Argument(help="Each key of its entity.", metavar="key=value...")],
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="For which moment; now unless given. UTC.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is kept online of one entity: its features, how old they are, and whether they count."""
    from fti_assets.online_store.keys import microseconds
    from fti_assets.online_store.stored_rows import status_of, stored_rows

    store = online_store()
    table = _table(store, group)
    entity = _entity(table, keys)
    time = moment(at, "--at") or table.until or datetime.now(UTC)
    with store.reading() as reader:
        (row,) = stored_rows(reader, table, [tuple(entity.values())])
    if row is None:
        raise not_found("Entity", _named(entity), (), where=f"{table.name} of {store}", next_step=_next(table))
    ttl = microseconds(datetime(1970, 1, 1, tzinfo=UTC) + table.ttl) if table.ttl else None
    status = status_of(row.event_time, microseconds(time), ttl)
    if as_json:
        show_json(_summary(table, entity, row, time, status))
    else:
        _show(table, entity, row, time, status)


def _table(store: OnlineStore, name: str) -> OnlineTable:
    known = {table.name: table for table in store.tables()}
    newest = {re.sub(r"_v\d+$", "", table.name): table for table in sorted(known.values(), key=_version)}
    found = known.get(name) or newest.get(name)
    if found is None:
        names = known if re.search(r"_v\d+$", name) else newest
        raise not_found("Online table", name, names, where=str(store), next_step=f"Load it: fti online load {name}.")
    return found


def _version(table: OnlineTable) -> int:
    return int(table.name.rpartition("_v")[2])


def _entity(table: OnlineTable, given: Sequence[str]) -> dict[str, Any]:
    """The key of the entity that is asked for, by name."""
    columns = {key.name: key for key in table.keys}
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise DefinitionError(f"{text!r} is no key=value.", next_step=f"Write {' '.join(f'{key}=...' for key in columns)}.")
        if name not in columns:
            raise not_found("Key", name, columns, where=f"'{table.name}'")
        found[name] = _typed(columns[name], value)
    lacking = [name for name in columns if name not in found]
    if lacking:
        raise DefinitionError(
            f"An entity of '{table.name}' is told by {', '.join(columns)}.",
            next_step=f"Add {' '.join(f'{name}=...' for name in lacking)}.",
        )
    return {name: found[name] for name in columns}


def _typed(column: Column, text: str) -> Any:
    readers: Mapping[str, Callable[[str], Any]] = {
        "int": int,
        "float": float,
        "bool": lambda word: {"true": True, "false": False}[word.lower()],
        "date": date.fromisoformat,
        "timestamp": lambda word: moment(word, column.name),
        "string": str,
    }
    try:
        return readers[column.type](text)
    except (ValueError, KeyError) as error:
        raise DefinitionError(f"{column.name}={text!r} is no {column.type}.") from error


def _named(entity: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in entity.items())


def _next(table: OnlineTable) -> str:
    return f"{table.entities:,} entities are there; it has to be written as in the lake."


def _summary(table: OnlineTable, entity: dict[str, Any], row: StoredRow, at: datetime, status: str) -> dict[str, Any]:
    from fti_assets.online_store.keys import instant

    return {
        "table": table.name,
        "entity": entity,
        "at": at,
        "status": status,
        "event_time": None if row.event_time is None else instant(row.event_time),
        "published_at": instant(row.published_at),
        "features": _readable(table, row),
    }


def _readable(table: OnlineTable, row: StoredRow) -> dict[str, Any]:
    from fti_assets.online_store.keys import instant

    times = {column.name for column in table.columns if column.type == "timestamp"}
    return {name: instant(value) if name in times and value is not None else value for name, value in row.values.items()}


def _show(table: OnlineTable, entity: dict[str, Any], row: StoredRow, at: datetime, status: str) -> None:
    from fti_assets.online_store.keys import instant

    known = None if row.event_time is None else instant(row.event_time)
    say(f"{table.name}: {_named(entity)}", "bold")
    show_facts(
        {
            "at": f"{at:%Y-%m-%d %H:%M:%S} UTC",
            "known since": f"{known:%Y-%m-%d %H:%M:%S} UTC" if known else "ever: the group is static",
            "age": age(at - known) if known and known <= at else None,
            "ttl": age(table.ttl) if table.ttl else None,
            "published": f"{instant(row.published_at):%Y-%m-%d %H:%M:%S} UTC",
            "status": _WORDS[status],
        }
    )
    say("")
    show_table(["feature", "value"], [(name, _text(value)) for name, value in _readable(table, row).items()])


def _text(value: Any) -> str:
    """A value as it is, not rounded."""
    return "null" if value is None else str(value)
